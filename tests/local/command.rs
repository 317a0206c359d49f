//! `elbws local` as a process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn elbws(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbws"));
    command.arg("local").args(arguments).env("NO_COLOR", "1").stderr(Stdio::piped());
    command
}

/// Starts the server; once its first line is there, it serves.
fn start() -> (Child, String) {
    let mut child = elbws(&["--port", "0"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

#[test]
fn signals_end_it_with_their_exit_codes() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 0)] {
        let (mut child, line) = start();
        assert!(line.starts_with("ready: the local AWS serves on http://127.0.0.1:"), "{line}");
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
    }
}

#[test]
fn the_authority_is_named_and_there_before_anything_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = elbws(&["--port", "0", "--state", directory.path().to_str().unwrap()]).spawn().unwrap();
    let authority = directory.path().join("ca.pem");
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let named = lines.map(Result::unwrap).find(|line| line.contains("the authority in"));
    assert!(named.unwrap().ends_with(authority.to_str().unwrap()));
    assert!(std::fs::read_to_string(&authority).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_busy_port_is_an_error_with_a_hint() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let mut child = elbws(&["--port", &port.to_string()]).spawn().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(
        stderr,
        format!(
            "error: port {port} of 127.0.0.1 is already in use\n  \
             hint: end what listens there (another `elbws local`?), or take another port by --port\n"
        )
    );
}

#[test]
fn a_damaged_state_is_an_error_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    std::fs::write(&path, "{ not json").unwrap();
    let output = elbws(&["--port", "0", "--state", directory.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("is damaged") && stderr.contains("hint: give another directory"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ not json");
}
