//! How scripts end and what they leave.

use std::time::{Duration, Instant};

use elbws::local::agent::{AgentError, Script};

use super::{Rig, eventually, script};

#[test]
fn exit_codes_and_outputs_come_back() {
    let Some(rig) = Rig::start() else { return };
    let ran = rig.run("echo out; echo err >&2; exit 7");
    assert_eq!((ran.exit_code, ran.stdout.as_str(), ran.stderr.as_str()), (7, "out\n", "err\n"));
    assert!(!ran.timed_out);
    assert_eq!(rig.run("kill -TERM $$").exit_code, 128 + 15);
    assert_eq!(rig.run("no such command").exit_code, 127);
    // More than a pipe holds, and more than is kept.
    let ran = rig.run("head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2");
    assert_eq!((ran.exit_code, ran.stdout.len(), ran.stderr.as_str()), (0, 1 << 20, "end\n"));
    // No text at all.
    assert_eq!(rig.run("printf '\\377'").stdout, "\u{fffd}");
}

#[test]
fn environment_and_directory_are_as_asked_for() {
    let Some(rig) = Rig::start() else { return };
    let mut asked = script("echo $GREETING; pwd; mkdir -p /var/work");
    asked.environment.insert("GREETING".to_owned(), "two words".to_owned());
    assert_eq!(rig.run_script(&asked).stdout, "two words\n/root\n");
    asked.directory = Some("/var/work".into());
    assert_eq!(rig.run_script(&asked).stdout, "two words\n/var/work\n");
    asked.directory = Some("/nonexistent".into());
    let ran = rig.run_script(&asked);
    assert_eq!(ran.exit_code, 127);
    assert!(ran.stderr.starts_with("the script cannot be started: "), "{}", ran.stderr);
}

#[test]
fn a_script_whose_time_is_over_is_killed_with_what_it_started() {
    let Some(rig) = Rig::start() else { return };
    let asked =
        Script { time_limit: Duration::from_secs(1), ..script("echo begun; sleep 6000 & sleep 6000") };
    let ran = rig.run_script(&asked);
    assert_eq!((ran.exit_code, ran.stdout.as_str(), ran.timed_out), (128 + 9, "begun\n", true));
    eventually("it is gone", || (!rig.run("cat /proc/[0-9]*/comm").stdout.contains("sleep")).then_some(()));
}

#[test]
fn a_script_that_nobody_waits_for_is_killed() {
    let Some(rig) = Rig::start() else { return };
    rig.out("true");
    let waited = rig.runtime.block_on(async {
        let asked = script("echo $$ > /tmp/pid; sleep 6000");
        tokio::time::timeout(Duration::from_secs(2), rig.agents.run(&rig.host, &asked)).await
    });
    assert!(waited.is_err());
    eventually("it is gone", || (!rig.run("cat /proc/[0-9]*/comm").stdout.contains("sleep")).then_some(()));
}

#[test]
fn what_a_script_leaves_running_goes_on() {
    let Some(rig) = Rig::start() else { return };
    let began = Instant::now();
    rig.out("(while :; do echo talk; sleep 0.1; done) & echo $! > /run/pid");
    assert!(began.elapsed() < super::DEADLINE / 2, "its output was waited for");
    assert_eq!(rig.run("sleep 0.5; kill -0 $(cat /run/pid)").exit_code, 0);
}

#[test]
fn scripts_run_at_the_same_time() {
    let Some(rig) = Rig::start() else { return };
    // Each waits for the other.
    let one = script("mkfifo /run/a /run/b 2>/dev/null; echo x > /run/a; cat /run/b");
    let two = script("mkfifo /run/a /run/b 2>/dev/null; cat /run/a; echo y > /run/b");
    let both =
        rig.within(async { tokio::join!(rig.agents.run(&rig.host, &one), rig.agents.run(&rig.host, &two)) });
    assert_eq!((both.0.unwrap().stdout.as_str(), both.1.unwrap().stdout.as_str()), ("y\n", "x\n"));
}

#[test]
fn a_script_that_is_too_long_is_refused() {
    let Some(rig) = Rig::start() else { return };
    let long = script(&":\n".repeat(50_000));
    let error = rig.runtime.block_on(rig.agents.run(&rig.host, &long)).unwrap_err();
    assert_eq!(error, AgentError::TooLong { length: 100_000 });
    // The longest one is run, whatever it is made of.
    let fits = format!("echo done; exit 0\n{}", "\"".repeat(60_000));
    assert_eq!(rig.run(&fits).stdout, "done\n");
}
