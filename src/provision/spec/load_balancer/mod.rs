//! `load_balancer:`, by type. This version provisions `classic`.

mod classic;
mod health_check;

use serde::Serialize;

pub use classic::{AccessLogs, ClassicListener, ClassicLoadBalancer, ClassicProtocol};
pub use health_check::{HealthCheck, HealthTarget};

use super::LoadBalancerName;

/// The load balancer, by type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum LoadBalancer {
    /// A Classic load balancer.
    Classic(ClassicLoadBalancer),
}

impl LoadBalancer {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &LoadBalancerName {
        match self {
            Self::Classic(classic) => &classic.name,
        }
    }
}

/// Who can reach the load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Public addresses.
    InternetFacing,
    /// Private addresses of the VPC only.
    Internal,
}
