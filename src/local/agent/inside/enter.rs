//! The process that leaves the user's namespaces, and waits for the first one of the new ones.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd as _;
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use super::{Trouble, when};
use crate::local::agent::channel;
use crate::local::agent::message::Report;

/// Leaves, starts `init`, and ends with it.
pub(super) fn enter(arguments: &[OsString]) -> ExitCode {
    match attempt(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            report(reason);
            ExitCode::FAILURE
        }
    }
}

/// Tells the outside why there is no inside.
pub(super) fn report(reason: Trouble) {
    if let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() {
        // Without anybody outside there is nobody to tell.
        let _ = channel::send_blocking(&socket, &Report::Failed { reason });
    }
}

fn attempt(arguments: &[OsString]) -> Result<(), Trouble> {
    leave(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    let program = std::env::current_exe().map_err(when("the program is not found"))?;
    let status = Command::new(program)
        .args(["local", "agent", "init"])
        .args(arguments)
        .status()
        .map_err(when("the first process of a PID namespace cannot be started"))?;
    if status.success() { Ok(()) } else { Err(format!("the first process inside ended: {status}")) }
}

/// Goes into new namespaces, of which this user is root.
pub(super) fn leave(namespaces: CloneFlags) -> Result<(), Trouble> {
    let (user, group) = (geteuid(), getegid());
    unshare(namespaces).map_err(when("no namespaces of one's own (unshare)"))?;
    // In this order (user_namespaces(7)).
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1\n")),
        ("/proc/self/gid_map", format!("0 {group} 1\n")),
    ] {
        fs::write(file, text).map_err(when(&format!("{file} cannot be written")))?;
    }
    Ok(())
}
