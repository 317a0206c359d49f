//! The command line of `elbws`: one verb per file, wiring only.

mod failure;
mod globals;
#[cfg(feature = "local")]
mod local;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::{Exit, Failure};
use self::globals::Globals;
use crate::report;

/// Secure WebSockets behind AWS load balancers, declared in one YAML file and proven to work.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "local")]
    Local(local::Arguments),
}

/// Runs the command line and returns the process's exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are clap's "errors" without an error's exit code.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            report::usage(&error);
            return exit.into();
        }
    };
    cli.globals.set_color();
    let result: Result<Exit, Failure> = match cli.command {
        #[cfg(feature = "local")]
        Command::Local(arguments) => local::run(arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report::failure(&failure.error, failure.hint.as_deref());
            failure.exit.into()
        }
    }
}
