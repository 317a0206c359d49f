//! The inside of an instance: from the process that leaves this machine's system behind to the one that is PID 1 of
//! another. Owns what happens there; the outside is reached by the socket pair that is standard input.
//!
//! The program starts itself anew three times. `enter` leaves the user's namespaces and starts `init`, the first
//! process of a PID namespace, which builds the root and goes into it. There it leaves its namespaces once more: in
//! those that follow, nothing that was mounted before can be undone or made writable by anybody, root included. Then
//! it becomes `serve`, run from the read-only copy of the program inside, so that nobody inside holds the user's own.

mod console;
mod enter;
mod init;
mod journal;
mod network;
mod processes;
mod root;
mod serve;
mod systemctl;
mod unit;

use std::ffi::OsString;
use std::process::ExitCode;

/// Where the program is inside.
const PROGRAM: &str = "/run/elbws/elbws";

/// Why it goes no further, in words.
type Trouble = String;

/// Does what the command line asks of the inside; none if it asks something else.
pub(crate) fn run() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != "local" || words.next()? != "agent" {
        return None;
    }
    let stage = words.next();
    let rest: Vec<OsString> = words.collect();
    Some(match stage.as_ref().and_then(|stage| stage.to_str()) {
        Some("enter") => enter::enter(&rest),
        Some("init") => init::init(&rest),
        Some("serve") => serve::serve(&rest),
        Some("systemctl" | "journalctl") => console::call(stage.iter().chain(&rest)),
        _ => {
            console::complain("this is the inside of an instance: `elbws local` starts it");
            ExitCode::from(64)
        }
    })
}

/// Puts what was done in front of why it failed.
fn when<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Trouble {
    move |error| format!("{what}: {error}")
}
