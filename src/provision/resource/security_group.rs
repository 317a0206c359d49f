//! Security groups and their ingress rules.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Tags;

/// Whom an ingress rule admits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSource {
    /// An IPv4 or IPv6 range.
    Cidr(String),
    /// Whatever has the security group with this id.
    Group(String),
    /// Something that this stack never uses, such as a prefix list.
    Other(String),
}

impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(text) | Self::Group(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

/// An ingress rule as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupRule {
    /// `sgr-…`.
    pub id: String,
    /// The group that it is part of.
    pub group: String,
    /// `tcp`, `udp`, `icmp`, or `-1` for all.
    pub protocol: String,
    /// The first port that it admits; −1 for all.
    pub from_port: i32,
    /// The last port that it admits; −1 for all.
    pub to_port: i32,
    /// Whom it admits.
    pub source: RuleSource,
    /// The stack that made it, by its tag.
    pub stack: Option<String>,
}

impl GroupRule {
    /// Says whether the rule admits TCP to `port`, from whomever it is for.
    #[must_use]
    pub fn admits_port(&self, port: u16) -> bool {
        let port = i32::from(port);
        match self.protocol.as_str() {
            "-1" => true,
            "tcp" | "6" => self.from_port == -1 || (self.from_port <= port && port <= self.to_port),
            _ => false,
        }
    }

    /// Says whether the rule is exactly the one for TCP to `port`.
    #[must_use]
    pub fn is_exactly(&self, port: u16) -> bool {
        self.protocol == "tcp" && self.from_port == i32::from(port) && self.to_port == i32::from(port)
    }
}

/// A security group that carries the stack's tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its name, unique in its VPC.
    pub name: String,
    /// The VPC that it is part of.
    pub vpc: String,
    /// Its tags.
    pub tags: Tags,
}
