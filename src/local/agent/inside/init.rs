//! The first process of the PID namespace, until the root stands: then it becomes `serve`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{sethostname, setsid};

use super::enter::{leave, report};
use super::{PROGRAM, Trouble, network, root, when};
use crate::local::agent::message::Plan;

/// Builds the inside and becomes its first process.
pub(super) fn init(arguments: &[OsString]) -> ExitCode {
    if let Err(reason) = attempt(arguments) {
        report(reason);
    }
    ExitCode::FAILURE
}

fn attempt(arguments: &[OsString]) -> Result<(), Trouble> {
    // With the process that waits for this one, all of this ends.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(when("PR_SET_PDEATHSIG"))?;
    // The user's terminal stays his.
    setsid().map_err(when("setsid"))?;
    umask(Mode::from_bits_truncate(0o022));
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(when("RLIMIT_CORE"))?;
    let plan: Plan = arguments
        .first()
        .and_then(|plan| plan.to_str())
        .and_then(|plan| serde_json::from_str(plan).ok())
        .ok_or("it was not told what to be")?;
    let program = std::env::current_exe().map_err(when("the program is not found"))?;
    root::enter(&plan, &program)?;
    leave(
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )?;
    root::verify()?;
    prctl::set_no_new_privs().map_err(when("PR_SET_NO_NEW_PRIVS"))?;
    sethostname(root::host_name(plan.address)).map_err(when("sethostname"))?;
    network::set_up(plan.network).map_err(when("the loopback cannot be set up"))?;
    let error = Command::new(PROGRAM).args(["local", "agent", "serve"]).exec();
    Err(format!("the program cannot be run inside, where /usr is what there is of this system: {error}"))
}
