//! The instances that serve: observed only, never changed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Architecture, Tags};

/// The state of an instance, as EC2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Being launched.
    Pending,
    /// Running.
    Running,
    /// Being terminated.
    ShuttingDown,
    /// Gone for good.
    Terminated,
    /// Being stopped.
    Stopping,
    /// Stopped.
    Stopped,
}

/// An EC2 instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// Its state.
    pub state: InstanceState,
    /// The VPC that it runs in; none once it is terminated.
    pub vpc: Option<String>,
    /// The availability zone that it runs in.
    pub zone: String,
    /// What it is made for; none where that is nothing that the proxy is made for.
    pub architecture: Option<Architecture>,
    /// The ARN of its instance profile.
    pub profile: Option<String>,
    /// The ids of its security groups.
    pub security_groups: BTreeSet<String>,
    /// Its tags.
    pub tags: Tags,
}
