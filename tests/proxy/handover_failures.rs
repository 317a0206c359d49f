//! A handover to a process that dies: what the old one still has goes on, and so does its service.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt as _;

use crate::handover::{Heir, opened};
use crate::peers;
use crate::process::{OK, PROGRAM, Running, served};
use crate::rig::{Backend, HTTPS, Peer, status, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Takes the listeners, says that it serves, takes so many connections, and dies.
const DIES: &str = "import json, os, signal, socket\n\
    channel = socket.socket(fileno=int(os.environ['ELBWS_PROXY_HANDOVER']))\n\
    assert os.environ['ELBWS_PROXY_HANDOVER_RECEIPTS']\n\
    def take(): return socket.recv_fds(channel, 1 << 22, 2)[0]\n\
    while json.loads(take()) != 'Listening': pass\n\
    channel.send(b'\"ReadyWithReceipts\"')\n\
    for _ in range(TAKES):\n\
    \x20   take()\n\
    \x20   channel.send(b'\"Taken\"')\n\
    os.kill(os.getpid(), signal.SIGKILL)\n";

/// The program in a place of its own, where it can be replaced.
struct Installed {
    folder: tempfile::TempDir,
    program: PathBuf,
    health: SocketAddr,
}

impl Installed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("elbws-proxy");
        std::fs::copy(PROGRAM, &program).unwrap();
        Self { folder, program, health: peers::free() }
    }

    fn start(&self, backend: &Backend) -> Running {
        let command = format!("exec '{}' --config proxy.yaml", self.program.display());
        Running::start_with(&command, backend.address, &format!("health: \"{}\"", self.health))
    }

    async fn is_healthy(&self) {
        let mut check = Peer::to(self.health).await;
        let (head, _) = check.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(status(&head), "200");
    }

    fn replace(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &self.program).unwrap();
    }

    fn replace_by(&self, program: &Path) {
        let new = self.folder.path().join("new");
        std::fs::copy(program, &new).unwrap();
        std::fs::rename(&new, &self.program).unwrap();
    }
}

async fn echoes(client: &mut Peer, server: &mut Peer) {
    client.send("up").await;
    server.expect("up").await;
    server.send("down").await;
    client.expect("down").await;
}

#[tokio::test]
async fn a_new_program_that_dies_before_it_is_ready_leaves_the_old_one_serving() {
    let backend = Backend::new().await;
    let installed = Installed::new();
    let mut running = installed.start(&backend);
    let (mut client, mut server) = opened(running.address, &backend).await;
    for script in ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 0\n", "#!/bin/sh\nkill -9 $$\n", "not a program"] {
        installed.replace(script);
        running.signal(Signal::SIGUSR2);
        running.expect("error: the new process did not take over");
        echoes(&mut client, &mut server).await;
        served(running.address, &backend).await;
    }
    installed.replace_by(Path::new(PROGRAM));
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    echoes(&mut client, &mut server).await;
    drop(heir);
}

#[tokio::test]
async fn a_new_process_that_dies_in_the_midst_leaves_the_rest_to_the_old_one_which_serves_again() {
    let Some(python) = peers::find("python3") else { return };
    // Dead as soon as it is ready, then midway.
    for takes in [0, 4] {
        let backend = Backend::new().await;
        let installed = Installed::new();
        let mut running = installed.start(&backend);
        let mut tunnels = Vec::new();
        for _ in 0..12 {
            tunnels.push(opened(running.address, &backend).await);
        }
        let mut busy = Peer::to(running.address).await;
        busy.send(format!("{HTTPS}{GET}")).await;
        let mut answering = backend.accept().await;
        answering.head().await;
        let script = DIES.replace("TAKES", &takes.to_string());
        installed.replace(&format!("#!{}\n{script}", python.display()));
        running.signal(Signal::SIGUSR2);
        running.expect("handing over to process ");
        running.expect("error: the new process ended (signal: 9");
        running.expect("this process serves again");
        let mut alive = Vec::new();
        for (mut client, mut server) in tunnels {
            // A reset is an end as well.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"x").await;
            if matches!(within(server.stream.read(&mut [0; 9])).await, Ok(1)) {
                echoes(&mut client, &mut server).await;
                alive.push((client, server));
            }
        }
        assert_eq!(alive.len(), 12 - takes, "exactly those that it had taken have ended");
        served(running.address, &backend).await;
        installed.is_healthy().await;
        answering.send(OK).await;
        assert_eq!(busy.answer().await.1, "ok");
        busy.send(GET).await;
        let mut server = backend.accept().await;
        server.head().await;
        server.send(OK).await;
        assert_eq!(busy.answer().await.1, "ok");
        // It is as good as before: reloads, and hands over to a program that lives.
        installed.replace_by(Path::new(PROGRAM));
        running.signal(Signal::SIGHUP);
        let heir = Heir::of(&mut running);
        assert_eq!(running.wait(), Some(0));
        for (client, server) in &mut alive {
            echoes(client, server).await;
        }
        served(running.address, &backend).await;
        drop(heir);
    }
}

#[tokio::test]
async fn a_process_that_serves_again_drains_as_any_other() {
    let Some(python) = peers::find("python3") else { return };
    let backend = Backend::new().await;
    let installed = Installed::new();
    let mut running = installed.start(&backend);
    let mut busy = Peer::to(running.address).await;
    busy.send(format!("{HTTPS}{GET}")).await;
    let mut answering = backend.accept().await;
    answering.head().await;
    installed.replace(&format!("#!{}\n{}", python.display(), DIES.replace("TAKES", "0")));
    running.signal(Signal::SIGUSR2);
    running.expect("this process serves again");
    running.signal(Signal::SIGTERM);
    running.expect("draining");
    // This request began before all of that.
    answering.send(OK).await;
    assert_eq!(busy.answer().await.1, "ok");
    assert!(busy.is_over().await);
    assert_eq!(running.wait(), Some(0));
}
