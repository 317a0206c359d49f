//! The program itself: its exit codes, messages, signals and sockets passed in.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::handover::Heir;
use crate::peers;
use crate::rig::{Backend, HTTPS, Peer, within};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_elbws-proxy");
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A running program, its stderr and the folder with its configuration.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        Self::start_by("exec \"$0\" --config proxy.yaml", upstream)
    }

    /// Starts it by a shell's command, in which `$0` is the program.
    pub(crate) fn start_by(command: &str, upstream: SocketAddr) -> Self {
        Self::start_with(command, upstream, "")
    }

    /// The same with more lines of configuration.
    pub(crate) fn start_with(command: &str, upstream: SocketAddr, extra: &str) -> Self {
        // The program is told a port, so a free one is found first.
        let address = peers::free();
        let folder = tempfile::tempdir().unwrap();
        let yaml =
            format!("listen: \"{address}\"\nroutes: [{{ path: /, upstream: \"{upstream}\" }}]\n{extra}\n");
        std::fs::write(folder.path().join("proxy.yaml"), yaml).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", command, PROGRAM])
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self { child, stderr, folder, address };
        running.expect("ready");
        running
    }

    /// Reads up to a line that begins so.
    pub(crate) fn expect(&mut self, start: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "no {start:?} in {seen:?}");
            if line.starts_with(start) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it says nothing more");
        line
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the program's end.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// The hash of its configuration, as coreutils has it.
    pub(crate) fn sha256sum(&self) -> String {
        let output = Command::new("sha256sum").arg(self.folder.path().join("proxy.yaml")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
    }

    pub(crate) fn configure(&self, yaml: &str) {
        std::fs::write(self.folder.path().join("proxy.yaml"), yaml).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn check(yaml: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("proxy.yaml"), yaml).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["--check", "--config", "proxy.yaml"]).current_dir(folder.path()).output().unwrap()
}

pub(crate) async fn served(address: SocketAddr, backend: &Backend) {
    let mut client = Peer::to(address).await;
    client.send(format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.answer().await.1, "ok");
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let output = check("listen: 80\nroutes:\n  - { path: /, upsteam: \"a:1\" }\n");
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: invalid configuration proxy.yaml\n  --> proxy.yaml:3:16\n  routes[0]: unknown field `upsteam`, \
         expected one of `path`, `host`, `upstream`, `balance`, `proxy_protocol`, `redirect_http`\n  \
         hint: did you mean `upstream`?\n"
    );
    assert_eq!(check("listen: 80\nroutes: [{ path: /, upstream: \"a:1\" }]\n").status.code(), Some(0));
}

#[test]
fn the_example_is_valid() {
    let output = check(include_str!("../../packaging/proxy.yaml"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn sigterm_drains_and_the_program_ends_well() {
    let backend = Backend::new().await;
    let mut running = Running::start(backend.address);
    served(running.address, &backend).await;
    running.signal(Signal::SIGTERM);
    running.expect("draining");
    assert_eq!(running.wait(), Some(0));
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once() {
    let backend = Backend::new().await;
    let mut running = Running::start(backend.address);
    let mut client = Peer::to(running.address).await;
    client.send(format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut server = backend.accept().await;
    server.head().await;
    running.signal(Signal::SIGTERM);
    running.expect("draining");
    running.signal(Signal::SIGINT);
    running.expect("ending at once");
    assert_eq!(running.wait(), Some(0));
}

/// Whether a process may have mounts of its own here.
fn may_mount() -> bool {
    let Some(unshare) = peers::find("unshare") else { return false };
    let mount = ["-rm", "mount", "--bind", "/etc/hosts", "/etc/resolv.conf"];
    let may = Command::new(unshare).args(mount).output().unwrap().status.success();
    if !may {
        peers::skip("a process may not have mounts of its own here");
    }
    may
}

#[tokio::test]
async fn without_proc_it_serves_and_hands_over_all_the_same() {
    if !may_mount() {
        return;
    }
    let backend = Backend::new().await;
    let command =
        "exec unshare -rm sh -c 'mount -t tmpfs none /proc && exec \"$0\" --config proxy.yaml' \"$0\"";
    let mut running = Running::start_by(command, backend.address);
    served(running.address, &backend).await;
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    assert_eq!(running.wait(), Some(0));
    served(running.address, &backend).await;
    drop(heir);
}

#[tokio::test]
async fn a_second_sigterm_waits_for_no_resolver() {
    if !may_mount() {
        return;
    }
    let at = peers::free().ip();
    let Ok(resolver) = std::net::UdpSocket::bind((at, 53)) else {
        peers::skip("port 53 may not be listened on here");
        return;
    };
    let command = format!(
        "echo nameserver {at} > resolv.conf && sed -i 's/192.0.2.1:80/app.example:80/' proxy.yaml && exec unshare -rm \
         sh -c 'mount --bind resolv.conf /etc/resolv.conf && exec \"$0\" --config proxy.yaml' \"$0\""
    );
    let mut running = Running::start_by(&command, "192.0.2.1:80".parse().unwrap());
    let mut client = Peer::to(running.address).await;
    client.send(format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    resolver.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    resolver.recv(&mut [0; 512]).unwrap();
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    running.expect("draining");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(), Some(0));
    // Its patience with each question is five seconds, and it asks again.
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn sighup_takes_a_good_file_and_refuses_a_bad_one() {
    let (old, new) = (Backend::new().await, Backend::new().await);
    let mut running = Running::start(old.address);
    running.configure("listen: 80\nroutes: []\n");
    running.signal(Signal::SIGHUP);
    running.expect("  the old configuration stays");
    served(running.address, &old).await;
    let address = running.address;
    running.configure(&format!(
        "listen: \"{address}\"\nroutes: [{{ path: /, upstream: \"{}\" }}]\n",
        new.address
    ));
    running.signal(Signal::SIGHUP);
    running.expect("reloaded");
    served(running.address, &new).await;
}

#[tokio::test]
async fn a_listener_passed_in_is_used() {
    let Some(python) = peers::find("python3") else { return };
    let backend = Backend::new().await;
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!("listen: 1\nroutes: [{{ path: /, upstream: \"{}\" }}]\n", backend.address);
    std::fs::write(folder.path().join("proxy.yaml"), yaml).unwrap();
    let script = "import os, socket, sys\n\
        s = socket.create_server(('127.0.0.1', 0))\n\
        print(s.getsockname()[1], flush=True)\n\
        os.dup2(s.fileno(), 3)\n\
        os.set_inheritable(3, True)\n\
        env = dict(os.environ, LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execve(sys.argv[1], [sys.argv[1], '--config', 'proxy.yaml'], env)\n";
    let mut child = Command::new(python)
        .args(["-c", script, PROGRAM])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap()));
    within(served(address, &backend)).await;
    child.kill().unwrap();
    child.wait().unwrap();
}
