//! What is checked of target groups, and the health of their targets.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html>. Only
//! groups that a load balancer forwards to are checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::probe::{Outcome, Probe, Request, codes};
use super::record::{Record, Verdict};
use super::{Check, HealthTable, Key};
use crate::local::admission::{self, Balancer};
use crate::local::placement::{Place, place, serves_zone};
use crate::local::proxy_header;
use crate::local::settings::Settings;
use crate::local::state::elbv2::{Kind, LoadBalancer, ProtocolVersion, Target, TargetGroup};
use crate::local::state::{Region, State};

/// The health of a target, as its group tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetHealth {
    pub(crate) state: TargetState,
    /// None for healthy ones.
    pub(crate) reason: Option<&'static str>,
    /// None for healthy ones.
    pub(crate) description: Option<String>,
}

/// The state of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetState {
    Initial,
    Healthy,
    Unhealthy,
    /// It gets no traffic, whatever its checks would say.
    Unused,
    Draining,
}

impl TargetState {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unused => "unused",
            Self::Draining => "draining",
        }
    }
}

impl TargetHealth {
    const HEALTHY: Self = Self { state: TargetState::Healthy, reason: None, description: None };

    fn new(state: TargetState, reason: &'static str, description: impl Into<String>) -> Self {
        Self { state, reason: Some(reason), description: Some(description.into()) }
    }

    /// That of what a group does not have among its targets.
    pub(crate) fn not_registered() -> Self {
        let description = "Target is not registered to the target group";
        Self::new(TargetState::Unused, "Target.NotRegistered", description)
    }
}

impl HealthTable {
    /// The health of a target of a group.
    pub(crate) fn target(
        &self,
        region: (&str, &Region),
        group: &TargetGroup,
        target: &Target,
        settings: &Settings,
    ) -> TargetHealth {
        let (region_name, region) = region;
        if !target.is_registered() {
            let description = "Target deregistration is in progress";
            return TargetHealth::new(TargetState::Draining, "Target.DeregistrationInProgress", description);
        }
        if region.elbv2.users_of(&group.arn).next().is_none() {
            let description = "Target group is not configured to receive traffic from the load balancer";
            return TargetHealth::new(TargetState::Unused, "Target.NotInUse", description);
        }
        let Some(place) = place(region, group, target) else {
            let state = region.ec2.instances.get(&target.id).map_or("terminated", |found| found.state.name());
            let description = format!("Target is in the {state} state");
            return TargetHealth::new(TargetState::Unused, "Target.InvalidState", description);
        };
        if !region.elbv2.users_of(&group.arn).any(|balancer| serves_zone(region, balancer, &place)) {
            let description = "Target is in an Availability Zone that is not enabled for the load balancer";
            return TargetHealth::new(TargetState::Unused, "Target.NotInUse", description);
        }
        if settings.assume_healthy {
            return TargetHealth::HEALTHY;
        }
        self.0.get(&key(region_name, group, target)).map_or_else(
            || TargetHealth::new(TargetState::Initial, "Elb.RegistrationInProgress", REGISTERING),
            Record::health,
        )
    }

    /// Since when a target is healthy, by its checks.
    pub(crate) fn healthy_since(
        &self,
        region: &str,
        group: &TargetGroup,
        target: &Target,
    ) -> Option<Instant> {
        self.0.get(&key(region, group, target))?.in_service
    }
}

const REGISTERING: &str = "Target registration is in progress";

impl Record {
    fn health(&self) -> TargetHealth {
        match self.group_verdict() {
            Verdict::Healthy => TargetHealth::HEALTHY,
            Verdict::Registering => {
                TargetHealth::new(TargetState::Initial, "Elb.RegistrationInProgress", REGISTERING)
            }
            Verdict::NotYetHealthy => {
                let description = "Initial health checks in progress";
                TargetHealth::new(TargetState::Initial, "Elb.InitialHealthChecking", description)
            }
            Verdict::Unhealthy => {
                // Only Application Load Balancers tell how checks fail.
                let failure = self.failure.filter(|_| self.check.tells_failures);
                let (reason, description) = match failure {
                    Some(Outcome::Code(code)) => (
                        "Target.ResponseCodeMismatch",
                        format!("Health checks failed with these codes: [{code}]"),
                    ),
                    Some(Outcome::Timeout) => ("Target.Timeout", "Request timed out".to_owned()),
                    Some(Outcome::Passed | Outcome::Failed) | None => {
                        ("Target.FailedHealthChecks", "Health checks failed".to_owned())
                    }
                };
                TargetHealth::new(TargetState::Unhealthy, reason, description)
            }
        }
    }
}

fn key(region: &str, group: &TargetGroup, target: &Target) -> Key {
    Key::Target {
        region: region.to_owned(),
        group: group.arn.clone(),
        id: target.id.clone(),
        port: target.port,
    }
}

/// Every check of targets that may get traffic.
pub(super) fn add_checks(state: &State, settings: &Settings, checks: &mut BTreeMap<Key, Check>) {
    for (name, region) in &state.regions {
        for group in region.elbv2.target_groups.values() {
            for target in group.targets.iter().filter(|target| target.is_registered()) {
                let Some(place) = place(region, group, target) else { continue };
                let mut users = region.elbv2.users_of(&group.arn);
                let user = users.find(|balancer| serves_zone(region, balancer, &place));
                if let Some(user) = user {
                    let check = check(region, user, group, target, &place, settings);
                    checks.insert(key(name, group, target), check);
                }
            }
        }
    }
}

fn check(
    region: &Region,
    load_balancer: &LoadBalancer,
    group: &TargetGroup,
    target: &Target,
    place: &Place<'_>,
    settings: &Settings,
) -> Check {
    let configured = &group.health_check;
    let port = configured.port.unwrap_or(target.port);
    // A port that no rule admits, or that the offset lifts beyond the last one, cannot be reached.
    let admitted = !settings.enforce_security_groups
        || place.instance.is_none_or(|instance| {
            admission::reaches(&region.ec2, &Balancer::from(load_balancer), instance, port)
        });
    let lifted = port.checked_add(settings.port_offset).filter(|_| admitted);
    let address = place.address.zip(lifted);
    let request = configured.protocol.is_application().then(|| Request {
        version: group.protocol_version.unwrap_or(ProtocolVersion::Http1),
        path: configured.path.clone().unwrap_or_else(|| "/".to_owned()),
        host: place.address.map_or_else(String::new, |address| format!("{address}:{port}")),
        agent: "ELB-HealthChecker/2.0",
        codes: codes(configured.matcher.as_deref().unwrap_or("200")),
    });
    let proxy_protocol = group.attributes.flag("proxy_protocol_v2.enabled");
    let interval = settings.health_check_interval;
    let is_application = load_balancer.kind == Kind::Application;
    Check {
        probe: Probe {
            address: address.map(|(address, port)| SocketAddr::new(IpAddr::V4(address), port)),
            source: Some(load_balancer.address),
            preface: if proxy_protocol { proxy_header::of_health_check() } else { Vec::new() },
            secure: configured.protocol.is_secure(),
            request,
        },
        interval: interval.unwrap_or(Duration::from_secs(configured.interval.into())),
        timeout: Duration::from_secs(configured.timeout.into()),
        healthy_threshold: configured.healthy_threshold,
        unhealthy_threshold: configured.unhealthy_threshold,
        first_threshold: if is_application { 1 } else { configured.healthy_threshold },
        tells_failures: is_application,
    }
}
