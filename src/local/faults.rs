//! Faults that tests switch on: which calls are hit, and by what. What a call means is not known here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::routing::Service;

/// A rule that hits some calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The operation's name, or `*` for all.
    operation: String,
    /// Only calls of this service, by its name in [`Service`].
    #[serde(default)]
    service: Option<Service>,
    /// The first call to hit, counted among the matching ones from now on; 1 if not given.
    #[serde(default = "one")]
    nth: u64,
    /// How many matching calls in a row are hit; 1 if not given.
    #[serde(default = "one")]
    times: u64,
    /// Hits every matching call from the nth on.
    #[serde(default)]
    every: bool,
    /// What happens to a call that is hit.
    effect: Effect,
    /// Matching calls so far.
    #[serde(skip)]
    seen: u64,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// The service's own throttling error.
    Throttle,
    /// This error.
    Error {
        /// The wire code.
        code: String,
        /// The HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
        /// The message.
        #[serde(default)]
        message: String,
    },
    /// The call waits that many milliseconds before it takes effect.
    #[serde(rename = "delay_ms")]
    Delay(u64),
    /// The call takes effect, and the connection is closed without an answer.
    DropAfter,
    /// The connection is closed before the call takes effect.
    DropBefore,
    /// From this call on, every call of any service is dropped before it takes effect, until faults are cleared.
    Halt,
}

fn one() -> u64 {
    1
}

fn bad_request() -> u16 {
    400
}

impl Rule {
    fn hits(&mut self, service: Service, operation: &str) -> bool {
        let wanted = self.service.is_none_or(|wanted| wanted == service)
            && (self.operation == "*" || self.operation == operation);
        if !wanted {
            return false;
        }
        self.seen += 1;
        self.seen >= self.nth && (self.every || self.seen - self.nth < self.times)
    }
}

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
    halted: bool,
}

/// What the rules do to one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strike {
    /// How long it waits.
    pub(crate) delay: Duration,
    /// What else happens: the effect of the first rule that hits.
    pub(crate) effect: Option<Effect>,
}

impl Faults {
    /// Adds rules behind those in force.
    pub(crate) fn add(&mut self, rules: Vec<Rule>) {
        self.rules.extend(rules);
    }

    /// Removes every rule, and ends a halt.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Counts a call against every rule.
    pub(crate) fn strike(&mut self, service: Service, operation: &str) -> Strike {
        let mut strike = Strike::default();
        for rule in &mut self.rules {
            if !rule.hits(service, operation) {
                continue;
            }
            match &rule.effect {
                Effect::Delay(milliseconds) => strike.delay += Duration::from_millis(*milliseconds),
                effect => {
                    self.halted |= *effect == Effect::Halt;
                    strike.effect.get_or_insert_with(|| effect.clone());
                }
            }
        }
        if self.halted {
            strike.effect = Some(Effect::Halt);
        }
        strike
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(rules: serde_json::Value) -> Faults {
        let mut faults = Faults::default();
        faults.add(serde_json::from_value(rules).unwrap());
        faults
    }

    fn hits(faults: &mut Faults, operations: &[&str]) -> Vec<bool> {
        operations.iter().map(|operation| faults.strike(Service::Elb, operation).effect.is_some()).collect()
    }

    #[test]
    fn the_nth_matching_call_is_hit_and_the_next_times() {
        let mut faults =
            faults(serde_json::json!([{ "operation": "A", "nth": 2, "times": 2, "effect": "throttle" }]));
        assert_eq!(
            hits(&mut faults, &["A", "B", "A", "B", "A", "A"]),
            [false, false, true, false, true, false]
        );
    }

    #[test]
    fn every_has_no_end_and_services_are_told_apart() {
        let mut faults = faults(
            serde_json::json!([{ "operation": "*", "service": "elb", "every": true, "effect": "drop-after" }]),
        );
        assert_eq!(hits(&mut faults, &["A", "B"]), [true, true]);
        assert_eq!(faults.strike(Service::Ec2, "A").effect, None);
    }

    #[test]
    fn a_halt_holds_for_every_call_until_cleared() {
        let mut faults = faults(serde_json::json!([{ "operation": "A", "nth": 2, "effect": "halt" }]));
        assert_eq!(hits(&mut faults, &["A", "B", "A", "B"]), [false, false, true, true]);
        assert_eq!(faults.strike(Service::Ec2, "C").effect, Some(Effect::Halt));
        faults.clear();
        assert_eq!(hits(&mut faults, &["A", "B"]), [false, false]);
    }

    #[test]
    fn delays_add_up_beside_an_effect() {
        let mut faults = faults(serde_json::json!([
            { "operation": "A", "effect": { "delay_ms": 20 } },
            { "operation": "*", "effect": { "delay_ms": 5 } },
            { "operation": "A", "effect": { "error": { "code": "InternalFailure", "status": 500 } } },
        ]));
        let strike = faults.strike(Service::Elb, "A");
        assert_eq!(strike.delay, Duration::from_millis(25));
        let code = "InternalFailure".to_owned();
        assert_eq!(strike.effect, Some(Effect::Error { code, status: 500, message: String::new() }));
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        for rule in [
            serde_json::json!({ "operation": "A", "effect": "throttle", "nht": 2 }),
            serde_json::json!({ "operation": "A", "effect": "throttle", "service": "elv" }),
            serde_json::json!({ "operation": "A", "effect": "trottle" }),
        ] {
            assert!(serde_json::from_value::<Rule>(rule.clone()).is_err(), "{rule}");
        }
    }
}
