//! `action.yml`: its scripts, run as a runner would, against the local AWS.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_yaml::Value;

use crate::first_steps::Local;

/// Runs the action's script called `id` and returns whether it succeeded and what it printed.
fn script(id: &str, environment: &BTreeMap<&str, String>, folder: &Path) -> (bool, String) {
    let action: Value = serde_yaml::from_str(&std::fs::read_to_string("action.yml").unwrap()).unwrap();
    let steps = action["runs"]["steps"].as_sequence().unwrap();
    let step = steps.iter().find(|step| step["id"].as_str() == Some(id)).unwrap();
    for name in step["env"].as_mapping().unwrap().keys() {
        assert!(environment.contains_key(name.as_str().unwrap()), "{id} is not given {name:?}");
    }
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()])
        .envs(environment)
        .env("GITHUB_OUTPUT", folder.join("output"))
        .env("GITHUB_STEP_SUMMARY", folder.join("summary"))
        .env("RUNNER_TEMP", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_pull_request_is_planned_and_a_push_to_the_default_branch_applied() {
    let local = Local::start();
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let mut environment = BTreeMap::from([
        ("ELBWS", env!("CARGO_BIN_EXE_elbws").to_owned()),
        ("ACTION_PATH", env!("CARGO_MANIFEST_DIR").to_owned()),
        ("SPEC", "specs/classic.yaml".to_owned()),
        ("ARGUMENTS", format!("--local --endpoint-url {}", local.endpoint)),
        ("MODE", "auto".to_owned()),
        ("EVENT", "pull_request".to_owned()),
        ("REF", "refs/pull/1/merge".to_owned()),
        ("DEFAULT_REF", "refs/heads/main".to_owned()),
    ]);

    for id in ["build", "plan", "apply"] {
        let (succeeded, text) = script(id, &environment, folder.path());
        assert!(succeeded, "{id}: {text}");
    }
    assert!(read("output").contains("changes=9"), "{}", read("output"));
    assert!(read("summary").contains("| create | `listener/443` |"), "{}", read("summary"));
    let status = local.elbws(&["status", "specs/classic.yaml"]);
    assert_eq!(status.status.code(), Some(1), "a pull request must build nothing: {status:?}");

    environment.extend([("EVENT", "push".to_owned()), ("REF", "refs/heads/main".to_owned())]);
    let (succeeded, text) = script("apply", &environment, folder.path());
    assert!(succeeded, "{text}");
    assert_eq!(local.elbws(&["status", "specs/classic.yaml"]).status.code(), Some(0));

    environment.insert("SPEC", "specs/none.yaml".to_owned());
    let (succeeded, text) = script("plan", &environment, folder.path());
    assert!(!succeeded, "a plan that fails must fail the step: {text}");
}
