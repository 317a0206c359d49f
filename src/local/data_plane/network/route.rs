//! What a connection to a Network Load Balancer is to get, read from the state as it is when it arrives.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::local::account::Inner;
use crate::local::admission::Balancer;
use crate::local::data_plane::backend::{Protocol, Target, Way};
use crate::local::data_plane::connections::Tenure;
use crate::local::data_plane::entrance::{self, Found};
use crate::local::data_plane::front::{Family, Front};
use crate::local::data_plane::group::{Member, crosses_zones, in_one_zone, members};
use crate::local::data_plane::refusal::Refusal;
use crate::local::data_plane::tls::Terms;
use crate::local::data_plane::weights::pick;
use crate::local::health::TargetState;
use crate::local::state::elbv2::{Action, TargetGroup};

/// After so long without a byte a connection is forgotten, where the listener does not say otherwise.
const IDLE: Duration = Duration::from_secs(350);

/// What a connection gets.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) way: Way,
    /// Whether targets get a PROXY header.
    pub(super) proxy_protocol: bool,
    /// Whether a client's connections all go to the same target.
    pub(super) sticky: bool,
    /// How many nodes take turns before a target's next turn comes.
    pub(super) nodes: usize,
    pub(super) members: Vec<Member>,
}

fn find<'a>(inner: &'a Inner, front: &Front) -> Result<Found<'a>, Refusal> {
    match &front.family {
        Family::Network { listener, .. } => entrance::find(inner, front, listener),
        Family::Classic { .. } | Family::Application { .. } => Err(Refusal::Gone),
    }
}

/// Lets a client in, on the terms of its handshake if there is one.
pub(in crate::local::data_plane) fn enter(
    inner: &Inner,
    front: &Front,
    client: IpAddr,
) -> Result<Option<Terms>, Refusal> {
    let found = find(inner, front)?;
    entrance::enter(inner, front, found, client, offered(found.listener.alpn_policy.as_deref()))
}

/// The application protocols of an ALPN policy.
fn offered(policy: Option<&str>) -> &'static [&'static str] {
    match policy {
        Some("HTTP1Only") => &["http/1.1", "http/1.0"],
        Some("HTTP2Only") => &["h2"],
        Some("HTTP2Optional") => &["http/1.1", "http/1.0", "h2"],
        Some("HTTP2Preferred") => &["h2", "http/1.1", "http/1.0"],
        Some(_) | None => &[],
    }
}

/// What was agreed on with a client, for the handshake with the target.
pub(super) fn agreed(protocol: &str) -> Option<&'static str> {
    offered(Some("HTTP2Optional")).iter().find(|name| **name == protocol).copied()
}

impl Route {
    /// The route of what comes to a front from a client, as the so manieth connection.
    pub(super) fn of(inner: &Inner, front: &Front, client: IpAddr, turn: usize) -> Result<Self, Refusal> {
        let found = find(inner, front)?;
        let Found { region, load_balancer, listener } = found;
        let Action::Forward(forward) = &listener.default_action else { return Err(Refusal::Gone) };
        let arn = pick(&forward.groups, turn).ok_or(Refusal::Gone)?;
        let group = region.elbv2.target_groups.get(arn).ok_or(Refusal::Gone)?;
        let kept = kept_address(group, client);
        let balancer = Balancer::from(load_balancer);
        let balancer = if preserves(group) { balancer.with_client(client) } else { balancer };
        let mut members = members(inner, front, found, group, &balancer);
        let mut nodes = 1;
        if !crosses_zones(found, group) {
            (members, nodes) = in_one_zone(found, members, turn);
        }
        Ok(Self {
            way: Way {
                source: kept.unwrap_or(load_balancer.address),
                secure: group.protocol.is_secure(),
                protocol: Protocol::Http1,
                alpn: None,
            },
            proxy_protocol: group.attributes.flag("proxy_protocol_v2.enabled"),
            sticky: group.attributes.flag("stickiness.enabled"),
            nodes,
            members,
        })
    }
}

fn preserves(group: &TargetGroup) -> bool {
    group.attributes.flag("preserve_client_ip.enabled")
}

/// The client's address, if targets are to see it and it can be had: connections of this machine may come from
/// any of its loopback addresses. Targets have IPv4 addresses and see the load balancer's for other clients, as
/// they do in AWS.
fn kept_address(group: &TargetGroup, client: IpAddr) -> Option<Ipv4Addr> {
    match client {
        IpAddr::V4(client) => Some(client).filter(|client| preserves(group) && client.is_loopback()),
        IpAddr::V6(_) => None,
    }
}

/// How long connections to a target may stay; none for a listener that is gone.
pub(in crate::local::data_plane) fn tenure(inner: &Inner, front: &Front, target: &Target) -> Option<Tenure> {
    let Found { region, listener, .. } = find(inner, front).ok()?;
    let idle = listener.attributes.number("tcp.idle_timeout.seconds").map_or(IDLE, Duration::from_secs);
    let mut tenure = Tenure { idle, leaving: None, expelled: false };
    let Some(group) = region.elbv2.target_groups.get(&target.group) else { return Some(tenure) };
    let registered = group.target(&target.id, target.port).filter(|found| found.is_registered());
    if let Some(registered) = registered {
        let health = inner.health.target((&front.region, region), group, registered, &inner.settings);
        let key = "target_health_state.unhealthy.connection_termination.enabled";
        tenure.expelled = health.state == TargetState::Unhealthy && group.attributes.flag(key);
    } else {
        let ends = group.attributes.flag("deregistration_delay.connection_termination.enabled");
        tenure.leaving = ends.then(|| group.deregistration_delay());
    }
    Some(tenure)
}
