//! Which PROXY header an instance port gets from the load balancers of a stack, and what to say where two that stand
//! beside each other differ: what listens there serves only one of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::provision::resource::{DesiredBalancer, LoadBalancer, LoadBalancerType, Observed, Policy, v2};

/// What begins a connection to an instance port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// No PROXY header.
    None,
    /// One of version 1, as Classic load balancers send.
    V1,
    /// One of version 2, as Network load balancers send.
    V2,
}

impl Header {
    /// Reads what a target group's attributes ask for.
    pub(super) fn of_attributes(attributes: &BTreeMap<String, String>) -> Self {
        let value = attributes.get("proxy_protocol_v2.enabled");
        if value.is_some_and(|value| value.eq_ignore_ascii_case("true")) { Self::V2 } else { Self::None }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no PROXY header",
            Self::V1 => "a PROXY header of version 1",
            Self::V2 => "a PROXY header of version 2",
        })
    }
}

/// What each instance port of a load balancer gets.
#[derive(Debug, Default)]
pub(super) struct Headers(BTreeMap<u16, Header>);

impl Headers {
    pub(super) fn desired(balancer: &DesiredBalancer) -> Self {
        let of_group = |group: &v2::DesiredTargetGroup| {
            let header = Header::of_attributes(&group.attributes);
            group.target_ports().into_iter().map(move |port| (port, header))
        };
        Self(match balancer {
            DesiredBalancer::Classic(classic) => {
                let ports = classic.listeners.values().map(|listener| listener.instance_port);
                let header =
                    |port| if classic.proxy_protocol.contains(&port) { Header::V1 } else { Header::None };
                ports.map(|port| (port, header(port))).collect()
            }
            DesiredBalancer::V2(balancer) => balancer.target_groups.values().flat_map(of_group).collect(),
        })
    }

    pub(super) fn of_classic(balancer: &LoadBalancer) -> Self {
        let is_on = |name: &String| balancer.policies.get(name).is_some_and(Policy::turns_proxy_protocol_on);
        let header = |port: u16| {
            let policies = balancer.backend_policies.get(&port);
            if policies.is_some_and(|names| names.iter().any(is_on)) { Header::V1 } else { Header::None }
        };
        let ports = balancer.listeners.values().map(|listener| listener.instance_port);
        Self(ports.map(|port| (port, header(port))).collect())
    }

    pub(super) fn of_v2(balancer: &v2::LoadBalancer, observed: &Observed) -> Self {
        let groups = observed.target_groups.iter();
        let used = groups.filter(|group| group.load_balancers.contains(&balancer.arn));
        let of_group = |group: &v2::TargetGroup| {
            let header = Header::of_attributes(&group.attributes);
            let ports: Vec<u16> = group.targets.iter().map(|target| target.port).collect();
            ports.into_iter().map(move |port| (port, header))
        };
        Self(used.flat_map(of_group).collect())
    }

    /// Returns what an instance port gets; none where nothing leads there.
    pub(super) fn of(&self, port: u16) -> Option<Header> {
        self.0.get(&port).copied()
    }

    /// Says where these, of the load balancer that is desired, are not those of a `former` one, called `name`.
    pub(super) fn conflict(&self, former: &Self, kind: LoadBalancerType, name: &str) -> Option<String> {
        let differs = |(port, new): (&u16, &Header)| {
            let old = former.0.get(port)?;
            (old != new).then_some((*port, *old, *new))
        };
        let (port, old, new) = self.0.iter().find_map(differs)?;
        let advice = if old == Header::None || new == Header::None {
            "give the new one an instance port of its own, or let the proxy do without the header for the time \
             of the switch (`header_optional_until`)"
        } else {
            "let it accept both, as `proxy.accept: any` does, or give the new one an instance port of its own"
        };
        Some(format!(
            "instance port {port} gets {old} from the {kind} load balancer {name} and {new} from the new one, and \
             health checks may not show that what listens there cannot serve both: {advice}"
        ))
    }
}
