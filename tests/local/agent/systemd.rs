//! The stand-in for systemd: what `systemctl` does with a unit inside.

use super::Rig;

/// Writes a unit.
fn unit(name: &str, service: &str) -> String {
    format!(
        "cat >/etc/systemd/system/{name}.service <<'END'\n[Unit]\nDescription=A test\n[Service]\n{service}\n\
         [Install]\nWantedBy=multi-user.target\nEND\nsystemctl daemon-reload\n"
    )
}

/// A program that notifies: `say` in Perl, with `notify(TEXT)`.
fn notifying(say: &str) -> String {
    format!(
        "cat >/usr/local/bin/notifying <<'END'\n#!/usr/bin/perl\nuse IO::Socket::UNIX;\n$| = 1;\n\
         sub notify {{ IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{{NOTIFY_SOCKET}})->send(@_) }}\n\
         {say}\nEND\nchmod +x /usr/local/bin/notifying\n"
    )
}

const WAIT: &str =
    "await() { until [ \"$(systemctl show --property=$2 --value $1)\" = $3 ]; do sleep 0.05; done; }\n";

#[test]
fn a_service_is_started_shown_and_stopped() {
    let Some(rig) = Rig::start() else { return };
    rig.out(&unit(
        "a",
        "ExecStart=/bin/sh -c 'echo words of \"$WHAT\"; exec sleep 6000'\nEnvironment=WHAT=mine",
    ));
    assert_eq!(rig.run("systemctl is-active a").stdout, "inactive\n");
    assert_eq!(rig.run("systemctl is-active --quiet a").exit_code, 3);
    assert_eq!(rig.out("systemctl show --property=MainPID --value a"), "0\n");
    rig.out("systemctl start a.service");
    assert_eq!(rig.out("systemctl is-active a; systemctl is-active --quiet a"), "active\n");
    assert_eq!(rig.out("cat /proc/$(systemctl show --property=MainPID --value a)/comm"), "sleep\n");
    assert_eq!(
        rig.out("systemctl show --property=ActiveState,SubState,NRestarts a"),
        "ActiveState=active\nSubState=running\nNRestarts=0\n"
    );
    let pid = rig.out("systemctl show -p MainPID --value a");
    // Again is nothing new.
    assert_eq!(rig.out("systemctl start a; systemctl show -p MainPID --value a"), pid);
    assert_ne!(rig.out("systemctl restart a; systemctl show -p MainPID --value a"), pid);
    let journal = rig.out(
        "until journalctl -u a --no-pager | grep -c 'words of mine' | grep -q 2; do sleep 0.05; done; \
        journalctl --unit a --lines 50 --no-pager",
    );
    assert!(
        journal.contains("]: words of mine\n") && journal.contains("systemd[1]: a.service: Started A test."),
        "{journal}"
    );
    let status = rig.run("systemctl status a --no-pager");
    assert!(status.stdout.starts_with("● a.service - A test\n"), "{}", status.stdout);
    assert!(status.stdout.contains("Active: active (running)\n"), "{}", status.stdout);
    rig.out("systemctl stop a");
    assert_eq!(rig.run("systemctl is-active a; systemctl status a").exit_code, 3);
    assert_eq!(rig.out("cat /proc/[0-9]*/comm | grep -c sleep || true"), "0\n");
}

#[test]
fn what_is_not_there_or_not_known_is_refused() {
    let Some(rig) = Rig::start() else { return };
    for (command, code, words) in [
        ("systemctl start nothing", 5, "Unit nothing.service could not be found."),
        ("systemctl status nothing", 4, "could not be found"),
        ("systemctl is-active nothing", 3, ""),
        ("systemctl enable nothing", 1, "could not be found"),
        ("systemctl start ../passwd", 1, "not valid"),
        ("systemctl start", 1, "Too few arguments"),
        ("systemctl isolate x", 1, "has no verb isolate"),
        ("systemctl --user start x", 1, "has no option --user"),
        ("journalctl", 1, "--unit NAME"),
    ] {
        let ran = rig.run(command);
        assert_eq!(ran.exit_code, code, "{command}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{command}: {}", ran.stderr);
    }
    let forking = format!("{}systemctl start f", unit("f", "Type=forking\nExecStart=/bin/true"));
    let ran = rig.run(&forking);
    assert_eq!(ran.exit_code, 5);
    assert!(ran.stderr.contains("has no Type=forking"), "{}", ran.stderr);
}

#[test]
fn a_service_that_notifies_is_started_once_it_is_ready() {
    let Some(rig) = Rig::start() else { return };
    rig.out(&notifying("sleep 1; print qq(soon\\n); notify(qq(READY=1\\nSTATUS=up\\n)); sleep 6000"));
    rig.out(&unit("a", "Type=notify\nExecStart=/usr/local/bin/notifying"));
    let out = rig.out("systemctl start a & sleep 0.3; systemctl is-active a; wait; systemctl is-active a");
    assert_eq!(out, "activating\nactive\n");
    // One that is not, is not.
    rig.out(&notifying("print qq(last words\\n); exit 3"));
    let ran = rig.run("systemctl restart a");
    assert_eq!(ran.exit_code, 1);
    assert!(ran.stderr.starts_with("Job for a.service failed because"), "{}", ran.stderr);
    assert_eq!(rig.run("systemctl is-active a").stdout, "failed\n");
    assert_eq!(rig.out("systemctl show --property=ExecMainStatus --value a"), "3\n");
    assert!(rig.out("journalctl -u a -n 5").contains("last words"));
    rig.out("systemctl reset-failed a");
    assert_eq!(rig.run("systemctl is-active a").stdout, "inactive\n");
    rig.out(&notifying("sleep 6000"));
    rig.out(&unit("a", "Type=notify\nTimeoutStartSec=1\nExecStart=/usr/local/bin/notifying"));
    assert!(rig.run("systemctl start a").stderr.contains("a timeout was exceeded"));
    rig.out(&unit(
        "a",
        "ExecStartPre=-/bin/false\nExecStartPre=/bin/sh -c 'exit 9'\nExecStart=/bin/sleep 6000",
    ));
    assert_eq!(rig.run("systemctl start a").exit_code, 1);
    assert_eq!(rig.out("systemctl show --property=ExecMainStatus --value a"), "9\n");
}

