//! `elbws plan`: what would change.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::rollout::Rollout;
use super::session::{self, Session, unplannable};
use super::spec_file::{self, Files};
use crate::provision::plan::{Adoption, Choices, Cutover, SavedPlan, plan};
use crate::provision::resource::Stack;
use crate::report;

/// Show what would change, and what each change does to live connections
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec; - is standard input
    #[arg(value_name = "SPEC")]
    spec: String,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Save the plan in this file, for `elbws apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    agreed: Agreed,
    #[command(flatten)]
    rollout: Rollout,
}

/// What a user may agree to besides the spec.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Agreed {
    /// Take over a load balancer of the same name that carries no tags of elbws
    #[arg(long)]
    adopt: bool,
    /// Remove the stack's load balancers of another type or name: their traffic has moved
    #[arg(long)]
    cutover: bool,
}

impl Agreed {
    /// Returns what the planner makes of it.
    pub(crate) fn choices(self) -> Choices {
        Choices {
            adoption: if self.adopt { Adoption::Adopt } else { Adoption::Refuse },
            cutover: if self.cutover { Cutover::Now } else { Cutover::WhenMoved },
        }
    }
}

/// Plans and prints.
pub(crate) fn run(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let spec = spec_file::parse(&arguments.spec, &spec_file::read_text(&arguments.spec)?)?;
    let mut stack = spec_file::stack(&spec, Files::Needed)?;
    arguments.rollout.complete(globals, &mut stack, None)?;
    session::run(globals, spec.region.as_deref(), |session| print(globals, arguments, stack, session))
}

async fn print(
    globals: &Globals,
    arguments: &Arguments,
    stack: Stack,
    session: Session,
) -> Result<Exit, Failure> {
    let observed = session.observe(&stack).await?;
    let choices = arguments.agreed.choices();
    let plan = plan(&stack, &observed, choices).map_err(unplannable)?;
    match globals.output {
        Output::Text => report::result(&report::plan::text(&plan)),
        Output::Json => report::result(&format!("{}\n", report::plan::json(&plan))),
        Output::Markdown => report::result(&report::plan::markdown(&plan)),
    }
    let pending = !plan.changes.is_empty();
    if let Some(path) = &arguments.out {
        let text =
            SavedPlan::new(stack, choices, plan, &observed).to_json().context("cannot save the plan")?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        report::message(&format!("saved; apply exactly this with: elbws apply {}", path.display()));
    }
    Ok(if arguments.detailed_exitcode && pending { Exit::Pending } else { Exit::Done })
}
