//! `elbws status`: the live state of a stack.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::rollout::complete_for_comparison;
use super::session::{self, Session, unplannable};
use super::spec_file::{self, Files};
use crate::provision::observe::{instance_health, target_health};
use crate::provision::plan::{Adoption, ProxyState, plan, proxy_states};
use crate::provision::resource::{DesiredBalancer, LoadBalancer, Observed, Stack, v2};
use crate::report;
use crate::report::status::{ClassicStatus, GroupStatus, LoadBalancerStatus, Status, V2Status};

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
    let output = globals.text_or_json()?;
    let spec = spec_file::parse(&arguments.spec, &spec_file::read_text(&arguments.spec)?)?;
    let mut stack = spec_file::stack(&spec, Files::Needed)?;
    complete_for_comparison(&mut stack);
    session::run(globals, spec.region.as_deref(), |session| async move {
        loop {
            let status = Box::pin(look(&stack, &session)).await?;
            match output {
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
    let found = match &stack.load_balancer {
        DesiredBalancer::Classic(_) => match observed.load_balancer(name) {
            Some(found) => Some(classic(found, session).await?),
            None => None,
        },
        DesiredBalancer::V2(_) => match observed.v2_load_balancer(name) {
            Some(found) => Some(v2(found, &observed, session).await?),
            None => None,
        },
    };
    let Some((load_balancer, arns)) = found else {
        return Err(Failure {
            error: anyhow!("load balancer {name} does not exist in {}", observed.region),
            hint: Some("build it with `elbws apply`".to_owned()),
            exit: Exit::Failed,
        });
    };
    let proxies = proxy_states(stack, &observed);
    let plan = plan(&stack.without_proxy(), &observed, Adoption::Refuse).map_err(unplannable)?;
    let differing = proxies.iter().filter(|proxy| proxy.state != ProxyState::AsDesired).count();
    let certificates =
        observed.certificates.iter().filter(|found| arns.contains(&found.arn)).cloned().collect();
    let drift = plan.changes.len() + differing;
    Ok(Status { stack: stack.name.clone(), load_balancer, certificates, proxies, drift })
}

/// Reads what a Classic load balancer says of its instances; gives the ARNs of its certificates, too.
async fn classic(
    found: &LoadBalancer,
    session: &Session,
) -> Result<(LoadBalancerStatus, BTreeSet<String>), Failure> {
    let health = session.reading(instance_health(&session.clients, &found.name)).await?;
    let arns = found.listeners.values().filter_map(|listener| listener.certificate.clone()).collect();
    Ok((LoadBalancerStatus::Classic(ClassicStatus { load_balancer: found.clone(), health }), arns))
}

/// Reads what the target groups of a load balancer say of their targets; gives the ARNs of its certificates, too.
async fn v2(
    found: &v2::LoadBalancer,
    observed: &Observed,
    session: &Session,
) -> Result<(LoadBalancerStatus, BTreeSet<String>), Failure> {
    let mut groups = Vec::new();
    for group in observed.target_groups.iter().filter(|group| group.load_balancers.contains(&found.arn)) {
        let health = session.reading(target_health(&session.clients, group)).await?;
        groups.push(GroupStatus { group: group.clone(), health });
    }
    let records = observed
        .records
        .iter()
        .filter(|record| {
            record.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(&found.dns_name))
        })
        .cloned()
        .collect();
    let arns = found
        .listeners
        .values()
        .flat_map(|listener| listener.certificate.iter().chain(&listener.additional_certificates))
        .cloned()
        .collect();
    Ok((LoadBalancerStatus::V2(V2Status { load_balancer: found.clone(), groups, records }), arns))
}
