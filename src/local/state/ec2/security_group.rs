//! Security groups and their rules.

use serde::{Deserialize, Serialize};

use crate::local::state::Tags;

/// A security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc_id: String,
    /// In the order they were added, both directions.
    pub(crate) rules: Vec<Rule>,
    pub(crate) tags: Tags,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) direction: Direction,
    #[serde(flatten)]
    pub(crate) traffic: Traffic,
    pub(crate) description: Option<String>,
    pub(crate) tags: Tags,
}

/// Which way a rule admits traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    Ingress,
    Egress,
}

/// What a rule admits; two rules of one direction that admit the same are duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol number, or `-1` for all.
    pub(crate) protocol: String,
    /// Ports of TCP and UDP, type and code of ICMP; none where the protocol has neither.
    pub(crate) ports: Option<Ports>,
    pub(crate) peer: Peer,
}

/// From and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) from: i32,
    pub(crate) to: i32,
}

/// The other end of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peer {
    /// An IPv4 block, its host bits zero.
    Ipv4(String),
    /// An IPv6 block, its host bits zero.
    Ipv6(String),
    /// The members of a security group, by id.
    Group(String),
    /// A prefix list, by id.
    PrefixList(String),
}

impl SecurityGroup {
    /// Whether one of its rules names another group.
    pub(crate) fn references(&self, group_id: &str) -> bool {
        self.rules.iter().any(|rule| matches!(&rule.traffic.peer, Peer::Group(id) if id == group_id))
    }
}

impl Rule {
    /// The rule that every new group in a VPC has: all traffic may leave.
    pub(crate) fn all_egress(id: String) -> Self {
        Self::all(id, Direction::Egress, Peer::Ipv4("0.0.0.0/0".to_owned()))
    }

    /// The rule of a VPC's default group: its members may reach each other.
    pub(crate) fn all_among(id: String, group_id: &str) -> Self {
        Self::all(id, Direction::Ingress, Peer::Group(group_id.to_owned()))
    }

    fn all(id: String, direction: Direction, peer: Peer) -> Self {
        let traffic = Traffic { protocol: "-1".to_owned(), ports: None, peer };
        Self { id, direction, traffic, description: None, tags: Tags::new() }
    }
}
