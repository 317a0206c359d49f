//! `elbws man`: manual pages, in roff.

use anyhow::{Context as _, anyhow};
use clap::Args;
use clap_mangen::Man;

use super::failure::{Exit, Failure};
use crate::report;

/// Print the manual page of elbws, or of one of its commands
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The command whose page is printed
    command: Option<String>,
}

/// Prints the page of `root` or of the command of it that is named.
pub(crate) fn run(arguments: &Arguments, mut root: clap::Command) -> Result<Exit, Failure> {
    // Only a built command has its global options and its full name.
    root.build();
    let command = match &arguments.command {
        None => root,
        Some(name) => root.find_subcommand(name).cloned().ok_or_else(|| Failure {
            error: anyhow!("there is no command {name}"),
            hint: Some("elbws help lists them".to_owned()),
            exit: Exit::Usage,
        })?,
    };
    let mut page = Vec::new();
    Man::new(command)
        .source(concat!("elbws ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .context("cannot render the manual page")?;
    report::result(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
