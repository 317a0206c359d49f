//! Health checks of Classic load balancers: which are due, what their results say, and the task that runs them.
//!
//! Health is not part of the saved state: a server that starts again checks again. What a check sends is in
//! [`probe`]; how health is worded for clients is `api`'s business.

pub(crate) mod probe;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::probe::Probe;
use super::account::{Account, Settings};
use super::admission;
use super::state::ec2::{Instance, InstanceState};
use super::state::elb::LoadBalancer;
use super::state::{Region, State};

/// How long the task sleeps when no check is to come; a change of the account wakes it.
const IDLE: Duration = Duration::from_hours(1);

/// An instance behind a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    region: String,
    load_balancer: String,
    instance: String,
}

/// What a load balancer makes of an instance's checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No check has ended yet.
    Registering,
    /// The healthy threshold has not been reached.
    NotYetHealthy,
    /// The unhealthy threshold has been reached.
    Unhealthy,
    /// In service.
    Healthy,
}

/// A check as it is configured now.
#[derive(Clone, Debug)]
struct Check {
    probe: Probe,
    interval: Duration,
    timeout: Duration,
    healthy_threshold: u16,
    unhealthy_threshold: u16,
}

/// Where the checks of one instance stand.
#[derive(Clone, Debug)]
struct Record {
    check: Check,
    /// When the last check ended.
    last: Option<Instant>,
    in_flight: bool,
    in_service: bool,
    /// Passed checks in a row.
    passes: u16,
    /// Failed checks in a row.
    failures: u16,
}

/// The health of every instance that is checked.
#[derive(Debug, Default)]
pub(crate) struct HealthTable(BTreeMap<Key, Record>);

/// The checks to run now, and when to look again.
struct Due {
    checks: Vec<(Key, Check)>,
    next: Instant,
}

impl HealthTable {
    /// The verdict on an instance; none before its first check is planned.
    pub(crate) fn verdict(&self, region: &str, load_balancer: &str, instance: &str) -> Option<Verdict> {
        let key = Key {
            region: region.to_owned(),
            load_balancer: load_balancer.to_owned(),
            instance: instance.to_owned(),
        };
        self.0.get(&key).map(Record::verdict)
    }

    /// Whether a load balancer sends traffic to an instance: registered, running, in a zone that it serves, and
    /// in service (or not asked, while everything counts as healthy).
    pub(crate) fn serves(
        &self,
        region: (&str, &Region),
        load_balancer: &LoadBalancer,
        id: &str,
        settings: &Settings,
    ) -> bool {
        let (region_name, region) = region;
        let serving = || self.verdict(region_name, &load_balancer.name, id) == Some(Verdict::Healthy);
        load_balancer.instances.iter().any(|registered| registered == id)
            && runs_in_zone(region, load_balancer, id).is_some()
            && (settings.assume_healthy || serving())
    }

    /// Forgets what is no longer to be checked, takes up what is new, and hands out the checks that are due.
    fn due(&mut self, state: &State, settings: &Settings, now: Instant) -> Due {
        let mut known = std::mem::take(&mut self.0);
        for (key, check) in checks(state, settings) {
            let record = match known.remove(&key) {
                Some(record) => Record { check, ..record },
                None => Record::new(check),
            };
            self.0.insert(key, record);
        }
        let mut due = Due { checks: Vec::new(), next: now + IDLE };
        for (key, record) in &mut self.0 {
            if record.in_flight {
                continue;
            }
            // By the interval as it is now: it may have been changed since the last check.
            let at = record.last.map_or(now, |last| last + record.check.interval);
            if at <= now {
                record.in_flight = true;
                due.checks.push((key.clone(), record.check.clone()));
            } else {
                due.next = due.next.min(at);
            }
        }
        due
    }

    /// Takes the result of a check down, if the instance is still checked.
    fn record(&mut self, key: &Key, passed: bool, now: Instant) {
        if let Some(record) = self.0.get_mut(key) {
            record.take(passed);
            record.in_flight = false;
            record.last = Some(now);
        }
    }
}

impl Record {
    fn new(check: Check) -> Self {
        Self { check, last: None, in_flight: false, in_service: false, passes: 0, failures: 0 }
    }

    fn take(&mut self, passed: bool) {
        if passed {
            self.passes = self.passes.saturating_add(1);
            self.failures = 0;
            self.in_service |= self.passes >= self.check.healthy_threshold;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.passes = 0;
            self.in_service &= self.failures < self.check.unhealthy_threshold;
        }
    }

