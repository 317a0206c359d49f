//! What was observed of a stack's Application and Network load balancers.

use serde::{Deserialize, Serialize};

use super::{LoadBalancer, Record, TargetGroup, Zone};

/// The part of what a plan is made against that is about `ELBv2` and Route 53; every list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The load balancer of the desired name, whoever owns it, and any other that the stack's security groups
    /// name as theirs; by name.
    pub load_balancers: Vec<LoadBalancer>,
    /// The target groups that those load balancers use, and every other with the stack's tags; by name.
    pub target_groups: Vec<TargetGroup>,
    /// The hosted zones of the domain that the spec names, public and private; by id.
    pub zones: Vec<Zone>,
    /// The records of the name that the spec gives the load balancer, in each of those zones.
    pub records: Vec<Record>,
}

impl Observed {
    /// Returns the load balancer called `name`.
    #[must_use]
    pub fn load_balancer(&self, name: &str) -> Option<&LoadBalancer> {
        self.load_balancers.iter().find(|found| found.name == name)
    }

    /// Returns the target group with this ARN.
    #[must_use]
    pub fn target_group(&self, arn: &str) -> Option<&TargetGroup> {
        self.target_groups.iter().find(|found| found.arn == arn)
    }
}
