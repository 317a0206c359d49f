//! The health check of a Classic load balancer.

use serde::{Deserialize, Serialize};

/// A Classic health check, as desired and as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `TCP:port`, `SSL:port`, `HTTP:port/path` or `HTTPS:port/path`.
    pub target: String,
    /// Seconds between two checks, 5–300.
    pub interval: u32,
    /// Seconds until a check fails, 2–60 and less than the interval.
    pub timeout: u32,
    /// Successes until an instance is in service, 2–10.
    pub healthy_threshold: u32,
    /// Failures until an instance is out of service, 2–10.
    pub unhealthy_threshold: u32,
}

impl HealthCheck {
    /// Returns the port that the check connects to.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let (_, rest) = self.target.split_once(':')?;
        rest.split('/').next()?.parse().ok()
    }
}
