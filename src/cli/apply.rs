//! `elbws apply` and `elbws destroy`: plan, confirm, run, wait.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::plan::Agreed;
use super::rollout::{Rollout, whereabouts};
use super::session::{self, Session, unplannable};
use super::spec_file::{self, Files};
use crate::provision::execute::{ExecuteError, Outcome, events, execute, wait_healthy, wait_in_service};
use crate::provision::plan::{self, Plan, SavedPlan, SavedPlanError};
use crate::provision::resource::{LoadBalancerType, Stack};
use crate::provision::spec::Seconds;
use crate::report::{self, progress::Progress};

/// Build what the spec says: plan, confirm, run, wait until the targets are in service
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec, - for standard input, or a plan that `elbws plan --out` saved
    #[arg(value_name = "SPEC|PLANFILE")]
    source: String,
    /// Do not ask before changing anything
    #[arg(long, short = 'y')]
    yes: bool,
    /// Do not wait until the targets are in service
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for the targets; also for each instance that gets the proxy
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    agreed: Agreed,
    #[command(flatten)]
    rollout: Rollout,
}

/// Remove everything that carries the stack's tags
#[derive(Debug, Args)]
pub(crate) struct DestroyArguments {
    /// The spec; - is standard input
    #[arg(value_name = "SPEC")]
    spec: String,
    /// Do not ask before deleting anything
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Reads a duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    Seconds::parse(text)
        .map(|seconds| Duration::from_secs(seconds.get().into()))
        .ok_or_else(|| "a duration is 30s, 5m, 1h or plain seconds".to_owned())
}

/// What there is to apply.
enum Source {
    Spec(Box<Stack>),
    Saved(Box<SavedPlan>),
}

/// Applies a spec or a saved plan.
pub(crate) fn run(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let text = spec_file::read_text(&arguments.source)?;
    let (source, region) = if is_saved_plan(&text) {
        let saved = SavedPlan::from_json(&text).map_err(|error| stale(&arguments.source, error))?;
        let region = saved.plan.region.clone();
        (Source::Saved(Box::new(saved)), Some(region))
    } else {
        let spec = spec_file::parse(&arguments.source, &text)?;
        let mut stack = spec_file::stack(&spec, Files::Needed)?;
        arguments.rollout.complete(globals, &mut stack, Some(arguments.timeout))?;
        (Source::Spec(Box::new(stack)), spec.region)
    };
    session::run(globals, region.as_deref(), |session| apply(globals, arguments, source, session))
}

/// Destroys a stack.
pub(crate) fn run_destroy(globals: &Globals, arguments: &DestroyArguments) -> Result<Exit, Failure> {
    let spec = spec_file::parse(&arguments.spec, &spec_file::read_text(&arguments.spec)?)?;
    let mut stack = spec_file::stack(&spec, Files::NotNeeded)?;
    // What is on the instances is left there: they may not be the stack's.
    stack.proxy = None;
    session::run(globals, spec.region.as_deref(), |session| async move {
        let observed = session.observe(&stack).await?;
        let plan = plan::destroy(&stack, &observed).map_err(unplannable)?;
        show(globals, &plan);
        if plan.steps.is_empty() {
            return Ok(Exit::Done);
        }
        confirm(arguments.yes, "Delete all of this?")?;
        carry_out(globals, &plan, &session).await?;
        Ok(Exit::Done)
    })
}

fn is_saved_plan(text: &str) -> bool {
    let json = serde_json::from_str::<serde_json::Value>(text);
    json.is_ok_and(|value| value.get("format").is_some() && value.get("plan").is_some())
}

fn stale(path: &str, error: SavedPlanError) -> Failure {
    Failure {
        error: anyhow::Error::new(error).context(format!("cannot apply {path}")),
        hint: Some("plan again, and look at what changed".to_owned()),
        exit: Exit::Failed,
    }
}

async fn apply(
    globals: &Globals,
    arguments: &Arguments,
    source: Source,
    session: Session,
) -> Result<Exit, Failure> {
    let plan = match source {
        Source::Spec(stack) => {
            let observed = session.observe(&stack).await?;
            plan::plan(&stack, &observed, arguments.agreed.choices()).map_err(unplannable)?
        }
        Source::Saved(saved) => {
            if session.clients.region() != saved.plan.region {
                return Err(anyhow!(
                    "{} was planned for {}, and the region is {}",
                    arguments.source,
                    saved.plan.region,
                    session.clients.region()
                )
                .into());
            }
            let observed = session.observe(&saved.stack).await?;
            saved.check(&observed).map_err(|error| stale(&arguments.source, error))?;
            saved.plan
        }
    };
    show(globals, &plan);
    if !plan.steps.is_empty() {
        confirm(arguments.yes, "Apply these changes?")?;
        carry_out(globals, &plan, &session).await?;
    }
    if !arguments.no_wait && plan.has_targets() {
        await_targets(globals, arguments, &plan, &session).await?;
    }
    Ok(Exit::Done)
}

