//! `target_groups:`, what Application and Network load balancers have in common there.

mod grammar;
mod groups;
mod health_check;

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;

pub use health_check::TargetHealthCheck;

pub(super) use grammar::{COOKIE, NAME};
pub(super) use groups::Groups;
pub(super) use health_check::CheckKind;

use super::fields::PORT;
use super::{Behind, Protocol};
use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Invalid, Item, Read};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::shape::{Field, Kind};

/// A target group's name in the spec: 1–24 of `[a-z0-9-]`; its name in AWS derives from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TargetGroupName(String);

impl TargetGroupName {
    pub(super) fn new(checked: &str) -> Self {
        Self(checked.to_owned())
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetGroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who serves a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// The stack's instances, on each of these ports; without one, on the group's.
    Instances {
        /// The ports.
        ports: BTreeSet<u16>,
    },
    /// These addresses, on each of these ports; without one, on the group's.
    Ips {
        /// The addresses.
        addresses: BTreeSet<Ipv4Addr>,
        /// The ports.
        ports: BTreeSet<u16>,
    },
}

impl Targets {
    /// Returns the ports that targets are reached on, in a group whose own port is `port`.
    #[must_use]
    pub fn ports_or(&self, port: u16) -> BTreeSet<u16> {
        let (Self::Instances { ports } | Self::Ips { ports, .. }) = self;
        if ports.is_empty() { BTreeSet::from([port]) } else { ports.clone() }
    }
}

pub(super) const GROUP_PORT: Field =
    Field::new("port", PORT, "The port that targets serve on.").default("the proxy's port, else 80");

static ADDRESS: Kind = Kind::Text(&grammar::TARGET_ADDRESS);

pub(super) const IPS: Field = Field::new(
    "ips",
    Kind::List { of: &ADDRESS, min: 1, max: 1000 },
    "IPv4 addresses that serve, in place of the stack's instances.",
)
.default("the instances");

pub(super) const PORTS: Field = Field::new(
    "ports",
    Kind::List { of: &PORT, min: 1, max: 100 },
    "Several ports of each target, where it runs several processes.",
)
.default("the group's port alone");

pub(super) const DEREGISTRATION_DELAY: Field = Field::new(
    "deregistration_delay",
    Kind::Duration { min: 0, max: 3600 },
    "How long a deregistered target keeps its connections.",
)
.default("5m");

pub(super) const HEALTH_CHECK: Field =
    Field::new("health_check", Kind::Object(&health_check::HEALTH_CHECK), "How targets are checked.");

/// AWS's own default, and a Classic load balancer's here.
const DELAY: Seconds = Seconds(300);

/// What groups of both types have.
pub(super) struct Common {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    pub(super) targets: Targets,
    pub(super) health_check: TargetHealthCheck,
    pub(super) deregistration_delay: Seconds,
}

/// Reads the common fields; `plain` is the protocol where the spec names none.
pub(super) fn common(
    item: &Item,
    plain: Protocol,
    behind: Read<&Behind>,
    problems: &mut Problems,
) -> Read<Common> {
    let targets = targets(item, problems);
    let protocol = Protocol::read(item, "protocol")?.unwrap_or(plain);
    let behind = behind?;
    let port = item.number("port")?.unwrap_or_else(|| behind.port());
    let targets = targets?;
    let ports = targets.ports_or(port);
    let kind = CheckKind { group: protocol, proxy: behind.health_of(&ports) };
    if protocol.is_secure() && kind.proxy.is_some() {
        let refusal =
            Refusal::new(format!("the proxy serves this group, and it speaks no TLS, so not {protocol}"))
                .hint(format!(
                    "write protocol: {plain}, or name the ports that the proxy serves in proxy.listen"
                ));
        item.at("protocol").report(problems, refusal);
    }
    let health_check = health_check::decode(item, &kind, problems);
    Ok(Common {
        protocol,
        port,
        targets,
        health_check: health_check?,
        deregistration_delay: item.seconds("deregistration_delay", DELAY)?,
    })
}

fn targets(item: &Item, problems: &mut Problems) -> Read<Targets> {
    let ports = ports(item, problems)?;
    if item.get("ips").is_none() {
        return Ok(Targets::Instances { ports });
    }
    let addresses = item.texts("ips", problems)?;
    let addresses = addresses.iter().map(|text| text.parse().map_err(|_| Invalid)).collect::<Read<_>>()?;
    Ok(Targets::Ips { addresses, ports })
}

fn ports(item: &Item, problems: &mut Problems) -> Read<BTreeSet<u16>> {
    let Some(list) = item.get("ports") else { return Ok(BTreeSet::new()) };
    let mut ports = BTreeSet::new();
    for entry in list.as_list()? {
        let port = entry.as_number()?;
        if !ports.insert(port) {
            entry.report(problems, Refusal::new(format!("port {port} is given twice")));
        }
    }
    Ok(ports)
}
