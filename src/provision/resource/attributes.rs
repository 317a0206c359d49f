//! Attributes of a Classic load balancer.

use serde::{Deserialize, Serialize};

/// Where access logs go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLogs {
    /// The S3 bucket.
    pub bucket: String,
    /// The prefix of the objects' keys; empty for none.
    pub prefix: String,
    /// Minutes between two objects: 5 or 60.
    pub interval: u16,
}

/// The attributes of a Classic load balancer, as desired and as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Seconds after which a silent connection is closed, 1–4000.
    pub idle_timeout: u32,
    /// Seconds that a deregistered instance may take to finish; none when draining is off.
    pub connection_draining: Option<u32>,
    /// Whether each node spreads over the instances of every zone.
    pub cross_zone: bool,
    /// Where access logs go; none when they are off.
    pub access_logs: Option<AccessLogs>,
}
