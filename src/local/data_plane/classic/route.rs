//! What a connection to a Classic load balancer is to get, read from the state as it is when the connection
//! arrives.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::terms::terms;
use crate::local::account::Inner;
use crate::local::admission::{self, Balancer};
use crate::local::data_plane::backend::{Protocol, Target, Way};
use crate::local::data_plane::connections::Tenure;
use crate::local::data_plane::front::Front;
use crate::local::data_plane::refusal::Refusal;
use crate::local::data_plane::tls::Terms;
use crate::local::state::Region;
use crate::local::state::elb::{Listener, LoadBalancer};

/// What a connection, or a request, gets now.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) way: Way,
    /// Whether the instance port has the PROXY protocol enabled.
    pub(super) proxy_protocol: bool,
    /// Instances in service that it may reach, in the order of their registration.
    pub(super) targets: Vec<Target>,
    /// How many nodes take turns before an instance's next turn comes.
    pub(super) nodes: usize,
    pub(super) idle_timeout: Duration,
    /// Of HTTP listeners.
    pub(super) stickiness: Option<Stickiness>,
}

/// Which requests go to the instance that an earlier one went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stickiness {
    /// Those with a cookie of the load balancer's own, for so many seconds, or as long as the browser runs.
    Duration(Option<u32>),
    /// Those with a cookie of the application's.
    Application(String),
}

/// Lets a client in, on the terms of its handshake if there is one.
pub(in crate::local::data_plane) fn enter(
    inner: &Inner,
    front: &Front,
    client: IpAddr,
) -> Result<Option<Terms>, Refusal> {
    let (region, load_balancer, listener) = find(inner, front)?;
    if inner.settings.enforce_security_groups
        && !Balancer::from(load_balancer).admits(&region.ec2, client, front.port)
    {
        return Err(Refusal::Client { client, port: front.port });
    }
    let Some(arn) = &listener.certificate else { return Ok(None) };
    let key_pair = inner.state.key_pair(&front.region, arn);
    let key_pair = key_pair.ok_or_else(|| Refusal::Certificate { arn: arn.clone() })?;
    Ok(Some(terms(load_balancer, listener, arn, key_pair)))
}

impl Route {
    /// The route of what comes to a front, on its so manieth connection.
    pub(super) fn of(inner: &Inner, front: &Front, turn: usize) -> Result<Self, Refusal> {
        let (region, load_balancer, listener) = find(inner, front)?;
        let settings = &inner.settings;
        let port = listener.instance_port;
        let balancer = Balancer::from(load_balancer);
        let target = |id: &String| {
            let instance = region.ec2.instances.get(id)?;
            let serves = inner.health.serves((&front.region, region), load_balancer, id, settings)
                && (!settings.enforce_security_groups
                    || admission::reaches(&region.ec2, &balancer, instance, port));
            let port = port.checked_add(settings.port_offset).filter(|_| serves)?;
            let address = SocketAddr::new(IpAddr::V4(instance.private_ip), port);
            let target =
                Target { group: String::new(), id: id.clone(), port: listener.instance_port, address };
            Some((instance.zone.as_str(), target))
        };
        let served: Vec<(&str, Target)> = load_balancer.instances.iter().filter_map(target).collect();
        // DNS leads clients to the nodes of all zones that have somebody to serve them, in turn.
        let zones: BTreeSet<&str> = served.iter().map(|(zone, _)| *zone).collect();
        let nodes = if load_balancer.attributes.cross_zone { 1 } else { zones.len().max(1) };
        let node = zones.into_iter().nth(turn % nodes).filter(|_| nodes > 1);
        let reached = |zone: &str| node.is_none_or(|node| node == zone);
        Ok(Self {
            way: Way {
                source: load_balancer.address,
                secure: listener.instance_protocol.is_secure(),
                protocol: Protocol::Http1,
                alpn: None,
            },
            proxy_protocol: has_proxy_protocol(load_balancer, port),
            targets: served.into_iter().filter(|(zone, _)| reached(zone)).map(|(_, target)| target).collect(),
            nodes,
            idle_timeout: Duration::from_secs(load_balancer.attributes.idle_timeout.into()),
            stickiness: stickiness(load_balancer, listener),
        })
    }
}

/// How long connections to an instance may stay; none for a load balancer that is gone.
pub(in crate::local::data_plane) fn tenure(inner: &Inner, front: &Front, target: &Target) -> Option<Tenure> {
    let (_, load_balancer, _) = find(inner, front).ok()?;
    let draining = load_balancer.attributes.draining;
    let timeout = if draining.enabled { draining.timeout } else { 0 };
    let registered = load_balancer.instances.contains(&target.id);
    Some(Tenure {
        idle: Duration::from_secs(load_balancer.attributes.idle_timeout.into()),
        expelled: false,
        leaving: (!registered).then(|| Duration::from_secs(timeout.into())),
    })
}

fn find<'a>(
    inner: &'a Inner,
    front: &Front,
) -> Result<(&'a Region, &'a LoadBalancer, &'a Listener), Refusal> {
    let region = inner.state.regions.get(&front.region).ok_or(Refusal::Gone)?;
    let named = region.elb.load_balancers.get(&front.name);
    let load_balancer = named.filter(|found| found.dns_name == front.dns_name).ok_or(Refusal::Gone)?;
    let listener = load_balancer.listeners.get(&front.port).ok_or(Refusal::Gone)?;
    Ok((region, load_balancer, listener))
}

/// What the stickiness policy of a listener says, if it has one.
fn stickiness(load_balancer: &LoadBalancer, listener: &Listener) -> Option<Stickiness> {
    let mut policies = listener.policies.iter().filter_map(|name| load_balancer.policies.get(name));
    policies.find_map(|policy| {
        let value = |name: &str| {
            let attribute = policy.attributes.iter().find(|attribute| attribute.name == name);
            attribute.map(|attribute| attribute.value.clone())
        };
        match policy.type_name.as_str() {
            "LBCookieStickinessPolicyType" => {
                let period = value("CookieExpirationPeriod").and_then(|value| value.parse().ok());
                Some(Stickiness::Duration(period))
            }
            "AppCookieStickinessPolicyType" => value("CookieName").map(Stickiness::Application),
            _ => None,
        }
    })
}

/// Whether a `ProxyProtocolPolicyType` policy that says so is on an instance port.
fn has_proxy_protocol(load_balancer: &LoadBalancer, instance_port: u16) -> bool {
    let names = load_balancer.backend_policies.get(&instance_port);
    let policies = names.into_iter().flatten().filter_map(|name| load_balancer.policies.get(name));
    let mut of_type = policies.filter(|policy| policy.type_name == "ProxyProtocolPolicyType");
    of_type.any(|policy| {
        policy.attributes.iter().any(|attribute| {
            attribute.name == "ProxyProtocol" && attribute.value.eq_ignore_ascii_case("true")
        })
    })
}
