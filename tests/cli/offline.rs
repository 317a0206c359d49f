//! The verbs that ask no AWS: `init`, `validate`, `schema`, `completions`, `man`; help and usage errors.

use std::fs;
use std::process::Stdio;

use tempfile::TempDir;

use crate::cases::{check, elbws, package, with_input};

const SPEC: &str = "\
stack: chat
certificate: { domain: chat.example.com }
instances: { tags: { App: chat } }
load_balancer: { type: classic }
";

/// Runs `elbws` in the package's folder and compares.
#[track_caller]
fn run(name: &str, arguments: &[&str]) {
    check(name, &elbws(&package(), arguments).output().unwrap());
}

#[test]
fn help_is_printed() {
    run("help", &["-h"]);
    run("help-validate", &["validate", "-h"]);
    run("help-init", &["init", "-h"]);
    run("help-schema", &["schema", "-h"]);
    run("help-proxy-config", &["proxy-config", "-h"]);
    run("help-user-data", &["user-data", "-h"]);
    run("help-completions", &["completions", "-h"]);
    run("help-man", &["man", "-h"]);
}

#[test]
fn usage_errors_exit_with_64() {
    run("usage-unknown-command", &["valdate"]);
    run("usage-unknown-option", &["validate", "--strict", "specs/classic.yaml"]);
    run("usage-missing-argument", &["validate"]);
    run("usage-bad-value", &["schema", "--color", "blue"]);
    run("usage-markdown", &["validate", "specs/classic.yaml", "--output", "markdown"]);
    run("usage-markdown-probe", &["probe", "ws://127.0.0.1:1/", "--output", "markdown"]);
    run("usage-init-type", &["init", "--type", "gateway"]);
    run("usage-man", &["man", "aply"]);
}

#[test]
fn valid_specs_are_summed_up() {
    run("validate", &["validate", "specs/classic.yaml"]);
    run("validate-http", &["validate", "specs/classic-http.yaml"]);
    run("validate-json", &["validate", "specs/classic-internal.yaml", "--output", "json"]);
    check("validate-stdin", &with_input(elbws(&package(), &["validate", "-"]), SPEC));
}

#[test]
fn every_problem_is_shown() {
    run("validate-bad", &["validate", "tests/stack/bad_specs/141-many-at-once.yaml"]);
    run(
        "validate-bad-json",
        &["validate", "--output", "json", "tests/stack/bad_specs/055-instances-ids.yaml"],
    );
    run(
        "validate-bad-color",
        &["validate", "--color", "always", "tests/stack/bad_specs/085-port-twice.yaml"],
    );
    run("validate-missing", &["validate", "specs/missing.yaml"]);
    run("validate-folder", &["validate", "specs"]);
    check("validate-bad-stdin", &with_input(elbws(&package(), &["validate", "-"]), "stack: 7\n"));
}

#[test]
fn color_is_asked_for_and_refused() {
    let bad = "tests/stack/bad_specs/085-port-twice.yaml";
    let stderr = |arguments: &[&str], no_color: &str| {
        let mut command = elbws(&package(), arguments);
        String::from_utf8(command.env("NO_COLOR", no_color).output().unwrap().stderr).unwrap()
    };
    assert!(stderr(&["validate", "--color", "always", bad], "").contains('\u{1b}'));
    assert!(!stderr(&["validate", bad], "1").contains('\u{1b}'));
    assert!(!stderr(&["validate", "--color", "never", bad], "").contains('\u{1b}'));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("latin.yaml"), b"stack: chat\n# caf\xe9\n").unwrap();
    check("validate-not-utf8", &elbws(folder.path(), &["validate", "latin.yaml"]).output().unwrap());
}

#[test]
fn certificate_files_are_checked() {
    let folder = TempDir::new().unwrap();
    let spec =
        SPEC.replace("{ domain: chat.example.com }", "{ files: { certificate: c.pem, private_key: k.pem } }");
    let validate = || elbws(folder.path(), &["validate", "spec.yaml"]).output().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let key = || rcgen::KeyPair::generate().unwrap();
    let (first, second) = (key(), key());
    let parameters = rcgen::CertificateParams::new(["chat.example.com".to_owned()]).unwrap();
    write("spec.yaml", &spec);
    check("validate-files-missing", &validate());
    write("c.pem", &parameters.self_signed(&first).unwrap().pem());
    write("k.pem", &second.serialize_pem());
    check("validate-files-mismatch", &validate());
    write("k.pem", &first.serialize_pem());
    assert!(validate().status.success());
}

