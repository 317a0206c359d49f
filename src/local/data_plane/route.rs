//! What a connection is to get, read from the state as it is when the connection arrives.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::front::Front;
use super::tls::Terms;
use crate::local::account::Inner;
use crate::local::admission;
use crate::local::state::Region;
use crate::local::state::elb::{Listener, LoadBalancer};

/// An instance that may get the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) instance: String,
    /// Its private address, and its port with the offset.
    pub(super) address: SocketAddr,
}

/// What a connection, or a request, gets now.
#[derive(Debug)]
pub(super) struct Route {
    /// The load balancer's address, which instances see.
    pub(super) source: Ipv4Addr,
    /// Whether the instances are spoken to with TLS.
    pub(super) secure_backend: bool,
    /// Whether the instance port has the PROXY protocol enabled.
    pub(super) proxy_protocol: bool,
    /// Instances in service, in the order of their registration.
    pub(super) targets: Vec<Target>,
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

/// Why a connection gets nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The listener went away a moment ago.
    #[error("there is no listener any more")]
    Gone,
    /// No rule of its groups admits the client.
    #[error("its security groups have no ingress rule that admits {client} to port {port}")]
    Client {
        /// Who.
        client: IpAddr,
        /// The port as clients know it.
        port: u16,
    },
    /// The certificate is not there any more.
    #[error("there is no certificate {arn}")]
    Certificate {
        /// Which.
        arn: String,
    },
}

/// Lets a client in, on the terms of its handshake if there is one.
pub(super) fn enter(inner: &Inner, front: &Front, client: IpAddr) -> Result<Option<Terms>, Refusal> {
    let (region, load_balancer, listener) = find(inner, front)?;
    if inner.settings.enforce_security_groups
        && !admission::admits(&region.ec2, load_balancer, client, front.port)
    {
        return Err(Refusal::Client { client, port: front.port });
    }
    let Some(arn) = &listener.certificate else { return Ok(None) };
    let key_pair = inner.state.key_pair(&front.region, arn);
    let key_pair = key_pair.ok_or_else(|| Refusal::Certificate { arn: arn.clone() })?;
    Ok(Some(Terms::of(load_balancer, listener, key_pair)))
}

impl Route {
    /// The route of what comes to a front.
    pub(super) fn of(inner: &Inner, front: &Front) -> Result<Self, Refusal> {
        let (region, load_balancer, listener) = find(inner, front)?;
        let settings = &inner.settings;
        let port = listener.instance_port;
        let target = |id: &String| {
            let instance = region.ec2.instances.get(id)?;
            let serves = inner.health.serves((&front.region, region), load_balancer, id, settings)
                && (!settings.enforce_security_groups
                    || admission::reaches(&region.ec2, load_balancer, instance, port));
            let port = port.checked_add(settings.port_offset).filter(|_| serves)?;
            let address = SocketAddr::new(IpAddr::V4(instance.private_ip), port);
            Some(Target { instance: id.clone(), address })
        };
        Ok(Self {
            source: load_balancer.address,
            secure_backend: listener.instance_protocol.is_secure(),
            proxy_protocol: has_proxy_protocol(load_balancer, port),
            targets: load_balancer.instances.iter().filter_map(target).collect(),
            idle_timeout: Duration::from_secs(load_balancer.attributes.idle_timeout.into()),
            stickiness: stickiness(load_balancer, listener),
        })
    }
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
