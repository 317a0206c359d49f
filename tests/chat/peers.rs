//! Python's websockets as a visitor.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::conversation::Server;

/// The Python with websockets in it, if there is one.
async fn python() -> Option<PathBuf> {
    let venv = std::env::var_os("ELBWS_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    let check = Command::new(&python).args(["-c", "import websockets"]).output().await;
    let found = check.is_ok_and(|output| output.status.success());
    if !found {
        assert!(
            std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "websockets is not installed in {}",
            venv.display()
        );
        println!("skipped: websockets is not installed in {}", venv.display());
    }
    found.then_some(python)
}

#[tokio::test]
async fn pythons_websockets_chat() {
    let Some(python) = python().await else { return };
    let server = Server::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chat/chat.py");
    let url = format!("ws://{}/ws/", server.socket);
    let output = Command::new(python).arg(script).arg(url).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "chatted\n", "{errors}");
}
