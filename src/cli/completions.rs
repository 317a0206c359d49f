//! `elbws completions`: completions for a shell.

use clap::Args;
use clap_complete::Shell;

use super::failure::Exit;
use crate::report;

/// Print completions for a shell
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions of `command`.
pub(crate) fn run(arguments: &Arguments, mut command: clap::Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "elbws", &mut script);
    report::result(&String::from_utf8_lossy(&script));
    Exit::Done
}
