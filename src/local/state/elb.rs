//! Classic ELB's records.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Tags;

/// Classic ELB in one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Region {
    /// Load balancers by name.
    pub(crate) load_balancers: BTreeMap<String, LoadBalancer>,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadBalancer {
    pub(crate) name: String,
    pub(crate) dns_name: String,
    /// In 127.65.0.0/16 and its alone: its listeners are there, and its connections to instances come from it.
    pub(crate) address: Ipv4Addr,
    pub(crate) scheme: Scheme,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) vpc_id: String,
    /// Subnet ids, one a zone.
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
    /// By load balancer port.
    pub(crate) listeners: BTreeMap<u16, Listener>,
    /// By policy name.
    pub(crate) policies: BTreeMap<String, Policy>,
    /// Policy names by instance port; they outlive the listener. A port without policies has no entry.
    pub(crate) backend_policies: BTreeMap<u16, Vec<String>>,
    /// Instance ids, in the order of their registration.
    pub(crate) instances: Vec<String>,
    pub(crate) health_check: HealthCheck,
    pub(crate) attributes: Attributes,
    pub(crate) tags: Tags,
}

/// Whether a load balancer is reachable from the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scheme {
    InternetFacing,
    Internal,
}

impl Scheme {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InternetFacing => "internet-facing",
            Self::Internal => "internal",
        }
    }
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) protocol: Protocol,
    pub(crate) instance_protocol: Protocol,
    pub(crate) instance_port: u16,
    pub(crate) certificate: Option<String>,
    pub(crate) policies: Vec<String>,
}

/// A protocol of a listener, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Protocol {
    Tcp,
    Ssl,
    Http,
    Https,
}

impl Protocol {
    /// The protocol of that name, in any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Tcp, Self::Ssl, Self::Http, Self::Https];
        all.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Ssl => "SSL",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// Whether it is encrypted.
    pub(crate) fn is_secure(self) -> bool {
        match self {
            Self::Ssl | Self::Https => true,
            Self::Tcp | Self::Http => false,
        }
    }

    /// Whether the load balancer understands what it carries.
    pub(crate) fn is_http(self) -> bool {
        match self {
            Self::Http | Self::Https => true,
            Self::Tcp | Self::Ssl => false,
        }
    }

    /// What it is without encryption.
    pub(crate) fn plain(self) -> Self {
        match self {
            Self::Tcp | Self::Ssl => Self::Tcp,
            Self::Http | Self::Https => Self::Http,
        }
    }
}

impl Listener {
    /// Whether another listener has the same protocols, instance port and certificate; policies may differ.
    pub(crate) fn same_settings(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.instance_protocol == other.instance_protocol
            && self.instance_port == other.instance_port
            && self.certificate == other.certificate
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) type_name: String,
    /// Name and value, in the order they were given.
    pub(crate) attributes: Vec<PolicyAttribute>,
}

/// An attribute of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyAttribute {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) target: String,
    /// Seconds.
    pub(crate) interval: u16,
    /// Seconds.
    pub(crate) timeout: u16,
    pub(crate) unhealthy_threshold: u16,
    pub(crate) healthy_threshold: u16,
}

/// What a health check asks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    /// With its slash; empty for TCP and SSL.
    pub(crate) path: String,
}

impl HealthCheck {
    /// The target taken apart; there is none if it does not follow the grammar, which is checked on its way in.
    pub(crate) fn parsed_target(&self) -> Option<Target> {
        let (protocol, rest) = self.target.split_once(':')?;
        let (port, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let protocol = Protocol::from_name(protocol)?;
        Some(Target { protocol, port: port.parse().ok()?, path: path.to_owned() })
    }
}

/// The load balancer's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) cross_zone: bool,
    pub(crate) access_log: AccessLog,
    pub(crate) draining: Draining,
    /// Seconds.
    pub(crate) idle_timeout: u16,
    /// Additional attributes by key.
    pub(crate) additional: BTreeMap<String, String>,
}

/// Access logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessLog {
    pub(crate) enabled: bool,
    pub(crate) bucket: Option<String>,
    pub(crate) prefix: Option<String>,
    /// Minutes.
    pub(crate) interval: Option<u16>,
}

/// Connection draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draining {
    pub(crate) enabled: bool,
    /// Seconds; there is one even while draining is off.
    pub(crate) timeout: u16,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            cross_zone: false,
            access_log: AccessLog::default(),
            draining: Draining { enabled: false, timeout: 300 },
            idle_timeout: 60,
            additional: BTreeMap::from([(
                "elb.http.desyncmitigationmode".to_owned(),
                "defensive".to_owned(),
            )]),
        }
    }
}

impl LoadBalancer {
    /// Whether a listener serves a certificate.
    pub(crate) fn uses_certificate(&self, arn: &str) -> bool {
        self.listeners.values().any(|listener| listener.certificate.as_deref() == Some(arn))
    }
}
