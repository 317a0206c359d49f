//! `elbws init`: a commented spec to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use crate::report;

const CLASSIC: &str = include_str!("templates/classic.yaml");
const APPLICATION: &str = include_str!("templates/application.yaml");
const NETWORK: &str = include_str!("templates/network.yaml");

/// Write a commented spec to start from
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file to write, or - for standard output
    #[arg(default_value = "elbws.yaml")]
    path: PathBuf,
    /// Type of the load balancer
    #[arg(long = "type", value_enum, default_value = "classic", value_name = "TYPE")]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Classic,
    Application,
    Network,
}

/// Writes the spec; an existing file is never touched.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let template = match arguments.kind {
        Kind::Classic => CLASSIC,
        Kind::Application => APPLICATION,
        Kind::Network => NETWORK,
    };
    if arguments.path.as_os_str() == "-" {
        report::result(template);
        return Ok(Exit::Done);
    }
    let path = arguments.path.display();
    let mut file = match OpenOptions::new().write(true).create_new(true).open(&arguments.path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Failure {
                error: anyhow!("{path} exists already"),
                hint: Some("name another file, or remove this one".to_owned()),
                exit: Exit::Failed,
            });
        }
        Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot write {path}")).into()),
    };
    file.write_all(template.as_bytes()).with_context(|| format!("cannot write {path}"))?;
    report::message(&format!("wrote {path}; change what it says, then run: elbws validate {path}"));
    Ok(Exit::Done)
}
