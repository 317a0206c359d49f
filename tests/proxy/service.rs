//! Under a service manager: what the program tells it, and the unit that is shipped.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixAddr, UnixCredentials, recvmsg, setsockopt, sockopt,
};
use nix::unistd::Pid;

use crate::handover::Heir;
use crate::peers;
use crate::process::{PROGRAM, Running};
use crate::rig::Backend;

/// The end that systemd has of `NOTIFY_SOCKET`, as strict as `NotifyAccess=main`.
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
    main: i32,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        // The kernel says who sent each message.
        setsockopt(&socket, sockopt::PassCred, &true).unwrap();
        socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self { socket, folder, main: 0 }
    }

    /// Starts the program as its service.
    fn start(&mut self, program: &str, backend: &Backend) -> Running {
        let socket = self.folder.path().join("notify");
        let command = format!("NOTIFY_SOCKET='{}' exec '{program}' --config proxy.yaml", socket.display());
        let running = Running::start_by(&command, backend.address);
        self.main = i32::try_from(running.process()).unwrap();
        running
    }

    /// The next message, which must be the main process's; its lines in order.
    fn message(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let mut control = nix::cmsg_space!(UnixCredentials);
        let (length, sender) = {
            let mut pieces = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::empty();
            let received =
                recvmsg::<UnixAddr>(self.socket.as_raw_fd(), &mut pieces, Some(&mut control), flags).unwrap();
            let sender = received.cmsgs().unwrap().find_map(|one| match one {
                ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
                _ => None,
            });
            (received.bytes, sender.unwrap())
        };
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        assert_eq!(sender, self.main, "systemd would not listen to {text:?}");
        text.lines().map(str::to_owned).collect()
    }

    fn expect_reload(&self) {
        let begun = self.message();
        assert_eq!(begun[0], "RELOADING=1", "{begun:?}");
        let at = begun[1].strip_prefix("MONOTONIC_USEC=").unwrap();
        let at = Duration::from_micros(at.parse().unwrap());
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        // The one clock stops while the machine sleeps, the other does not.
        assert!(at > Duration::ZERO && at.as_secs_f64() < uptime + 1.0, "{at:?} after {uptime} s");
        assert_eq!(self.message(), ["READY=1"]);
    }

    /// The main process says that another is the main process now.
    fn expect_successor(&mut self, heir: &Heir) {
        assert_eq!(self.message(), [format!("MAINPID={}", heir.0), "READY=1".to_owned()]);
        self.main = heir.0;
    }
}

#[tokio::test]
async fn the_service_manager_learns_of_start_reload_handover_and_end() {
    let backend = Backend::new().await;
    let mut manager = Manager::new();
    let mut running = manager.start(PROGRAM, &backend);
    assert_eq!(manager.message(), ["READY=1"]);
    running.signal(Signal::SIGHUP);
    running.expect("reloaded");
    manager.expect_reload();
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    manager.expect_successor(&heir);
    assert_eq!(running.wait(), Some(0));
    let signal = |signal| kill(Pid::from_raw(heir.0), signal).unwrap();
    signal(Signal::SIGHUP);
    running.expect("reloaded");
    manager.expect_reload();
    signal(Signal::SIGTERM);
    running.expect("draining");
    assert_eq!(manager.message(), ["STOPPING=1"]);
}

#[tokio::test]
async fn a_reload_hands_over_where_the_program_was_replaced() {
    let backend = Backend::new().await;
    let mut manager = Manager::new();
    // In a place of its own, where it can be replaced.
    let program = manager.folder.path().join("elbws-proxy");
    std::fs::copy(PROGRAM, &program).unwrap();
    let mut running = manager.start(program.to_str().unwrap(), &backend);
    assert_eq!(manager.message(), ["READY=1"]);
    running.signal(Signal::SIGHUP);
    running.expect("reloaded");
    manager.expect_reload();
    let new = manager.folder.path().join("new");
    std::fs::copy(PROGRAM, &new).unwrap();
    std::fs::rename(&new, &program).unwrap();
    running.signal(Signal::SIGHUP);
    let heir = Heir::of(&mut running);
    manager.expect_successor(&heir);
    assert_eq!(running.wait(), Some(0));
    // The new one runs what is there now, so that it reloads again.
    kill(Pid::from_raw(heir.0), Signal::SIGHUP).unwrap();
    running.expect("reloaded");
    manager.expect_reload();
}

#[test]
fn the_unit_reloads_by_the_signal_that_reloads() {
    let unit = include_str!("../../packaging/elbws-proxy.service");
    for line in ["Type=notify", "NotifyAccess=main", "ExecReload=/bin/kill -HUP $MAINPID"] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn the_unit_is_valid() {
    let Some(analyze) = peers::find("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    // The program is not installed here; the rest of the unit is what is checked.
    let unit =
        include_str!("../../packaging/elbws-proxy.service").replace("/usr/local/bin/elbws-proxy", PROGRAM);
    let path = folder.path().join("elbws-proxy.service");
    std::fs::write(&path, unit).unwrap();
    let output = Command::new(analyze).args(["verify", "--man=no"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours = said.lines().filter(|line| line.contains("elbws-proxy")).collect::<Vec<_>>();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_unit_exposes_little() {
    let Some(analyze) = peers::find("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elbws-proxy.service");
    std::fs::write(&path, include_str!("../../packaging/elbws-proxy.service")).unwrap();
    // 1.5 of 10; older versions cannot look at a file.
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=15"];
    let output = Command::new(analyze).args(arguments).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !said.contains("Overall exposure level") && !output.status.success() {
        peers::skip("this systemd-analyze cannot judge a file");
        return;
    }
    assert!(output.status.success(), "{said}");
}