/// Prints the plan.
pub(crate) fn show(globals: &Globals, plan: &Plan) {
    match globals.output {
        Output::Text => report::result(&report::plan::text(plan)),
        Output::Markdown => report::result(&report::plan::markdown(plan)),
        Output::Json => {
            let mut event = report::plan::json(plan);
            if let Some(fields) = event.as_object_mut() {
                fields.insert("event".to_owned(), "planned".into());
            }
            report::result(&format!("{event}\n"));
        }
    }
}

/// Asks on a terminal; elsewhere nobody can answer, and only `--yes` will do.
pub(crate) fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure {
            error: anyhow!("nobody can be asked: standard input is no terminal"),
            hint: Some("pass --yes to go ahead without being asked".to_owned()),
            exit: Exit::Usage,
        });
    }
    report::question(&format!("{question} Only yes goes ahead: "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure { error: anyhow!("not confirmed: nothing was changed"), hint: None, exit: Exit::Failed })
}

/// Runs the plan, shows how it goes, and says what became of it.
pub(crate) async fn carry_out(globals: &Globals, plan: &Plan, session: &Session) -> Result<(), Failure> {
    let (events, receiver) = events();
    let progress = Progress::new(globals.output == Output::Json, &plan.steps);
    let outcome = {
        let run = async move { execute(plan, &session.clients, &events, &session.cancel).await };
        let (outcome, ()) = tokio::join!(run, progress.follow(receiver));
        outcome
    };
    if outcome.is_complete() {
        if globals.output != Output::Json {
            report::message(&format!("done: {} of {} steps", outcome.done.len(), plan.steps.len()));
        }
        return Ok(());
    }
    Err(incomplete(plan, outcome))
}

/// Says what failed, what was done and what remains.
fn incomplete(plan: &Plan, mut outcome: Outcome) -> Failure {
    let remaining: Vec<String> = outcome
        .remaining
        .iter()
        .filter_map(|id| plan.steps.get(*id))
        .map(|step| format!("  {}", step.operation))
        .collect();
    let summary = format!("{} of {} steps are done", outcome.done.len(), plan.steps.len());
    if !remaining.is_empty() {
        report::message(&format!("{summary}; these remain:\n{}", remaining.join("\n")));
    }
    if let Some(text) = whereabouts(plan, &outcome) {
        report::message(&text);
    }
    let resume = "run it again: it goes on from what was done";
    let step = |id: usize| plan.steps.get(id).map_or_else(String::new, |step| step.operation.to_string());
    let last = outcome.failed.pop();
    for (id, error) in outcome.failed {
        let hint = error.hint();
        report::failure(&anyhow::Error::new(error).context(format!("cannot {}", step(id))), hint.as_deref());
    }
    match last {
        Some((id, error)) => Failure {
            hint: Some(error.hint().unwrap_or_else(|| resume.to_owned())),
            error: anyhow::Error::new(error).context(format!("cannot {}", step(id))),
            exit: Exit::Failed,
        },
        None => Failure {
            error: anyhow!("interrupted: {summary}"),
            hint: Some(resume.to_owned()),
            exit: Exit::Interrupted,
        },
    }
}

async fn await_targets(
    globals: &Globals,
    arguments: &Arguments,
    plan: &Plan,
    session: &Session,
) -> Result<(), Failure> {
    let (events, receiver) = events();
    let progress = Progress::new(globals.output == Output::Json, &[]);
    let wait = async move {
        let (clients, name, cancel) = (&session.clients, &plan.load_balancer, &session.cancel);
        let timeout = arguments.timeout;
        match plan.load_balancer_type {
            LoadBalancerType::Classic => {
                wait_in_service(clients, name, &plan.targets, timeout, &events, cancel).await
            }
            LoadBalancerType::Application | LoadBalancerType::Network => {
                wait_healthy(clients, name, &plan.target_groups, timeout, &events, cancel).await
            }
        }
    };
    let (result, ()) = tokio::join!(wait, progress.follow(receiver));
    result.map_err(|error| match error {
        ExecuteError::Interrupted => Failure {
            error: anyhow!("interrupted: the stack is built, but not every target is in service yet"),
            hint: Some("elbws status SPEC --watch shows the targets".to_owned()),
            exit: Exit::Interrupted,
        },
        error => error.into(),
    })
}
