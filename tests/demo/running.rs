//! A running demo, and what is run against it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The types of load balancers.
pub(crate) const KINDS: [&str; 3] = ["classic", "application", "network"];
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// A demo that runs until it is stopped or dropped.
pub(crate) struct Running {
    program: PathBuf,
    child: Child,
    /// What it printed.
    pub(crate) line: Value,
}

/// The program under test.
pub(crate) const ELBWS: &str = env!("CARGO_BIN_EXE_elbws");

pub(crate) fn elbws() -> Command {
    command(Path::new(ELBWS))
}

/// A program that ends with this one.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// An offset with which the load balancer's and the instance's ports are free; another one with every call.
pub(crate) fn free_offset() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let free = |(address, port): (&str, u16)| TcpListener::bind((address, port)).is_ok();
    let spread = u16::try_from(std::process::id() % 20_000).unwrap();
    let spread = spread + CALLS.fetch_add(1, Ordering::Relaxed) * 211;
    (0..1000)
        .map(|step| 20_000 + (spread + step * 17) % 20_000)
        .find(|offset| {
            let front = [80, 443].map(|port| ("127.0.0.1", port + offset));
            let back = [80, 8000, 8081, 9000].map(|port| ("127.64.0.1", port + offset));
            front.into_iter().chain(back).all(free)
        })
        .expect("an offset whose ports are free")
}

/// Sends a signal; SIGINT is what Ctrl-C does.
pub(crate) fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
    kill(pid, signal).unwrap();
}

impl Running {
    /// Starts one by the program at that path.
    pub(crate) async fn start(program: &Path, kind: &str) -> Self {
        let mut child = command(program)
            .args(["demo", "--type", kind, "--output", "json", "--port-offset", &free_offset().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("ready in time");
        let line = line.unwrap().expect("a line when it is ready");
        Self { program: program.to_owned(), child, line: serde_json::from_str(&line).unwrap() }
    }

    /// Runs `elbws probe` and returns its exit code and its report.
    pub(crate) async fn probe(&self, arguments: &[&str]) -> (i32, Value) {
        let mut command = command(&self.program);
        let run = command.args(["probe", "--output", "json"]).args(arguments).output();
        let output = tokio::time::timeout(PATIENCE, run).await.expect("probed within a minute").unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), report)
    }

    /// Runs `elbws` on the demo's account.
    pub(crate) async fn run(&self, arguments: &[&str]) {
        let endpoint = self.line["endpoint_url"].as_str().unwrap();
        let mut command = command(&self.program);
        let run = command.args(arguments).args(["--local", "--endpoint-url", endpoint]).output();
        let output = tokio::time::timeout(PATIENCE, run).await.expect("done within a minute").unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Ends it as Ctrl-C does, and checks that nothing is left of it.
    pub(crate) async fn stop(mut self) {
        send(&self.child, Signal::SIGINT);
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("ended").unwrap();
        assert_eq!(status.code(), Some(130));
        let ca = Path::new(self.line["ca"].as_str().unwrap());
        assert!(!ca.parent().unwrap().exists(), "the state directory is removed");
    }
}
