//! Application and Network Load Balancers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Attributes, Listener};
use crate::local::state::Tags;
use crate::local::state::elb::Scheme;

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadBalancer {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) dns_name: String,
    /// In 127.65.0.0/16 and its alone: its listeners are there, and its connections to targets come from it.
    pub(crate) address: Ipv4Addr,
    pub(crate) scheme: Scheme,
    pub(crate) ip_address_type: IpAddressType,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) vpc_id: String,
    /// One a zone.
    pub(crate) subnets: Vec<SubnetMapping>,
    /// An Application Load Balancer has at least one, a Network Load Balancer may have none.
    pub(crate) security_groups: Vec<String>,
    /// Whether they hold for `PrivateLink`, too; of Network Load Balancers, where it was set.
    pub(crate) enforced_on_private_link: Option<bool>,
    /// By ARN.
    pub(crate) listeners: BTreeMap<String, Listener>,
    pub(crate) attributes: Attributes,
    pub(crate) tags: Tags,
}

/// The type of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Application,
    Network,
}

/// What addresses a load balancer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IpAddressType {
    Ipv4,
    Dualstack,
}

/// A subnet, and the static address in it that a Network Load Balancer may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubnetMapping {
    pub(crate) subnet_id: String,
    /// The elastic address of one that faces the internet.
    pub(crate) allocation_id: Option<String>,
    /// The address of an internal one, out of the subnet.
    pub(crate) private_address: Option<Ipv4Addr>,
}

impl Kind {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Network => "network",
        }
    }

    /// How ARNs and descriptions of network interfaces call it.
    pub(crate) fn short_name(self) -> &'static str {
        match self {
            Self::Application => "app",
            Self::Network => "net",
        }
    }
}

impl IpAddressType {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Dualstack => "dualstack",
        }
    }
}

impl LoadBalancer {
    /// The part of the ARN behind `loadbalancer/`: `app/NAME/ID`.
    pub(crate) fn path(&self) -> &str {
        self.arn.split_once(":loadbalancer/").map_or("", |(_, path)| path)
    }

    /// Whether it is no longer being provisioned, which takes so long.
    pub(crate) fn is_active(&self, now: OffsetDateTime, provisioning: Duration) -> bool {
        now >= self.created_at + provisioning
    }

    /// The listener of a port.
    pub(crate) fn listener_on(&self, port: u16) -> Option<&Listener> {
        self.listeners.values().find(|listener| listener.port == port)
    }

    /// The target groups that it forwards to, by ARN; one may come several times.
    pub(crate) fn target_groups(&self) -> impl Iterator<Item = &str> {
        self.listeners.values().flat_map(Listener::actions).flat_map(super::Action::target_groups)
    }

    /// Whether a listener or a rule forwards to a target group.
    pub(crate) fn forwards_to(&self, target_group: &str) -> bool {
        self.target_groups().any(|arn| arn == target_group)
    }

    /// Whether a listener serves a certificate.
    pub(crate) fn uses_certificate(&self, arn: &str) -> bool {
        self.listeners.values().flat_map(Listener::certificates).any(|certificate| certificate == arn)
    }
}
