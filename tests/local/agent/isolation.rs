//! What a script can see and reach of the user's system: nothing that matters.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use elbws::local::agent::{AgentError, Agents, Host, Terms};

use super::Rig;

#[test]
fn a_script_has_a_root_of_its_own() {
    let Some(rig) = Rig::start() else { return };
    let marker = tempfile::Builder::new().prefix("elbws-marker.").tempdir_in("/tmp").unwrap();
    fs::write(marker.path().join("secret"), "secret").unwrap();
    for path in [marker.path().to_str().unwrap(), env!("CARGO_MANIFEST_DIR"), env!("CARGO_BIN_EXE_elbws")] {
        assert_eq!(rig.out(&format!("if test -e '{path}'; then echo there; fi")), "", "{path}");
    }
    for empty in ["/root", "/home", "/tmp", "/opt", "/srv", "/mnt", "/media", "/sys", "/usr/local/bin"] {
        assert_eq!(rig.out(&format!("ls -A {empty}")), "", "{empty}");
    }
    assert_eq!(
        rig.out("id -u; id -un; pwd; hostname").lines().take(3).collect::<Vec<_>>(),
        ["0", "root", "/root"]
    );
    let mounts = rig.out("cut -d ' ' -f 2 /proc/mounts");
    assert!(!mounts.lines().any(|path| path.starts_with("/old") || path.starts_with("/new")), "{mounts}");
    // Its own files are its own to change, and stay from script to script.
    let own = "for d in /etc /var /home /root /tmp /run /usr/local/bin /var/tmp; do echo it > $d/kept; done";
    rig.out(own);
    assert_eq!(rig.out("cat /etc/kept /var/kept /home/kept /usr/local/bin/kept"), "it\n".repeat(4));
}

#[test]
fn what_is_the_systems_cannot_be_changed_by_any_way() {
    let Some(rig) = Rig::start() else { return };
    for attempt in [
        "touch /usr/elbws",
        "touch /usr/bin/elbws",
        "touch /lib/elbws",
        "chmod 700 /usr",
        "chmod 600 /dev/null",
        "rm /dev/null",
        "mount -o remount,rw,bind /usr",
        "mount -o remount,rw,bind /dev/null",
        "umount /usr",
        "umount /usr/local",
        "umount --lazy /proc/sys",
        "umount --recursive /",
        "chmod 700 /proc/1/exe",
        "sh -c ': > /proc/1/exe'",
        "sh -c ': > /run/elbws/elbws'",
        "sh -c 'echo 1 > /proc/sys/kernel/printk'",
        "sh -c 'echo s > /proc/sysrq-trigger'",
        "mknod /tmp/device b 8 0",
        // Nor by root of another user namespace, with a mount namespace of its own.
        "unshare --user --map-root-user --mount mount -o remount,rw,bind /usr",
        "unshare --user --map-root-user --mount umount /usr",
        "unshare --user --map-root-user --mount --pid --fork mount -t proc proc /mnt",
        "unshare --user --map-root-user --mount --pid --fork sh -c 'echo 1 > /proc/sys/kernel/printk'",
    ] {
        let ran = rig.run(attempt);
        assert_ne!(ran.exit_code, 0, "{attempt}: {}", ran.stdout);
        // It was tried, and refused.
        assert!(!ran.stderr.contains("not found"), "{attempt}: {}", ran.stderr);
    }
    rig.out("echo gone > /dev/null; head -c 4 /dev/zero > /tmp/zeros; head -c 4 /dev/urandom > /tmp/some");
}

#[test]
fn other_processes_are_neither_seen_nor_reached() {
    let Some(rig) = Rig::start() else { return };
    let mut outside = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap();
    let ran = rig.run(&format!("kill {0}; kill -9 {0}; cat /proc/{0}/comm; kill -9 -1; true", outside.id()));
    assert!(ran.stderr.contains("No such process"), "{}", ran.stderr);
    assert!(outside.try_wait().unwrap().is_none(), "it was killed from inside");
    outside.kill().unwrap();
    outside.wait().unwrap();
    // Nor does what is inside end by that: it has been started by the first process.
    assert_eq!(rig.out("cat /proc/1/comm"), "elbws\n");
    let programs = rig.out("cat /proc/[0-9]*/comm");
    assert!(programs.lines().all(|name| ["elbws", "sh", "cat"].contains(&name)), "{programs}");
}

#[test]
fn the_network_is_its_own() {
    let Some(rig) = Rig::start() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = |address: &str| {
        format!("perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(q({address})) ? 0 : 1)'")
    };
    assert_eq!(rig.run(&connect(&format!("127.0.0.1:{port}"))).exit_code, 1);
    assert_eq!(rig.run(&connect("192.0.2.1:80")).exit_code, 1);
    let interfaces = rig.out("cut -d : -s -f 1 /proc/net/dev");
    assert_eq!(interfaces.trim(), "lo");
}

#[test]
fn the_environment_is_clean() {
    let Some(rig) = Rig::start() else { return };
    let names = rig.out("env | cut -d = -f 1 | sort | tr '\\n' ' '");
    // The shell's own among them.
    assert_eq!(names, "HOME LANG LOGNAME PATH PWD USER ");
}

#[test]
fn without_a_program_nothing_is_run() {
    let agents = Agents::new(Terms::default());
    let reason = agents.managed().unwrap_err();
    assert_eq!(
        reason.to_string(),
        "instances cannot be isolated here: there is no program that isolates them"
    );
    let host = Host {
        id: "i-0".to_owned(),
        address: [127, 64, 0, 1].into(),
        network: "172.31.0.0/16".parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(agents.run(&host, &super::script("true"))).unwrap_err();
    assert_eq!(error, AgentError::Unmanaged(reason));
    // Nor by a program that does something else.
    let agents = Agents::new(Terms { program: Some("/bin/true".into()), ..Terms::default() });
    assert_eq!(agents.managed().unwrap_err().reason(), "it ended before it was up");
}

#[test]
fn where_there_are_no_namespaces_nothing_is_run() {
    let Some(rig) = Rig::start() else { return };
    drop(rig);
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("elbws");
    let text = format!(
        "#!/bin/sh\nexec /usr/bin/unshare --user --map-root-user \
         /bin/sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec {} \"$@\"' sh \"$@\"\n",
        env!("CARGO_BIN_EXE_elbws")
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let agents = Agents::new(Terms { program: Some(program), ..Terms::default() });
    let reason = agents.managed().unwrap_err();
    assert!(reason.reason().starts_with("no namespaces of one's own (unshare): "), "{reason}");
}
