//! Instances, and the launches that a client token makes repeatable.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::local::state::Tags;

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// Never one on the way: what an operation starts is done by the next request.
    pub(crate) state: InstanceState,
    pub(crate) vpc_id: String,
    pub(crate) subnet_id: String,
    pub(crate) zone: String,
    /// In 127.64.0.0/16, so that a process on this machine can listen there.
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) security_groups: Vec<String>,
    pub(crate) image_id: String,
    /// `t3.micro` or the like.
    pub(crate) size: String,
    pub(crate) key_name: Option<String>,
    pub(crate) source_dest_check: bool,
    pub(crate) disable_api_termination: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) launched_at: OffsetDateTime,
    /// The launch that it came from.
    pub(crate) reservation_id: String,
    pub(crate) launch_index: u32,
    pub(crate) client_token: Option<String>,
    /// When it was terminated.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) terminated_at: Option<OffsetDateTime>,
    /// Why it does not run, in AWS's words.
    pub(crate) transition_reason: Option<String>,
    /// The IAM instance profile that it has.
    #[serde(default)]
    pub(crate) profile: Option<ProfileAssociation>,
    pub(crate) tags: Tags,
}

/// That an instance has an IAM instance profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProfileAssociation {
    /// The association's own id.
    pub(crate) id: String,
    /// The profile's ARN.
    pub(crate) arn: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
}

/// The state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InstanceState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

impl InstanceState {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    /// The code on the wire.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }
}

/// A launch with a client token: the same request again is answered with the same reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) reservation_id: String,
    /// A digest of the request's parameters.
    pub(crate) request: String,
}
