//! The command line of `elbws`: one verb per file, wiring only.

use std::process::ExitCode;

/// Runs the command line and returns the process's exit code.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
