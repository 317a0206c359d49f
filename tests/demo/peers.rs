//! Visitors that are none of ours: Python's websockets and Chromium.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

/// A visitor, and the Python script that has it chat.
pub(crate) struct Peer {
    name: &'static str,
    /// What runs in a Python that has it.
    check: &'static str,
    script: &'static str,
}

pub(crate) const WEBSOCKETS: Peer =
    Peer { name: "websockets", check: "import websockets", script: "chat/chat.py" };
pub(crate) const CHROMIUM: Peer = Peer {
    name: "Chromium with certutil",
    check: "import selenium, shutil; assert all(map(shutil.which, ['chromium', 'chromedriver', 'certutil']))",
    script: "demo/browser.py",
};

impl Peer {
    /// Has two of them chat at a URL, if they are installed; they trust the authority of `ca`.
    pub(crate) async fn chat(&self, url: &str, ca: &Path, arguments: &[&str]) {
        let Self { name, check, script } = self;
        let Some(python) = python(name, check).await else { return };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
        let mut command = Command::new(python);
        let run = command.arg(script).arg(url).arg(ca).args(arguments).kill_on_drop(true).output();
        let output =
            tokio::time::timeout(Duration::from_mins(6), run).await.expect("chatted in time").unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "chatted\n", "{name}: {errors}");
    }
}

/// The Python in which `check` runs, if there is one: with the peer that is called `name`.
async fn python(name: &str, check: &str) -> Option<PathBuf> {
    let venv = std::env::var_os("ELBWS_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    let checked = Command::new(&python).args(["-c", check]).output().await;
    let found = checked.is_ok_and(|output| output.status.success());
    if !found {
        assert!(
            std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "{name} is not installed in {}",
            venv.display()
        );
        println!("skipped: {name} is not installed in {}", venv.display());
    }
    found.then_some(python)
}
