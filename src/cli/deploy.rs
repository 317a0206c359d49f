//! `elbws deploy`: the proxy onto the instances.

use std::time::Duration;

use clap::Args;

use super::apply::{carry_out, confirm, duration, show};
use super::failure::{Exit, Failure};
use super::globals::Globals;
use super::rollout::{Rollout, not_deployed};
use super::session::{self, unplannable};
use super::spec_file::{self, Files};
use crate::provision::plan::{self, Adoption};

/// Put the proxy onto the instances: one after the other, each healthy before the next, rolled back where it fails
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec; - is standard input
    #[arg(value_name = "SPEC")]
    spec: String,
    /// Do not ask before changing anything
    #[arg(long, short = 'y')]
    yes: bool,
    /// How long the load balancer is given to find an instance healthy again
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    rollout: Rollout,
}

/// Deploys.
pub(crate) fn run(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let spec = spec_file::parse(&arguments.spec, &spec_file::read_text(&arguments.spec)?)?;
    let mut stack = spec_file::stack(&spec, Files::NotNeeded)?;
    if stack.proxy.is_none() {
        return Err(not_deployed());
    }
    arguments.rollout.complete(globals, &mut stack, Some(arguments.timeout))?;
    session::run(globals, spec.region.as_deref(), |session| async move {
        let observed = session.observe(&stack).await?;
        let plan = plan::deploy(&stack, &observed, Adoption::Refuse).map_err(unplannable)?;
        show(globals, &plan);
        if !plan.steps.is_empty() {
            confirm(arguments.yes, "Install this?")?;
            carry_out(globals, &plan, &session).await?;
        }
        Ok(Exit::Done)
    })
}
