//! `load_balancer:`, by type. This version provisions `classic`.

mod classic;
mod fields;
mod health_check;
mod listeners;

use serde::Serialize;

pub use classic::{AccessLogs, ClassicListener, ClassicLoadBalancer, ClassicProtocol};
pub use health_check::{HealthCheck, HealthTarget};

pub(super) use classic::{Front, decode, decode_front};
pub(super) use fields::LOAD_BALANCER;
pub(super) use listeners::HasCertificate;

use super::LoadBalancerName;

/// TLS 1.2 alone: the strictest policy that a Classic load balancer has.
const DEFAULT_SSL_POLICY: &str = "ELBSecurityPolicy-TLS-1-2-2017-01";

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
