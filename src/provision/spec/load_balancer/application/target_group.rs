//! A target group of an Application load balancer.

use serde::Serialize;

use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::load_balancer::target_group::common;
use crate::provision::spec::load_balancer::{Behind, Protocol, TargetHealthCheck, Targets};
use crate::provision::spec::problem::{Problems, Refusal};

/// A target group; its protocol version is always HTTP1, which WebSockets need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplicationTargetGroup {
    /// `http` or `https`.
    pub protocol: Protocol,
    /// The port of a target.
    pub port: u16,
    /// Who serves.
    pub targets: Targets,
    /// How they are checked.
    pub health_check: TargetHealthCheck,
    /// How a visitor stays with one target, if at all.
    pub stickiness: Option<Stickiness>,
    /// How long a deregistered target keeps its connections: 0 s–1 h.
    pub deregistration_delay: Seconds,
    /// How a target is chosen.
    pub algorithm: Algorithm,
    /// How long a new target gets less than its share: 0, or 30 s–15 min with [`Algorithm::RoundRobin`].
    pub slow_start: Seconds,
}

/// How a visitor stays with one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stickiness {
    /// By a cookie of the load balancer, for 1 s–7 d.
    LoadBalancer(Seconds),
    /// By a cookie that the application sets.
    Application {
        /// Its name.
        cookie: String,
        /// How long it decides: 1 s–7 d.
        duration: Seconds,
    },
}

/// How a target is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// In turn.
    RoundRobin,
    /// The one with the fewest requests in progress; an open WebSocket is one.
    LeastOutstandingRequests,
    /// In random order.
    WeightedRandom,
}

impl Algorithm {
    /// Returns the name that AWS and the spec use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastOutstandingRequests => "least_outstanding_requests",
            Self::WeightedRandom => "weighted_random",
        }
    }
}

const STICKY: Seconds = Seconds(86400);

pub(super) fn decode(
    item: &Item,
    behind: Read<&Behind>,
    problems: &mut Problems,
) -> Read<ApplicationTargetGroup> {
    item.as_map()?;
    let common = common(item, Protocol::Http, behind, problems);
    let stickiness = stickiness(item.get("stickiness"), problems);
    let slow_start = item.seconds("slow_start", Seconds(0))?;
    if (1..30).contains(&slow_start.get()) {
        let refusal = Refusal::new(format!("a slow start takes 30s to 15m, not {slow_start}"));
        item.at("slow_start").report(problems, refusal.hint("0 turns it off"));
    }
    let slow = slow_start.get() > 0;
    let algorithm = match item.text("algorithm")? {
        None if slow => Algorithm::RoundRobin,
        None | Some("least_outstanding_requests") => Algorithm::LeastOutstandingRequests,
        Some("weighted_random") => Algorithm::WeightedRandom,
        Some(_) => Algorithm::RoundRobin,
    };
    if slow && algorithm != Algorithm::RoundRobin {
        let refusal = Refusal::new(format!("AWS has no slow start with {}", algorithm.as_str()));
        item.at("slow_start").report(problems, refusal.hint("remove it, or write algorithm: round_robin"));
    }
    let common = common?;
    Ok(ApplicationTargetGroup {
        protocol: common.protocol,
        port: common.port,
        targets: common.targets,
        health_check: common.health_check,
        deregistration_delay: common.deregistration_delay,
        stickiness: stickiness?,
        algorithm,
        slow_start,
    })
}

fn stickiness(item: Option<&Item>, problems: &mut Problems) -> Read<Option<Stickiness>> {
    let Some(item) = item else { return Ok(None) };
    match &item.value {
        Value::Boolean(false) => Ok(None),
        Value::Boolean(true) => {
            let refusal = Refusal::new("how long does a visitor stay with a target?").hint("for example 1d");
            item.report(problems, refusal);
            Err(Invalid)
        }
        Value::Map(_) => Ok(Some(Stickiness::Application {
            cookie: item.text("cookie")?.ok_or(Invalid)?.to_owned(),
            duration: item.seconds("duration", STICKY)?,
        })),
        Value::Integer(_) | Value::Seconds(_) | Value::Text(_) | Value::List(_) | Value::Invalid => {
            item.as_seconds().map(|duration| Some(Stickiness::LoadBalancer(duration)))
        }
    }
}
