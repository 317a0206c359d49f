//! The wait until a load balancer's instances are in service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::{ExecuteError, Unhealthy};
use crate::provision::aws::{Cancel, Clients, InstanceHealth, elb};
use crate::provision::event::{Events, Happening};

/// The pause after the first look, doubled after each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const NOT_REGISTERED: &str = "NotRegistered";

/// Waits until the load balancer called `name` has all of `instances` in service, and reports every change of
/// what it says of them.
pub async fn wait_in_service(
    clients: &Clients,
    name: &str,
    instances: &BTreeSet<String>,
    timeout: Duration,
    events: &Events,
    cancel: &Cancel,
) -> Result<(), ExecuteError> {
    if instances.is_empty() {
        return Err(ExecuteError::NothingRegistered { name: name.to_owned() });
    }
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut last: BTreeMap<String, Unhealthy> = BTreeMap::new();
    loop {
        let health = elb::instance_health(clients, name).await?;
        let targets = states(instances, &health);
        for target in &targets {
            if last.get(&target.id) != Some(target) {
                let Unhealthy { id, state, reason } = target.clone();
                events.report(Happening::TargetChanged { id, state, reason });
                last.insert(target.id.clone(), target.clone());
            }
        }
        let unhealthy: Vec<_> = targets.into_iter().filter(|target| target.state != "InService").collect();
        if unhealthy.is_empty() {
            return Ok(());
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(ExecuteError::NotInService { seconds: timeout.as_secs(), targets: unhealthy });
        }
        if !cancel.sleep(pause.min(left)).await {
            return Err(ExecuteError::Interrupted);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Returns what is said of each of the instances, of those in service without a reason.
fn states(instances: &BTreeSet<String>, health: &[InstanceHealth]) -> Vec<Unhealthy> {
    instances
        .iter()
        .map(|id| match health.iter().find(|found| found.id == *id) {
            Some(found) => Unhealthy {
                id: id.clone(),
                state: found.state.clone(),
                reason: found.description.clone().filter(|_| !found.in_service()),
            },
            None => Unhealthy { id: id.clone(), state: NOT_REGISTERED.to_owned(), reason: None },
        })
        .collect()
}
