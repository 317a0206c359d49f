//! The records of Application and Network Load Balancers and of target groups, and the look-ups that the
//! operations, health checks and the data plane share. What an operation checks is in `api::elbv2`.

mod action;
mod attributes;
mod condition;
mod listener;
mod load_balancer;
mod target_group;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(crate) use action::{Action, FixedResponse, Forward, Redirect, WeightedGroup};
pub(crate) use attributes::Attributes;
pub(crate) use condition::{Condition, QueryPair};
pub(crate) use listener::{Listener, Protocol, Rule};
pub(crate) use load_balancer::{IpAddressType, Kind, LoadBalancer, SubnetMapping};
pub(crate) use target_group::{HealthCheck, ProtocolVersion, Target, TargetGroup, TargetType};

/// Load balancers v2 in one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Region {
    /// Load balancers by ARN; their listeners and rules are in them.
    pub(crate) load_balancers: BTreeMap<String, LoadBalancer>,
    /// Target groups by ARN.
    pub(crate) target_groups: BTreeMap<String, TargetGroup>,
}

impl Region {
    /// The load balancers that forward to a target group, by a listener's default action or by a rule.
    pub(crate) fn users_of<'a>(&'a self, target_group: &'a str) -> impl Iterator<Item = &'a LoadBalancer> {
        self.load_balancers.values().filter(move |balancer| balancer.forwards_to(target_group))
    }

    /// The target groups that load balancers forward to, by ARN.
    pub(crate) fn groups_in_use(&self) -> BTreeSet<&str> {
        self.load_balancers.values().flat_map(LoadBalancer::target_groups).collect()
    }

    /// The listener of that ARN, and its load balancer.
    pub(crate) fn listener(&self, arn: &str) -> Option<(&LoadBalancer, &Listener)> {
        self.load_balancers.values().find_map(|balancer| Some((balancer, balancer.listeners.get(arn)?)))
    }
}