#[test]
fn init_writes_a_valid_spec_once() {
    let folder = TempDir::new().unwrap();
    check("init", &elbws(folder.path(), &["init"]).output().unwrap());
    let written = fs::read_to_string(folder.path().join("elbws.yaml")).unwrap();
    let validate = elbws(folder.path(), &["validate", "elbws.yaml"]).output().unwrap();
    assert!(validate.status.success(), "{validate:?}");

    fs::write(folder.path().join("elbws.yaml"), "mine").unwrap();
    check("init-again", &elbws(folder.path(), &["init"]).output().unwrap());
    assert_eq!(fs::read_to_string(folder.path().join("elbws.yaml")).unwrap(), "mine");
    check("init-nowhere", &elbws(folder.path(), &["init", "nowhere/spec.yaml"]).output().unwrap());

    let printed = elbws(folder.path(), &["init", "--type", "classic", "-"]).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), written);
}

#[test]
fn every_commented_line_of_init_is_valid_too() {
    let printed = elbws(&package(), &["init", "-"]).output().unwrap();
    let template = String::from_utf8(printed.stdout).unwrap();
    let commented: Vec<_> = template
        .lines()
        .filter(|line| {
            let key = line.trim_start().strip_prefix("# ").and_then(|rest| rest.split_once(':'));
            key.is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        })
        .collect();
    assert!(commented.len() >= 15, "{commented:?}");
    // A line of its own: what it shows must be a known field with a sound value, in its own section.
    let mut tried = 0;
    for line in commented {
        let bare = line.replacen("# ", "", 1);
        // Two stand for another choice, three for a section that is whole only together; it is tried below.
        if ["arn:", "files:", "network:", "vpc:", "subnets:"]
            .iter()
            .any(|name| bare.trim_start().starts_with(name))
        {
            continue;
        }
        let output = with_input(elbws(&package(), &["validate", "-"]), &template.replacen(line, &bare, 1));
        assert!(output.status.success(), "{bare}\n{}", String::from_utf8_lossy(&output.stderr));
        tried += 1;
    }
    assert!(tried >= 12, "tried {tried}");
    let network = ["# network:", "#   vpc:", "#   subnets:"].iter().fold(template, |text, line| {
        text.replacen(line, line.trim_start_matches("# ").trim_start_matches('#'), 1)
    });
    let output = with_input(elbws(&package(), &["validate", "-"]), &network);
    assert!(output.status.success(), "{network}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// All that is commented out below `load_balancer:` holds together as well.
#[test]
fn init_of_the_other_types_is_valid_with_and_without_its_comments() {
    for kind in ["application", "network"] {
        let printed = elbws(&package(), &["init", "--type", kind, "-"]).output().unwrap();
        let template = String::from_utf8(printed.stdout).unwrap();
        let output = with_input(elbws(&package(), &["validate", "-"]), &template);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (before, after) = template.split_once("load_balancer:").unwrap();
        let bare = |line: &str| match line.trim_start().strip_prefix("# ") {
            Some(rest) => format!("{}{rest}", &line[..line.len() - line.trim_start().len()]),
            None => line.to_owned(),
        };
        let whole: Vec<_> = after.lines().map(bare).collect();
        assert!(whole.len() >= 30, "{kind}");
        let whole = format!("{before}load_balancer:{}\n", whole.join("\n"));
        let output = with_input(elbws(&package(), &["validate", "-"]), &whole);
        assert!(output.status.success(), "{whole}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn schema_completions_and_pages_are_printed() {
    let stdout = |arguments: &[&str]| {
        let output = elbws(&package(), arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let schema: serde_json::Value = serde_json::from_str(&stdout(&["schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&["completions", shell]).contains("validate"), "{shell}");
    }
    assert!(stdout(&["man"]).contains("elbws\\-validate(1)"));
    assert!(stdout(&["man", "validate"]).contains("standard input"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child =
        elbws(&package(), &["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    check("full-disk", &elbws(&package(), &["schema"]).stdout(full).output().unwrap());
}
