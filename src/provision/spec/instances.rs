//! `instances:`, who serves.

use std::collections::BTreeMap;

use serde::Serialize;

/// The instances that are registered: the union of both forms. At least one of the two is not empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instances {
    /// Instances by id, in the spec's order, without duplicates.
    pub ids: Vec<String>,
    /// Running instances with all of these tags; empty when the spec selects by id alone.
    pub tags: BTreeMap<String, String>,
    /// Whether the load balancer is admitted to the instance ports on the instances' security group.
    pub manage_security_group: bool,
}
