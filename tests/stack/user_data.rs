//! `elbws user-data`: what cloud-init and shellcheck say of it, for every spec with a proxy.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use elbws::provision::spec;

use crate::specs::yaml_files;

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const URL: &str = "https://example.com/elbws-proxy?version=1&x=y";

fn user_data(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_elbws")).arg("user-data").args(arguments).output().unwrap()
}

/// The user data of every spec with a proxy.
fn all() -> Vec<(String, String)> {
    let files = ["specs", "tests/stack/good_specs"].into_iter().flat_map(yaml_files);
    let all: Vec<_> = files
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            spec::parse("x", &text, Path::new("")).unwrap().proxy.is_some()
        })
        .map(|file| {
            let file = file.display().to_string();
            let output = user_data(&[&file, "--proxy-sha256", SHA256, "--proxy-url", URL]);
            assert!(output.status.success(), "{output:?}");
            assert!(output.stderr.is_empty(), "{output:?}");
            (file, String::from_utf8(output.stdout).unwrap())
        })
        .collect();
    assert!(all.len() >= 9, "{}", all.len());
    all
}

fn script(user_data: &str) -> String {
    let document: serde_json::Value = serde_yaml::from_str(user_data).unwrap();
    let file = &document["write_files"][0];
    assert_eq!(file["permissions"], "0700");
    assert_eq!(document["runcmd"], serde_json::json!([["sh", file["path"]]]));
    file["content"].as_str().unwrap().to_owned()
}

/// Whether a peer is there; one that must be and is not fails the test.
fn is_installed(peer: &str) -> bool {
    let found = Command::new(peer).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("ELBWS_REQUIRE_PEERS").is_none(), "{peer} is not installed");
        let _ = writeln!(std::io::stdout(), "skipped: {peer} is not installed");
    }
    found
}

#[test]
fn it_is_cloud_config_to_cloud_init() {
    if !is_installed("cloud-init") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in all() {
        assert!(text.starts_with("#cloud-config\n"));
        let path = folder.path().join("user-data");
        fs::write(&path, text).unwrap();
        let output =
            Command::new("cloud-init").args(["schema", "--config-file"]).arg(&path).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("Valid cloud-config"), "{file}: {said}");
    }
    // It does tell good from bad.
    let path = folder.path().join("bad");
    fs::write(&path, "#cloud-config\nwrite_files: 1\n").unwrap();
    let output = Command::new("cloud-init").args(["schema", "--config-file"]).arg(&path).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn its_script_is_clean_to_shellcheck() {
    if !is_installed("shellcheck") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in all() {
        let path = folder.path().join("install.sh");
        fs::write(&path, script(&text)).unwrap();
        let output = Command::new("shellcheck")
            .args(["--shell", "sh", "--enable", "quote-safe-variables"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn what_is_run_to_look_and_to_ask_is_clean_to_shellcheck() {
    if !is_installed("shellcheck") {
        return;
    }
    let provision = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provision");
    let output = Command::new("shellcheck")
        .args(["--shell", "sh", "--enable", "quote-safe-variables"])
        .args([provision.join("observe/inspect.sh"), provision.join("install/status.sh")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_script_holds_configuration_unit_and_source() {
    for (file, text) in all() {
        let script = script(&text);
        let config =
            Command::new(env!("CARGO_BIN_EXE_elbws")).arg("proxy-config").arg(&file).output().unwrap();
        assert!(script.contains(&String::from_utf8(config.stdout).unwrap()), "{file}");
        assert!(
            script.contains("\nDynamicUser=yes\n") && script.contains("\nTimeoutStopSec=330s\n"),
            "{file}"
        );
        assert!(script.contains(SHA256) && script.contains(URL), "{file}");
        for placeholder in ["@SHA256@", "@SOURCE@", "@HEALTH@", "@UNIT@", "@CONFIG@"] {
            assert!(!script.contains(placeholder), "{file}: {placeholder}");
        }
        assert!(text.len() <= 16 * 1024, "{file}: {} bytes", text.len());
    }
}

#[test]
fn the_binary_is_in_the_bucket_or_at_a_url() {
    let spec = "specs/network.yaml";
    let refused = |arguments: &[&str], reason: &str| {
        let output = user_data(arguments);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(reason), "{reason}");
    };
    refused(&[spec, "--proxy-sha256", SHA256], "nothing says where instances find elbws-proxy");
    refused(&[spec, "--proxy-sha256", "abc", "--proxy-url", URL], "abc is not a SHA-256");
    refused(&[spec, "--proxy-sha256", SHA256, "--proxy-url", "https://e/';reboot"], "is not a URL");
    refused(&["specs/own-proxy.yaml", "--proxy-sha256", SHA256, "--proxy-url", URL], "has no proxy");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.yaml");
    let text =
        fs::read_to_string(spec).unwrap() + "  drain: 10m\n  deploy: { via: ssm, bucket: my-artifacts }\n";
    fs::write(&path, text).unwrap();
    let output = user_data(&[path.to_str().unwrap(), "--proxy-sha256", SHA256]);
    let script = script(&String::from_utf8(output.stdout).unwrap());
    assert!(script.contains(&format!("\nsource='s3://my-artifacts/elbws-proxy/{SHA256}'\n")), "{script}");
    assert!(script.contains("\nTimeoutStopSec=630s\n"), "{script}");
}
