//! Ctrl-C while the demo starts, and the end of its terminal.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::running::{ELBWS, KINDS, PATIENCE, command, free_offset, send};

/// What the demo says on its way, and for how many milliseconds it goes on before it is interrupted.
const MOMENTS: [(&str, u64); 7] = [
    ("the local AWS serves on", 0),
    ("the local AWS serves on", 20),
    ("runs ws-chat", 0),
    ("runs ws-chat", 60),
    ("is applied", 0),
    ("is in service", 5),
    ("redirect", 0),
];

/// Interrupts a demo once it has said this, and checks that nothing of it is left.
async fn interrupt_after(kind: &str, said: &str, pause: Duration, signal: Signal) {
    let directory = tempfile::tempdir().unwrap();
    let offset = free_offset();
    // Under nohup, every program is told not to mind SIGHUP.
    let mut child = command(Path::new("env"))
        .args(["--default-signal=HUP", ELBWS, "demo", "--type", kind, "--port-offset", &offset.to_string()])
        .env("TMPDIR", directory.path())
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut heard = Vec::new();
    while !heard.last().is_some_and(|line: &String| line.contains(said)) {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line in time").unwrap();
        heard.push(line.unwrap_or_else(|| panic!("it never said {said:?}: {heard:?}")));
    }
    // Somewhere in what follows: the next milestone is some milliseconds away.
    tokio::time::sleep(pause).await;
    send(&child, signal);
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    let mut rest = String::new();
    lines.into_inner().read_to_string(&mut rest).await.unwrap();
    let code = if signal == Signal::SIGINT { 130 } else { 0 };
    assert_eq!(status.code(), Some(code), "after {said:?} and {pause:?}: {heard:?}{rest}");
    assert!(rest.contains("taking everything down\n"), "after {said:?} and {pause:?}: {rest}");
    assert!(!rest.contains("error") && !rest.contains("panicked"), "{rest}");
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "after {said:?} and {pause:?} there is {left:?}");
    for port in [80, 443] {
        // Standard library sockets take a port over from connections that linger.
        assert!(TcpListener::bind(("127.0.0.1", port + offset)).is_ok(), "port {port} is free again");
    }
}

#[tokio::test]
async fn a_start_that_is_interrupted_takes_everything_down() {
    for kind in KINDS {
        for (said, pause) in MOMENTS {
            interrupt_after(kind, said, Duration::from_millis(pause), Signal::SIGINT).await;
        }
    }
}

#[tokio::test]
async fn the_end_of_its_terminal_takes_a_demo_down() {
    interrupt_after("classic", "close", Duration::ZERO, Signal::SIGHUP).await;
}

#[tokio::test]
async fn a_demo_that_was_started_to_outlive_its_terminal_does() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", r#"trap "" HUP; exec "$0" demo --port-offset "$1""#, ELBWS, &free_offset().to_string()])
        .env("TMPDIR", directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut hear = async || {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line in time").unwrap();
        line.expect("it goes on")
    };
    assert!(hear().await.contains("the local AWS serves on"));
    send(&child, Signal::SIGHUP);
    assert!(hear().await.contains("runs ws-chat"));
    send(&child, Signal::SIGINT);
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(130));
}
