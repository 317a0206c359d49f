//! `elbws doctor`: the whole way from a visitor to the proxy, examined in AWS.

use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::rollout::complete_for_comparison;
use super::session;
use super::spec_file::{self, Files};
use crate::doctor::examine;
use crate::report;

/// Examine a stack in AWS: timeouts, security groups, PROXY headers, certificates, targets, each finding with its fix
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec; - is standard input
    #[arg(value_name = "SPEC")]
    spec: String,
}

/// Examines, and says what is right, what is wrong and what could not be looked at.
pub(crate) fn run(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let output = globals.text_or_json()?;
    let spec = spec_file::parse(&arguments.spec, &spec_file::read_text(&arguments.spec)?)?;
    let mut stack = spec_file::stack(&spec, Files::NotNeeded)?;
    complete_for_comparison(&mut stack);
    let (spec, stack) = (&spec, &stack);
    session::run(globals, spec.region.as_deref(), |session| async move {
        let diagnosis = session.reading(Box::pin(examine(&session.clients, spec, stack))).await?;
        match output {
            Output::Json => report::json(&report::doctor::json(&diagnosis)),
            Output::Text | Output::Markdown => report::result(&report::doctor::text(&diagnosis)),
        }
        Ok(if diagnosis.is_sound() { Exit::Done } else { Exit::Failed })
    })
}
