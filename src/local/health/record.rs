//! Where the checks of one instance or target stand. Pure.

use tokio::time::Instant;

use super::Check;
use super::probe::Outcome;

/// What checks say so far.
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

/// Results so far.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) check: Check,
    /// When the last check ended.
    pub(super) last: Option<Instant>,
    pub(super) in_flight: bool,
    /// Since when it is in service.
    pub(super) in_service: Option<Instant>,
    /// Whether a threshold was ever reached.
    decided: bool,
    /// Passed checks in a row.
    passes: u16,
    /// Failed checks in a row.
    failures: u16,
    /// How the last check failed, if it did.
    pub(super) failure: Option<Outcome>,
}

impl Record {
    pub(super) fn new(check: Check) -> Self {
        Self {
            check,
            last: None,
            in_flight: false,
            in_service: None,
            decided: false,
            passes: 0,
            failures: 0,
            failure: None,
        }
    }

    /// The same results under a check that was configured anew.
    pub(super) fn with(self, check: Check) -> Self {
        Self { check, ..self }
    }

    pub(super) fn take(&mut self, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Passed {
            self.passes = self.passes.saturating_add(1);
            self.failures = 0;
            self.failure = None;
            let check = &self.check;
            let enough = if self.decided { check.healthy_threshold } else { check.first_threshold };
            if self.passes >= enough {
                self.in_service.get_or_insert(now);
                self.decided = true;
            }
        } else {
            self.failures = self.failures.saturating_add(1);
            self.passes = 0;
            self.failure = Some(outcome);
            if self.failures >= self.check.unhealthy_threshold {
                self.in_service = None;
                self.decided = true;
            }
        }
    }

    /// As Classic load balancers count: who passes again is no longer unhealthy, if not yet in service.
    pub(super) fn verdict(&self) -> Verdict {
        if self.in_service.is_some() {
            Verdict::Healthy
        } else if self.passes == 0 && self.failures == 0 {
            Verdict::Registering
        } else if self.failures >= self.check.unhealthy_threshold {
            Verdict::Unhealthy
        } else {
            Verdict::NotYetHealthy
        }
    }

    /// As target groups count: who was unhealthy stays so up to the healthy threshold.
    pub(super) fn group_verdict(&self) -> Verdict {
        match self.verdict() {
            Verdict::NotYetHealthy if self.decided => Verdict::Unhealthy,
            verdict @ (Verdict::NotYetHealthy
            | Verdict::Registering
            | Verdict::Unhealthy
            | Verdict::Healthy) => verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Verdict::{Healthy, NotYetHealthy, Registering, Unhealthy};
    use super::*;
    use crate::local::health::probe::Probe;

    fn record(first_threshold: u16) -> Record {
        let probe = Probe { address: None, source: None, preface: Vec::new(), secure: false, request: None };
        Record::new(Check {
            probe,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
            first_threshold,
            tells_failures: true,
        })
    }

    fn verdicts(mut record: Record, verdict: fn(&Record) -> Verdict, results: &[bool]) -> Vec<Verdict> {
        let mut verdicts = vec![verdict(&record)];
        for passed in results {
            let outcome = if *passed { Outcome::Passed } else { Outcome::Timeout };
            record.take(outcome, Instant::now());
            verdicts.push(verdict(&record));
        }
        verdicts
    }

    #[test]
    fn thresholds_count_results_in_a_row() {
        let results = [true, false, true, true, false, false, true, false, false, false, true, true];
        assert_eq!(
            verdicts(record(2), Record::verdict, &results),
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

    #[test]
    fn a_group_decides_at_the_first_pass_and_then_by_its_thresholds() {
        let results = [false, true, false, false, false, true, true];
        assert_eq!(
            verdicts(record(1), Record::group_verdict, &results),
            [Registering, NotYetHealthy, Healthy, Healthy, Healthy, Unhealthy, Unhealthy, Healthy,]
        );
    }
}
