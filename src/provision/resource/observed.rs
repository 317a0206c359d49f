//! All that was observed of one stack and its surroundings.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    AutoScalingGroup, Certificate, GroupRule, Instance, LoadBalancer, ObservedProxy, SecurityGroup, Subnet,
    Vpc, v2,
};

/// What a plan is made against: read once, in full, before planning; every list is sorted by id or name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The region that was read.
    pub region: String,
    /// The VPCs that fit the selection.
    pub vpcs: Vec<Vpc>,
    /// The subnets that fit the selection, and those that the stack's load balancers are attached to.
    pub subnets: Vec<Subnet>,
    /// The instances that fit the selection by id or tag, those of its Auto Scaling group, and those registered with the stack's load balancers
    /// (without the terminated ones).
    pub instances: Vec<Instance>,
    /// The Auto Scaling group that the selection names, and those that the stack has attached.
    #[serde(default)]
    pub auto_scaling_groups: Vec<AutoScalingGroup>,
    /// Ids that the selection names and EC2 does not know.
    pub missing_instances: BTreeSet<String>,
    /// The certificates that cover the domain asked for, those of the stack, and the one named by ARN.
    pub certificates: Vec<Certificate>,
    /// The security groups that carry the stack's tags.
    pub security_groups: Vec<SecurityGroup>,
    /// The ingress rules of those groups and of the instances' groups, and any other rule with the stack's tags.
    pub rules: Vec<GroupRule>,
    /// The Classic load balancer of the desired name, whoever owns it, and any other that the stack's security
    /// groups name as theirs.
    pub load_balancers: Vec<LoadBalancer>,
    /// The same of Application and Network load balancers.
    pub v2_load_balancers: Vec<v2::LoadBalancer>,
    /// The target groups that carry the stack's tags, and those that one of these load balancers uses.
    pub target_groups: Vec<v2::TargetGroup>,
    /// The hosted zones of the desired record's domain.
    pub zones: Vec<v2::Zone>,
    /// The record sets of the desired name, whoever made them, and any other of the zone that is an alias of one of
    /// these load balancers.
    pub records: Vec<v2::Record>,
    /// The proxy on each of the selected instances that run; none where nothing is to be installed.
    pub proxies: Vec<ObservedProxy>,
    /// The SHA-256 of those of the desired programs that the bucket has.
    pub programs: BTreeSet<String>,
}

impl Observed {
    /// Returns the Classic load balancer called `name`.
    #[must_use]
    pub fn load_balancer(&self, name: &str) -> Option<&LoadBalancer> {
        self.load_balancers.iter().find(|load_balancer| load_balancer.name == name)
    }

    /// Returns the Application or Network load balancer called `name`.
    #[must_use]
    pub fn v2_load_balancer(&self, name: &str) -> Option<&v2::LoadBalancer> {
        self.v2_load_balancers.iter().find(|load_balancer| load_balancer.name == name)
    }
}
