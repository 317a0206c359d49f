//! `elbws status`: the live state of a stack.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::session::{self, Session, unplannable};
use super::spec_file::{self, Files};
use crate::provision::observe::instance_health;
use crate::provision::plan::{Adoption, plan};
use crate::provision::resource::Stack;
use crate::report::{self, status::Status};

/// The pause between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// Show the live state: listeners, policies on each port, targets with reasons, certificates, drift
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec; - is standard input
    #[arg(value_name = "SPEC")]
    spec: String,
    /// Look again every two seconds until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// Shows the state, once or until interrupted.
pub(crate) fn run(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let spec = spec_file::parse(&arguments.spec, &spec_file::read_text(&arguments.spec)?)?;
    let stack = spec_file::stack(&spec, Files::Needed)?;
    session::run(globals, spec.region.as_deref(), |session| async move {
        loop {
            let status = Box::pin(look(&stack, &session)).await?;
            match globals.output {
                Output::Json => report::result(&format!("{}\n", status.json())),
                Output::Text | Output::Markdown if arguments.watch => {
                    report::screen(&status.text());
                }
                Output::Text | Output::Markdown => report::result(&status.text()),
            }
            if !arguments.watch || !session.cancel.sleep(PAUSE).await {
                break;
            }
        }
        Ok(if session.cancel.is_cancelled() { Exit::Interrupted } else { Exit::Done })
    })
}

async fn look(stack: &Stack, session: &Session) -> Result<Status, Failure> {
    let observed = session.observe(stack).await?;
    let name = stack.load_balancer.name();
    let Some(balancer) = observed.load_balancer(name) else {
        return Err(Failure {
            error: anyhow!("load balancer {name} does not exist in {}", observed.region),
            hint: Some("build it with `elbws apply`".to_owned()),
            exit: Exit::Failed,
        });
    };
    let health = session.reading(instance_health(&session.clients, name)).await?;
    let plan = plan(stack, &observed, Adoption::Refuse).map_err(unplannable)?;
    let on_listeners: Vec<_> = observed
        .certificates
        .iter()
        .filter(|found| {
            balancer.listeners.values().any(|listener| listener.certificate.as_ref() == Some(&found.arn))
        })
        .cloned()
        .collect();
    Ok(Status {
        stack: stack.name.clone(),
        load_balancer: balancer.clone(),
        health,
        certificates: on_listeners,
        drift: plan.changes.len(),
    })
}