    fn verdict(&self) -> Verdict {
        if self.in_service {
            Verdict::Healthy
        } else if self.passes == 0 && self.failures == 0 {
            Verdict::Registering
        } else if self.failures >= self.check.unhealthy_threshold {
            Verdict::Unhealthy
        } else {
            Verdict::NotYetHealthy
        }
    }
}

/// Every check that the account's load balancers call for: of running instances in zones that they serve.
fn checks(state: &State, settings: &Settings) -> BTreeMap<Key, Check> {
    let mut checks = BTreeMap::new();
    if settings.assume_healthy {
        return checks;
    }
    for (name, region) in &state.regions {
        for load_balancer in region.elb.load_balancers.values() {
            for id in &load_balancer.instances {
                if let Some(check) = check(region, load_balancer, id, settings) {
                    let key = Key {
                        region: name.clone(),
                        load_balancer: load_balancer.name.clone(),
                        instance: id.clone(),
                    };
                    checks.insert(key, check);
                }
            }
        }
    }
    checks
}

/// The instance, if it runs in a zone that the load balancer serves.
fn runs_in_zone<'a>(region: &'a Region, load_balancer: &LoadBalancer, id: &str) -> Option<&'a Instance> {
    let instance = region.ec2.instances.get(id)?;
    let mut served = load_balancer.subnets.iter().filter_map(|id| region.ec2.subnets.get(id));
    let in_zone = served.any(|subnet| subnet.zone == instance.zone);
    (instance.state == InstanceState::Running && in_zone).then_some(instance)
}

fn check(region: &Region, load_balancer: &LoadBalancer, id: &str, settings: &Settings) -> Option<Check> {
    let instance = runs_in_zone(region, load_balancer, id)?;
    let configured = &load_balancer.health_check;
    let target = configured.parsed_target()?;
    // A port that no rule admits, or that the offset lifts beyond the last one, cannot be reached.
    let admitted = !settings.enforce_security_groups
        || admission::reaches(&region.ec2, load_balancer, instance, target.port);
    let port = target.port.checked_add(settings.port_offset).filter(|_| admitted);
    let address = port.map(|port| SocketAddr::new(IpAddr::V4(instance.private_ip), port));
    let interval = settings.health_check_interval;
    Some(Check {
        probe: Probe { address, protocol: target.protocol, path: target.path },
        interval: interval.unwrap_or(Duration::from_secs(configured.interval.into())),
        timeout: Duration::from_secs(configured.timeout.into()),
        healthy_threshold: configured.healthy_threshold,
        unhealthy_threshold: configured.unhealthy_threshold,
    })
}

/// Runs health checks until it is dropped, with those in flight.
pub(crate) async fn run(account: Arc<Account>) {
    let mut changes = account.changes();
    let mut in_flight = JoinSet::new();
    loop {
        let due = {
            let inner = &mut *account.lock();
            inner.health.due(&inner.state, &inner.settings, Instant::now())
        };
        for (key, check) in due.checks {
            in_flight.spawn(async move {
                let passed = tokio::time::timeout(check.timeout, check.probe.passes()).await;
                (key, passed.unwrap_or(false))
            });
        }
        tokio::select! {
            () = sleep_until(due.next) => {}
            Ok(()) = changes.changed() => {}
            Some(done) = in_flight.join_next() => {
                if let Ok((key, passed)) = done {
                    account.lock().health.record(&key, passed, Instant::now());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Healthy, NotYetHealthy, Registering, Unhealthy};
    use super::*;
    use crate::local::state::elb::Protocol;

    fn record() -> Record {
        let check = Check {
            probe: Probe { address: None, protocol: Protocol::Tcp, path: String::new() },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        };
        Record::new(check)
    }

    #[test]
    fn thresholds_count_results_in_a_row() {
        let mut record = record();
        let mut verdicts = vec![record.verdict()];
        for passed in [true, false, true, true, false, false, true, false, false, false, true, true] {
            record.take(passed);
            verdicts.push(record.verdict());
        }
        assert_eq!(
            verdicts,
            [
                Registering,
                NotYetHealthy,
                NotYetHealthy,
                NotYetHealthy,
                Healthy,
                Healthy,
                Healthy,
                Healthy,
                Healthy,
                Healthy,
                Unhealthy,
                NotYetHealthy,
                Healthy,
            ]
        );
    }
}
