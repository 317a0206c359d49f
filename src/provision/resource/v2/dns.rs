//! The Route 53 records that lead visitors to a load balancer.

use serde::{Deserialize, Serialize};

/// The alias records of a stack as they are desired: `A`, and `AAAA` where the load balancer has IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRecord {
    /// The zone's domain, `example.com`.
    pub zone: String,
    /// The whole name without the dot at its end, `chat.example.com`.
    pub name: String,
    /// 0–255, where several records share the name; none for the only one.
    pub weight: Option<u8>,
    /// Tells this record from the others of its name; `Some` exactly where there is a weight.
    pub set_identifier: Option<String>,
}

/// A hosted zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its id, without `/hostedzone/`.
    pub id: String,
    /// Its domain without the dot at its end.
    pub domain: String,
    /// Whether only VPCs see it.
    pub private: bool,
}

/// A record set as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record {
    /// The id of its zone.
    pub zone: String,
    /// The whole name without the dot at its end.
    pub name: String,
    /// `A`, `AAAA`, `CNAME` …
    pub kind: String,
    /// The DNS name that it is an alias of, without the dot at its end and a leading `dualstack.`; none where it
    /// is no alias.
    pub alias: Option<String>,
    /// The zone of the alias's target.
    pub alias_zone: Option<String>,
    /// Its weight, where it has one.
    pub weight: Option<u8>,
    /// What tells it from the others of its name.
    pub set_identifier: Option<String>,
}
