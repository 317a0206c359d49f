//! The wait until a load balancer's targets are in service.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::failure::{ExecuteError, Unhealthy};
use super::operation::Run;
use crate::provision::aws::{AwsError, Cancel, Clients, InstanceHealth, TargetHealth, elb, elbv2};
use crate::provision::event::{Events, Happening};
use crate::provision::resource::v2::Target;

/// The pause after the first look, doubled after each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const NOT_REGISTERED: &str = "NotRegistered";
/// What a Classic load balancer says of an instance that gets connections.
pub(super) const IN_SERVICE: &str = "InService";
/// What a target group says of a target that gets them.
pub(super) const HEALTHY: &str = "healthy";
/// How long a step waits for the first instance.
const IN_SERVICE_WITHIN: Duration = Duration::from_mins(10);

impl Run<'_> {
    /// Waits until one of the instances is in service: from then on the load balancer can do another one's work.
    pub(super) async fn await_in_service(
        &self,
        name: &str,
        instances: &BTreeSet<String>,
    ) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let targets = states(instances, &elb::instance_health(self.clients, name).await?);
            if targets.iter().any(|target| target.state == IN_SERVICE) {
                return Ok(());
            }
            if start.elapsed() > IN_SERVICE_WITHIN {
                return Err(ExecuteError::NotInService { seconds: IN_SERVICE_WITHIN.as_secs(), targets });
            }
            if !self.patience.wait(&mut pause, &format!("no instance of {name} is in service yet")).await {
                return Err(ExecuteError::Interrupted);
            }
        }
    }
}

/// Waits until the Classic load balancer called `name` has all of `instances` in service, and reports every change
/// of what it says of them.
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
    let look = || async { Ok(states(instances, &elb::instance_health(clients, name).await?)) };
    wait(look, timeout, events, cancel).await
}

/// Waits until each of the target groups, by its name in AWS, has all of its targets healthy, and reports every
/// change of what it says of them. `name` is the load balancer's.
pub async fn wait_healthy(
    clients: &Clients,
    name: &str,
    groups: &BTreeMap<String, BTreeSet<Target>>,
    timeout: Duration,
    events: &Events,
    cancel: &Cancel,
) -> Result<(), ExecuteError> {
    if groups.values().all(BTreeSet::is_empty) {
        return Err(ExecuteError::NothingRegistered { name: name.to_owned() });
    }
    let found = try_join_all(groups.keys().map(|group| elbv2::target_group(clients, group))).await?;
    let arns: Vec<Option<String>> = found.into_iter().map(|found| Some(found?.arn)).collect();
    let look = || async {
        let health = arns.iter().map(|arn| async move {
            match arn {
                Some(arn) => elbv2::target_health(clients, arn).await,
                None => Ok(Vec::new()),
            }
        });
        let health = try_join_all(health).await?;
        let of_groups = groups.iter().zip(&health);
        Ok(of_groups.flat_map(|((group, targets), health)| target_states(group, targets, health)).collect())
    };
    wait(look, timeout, events, cancel).await
}

/// Looks until all that is said is that targets are in service.
async fn wait<F>(
    look: impl Fn() -> F,
    timeout: Duration,
    events: &Events,
    cancel: &Cancel,
) -> Result<(), ExecuteError>
where
    F: Future<Output = Result<Vec<Unhealthy>, AwsError>>,
{
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut last: BTreeMap<(Option<String>, String), Unhealthy> = BTreeMap::new();
    loop {
        let targets = look().await?;
        for target in &targets {
            let key = (target.group.clone(), target.id.clone());
            if last.get(&key) != Some(target) {
                let Unhealthy { group, id, state, reason } = target.clone();
                events.report(Happening::TargetChanged { group, id, state, reason });
                last.insert(key, target.clone());
            }
        }
        let in_service = |target: &Unhealthy| target.state == IN_SERVICE || target.state == HEALTHY;
        let unhealthy: Vec<_> = targets.into_iter().filter(|target| !in_service(target)).collect();
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
                group: None,
                id: id.clone(),
                state: found.state.clone(),
                reason: found.description.clone().filter(|_| !found.in_service()),
            },
            None => Unhealthy { group: None, id: id.clone(), state: NOT_REGISTERED.to_owned(), reason: None },
        })
        .collect()
}

/// Returns what a target group says of each of the targets, of the healthy ones without a reason.
fn target_states(group: &str, targets: &BTreeSet<Target>, health: &[TargetHealth]) -> Vec<Unhealthy> {
    targets
        .iter()
        .map(|target| match health.iter().find(|found| found.target == *target) {
            Some(found) => Unhealthy { group: Some(group.to_owned()), ..Unhealthy::from(found.clone()) },
            None => Unhealthy {
                group: Some(group.to_owned()),
                id: target.to_string(),
                state: NOT_REGISTERED.to_owned(),
                reason: None,
            },
        })
        .collect()
}
