//! `health_check:` of a Classic load balancer.

use std::fmt;

use serde::Serialize;

use super::ClassicProtocol;
use crate::provision::spec::Seconds;

/// How instances are checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthCheck {
    /// What is asked.
    pub target: HealthTarget,
    /// The time between two checks: 5 s–300 s.
    pub interval: Seconds,
    /// How long an answer may take: 2 s–60 s, less than the interval.
    pub timeout: Seconds,
    /// Successes in a row after which an instance is in service: 2–10.
    pub healthy_threshold: u8,
    /// Failures in a row after which it is out of service: 2–10.
    pub unhealthy_threshold: u8,
}

/// What a health check asks: `TCP:80`, `SSL:443`, `HTTP:8081/healthz` or `HTTPS:443/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct HealthTarget {
    /// How it is asked.
    pub protocol: ClassicProtocol,
    /// The instance port.
    pub port: u16,
    /// The path with its leading slash; `Some` exactly for HTTP and HTTPS.
    pub path: Option<String>,
}

/// Writes AWS's spelling.
impl fmt::Display for HealthTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.protocol.as_aws(), self.port, self.path.as_deref().unwrap_or_default())
    }
}

impl From<HealthTarget> for String {
    fn from(target: HealthTarget) -> Self {
        target.to_string()
    }
}
