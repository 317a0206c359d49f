//! A Classic load balancer, whole, as it is observed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Attributes, HealthCheck, Listener, Policy, Tags, v2};

/// What kind of load balancer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadBalancerType {
    /// A Classic one.
    Classic,
    /// An ALB.
    Application,
    /// An NLB.
    Network,
}

impl LoadBalancerType {
    /// Returns the word that the spec has for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Application => "application",
            Self::Network => "network",
        }
    }
}

impl fmt::Display for LoadBalancerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<v2::Family> for LoadBalancerType {
    fn from(family: v2::Family) -> Self {
        match family {
            v2::Family::Application => Self::Application,
            v2::Family::Network => Self::Network,
        }
    }
}

/// Who may reach a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Anyone that its security group admits.
    InternetFacing,
    /// The VPC only.
    Internal,
}

/// A Classic load balancer as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its name, unique in its region.
    pub name: String,
    /// The name that it answers at.
    pub dns_name: String,
    /// Who may reach it.
    pub scheme: Scheme,
    /// The VPC that it is in.
    pub vpc: Option<String>,
    /// The ids of its subnets.
    pub subnets: BTreeSet<String>,
    /// The ids of its security groups.
    pub security_groups: BTreeSet<String>,
    /// Its listeners by port.
    pub listeners: BTreeMap<u16, Listener>,
    /// Its policies by name.
    pub policies: BTreeMap<String, Policy>,
    /// The names of the policies on each instance port.
    pub backend_policies: BTreeMap<u16, Vec<String>>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its health check.
    pub health_check: HealthCheck,
    /// The ids of the registered instances.
    pub instances: BTreeSet<String>,
    /// Its tags.
    pub tags: Tags,
}
