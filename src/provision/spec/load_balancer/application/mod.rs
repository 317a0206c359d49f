//! `load_balancer:` with `type: application`.

mod action;
mod fields;
mod grammar;
mod listeners;
mod target_group;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Serialize;

pub use action::{Action, Forward, Redirect};
pub use listeners::{ApplicationListener, Rule};
pub use target_group::{Algorithm, ApplicationTargetGroup, Stickiness};

pub(super) use fields::APPLICATION;

use super::target_group::Groups;
use super::{
    AddressType, Decoded, Front, FrontListener, LoadBalancer, LogBucket, Scheme, Sends, Surroundings,
    TargetGroupName, settings,
};
use crate::provision::spec::item::{Invalid, Item, Read};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::{LoadBalancerName, Seconds};

/// An Application load balancer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of AWS's own, not a state")]
pub struct ApplicationLoadBalancer {
    /// Its name; the stack's unless the spec gives another.
    pub name: LoadBalancerName,
    /// Who can reach it.
    pub scheme: Scheme,
    /// Which addresses visitors may use.
    pub ip_address_type: AddressType,
    /// What its own security group admits; not empty, no host bits, no duplicates.
    pub ingress: Vec<IpNet>,
    /// How long a connection may be silent: 1 s–4000 s.
    pub idle_timeout: Seconds,
    /// How long a visitor's connection is kept: 60 s–7 d.
    pub client_keep_alive: Seconds,
    /// Whether visitors may speak HTTP/2.
    pub http2: bool,
    /// What is done with ambiguous requests.
    pub desync_mitigation_mode: Desync,
    /// Whether header fields with unusual names are dropped.
    pub drop_invalid_header_fields: bool,
    /// Whether targets get the visitor's `Host` as it was.
    pub preserve_host_header: bool,
    /// What is done with the visitor's own `X-Forwarded-For`.
    pub xff_header_processing_mode: XffMode,
    /// Whether `X-Forwarded-For` has the visitor's port.
    pub xff_client_port: bool,
    /// Whether AWS refuses to delete it.
    pub deletion_protection: bool,
    /// Where access logs go, if anywhere.
    pub access_logs: Option<LogBucket>,
    /// Where connection logs go, if anywhere.
    pub connection_logs: Option<LogBucket>,
    /// Its listeners, in the spec's order; not empty, each on a port of its own.
    pub listeners: Vec<ApplicationListener>,
    /// Its target groups; each is used by a listener or a rule, and each that is named there exists.
    pub target_groups: BTreeMap<TargetGroupName, ApplicationTargetGroup>,
}

/// What is done with requests that two parsers could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Desync {
    /// They are counted.
    Monitor,
    /// Dangerous ones are refused.
    Defensive,
    /// Whatever is not to the letter of RFC 7230 is refused.
    Strictest,
}

impl Desync {
    /// Returns the name that AWS and the spec use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Defensive => "defensive",
            Self::Strictest => "strictest",
        }
    }
}

/// What is done with the visitor's own `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum XffMode {
    /// The visitor's address is put after it.
    Append,
    /// It stays as it is.
    Preserve,
    /// It is dropped.
    Remove,
}

impl XffMode {
    /// Returns the name that AWS and the spec use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Preserve => "preserve",
            Self::Remove => "remove",
        }
    }
}

/// WebSockets are silent for minutes; AWS's own default of a minute cuts them.
const IDLE_TIMEOUT: Seconds = Seconds(3600);
const CLIENT_KEEP_ALIVE: Seconds = Seconds(3600);

