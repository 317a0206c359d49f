//! Auto Scaling groups: observed, attached and detached; never made, resized or deleted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// An Auto Scaling group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoScalingGroup {
    /// Its name.
    pub name: String,
    /// The ids of those of its instances that serve or soon will.
    pub instances: BTreeSet<String>,
    /// The names of the Classic load balancers that it is attached to.
    pub load_balancers: BTreeSet<String>,
    /// The ARNs of the target groups that it is attached to.
    pub target_groups: BTreeSet<String>,
}

impl AutoScalingGroup {
    /// Says whether it is attached to the Classic load balancer of this name, or to the target group with this ARN.
    #[must_use]
    pub fn is_attached_to(&self, identifier: &str) -> bool {
        self.load_balancers.contains(identifier) || self.target_groups.contains(identifier)
    }
}
