//! The first things that somebody tries: the local AWS and an example spec.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// `elbws local` on a port of its own; ended when dropped.
pub(crate) struct Local {
    child: Child,
    pub(crate) endpoint: String,
}

impl Local {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_elbws"))
            .args(["local", "--port", "0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{line}");
        Self { child, endpoint }
    }

    pub(crate) fn elbws(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_elbws"))
            .args(arguments)
            .args(["--local", "--endpoint-url", &self.endpoint])
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_REGION")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_example_is_built_shown_left_alone_and_destroyed() {
    const SPEC: &str = "specs/classic.yaml";
    let local = Local::start();

    let apply = local.elbws(&["apply", SPEC, "--yes"]);
    assert_eq!(apply.status.code(), Some(0), "{apply:?}");
    assert!(stdout(&apply).contains("+ listener/443"), "{}", stdout(&apply));

    let status = local.elbws(&["status", SPEC, "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["load_balancer"]["listeners"][1]["protocol"], "ssl");
    assert_eq!(status["load_balancer"]["backend_policies"]["80"][0], "ws-chat-proxy-protocol");
    assert_eq!(status["certificates"][0]["domain"], "chat.example.com");
    assert_eq!(status["drift"], 0);

    let again = local.elbws(&["apply", SPEC]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(stdout(&again).contains("No changes"), "{}", stdout(&again));

    let unconfirmed = local.elbws(&["destroy", SPEC]);
    assert_eq!(unconfirmed.status.code(), Some(64), "{unconfirmed:?}");
    let destroy = local.elbws(&["destroy", SPEC, "--yes"]);
    assert_eq!(destroy.status.code(), Some(0), "{destroy:?}");
    assert_eq!(local.elbws(&["status", SPEC]).status.code(), Some(1));
}