pub(super) fn decode(item: &Item, around: &Surroundings<'_>, problems: &mut Problems) -> Decoded {
    if item.as_map().is_err() {
        return Decoded::INVALID;
    }
    let behind = || around.behind.as_ref().map_err(|invalid| *invalid);
    let groups =
        Groups::decode(item, problems, |item, problems| target_group::decode(item, behind(), problems));
    let listeners = groups
        .as_ref()
        .map_err(|_| Invalid)
        .and_then(|groups| listeners::decode(item, around.certificate, groups, problems));
    let idle_timeout = item.seconds("idle_timeout", IDLE_TIMEOUT);
    if let (Ok(groups), Ok(listeners)) = (&groups, &listeners) {
        let used: BTreeSet<_> = listeners.iter().flat_map(ApplicationListener::groups).collect();
        groups.report_unused(&used, problems);
    }
    let front = front(groups.as_ref(), listeners.as_ref(), idle_timeout);
    let rest = rest(item, around, idle_timeout, listeners, groups, problems);
    Decoded { front, load_balancer: rest.map(LoadBalancer::Application) }
}

fn front(
    groups: Result<&Groups<'_, ApplicationTargetGroup>, &Invalid>,
    listeners: Result<&Vec<ApplicationListener>, &Invalid>,
    idle: Read<Seconds>,
) -> Read<Front> {
    let (groups, listeners) = (groups.map_err(|_| Invalid)?, listeners.map_err(|_| Invalid)?);
    let ports = |listener: &ApplicationListener| -> Read<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        for name in listener.groups() {
            let group = groups.get(name).ok_or(Invalid)?;
            ports.extend(group.targets.ports_or(group.port));
        }
        Ok(ports)
    };
    let listeners = listeners.iter().map(|listener| {
        Ok(FrontListener {
            port: listener.port,
            secure: listener.protocol.is_secure(),
            http: true,
            instance_ports: ports(listener)?,
            idle: idle?,
        })
    });
    Ok(Front { listeners: listeners.collect::<Read<_>>()?, header: BTreeSet::new(), sends: Sends::Forwarded })
}

fn rest(
    item: &Item,
    around: &Surroundings<'_>,
    idle_timeout: Read<Seconds>,
    listeners: Read<Vec<ApplicationListener>>,
    groups: Read<Groups<'_, ApplicationTargetGroup>>,
    problems: &mut Problems,
) -> Read<ApplicationLoadBalancer> {
    let name = settings::name(item, around.stack, problems);
    let ip_address_type = settings::address_type(item);
    let ingress = ip_address_type.and_then(|addresses| settings::ingress(item, addresses, problems));
    if let Some(cross_zone) = item.get("cross_zone").filter(|item| matches!(item.as_boolean(), Ok(false))) {
        let refusal = Refusal::new("an application load balancer always spreads over all zones");
        cross_zone.report(problems, refusal.hint("remove the field"));
    }
    let listeners = listeners?;
    let used = listeners.iter().flat_map(ApplicationListener::groups).cloned().collect();
    Ok(ApplicationLoadBalancer {
        name: name?,
        scheme: settings::scheme(item)?,
        ip_address_type: ip_address_type?,
        ingress: ingress?,
        idle_timeout: idle_timeout?,
        client_keep_alive: item.seconds("client_keep_alive", CLIENT_KEEP_ALIVE)?,
        http2: item.boolean("http2", true)?,
        desync_mitigation_mode: match item.text("desync_mitigation_mode")? {
            Some("monitor") => Desync::Monitor,
            Some("strictest") => Desync::Strictest,
            Some(_) | None => Desync::Defensive,
        },
        drop_invalid_header_fields: item.boolean("drop_invalid_header_fields", false)?,
        preserve_host_header: item.boolean("preserve_host_header", false)?,
        xff_header_processing_mode: match item.text("xff_header_processing_mode")? {
            Some("preserve") => XffMode::Preserve,
            Some("remove") => XffMode::Remove,
            Some(_) | None => XffMode::Append,
        },
        xff_client_port: item.boolean("xff_client_port", false)?,
        deletion_protection: item.boolean("deletion_protection", false)?,
        access_logs: settings::logs(item.get("access_logs"))?,
        connection_logs: settings::logs(item.get("connection_logs"))?,
        listeners,
        target_groups: groups?.all(&used)?,
    })
}
