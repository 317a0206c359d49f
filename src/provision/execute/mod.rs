//! Runs a plan: each step once those that it needs are done, independent ones at the same time. It runs exactly
//! the plan that was made and decides nothing.

mod aftermath;
mod attachment;
mod certificate;
mod failure;
mod header;
mod in_service;
mod load_balancer;
mod operation;
mod proxy;
mod security_group;
mod v2;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;

use super::aws::retry::Patience;
use super::aws::{Cancel, Clients, cancellation};
use super::event::{Events, Happening};
use super::plan::{Plan, Step};
use super::resource::ResourceKey;
use operation::Run;

pub use super::event::{Event, events};
pub use aftermath::Aftermath;
pub use failure::{ExecuteError, Unhealthy};
pub use in_service::{wait_healthy, wait_in_service};

/// How many steps run at the same time; AWS's limits on calls are a few a second.
const AT_ONCE: usize = 8;

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The steps that succeeded.
    pub done: BTreeSet<usize>,
    /// The steps that failed, each with its reason.
    pub failed: Vec<(usize, ExecuteError)>,
    /// The steps that were not started, or were interrupted while they waited.
    pub remaining: BTreeSet<usize>,
    /// Whether it was cancelled before the plan's end.
    pub cancelled: bool,
}

impl Outcome {
    /// Says whether every step succeeded.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.remaining.is_empty()
    }
}

/// How one step ended.
enum Ended {
    Done { output: Option<String>, elapsed: Duration },
    Failed { error: ExecuteError, elapsed: Duration },
    Interrupted { error: ExecuteError },
}

/// Runs the plan to its end, to the first failure, or until it is cancelled. Then nothing more is started,
/// waits end, and calls that were sent are awaited.
pub async fn execute(plan: &Plan, clients: &Clients, events: &Events, cancel: &Cancel) -> Outcome {
    let (stop, stopping) = cancellation();
    let mut outcome = Outcome::default();
    let mut outputs: BTreeMap<ResourceKey, String> = BTreeMap::new();
    let mut waiting: BTreeMap<usize, &Step> = plan.steps.iter().map(|step| (step.id, step)).collect();
    let mut running = FuturesUnordered::new();
    loop {
        if cancel.is_cancelled() {
            outcome.cancelled |= !(waiting.is_empty() && running.is_empty());
            stop.cancel();
        }
        while !stopping.is_cancelled() && running.len() < AT_ONCE {
            let ready = waiting.iter().find(|(_, step)| step.needs.is_subset(&outcome.done));
            let Some(id) = ready.map(|(id, _)| *id) else { break };
            if let Some(step) = waiting.remove(&id) {
                running.push(run(step, clients, outputs.clone(), events, &stopping));
            }
        }
        let (current, ended) = tokio::select! {
            next = running.next() => match next {
                Some(next) => next,
                None => break,
            },
            () = cancel.cancelled(), if !stopping.is_cancelled() => continue,
        };
        match ended {
            Ended::Done { output, elapsed } => {
                outcome.done.insert(current.id);
                if let Some((key, output)) =
                    output.and_then(|output| Some((current.operation.output()?, output)))
                {
                    outputs.insert(key.clone(), output);
                }
                events.report(Happening::StepFinished { step: current.id, elapsed });
            }
            Ended::Failed { error, elapsed } => {
                let text = error.to_string();
                events.report(Happening::StepFailed { step: current.id, elapsed, error: text });
                outcome.failed.push((current.id, error));
                stop.cancel();
            }
            Ended::Interrupted { error } => {
                let reason = error.to_string();
                events.report(Happening::StepInterrupted { step: current.id, reason });
                outcome.remaining.insert(current.id);
            }
        }
    }
    for step in waiting.into_keys() {
        events.report(Happening::StepSkipped { step });
        outcome.remaining.insert(step);
    }
    outcome.failed.sort_by_key(|(step, _)| *step);
    outcome
}

async fn run<'a>(
    step: &'a Step,
    clients: &Clients,
    outputs: BTreeMap<ResourceKey, String>,
    events: &Events,
    stopping: &Cancel,
) -> (&'a Step, Ended) {
    events.report(Happening::StepStarted { step: step.id, resources: step.resources.clone() });
    let start = Instant::now();
    let retrying = |reason: &str| {
        events.report(Happening::StepRetrying { step: step.id, reason: reason.to_owned() });
    };
    let warn = |warning: &str| {
        events.report(Happening::StepWarned { step: step.id, warning: warning.to_owned() });
    };
    let patience = Patience::new(clients.pace(), stopping, &retrying);
    let run = Run { clients, patience, warn: &warn, outputs };
    let result = run.operation(&step.operation).await;
    let elapsed = start.elapsed();
    let ended = match result {
        Ok(output) => Ended::Done { output, elapsed },
        Err(error) if run.patience.was_interrupted() => Ended::Interrupted { error },
        Err(error) => Ended::Failed { error, elapsed },
    };
    (step, ended)
}
