//! All that was observed of one stack and its surroundings.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Certificate, GroupRule, Instance, LoadBalancer, SecurityGroup, Subnet, Vpc};

/// What a plan is made against: read once, in full, before planning; every list is sorted by id or name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The region that was read.
    pub region: String,
    /// The VPCs that fit the selection.
    pub vpcs: Vec<Vpc>,
    /// The subnets that fit the selection, and those that the stack's load balancers are attached to.
    pub subnets: Vec<Subnet>,
    /// The instances that fit the selection by id or tag, and those registered with the stack's load balancers
    /// (without the terminated ones).
    pub instances: Vec<Instance>,
    /// Ids that the selection names and EC2 does not know.
    pub missing_instances: BTreeSet<String>,
    /// The certificates that cover the domain asked for, those of the stack, and the one named by ARN.
    pub certificates: Vec<Certificate>,
    /// The security groups that carry the stack's tags.
    pub security_groups: Vec<SecurityGroup>,
    /// The ingress rules of those groups and of the instances' groups, and any other rule with the stack's tags.
    pub rules: Vec<GroupRule>,
    /// The load balancer of the desired name, whoever owns it, and any other that the stack's security groups
    /// name as theirs.
    pub load_balancers: Vec<LoadBalancer>,
}

impl Observed {
    /// Returns the load balancer called `name`.
    #[must_use]
    pub fn load_balancer(&self, name: &str) -> Option<&LoadBalancer> {
        self.load_balancers.iter().find(|load_balancer| load_balancer.name == name)
    }
}
