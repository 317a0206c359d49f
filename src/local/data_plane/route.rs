//! What a connection is to get, read from the state as it is when the connection arrives.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::front::Front;
use super::tls::Terms;
use crate::local::account::Inner;
use crate::local::admission;
use crate::local::state::elb::LoadBalancer;

/// An instance that may get the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) instance: String,
    /// Its private address, and its port with the offset.
    pub(super) address: SocketAddr,
}

/// What a connection to a front gets now.
#[derive(Debug)]
pub(super) struct Route {
    /// The load balancer's address, which instances see.
    pub(super) source: Ipv4Addr,
    /// Of secure listeners.
    pub(super) terms: Option<Terms>,
    /// Whether the instances are spoken to with TLS.
    pub(super) secure_backend: bool,
    /// Whether the instance port has the PROXY protocol enabled.
    pub(super) proxy_protocol: bool,
    /// Instances in service, in the order of their registration.
    pub(super) targets: Vec<Target>,
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

impl Route {
    /// The route of a client that comes to a front.
    pub(super) fn of(inner: &Inner, front: &Front, client: IpAddr) -> Result<Self, Refusal> {
        let region = inner.state.regions.get(&front.region).ok_or(Refusal::Gone)?;
        let balancers = &region.elb.load_balancers;
        let load_balancer = balancers
            .get(&front.name)
            .filter(|balancer| balancer.dns_name == front.dns_name)
            .ok_or(Refusal::Gone)?;
        let listener = load_balancer.listeners.get(&front.port).ok_or(Refusal::Gone)?;
        let settings = &inner.settings;
        if settings.enforce_security_groups
            && !admission::admits(&region.ec2, load_balancer, client, front.port)
        {
            return Err(Refusal::Client { client, port: front.port });
        }
        let terms = match &listener.certificate {
            None => None,
            Some(arn) => {
                let key_pair = inner.state.key_pair(&front.region, arn);
                let key_pair = key_pair.ok_or_else(|| Refusal::Certificate { arn: arn.clone() })?;
                Some(Terms::of(load_balancer, listener, key_pair))
            }
        };
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
            terms,
            secure_backend: listener.instance_protocol.is_secure(),
            proxy_protocol: has_proxy_protocol(load_balancer, port),
            targets: load_balancer.instances.iter().filter_map(target).collect(),
        })
    }
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
