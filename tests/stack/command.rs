//! The program itself against a local AWS: what it prints, how it ends, and that it goes on where it stopped.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stacks::FULL;
use crate::world::World;

/// A furnished account and a spec for it in a folder.
pub(crate) struct Scene {
    pub(crate) world: World,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self { world: World::for_spec(FULL), folder: tempfile::tempdir().unwrap() };
        scene.write(FULL);
        scene
    }

    fn write(&self, text: &str) {
        std::fs::write(self.folder.path().join("spec.yaml"), self.world.fill(text)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbws"));
        command
            .args(arguments)
            .args(["--local", "--endpoint-url", &format!("http://{}", self.world.account.server.address)])
            .current_dir::<&Path>(self.folder.path())
            .env_remove("AWS_PROFILE")
            .env("AWS_REGION", crate::account::REGION)
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> (String, String) {
        ended(self.command(arguments).output().unwrap(), code)
    }
}

#[track_caller]
fn ended(output: Output, code: i32) -> (String, String) {
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

#[test]
fn a_second_apply_changes_nothing() {
    let scene = Scene::new();
    scene.run(&["plan", "spec.yaml", "--detailed-exitcode"], 2);
    let (_, err) = scene.run(&["apply", "spec.yaml", "--yes"], 0);
    assert!(err.contains("done: "), "{err}");
    scene.run(&["plan", "spec.yaml", "--detailed-exitcode"], 0);
    scene.world.account.forget_calls();
    let (out, err) = scene.run(&["apply", "spec.yaml", "--yes"], 0);
    assert!(out.to_lowercase().contains("no changes"), "{out}\n{err}");
    let calls = scene.world.account.calls();
    let reads = |operation: &str| ["Describe", "List", "Get"].iter().any(|verb| operation.starts_with(verb));
    assert!(!calls.is_empty() && calls.iter().all(|call| reads(&call.operation)), "{calls:?}");
    scene.run(&["destroy", "spec.yaml", "--yes"], 0);
}

#[test]
fn without_a_terminal_nothing_happens_but_with_yes() {
    let scene = Scene::new();
    let before = scene.world.everything();
    let (_, err) = scene.run(&["apply", "spec.yaml"], 64);
    assert!(err.contains("hint: pass --yes"), "{err}");
    assert!(scene.world.everything() == before);
}

#[test]
fn a_saved_plan_is_applied_once_and_refused_when_stale() {
    let scene = Scene::new();
    scene.run(&["plan", "spec.yaml", "--out", "saved.json"], 0);
    scene.run(&["apply", "saved.json", "--yes"], 0);
    let (_, err) = scene.run(&["apply", "saved.json", "--yes"], 1);
    assert!(err.contains("no longer fits") && err.contains("hint: plan again"), "{err}");
}

#[test]
fn an_unclaimed_load_balancer_is_taken_over_only_when_asked() {
    let scene = Scene::new();
    scene.write(&FULL.replace("name: ws-chat", "name: someone-elses"));
    let before = scene.world.everything();
    let (_, err) = scene.run(&["apply", "spec.yaml", "--yes"], 1);
    assert!(err.contains("someone-elses exists") && err.contains("--adopt"), "{err}");
    assert!(scene.world.everything() == before);
    scene.run(&["apply", "spec.yaml", "--yes", "--adopt"], 0);
    scene.run(&["plan", "spec.yaml", "--detailed-exitcode"], 0);
}

/// Interrupts the child once it reports that a step has ended, and awaits its end.
fn interrupt_after_a_step(mut child: Child) -> (Option<i32>, String) {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.lines().any(|line| line.starts_with('✓')) {
        let read = lines.read_line(&mut seen).unwrap();
        assert!(read > 0, "{seen}");
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    lines.read_to_string(&mut seen).unwrap();
    (child.wait().unwrap().code(), seen)
}

#[test]
fn an_interrupted_apply_says_what_remains_and_the_next_goes_on() {
    let scene = Scene::new();
    scene.world.account.faults(r#"{"operation":"*","every":true,"effect":{"delay_ms":100}}"#);
    let child = scene
        .command(&["apply", "spec.yaml", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (code, said) = interrupt_after_a_step(child);
    assert_eq!(code, Some(130), "{said}");
    for words in ["interrupted", "steps are done; these remain:\n", "hint: run it again"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(said.contains("\n  create load balancer ws-chat") || said.contains("\n  register "), "{said}");
    scene.world.account.no_faults();
    scene.run(&["apply", "spec.yaml", "--yes"], 0);
    scene.run(&["plan", "spec.yaml", "--detailed-exitcode"], 0);
    scene.run(&["destroy", "spec.yaml", "--yes"], 0);
}
