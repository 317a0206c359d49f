//! `elbws proxy-config`: the configuration that a spec asks of the proxy.

use anyhow::anyhow;
use clap::Args;

use super::failure::{Exit, Failure};
use super::spec_file;
use crate::provision::install::proxy_config;
use crate::provision::spec::{Proxy, Spec};
use crate::report;

/// Print the configuration of elbws-proxy that a spec asks for
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec's file, or - for standard input
    spec: String,
}

/// Prints it.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let text = spec_file::read_text(&arguments.spec)?;
    let spec = spec_file::parse(&arguments.spec, &text)?;
    report::result(&proxy_config(proxy_of(&spec)?));
    Ok(Exit::Done)
}

/// Returns the spec's proxy, without which there is nothing to configure or to install.
pub(crate) fn proxy_of(spec: &Spec) -> Result<&Proxy, Failure> {
    spec.proxy.as_ref().ok_or_else(|| Failure {
        error: anyhow!("stack {} has no proxy", spec.stack),
        hint: Some("the spec says proxy: false; remove it for the bundled proxy".to_owned()),
        exit: Exit::Usage,
    })
}
