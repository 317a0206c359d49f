//! The network that a stack is placed in: observed only, never changed.

use serde::{Deserialize, Serialize};

use super::Tags;

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// `vpc-…`.
    pub id: String,
    /// Whether it is the region's default VPC.
    pub is_default: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// The VPC that it is part of.
    pub vpc: String,
    /// Its block of IPv4 addresses, `172.31.0.0/20`.
    #[serde(default)]
    pub block: String,
    /// Its availability zone's name, `us-east-1a`.
    pub zone: String,
    /// Whether it is the default subnet of its zone.
    pub is_default: bool,
    /// Whether instances launched in it get a public address: the best sign of a public subnet that a
    /// subnet itself shows.
    pub maps_public_address: bool,
    /// Its tags.
    pub tags: Tags,
}
