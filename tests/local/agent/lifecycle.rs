//! Instances stop, start and end with those of the account, and with the server.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use elbws::local::Config;
use elbws::local::agent::Terms;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{OFFSET, Rig, eventually};
use crate::client::{EC2, Server};

const REGION: &str = "us-east-1";
const LAUNCH: &str = "Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1";

/// The processes of this machine that were started with that argument.
fn processes_of(argument: &str) -> Vec<i32> {
    let has = |line: &[u8]| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes());
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| has(&line))).collect()
}

fn processes(argument: &str) -> usize {
    processes_of(argument).len()
}

/// An argument of `sleep` that no other process has.
fn unique(number: u32) -> String {
    format!("{}.{number}", 1_000_000 + std::process::id())
}

fn awaited(argument: &str, count: usize) {
    eventually(&format!("{count} processes sleep {argument}"), || {
        (processes(argument) == count).then_some(())
    });
}

/// Gives an instance files of which one is a unit that sleeps.
fn enable_sleep(directory: &Path, id: &str, argument: &str) {
    let units = directory.join("instances").join(id).join("etc/systemd/system");
    fs::create_dir_all(units.join("multi-user.target.wants")).unwrap();
    let unit = format!("[Service]\nExecStart=/bin/sleep {argument}\n[Install]\nWantedBy=multi-user.target\n");
    fs::write(units.join("sleep.service"), unit).unwrap();
    symlink("/etc/systemd/system/sleep.service", units.join("multi-user.target.wants/sleep.service"))
        .unwrap();
}

#[test]
fn files_outlive_a_stop_and_processes_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let terms = Terms {
        port_offset: OFFSET,
        directory: Some(directory.path().join("instances")),
        ..Terms::default()
    };
    let Some(rig) = Rig::with(terms) else { return };
    let argument = unique(1);
    rig.out(&format!("echo it > /root/kept; echo it > /tmp/gone; sleep {argument} & true"));
    awaited(&argument, 1);
    rig.runtime.block_on(rig.agents.stop(&rig.host.id));
    assert_eq!(processes(&argument), 0);
    assert_eq!(rig.out("cat /root/kept; ls /tmp"), "it\n");
    // A script that runs is told.
    let running = rig.agents.clone();
    let (host, script) = (rig.host.clone(), super::script(&format!("sleep {argument}")));
    let waiting = rig.runtime.spawn(async move { running.run(&host, &script).await });
    awaited(&argument, 1);
    rig.runtime.block_on(rig.agents.terminate(&rig.host.id));
    let error = rig.within(waiting).unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("instance {} stopped while the script ran", rig.host.id));
    assert_eq!(processes(&argument), 0);
    assert_eq!(fs::read_dir(directory.path().join("instances")).unwrap().count(), 0);
}

#[test]
fn the_first_process_may_not_be_killed_from_inside_and_a_dead_one_is_replaced() {
    let Some(rig) = Rig::start() else { return };
    assert_eq!(rig.run("kill -9 1; echo $?").stdout, "0\n");
    let argument = unique(2);
    rig.out(&format!("sleep {argument} & true"));
    awaited(&argument, 1);
    // From outside, it ends with all that is inside.
    let first = parent(processes_of(&argument)[0]);
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    awaited(&argument, 0);
    let again = eventually("it runs again", || {
        let ran = rig.runtime.block_on(rig.agents.run(&rig.host, &super::script("echo again")));
        ran.ok()
    });
    assert_eq!(again.stdout, "again\n");
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn instances_of_the_account_boot_stop_and_end() {
    let Some(rig) = Rig::start() else { return };
    drop(rig);
    let directory = tempfile::tempdir().unwrap();
    let config = || Config {
        port_offset: OFFSET,
        state_dir: Some(directory.path().to_owned()),
        agent: Some(env!("CARGO_BIN_EXE_elbws").into()),
        ..Config::default()
    };
    let server = Server::start(config());
    let id = server.query(REGION, EC2, LAUNCH).text("instanceId").to_owned();
    let argument = unique(3);
    enable_sleep(directory.path(), &id, &argument);
    // Any change has the server look.
    server.query(REGION, EC2, LAUNCH);
    awaited(&argument, 1);
    server.query(REGION, EC2, &format!("Action=StopInstances&InstanceId.1={id}"));
    awaited(&argument, 0);
    server.query(REGION, EC2, &format!("Action=StartInstances&InstanceId.1={id}"));
    awaited(&argument, 1);
    drop(server);
    assert_eq!(processes(&argument), 0);
    let server = Server::start(config());
    awaited(&argument, 1);
    server.query(REGION, EC2, &format!("Action=TerminateInstances&InstanceId.1={id}"));
    awaited(&argument, 0);
    let files = directory.path().join("instances").join(&id);
    eventually("its files are gone", || (!files.exists()).then_some(()));
}

/// The command, with an instance that sleeps.
fn command(directory: &Path, argument: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_elbws"))
        .args(["local", "--port", "0", "--port-offset", "20000", "--state"])
        .arg(directory)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready: "), "{line}");
    awaited(argument, 1);
    child
}

#[test]
fn the_command_leaves_no_process_behind_however_it_ends() {
    let Some(rig) = Rig::start() else { return };
    drop(rig);
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(Config { state_dir: Some(directory.path().to_owned()), ..Config::default() });
    let id = server.query(REGION, EC2, LAUNCH).text("instanceId").to_owned();
    drop(server);
    let argument = unique(4);
    enable_sleep(directory.path(), &id, &argument);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = command(directory.path(), &argument);
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        child.wait().unwrap();
        assert_eq!(processes(&argument), 0, "{signal}");
    }
    let mut child = command(directory.path(), &argument);
    child.kill().unwrap();
    child.wait().unwrap();
    awaited(&argument, 0);
}
