//! `network:`, where the load balancer stands.

use std::collections::BTreeMap;

use serde::Serialize;

/// The VPC and the subnets of the load balancer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Network {
    /// The VPC.
    pub vpc: VpcSelector,
    /// Its subnets that the load balancer is attached to.
    pub subnets: SubnetSelector,
}

/// Which VPC.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcSelector {
    /// The region's default VPC.
    Default,
    /// The VPC with this id.
    Id(String),
    /// The one VPC that has all of these tags.
    Tags(BTreeMap<String, String>),
}

/// Which subnets of that VPC.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetSelector {
    /// One in each availability zone.
    All,
    /// Those with these ids; not empty, no duplicates.
    Ids(Vec<String>),
    /// Those that have all of these tags.
    Tags(BTreeMap<String, String>),
}
