//! The load balancer itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DesiredListener, DesiredTargetGroup, Listener};
use crate::provision::resource::{Scheme, Tags};

/// The two kinds of load balancer that `ELBv2` has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Speaks HTTP: an ALB.
    Application,
    /// Passes on connections: an NLB.
    Network,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Application => "application",
            Self::Network => "network",
        })
    }
}

/// Which addresses clients may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressType {
    /// IPv4 only.
    Ipv4,
    /// IPv4 and IPv6.
    Dualstack,
}

/// An address of a Network load balancer that stays the same in one subnet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetAddress {
    /// An Elastic IP address, by its allocation, `eipalloc-…`.
    Allocation(String),
    /// An IPv4 address of the subnet, for an internal load balancer.
    Private(String),
}

/// A load balancer as it is desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredLoadBalancer {
    /// Its name, unique among the Application and Network load balancers of its region.
    pub name: String,
    /// Which kind it is.
    pub family: Family,
    /// Who may reach it.
    pub scheme: Scheme,
    /// Which addresses clients may use.
    pub address_type: AddressType,
    /// The ranges that its own security group admits to every listener.
    pub ingress: BTreeSet<String>,
    /// Addresses that stay, by subnet; empty where AWS chooses them, otherwise one for every subnet.
    pub addresses: BTreeMap<String, SubnetAddress>,
    /// Its attributes, by AWS's keys.
    pub attributes: BTreeMap<String, String>,
    /// Its listeners by port.
    pub listeners: BTreeMap<u16, DesiredListener>,
    /// Its target groups by their name in the spec; each is used by a listener or a rule.
    pub target_groups: BTreeMap<String, DesiredTargetGroup>,
}

impl DesiredLoadBalancer {
    /// Returns the ports that the load balancer connects to on a target: those of the target groups, of their
    /// targets and of their health checks.
    #[must_use]
    pub fn instance_ports(&self) -> BTreeSet<u16> {
        self.target_groups.values().flat_map(DesiredTargetGroup::ports).collect()
    }
}

/// Whether a load balancer carries traffic yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancerState {
    /// It is being made.
    Provisioning,
    /// It carries traffic.
    Active,
    /// It carries traffic, and lacks what it needs to grow.
    ActiveImpaired,
    /// It could not be made, and why.
    Failed(String),
}

/// A load balancer as it is observed, whole but for its target groups, which are listed beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its ARN.
    pub arn: String,
    /// Its name, unique among the Application and Network load balancers of its region.
    pub name: String,
    /// Which kind it is.
    pub family: Family,
    /// The name that it answers at.
    pub dns_name: String,
    /// The Route 53 zone that its DNS name is part of, which an alias record needs.
    pub canonical_zone: String,
    /// Whether it carries traffic yet.
    pub state: LoadBalancerState,
    /// Who may reach it.
    pub scheme: Scheme,
    /// Which addresses clients may use.
    pub address_type: AddressType,
    /// The VPC that it is in.
    pub vpc: String,
    /// The ids of its subnets, each with the address that stays, if it has one.
    pub subnets: BTreeMap<String, Option<SubnetAddress>>,
    /// The ids of its security groups.
    pub security_groups: BTreeSet<String>,
    /// Its attributes, by AWS's keys.
    pub attributes: BTreeMap<String, String>,
    /// Its listeners by port.
    pub listeners: BTreeMap<u16, Listener>,
    /// Its tags.
    pub tags: Tags,
}
