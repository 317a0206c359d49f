//! The processes inside, as their first one sees them: everything that ends is reaped here, whoever began it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::sync::oneshot;

/// A shell's code for what a signal ended.
const SIGNALLED: i32 = 128;

/// Where programs are looked for, our stand-ins first.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The processes that somebody waits for.
#[derive(Default)]
pub(super) struct Processes {
    waiting: RefCell<BTreeMap<i32, oneshot::Sender<i32>>>,
}

impl Processes {
    /// Starts a command at the head of a process group of its own; its exit code comes when it has been reaped.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<(Pid, oneshot::Receiver<i32>)> {
        // The handle is dropped, which neither waits for it nor ends it.
        let child = command.process_group(0).spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // Nothing was reaped since: that is done by this thread.
        Ok((Pid::from_raw(pid), self.watch(Pid::from_raw(pid))))
    }

    /// The exit code of a process that somebody else started, should it be reaped here.
    pub(super) fn watch(&self, pid: Pid) -> oneshot::Receiver<i32> {
        let (sender, code) = oneshot::channel();
        self.waiting.borrow_mut().insert(pid.as_raw(), sender);
        code
    }

    /// Reaps all that have ended.
    pub(super) fn reap(&self) {
        loop {
            let (pid, code) = match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, SIGNALLED + signal as i32),
                Ok(WaitStatus::StillAlive) => return,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            if let Some(waiting) = self.waiting.borrow_mut().remove(&pid.as_raw()) {
                // Nobody may want to know any more.
                let _ = waiting.send(code);
            }
        }
    }
}

/// Sends a signal to a process; one that is gone does not mind.
pub(super) fn signal(pid: Pid, signal: Signal) {
    let _ = kill(pid, signal);
}

/// Kills a process group; one that is gone does not mind.
pub(super) fn kill_group(group: Pid) {
    let _ = killpg(group, Signal::SIGKILL);
}

/// The code with which a process ended that its parent has not reaped yet, none while it runs. Of one that is gone
/// altogether it is taken to be 0.
pub(super) fn ended(pid: Pid) -> Option<i32> {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Some(0) };
    // `pid (name) state … exit_code`, and the name may hold anything (proc_pid_stat(5)).
    let (_, rest) = text.rsplit_once(") ")?;
    if !rest.starts_with(['Z', 'X']) {
        return None;
    }
    let status: i32 = rest.split_ascii_whitespace().next_back()?.parse().ok()?;
    let signal = status & 0x7f;
    Some(if signal == 0 { (status >> 8) & 0xff } else { SIGNALLED + signal })
}
