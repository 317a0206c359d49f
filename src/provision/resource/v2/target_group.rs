//! Target groups and who is registered with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Protocol;
use crate::provision::resource::{Tags, sha256_of};

/// What a target group's targets are named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// The ids of instances.
    Instance,
    /// IP addresses.
    Ip,
}

/// Who serves a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetSelector {
    /// The stack's instances, on each of these ports; without one, on the group's port.
    Instances {
        /// The ports.
        ports: BTreeSet<u16>,
    },
    /// These addresses, on each of these ports; without one, on the group's port.
    Ips {
        /// The addresses, in the VPC or in a private range that is routed from it.
        addresses: BTreeSet<String>,
        /// The ports.
        ports: BTreeSet<u16>,
    },
}

impl TargetSelector {
    /// Returns what the targets are named by.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Instances { .. } => TargetKind::Instance,
            Self::Ips { .. } => TargetKind::Ip,
        }
    }

    /// Returns the ports on each of them that differ from the group's.
    #[must_use]
    pub fn ports(&self) -> &BTreeSet<u16> {
        match self {
            Self::Instances { ports } | Self::Ips { ports, .. } => ports,
        }
    }
}

/// A health check of a target group, as desired and as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `HTTP`, `HTTPS` or `TCP`.
    pub protocol: Protocol,
    /// The port; none is the target's own, `traffic-port`.
    pub port: Option<u16>,
    /// The path; `Some` exactly for `HTTP` and `HTTPS`.
    pub path: Option<String>,
    /// The statuses that are a success, `200` or `200-299,404`; `Some` exactly for `HTTP` and `HTTPS`.
    pub matcher: Option<String>,
    /// Seconds between two checks, 5–300.
    pub interval: u32,
    /// Seconds until a check fails, 2–120.
    pub timeout: u32,
    /// Successes until a target is healthy, 2–10.
    pub healthy_threshold: u32,
    /// Failures until a target is unhealthy, 2–10.
    pub unhealthy_threshold: u32,
}

/// A target group as it is desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredTargetGroup {
    /// What the targets are spoken to; fixed once it is made.
    pub protocol: Protocol,
    /// `HTTP1` for groups of an ALB, which WebSockets need; none for an NLB's. Fixed once it is made.
    pub protocol_version: Option<String>,
    /// The port of a target that is registered without one; fixed once it is made.
    pub port: u16,
    /// Who serves; the kind is fixed once it is made.
    pub targets: TargetSelector,
    /// How they are checked.
    pub health_check: HealthCheck,
    /// Its attributes, by AWS's keys.
    pub attributes: BTreeMap<String, String>,
}

impl DesiredTargetGroup {
    /// Returns the ports that targets are registered on.
    #[must_use]
    pub fn target_ports(&self) -> BTreeSet<u16> {
        let ports = self.targets.ports();
        if ports.is_empty() { BTreeSet::from([self.port]) } else { ports.clone() }
    }

    /// Returns the ports that the load balancer connects to: those of targets and of the health check.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.target_ports().into_iter().chain(self.health_check.port)
    }

    /// Returns the group's name in AWS. What cannot be changed once a group is made is hashed into it, and so is the
    /// load balancer, since a group serves one at a time: a group that must differ gets another name and is made
    /// beside the old one. It is known by the prefix that [`may_be_target_group_of`] looks for.
    #[must_use]
    pub fn name_in_aws(&self, stack: &str, load_balancer: &str, group: &str, vpc: &str) -> String {
        let fixed = (load_balancer, group, self.protocol, &self.protocol_version, self.port);
        let text = format!("{fixed:?} {:?} {vpc}", self.targets.kind());
        format!("{}-{:.10}", prefix(&format!("{stack}-{group}")), sha256_of(text))
    }
}

/// The longest name of a target group is 32; ten are the hash and one joins it.
const PREFIX: usize = 21;

fn prefix(text: &str) -> &str {
    text.get(..PREFIX).unwrap_or(text).trim_end_matches('-')
}

/// Says whether a target group of this name may have been made for `stack`; its tags decide.
#[must_use]
pub fn may_be_target_group_of(stack: &str, name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(before, hash)| {
        before.starts_with(prefix(stack))
            && hash.len() == 10
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> DesiredTargetGroup {
        DesiredTargetGroup {
            protocol: Protocol::Http,
            protocol_version: Some("HTTP1".into()),
            port: 80,
            targets: TargetSelector::Instances { ports: BTreeSet::new() },
            health_check: HealthCheck {
                protocol: Protocol::Http,
                port: Some(8081),
                path: Some("/".into()),
                matcher: Some("200".into()),
                interval: 10,
                timeout: 5,
                healthy_threshold: 2,
                unhealthy_threshold: 2,
            },
            attributes: BTreeMap::new(),
        }
    }

    #[test]
    fn a_name_says_what_is_fixed_and_whose_it_is() {
        let name = |group: &DesiredTargetGroup| group.name_in_aws("chat", "chat", "web", "vpc-1");
        let first = name(&group());
        assert!(may_be_target_group_of("chat", &first), "{first}");
        assert!(!may_be_target_group_of("talk", &first) && !may_be_target_group_of("chat", "chat-web"));
        let other_port = DesiredTargetGroup { port: 81, ..group() };
        let other_version = DesiredTargetGroup { protocol_version: Some("HTTP2".into()), ..group() };
        let mut other_check = group();
        other_check.health_check.interval = 30;
        assert_ne!(name(&other_port), first);
        assert_ne!(name(&other_version), first);
        assert_eq!(name(&other_check), first);
        assert_ne!(group().name_in_aws("chat", "talk", "web", "vpc-1"), first);
        assert_ne!(group().name_in_aws("chat", "chat", "web", "vpc-2"), first);
    }

    #[test]
    fn the_longest_names_fit_and_never_end_in_a_hyphen_before_the_hash() {
        for stack in ["abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrst-vwx", "a"] {
            let name = group().name_in_aws(stack, "chat", "web-and-more", "vpc-1");
            assert!(name.len() <= 32 && !name.contains("--"), "{name}");
            assert!(may_be_target_group_of(stack, &name), "{name}");
        }
    }
}

/// A registered target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// The id of an instance, or an address.
    pub id: String,
    /// The port that it is registered on.
    pub port: u16,
}

/// Writes `i-0123456789abcdef0:80`, and an IPv6 address in brackets.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id.contains(':') {
            write!(f, "[{}]:{}", self.id, self.port)
        } else {
            write!(f, "{}:{}", self.id, self.port)
        }
    }
}

/// A target group as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// Its name, unique in its region.
    pub name: String,
    /// AWS's name of what targets are spoken to, `HTTP`.
    pub protocol: String,
    /// `HTTP1`, `HTTP2` or `GRPC`; none for an NLB's.
    pub protocol_version: Option<String>,
    /// The port of a target that is registered without one.
    pub port: u16,
    /// The VPC that its targets are in.
    pub vpc: String,
    /// What its targets are named by; none where elbws never makes such a group.
    pub kind: Option<TargetKind>,
    /// The ARNs of the load balancers that use it.
    pub load_balancers: BTreeSet<String>,
    /// How targets are checked.
    pub health_check: HealthCheck,
    /// Its attributes, by AWS's keys.
    pub attributes: BTreeMap<String, String>,
    /// The registered targets, without those that are draining.
    pub targets: BTreeSet<Target>,
    /// The targets that are healthy.
    pub healthy: BTreeSet<Target>,
    /// Its tags.
    pub tags: Tags,
}
