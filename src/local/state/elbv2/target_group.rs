//! Target groups and their targets.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Attributes, Protocol};
use crate::local::state::Tags;

/// A target group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    /// Of targets that are registered without a port.
    pub(crate) port: u16,
    /// Of HTTP and HTTPS groups.
    pub(crate) protocol_version: Option<ProtocolVersion>,
    pub(crate) target_type: TargetType,
    pub(crate) vpc_id: String,
    pub(crate) health_check: HealthCheck,
    pub(crate) attributes: Attributes,
    /// In the order of their registration; one that drains stays until its delay is over.
    pub(crate) targets: Vec<Target>,
    pub(crate) tags: Tags,
}

/// What a group's targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TargetType {
    /// Instances by id.
    Instance,
    /// Addresses.
    Ip,
    /// Application Load Balancers by ARN.
    Alb,
}

/// How an Application Load Balancer speaks to targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ProtocolVersion {
    Http1,
    Http2,
    Grpc,
}

/// The health check of a group's targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    /// HTTP, HTTPS or TCP.
    pub(crate) protocol: Protocol,
    /// None for the port that the target gets traffic on.
    pub(crate) port: Option<u16>,
    /// Of HTTP and HTTPS checks.
    pub(crate) path: Option<String>,
    /// Seconds.
    pub(crate) interval: u16,
    /// Seconds.
    pub(crate) timeout: u16,
    pub(crate) healthy_threshold: u16,
    pub(crate) unhealthy_threshold: u16,
    /// The codes that pass (`200,202` or `200-299`): gRPC's for groups of that version, HTTP's otherwise.
    pub(crate) matcher: Option<String>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// An instance's id, an address or a load balancer's ARN.
    pub(crate) id: String,
    pub(crate) port: u16,
    /// A zone or `all`, of addresses where it was given.
    pub(crate) zone: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) registered_at: OffsetDateTime,
    /// When it was deregistered; it gets nothing new from then on.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) draining_since: Option<OffsetDateTime>,
}

impl TargetType {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Ip => "ip",
            Self::Alb => "alb",
        }
    }
}

impl ProtocolVersion {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP1",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
        }
    }
}

impl TargetGroup {
    /// How long a deregistered target drains.
    pub(crate) fn deregistration_delay(&self) -> Duration {
        let seconds = self.attributes.number("deregistration_delay.timeout_seconds");
        Duration::from_secs(seconds.unwrap_or(300))
    }

    /// Forgets the targets that have drained.
    pub(crate) fn settle(&mut self, now: OffsetDateTime) {
        let delay = self.deregistration_delay();
        self.targets.retain(|target| target.draining_since.is_none_or(|since| now < since + delay));
    }

    /// The target of that id and port, draining or not.
    pub(crate) fn target(&self, id: &str, port: u16) -> Option<&Target> {
        self.targets.iter().find(|target| target.id == id && target.port == port)
    }
}

impl Target {
    /// Whether it is registered and does not drain.
    pub(crate) fn is_registered(&self) -> bool {
        self.draining_since.is_none()
    }
}
