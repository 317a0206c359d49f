//! `elbws iam-policy`: the least policy that a stack needs.

use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::Globals;
use super::spec_file::{self, Files};
use crate::provision::iam_policy::policy;
use crate::report;

/// Print the IAM policy that plan, apply, deploy, status, doctor, probe and destroy of a spec need
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec; - is standard input
    #[arg(value_name = "SPEC")]
    spec: String,
}

/// Prints the policy.
pub(crate) fn run(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let spec = spec_file::parse(&arguments.spec, &spec_file::read_text(&arguments.spec)?)?;
    let stack = spec_file::stack(&spec, Files::Needed)?;
    let region = globals.region.as_deref().or(spec.region.as_deref());
    let document = serde_json::to_value(policy(&stack, region)).map_err(anyhow::Error::new)?;
    report::json(&document);
    Ok(Exit::Done)
}
