//! boto3 and the AWS CLI against the local AWS: each script of `python/` is one test.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};
use std::process::Command;

use elbws::local::Config;
use elbws::local::agent::{Agents, Terms};

use crate::client::Server;

/// The Python with boto3, the AWS CLI and cryptography in it, if there is one.
fn python() -> Option<PathBuf> {
    let venv = std::env::var_os("ELBWS_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    let check = Command::new(&python).args(["-c", "import boto3, cryptography"]).output();
    let found = check.is_ok_and(|output| output.status.success()) && venv.join("bin/aws").exists();
    if !found {
        assert!(
            std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "boto3, the AWS CLI and cryptography are not installed in {}",
            venv.display()
        );
        println!("skipped: boto3, the AWS CLI and cryptography are not installed in {}", venv.display());
    }
    found.then_some(python)
}

fn check(script: &str) {
    check_with(script, Config::default());
}

fn check_with(script: &str, config: Config) {
    let Some(python) = python() else { return };
    let server = Server::start(config);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/local/python");
    let output = Command::new(python)
        .arg(directory.join(script))
        .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("AWS_PROFILE")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {told}{errors}");
    println!("{script}: {told}");
}

#[test]
fn across_services() {
    check("across_services.py");
}

#[test]
fn certificates() {
    check("certificates.py");
}

#[test]
fn command_line() {
    check("command_line.py");
}

#[test]
fn networks() {
    check("ec2_network.py");
}

#[test]
fn security_groups() {
    check("ec2_security_group.py");
}

#[test]
fn instances() {
    check("ec2_instance.py");
}

#[test]
fn classic_load_balancers() {
    check("elb_load_balancer.py");
}

#[test]
fn classic_listeners() {
    check("elb_listener.py");
}

#[test]
fn classic_policies() {
    check("elb_policy.py");
}

#[test]
fn classic_settings() {
    check("elb_settings.py");
}

#[test]
fn the_blog_post() {
    check("elb_blog_post.py");
}

#[test]
fn classic_is_complete() {
    check("elb_complete.py");
}

#[test]
fn load_balancers_v2() {
    check("elbv2_load_balancer.py");
}

#[test]
fn listeners_v2() {
    check("elbv2_listener.py");
}

#[test]
fn target_groups() {
    check("elbv2_target.py");
}

#[test]
fn settings_v2() {
    check("elbv2_settings.py");
}

#[test]
fn names() {
    check("route53.py");
}

#[test]
fn groups_of_instances() {
    check("autoscaling.py");
}

#[test]
fn run_command() {
    check("ssm.py");
}

/// Whether instances can be isolated here; says so if they cannot.
fn isolates(program: &Path) -> bool {
    let terms = Terms { program: Some(program.to_owned()), ..Terms::default() };
    let Err(reason) = Agents::new(terms).managed() else { return true };
    assert!(std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"), "{reason}");
    println!("skipped: {reason}");
    false
}

#[test]
fn commands_that_run() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_elbws"));
    if isolates(&program) {
        check_with("ssm_run.py", Config { agent: Some(program), port_offset: 21_000, ..Config::default() });
    }
}

#[test]
fn objects() {
    check("s3.py");
}