#[test]
fn a_service_that_fails_is_started_again_and_one_that_ends_well_is_not() {
    let Some(rig) = Rig::start() else { return };
    rig.out(&unit("a", "ExecStart=/bin/sleep 6000\nRestart=on-failure\nRestartSec=200ms"));
    let out = rig.out(&format!(
        "{WAIT}systemctl start a; kill -9 $(systemctl show -p MainPID --value a)
        await a NRestarts 1; await a ActiveState active
        kill $(systemctl show -p MainPID --value a); await a ActiveState inactive; echo done"
    ));
    assert_eq!(out, "done\n");
    // Not for ever.
    let out = rig.out(&format!(
        "{WAIT}{}systemctl start b; await b ActiveState failed; systemctl show -p Result --value b",
        unit("b", "ExecStart=/bin/sh -c 'exit 1'\nRestart=on-failure\nRestartSec=10ms")
    ));
    assert_eq!(out, "start-limit-hit\n");
    assert_eq!(rig.run("systemctl start b").exit_code, 1);
    // A stop ends the wait for a restart.
    let out = rig.out(&format!(
        "{WAIT}{}systemctl start c; await c SubState auto-restart; systemctl stop c; systemctl is-active c || true",
        unit("c", "ExecStart=/bin/sh -c 'exit 1'\nRestart=on-failure\nRestartSec=1h")
    ));
    assert_eq!(out, "inactive\n");
}

#[test]
fn reloads_and_new_main_processes_are_followed() {
    let Some(rig) = Rig::start() else { return };
    let heir = "$SIG{HUP} = sub { $asked = 1 }; notify(q(READY=1)); sleep 1 until $asked; $asked = 0;
        if (!($heir = fork)) { while (1) { sleep 1 until $asked; $asked = 0; print qq(heir was asked\n) } }
        notify(qq(MAINPID=$heir\nREADY=1)); notify(q(MAINPID=1)); print qq(named\n); sleep 6000 while 1";
    rig.out(&notifying(heir));
    rig.out(&unit("a", "Type=notify\nExecStart=/usr/local/bin/notifying\nExecReload=/bin/kill -HUP $MAINPID\nTimeoutStopSec=5s"));
    rig.out("systemctl start a");
    let first = rig.out("systemctl show -p MainPID --value a");
    let out = rig.out("systemctl reload a; until journalctl -u a | grep -q named; do sleep 0.05; done; \
        until journalctl -u a | grep -q 'New main process'; do sleep 0.05; done; systemctl show -p MainPID --value a");
    // What the former one says no longer counts.
    assert_ne!((out.as_str(), out.as_str()), (first.as_str(), "1\n"));
    rig.out("systemctl reload a; until journalctl -u a | grep -q 'heir was asked'; do sleep 0.05; done");
    // It ends with its main process, though that is another one's child, and takes the other one along.
    assert_eq!(rig.out("systemctl stop a; systemctl is-active a || true"), "inactive\n");
    rig.out("while cat /proc/[0-9]*/comm | grep -q notifying; do sleep 0.05; done");
    let ran = rig.run("systemctl reload a");
    assert!(ran.stderr.contains("not active, cannot reload"), "{}", ran.stderr);
}

#[test]
fn a_stop_takes_no_longer_than_its_time() {
    let Some(rig) = Rig::start() else { return };
    rig.out(&unit(
        "a",
        "ExecStart=/bin/sh -c 'trap \"\" TERM; sleep 6000 & while :; do sleep 1; done'\nTimeoutStopSec=1s\nKillMode=mixed",
    ));
    rig.out("systemctl start a; systemctl stop a");
    rig.out("while cat /proc/[0-9]*/comm | grep -q sleep; do sleep 0.05; done");
    assert_eq!(rig.out("systemctl show -p Result --value a"), "timeout\n");
}

#[test]
fn what_is_enabled_comes_up_with_the_instance() {
    let Some(rig) = Rig::start() else { return };
    rig.out(&unit("a", "ExecStart=/bin/sleep 6000"));
    rig.out(&unit("b", "ExecStart=/bin/sleep 6000"));
    assert!(
        rig.run("systemctl enable a")
            .stderr
            .starts_with("Created symlink /etc/systemd/system/multi-user.target.wants/a.service")
    );
    assert_eq!(rig.run("systemctl is-enabled a").stdout, "enabled\n");
    rig.out("systemctl enable --quiet --now b; systemctl is-active --quiet b; systemctl disable --quiet b");
    rig.runtime.block_on(rig.agents.stop(&rig.host.id));
    let out = rig.out(&format!("{WAIT}await a ActiveState active; systemctl is-active a b || true"));
    assert_eq!(out, "active\ninactive\n");
}
