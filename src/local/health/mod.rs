//! Health checks: which are due, what their results say, and the task that runs them.
//!
//! Health is not part of the saved state: a server that starts again checks again. What is to be checked is in
//! [`classic`] and [`group`], what a check sends in [`probe`]; how health is worded for clients is `api`'s business.

mod classic;
mod group;
mod newer;
pub(crate) mod probe;
mod record;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::probe::{Outcome, Probe};
use self::record::Record;
use super::account::Account;
use super::settings::Settings;
use super::state::State;

pub(crate) use self::group::{TargetHealth, TargetState};
pub(crate) use self::record::Verdict;

/// How long the task sleeps when no check is to come; a change of the account wakes it.
const IDLE: Duration = Duration::from_hours(1);

/// Who is checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// An instance behind a Classic load balancer.
    Instance { region: String, load_balancer: String, instance: String },
    /// A target of a group.
    Target { region: String, group: String, id: String, port: u16 },
}

/// A check as it is configured now.
#[derive(Clone, Debug)]
struct Check {
    probe: Probe,
    interval: Duration,
    timeout: Duration,
    healthy_threshold: u16,
    unhealthy_threshold: u16,
    /// How many checks in a row the very first verdict takes.
    first_threshold: u16,
    /// Whether clients are told in which way checks fail.
    tells_failures: bool,
}

/// The health of everyone that is checked.
#[derive(Debug, Default)]
pub(crate) struct HealthTable(BTreeMap<Key, Record>);

/// The checks to run now, and when to look again.
struct Due {
    checks: Vec<(Key, Check)>,
    next: Instant,
}

impl HealthTable {
    /// Forgets what is no longer to be checked, takes up what is new, and hands out the checks that are due.
    fn due(&mut self, state: &State, settings: &Settings, now: Instant) -> Due {
        let mut known = std::mem::take(&mut self.0);
        for (key, check) in checks(state, settings) {
            let record = match known.remove(&key) {
                Some(record) => record.with(check),
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

    /// Takes the result of a check down, if its subject is still checked.
    fn record(&mut self, key: &Key, outcome: Outcome, now: Instant) {
        if let Some(record) = self.0.get_mut(key) {
            record.take(outcome, now);
            record.in_flight = false;
            record.last = Some(now);
        }
    }
}

/// Every check that the account calls for.
fn checks(state: &State, settings: &Settings) -> BTreeMap<Key, Check> {
    let mut checks = BTreeMap::new();
    if !settings.assume_healthy {
        classic::add_checks(state, settings, &mut checks);
        group::add_checks(state, settings, &mut checks);
    }
    checks
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
                let outcome = tokio::time::timeout(check.timeout, check.probe.ask()).await;
                (key, outcome.unwrap_or(Outcome::Timeout))
            });
        }
        tokio::select! {
            () = sleep_until(due.next) => {}
            Ok(()) = changes.changed() => {}
            Some(done) = in_flight.join_next() => {
                if let Ok((key, outcome)) = done {
                    account.lock().health.record(&key, outcome, Instant::now());
                }
            }
        }
    }
}
