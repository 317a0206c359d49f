//! Settings that stay as AWS makes them unless somebody changes them: network ACLs, instances' metadata services, and
//! how long interfaces remember connections.

use serde::{Deserialize, Serialize};

/// An entry of a network ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AclEntry {
    /// 1–32766; 32767 is the last one, which cannot be changed.
    pub(crate) number: u16,
    pub(crate) egress: bool,
    /// Whether it allows or denies.
    pub(crate) allow: bool,
    /// A protocol's number, or `-1` for all.
    pub(crate) protocol: String,
    pub(crate) cidr: String,
    /// The first and the last port; none for all.
    pub(crate) ports: Option<(u16, u16)>,
}

impl AclEntry {
    /// The entries of a VPC's own ACL: everything is let through.
    pub(crate) fn defaults() -> Vec<Self> {
        let entry = |egress| Self {
            number: 100,
            egress,
            allow: true,
            protocol: "-1".to_owned(),
            cidr: "0.0.0.0/0".to_owned(),
            ports: None,
        };
        vec![entry(true), entry(false)]
    }

    /// The last entry of a direction, which denies what none before it has let through.
    pub(crate) fn last(egress: bool) -> Self {
        Self {
            number: 32767,
            egress,
            allow: false,
            protocol: "-1".to_owned(),
            cidr: "0.0.0.0/0".to_owned(),
            ports: None,
        }
    }
}

/// An instance's metadata service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetadataOptions {
    /// `optional` or `required`.
    pub(crate) tokens: String,
    /// `enabled` or `disabled`.
    pub(crate) endpoint: String,
    pub(crate) hop_limit: u8,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self { tokens: "optional".to_owned(), endpoint: "enabled".to_owned(), hop_limit: 1 }
    }
}

/// Seconds for which an interface remembers a silent connection; none where EC2's default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectionTracking {
    pub(crate) tcp_established: Option<u32>,
    pub(crate) udp_stream: Option<u32>,
    pub(crate) udp: Option<u32>,
}
