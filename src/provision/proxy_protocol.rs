//! The PROXY header on instance ports of any Classic load balancer, ours or not, switched on or off: read it,
//! say what is to change, change that. Policies of other types stay as they are.
//!
//! A stack's own load balancer gets its policies by the stack's plan; this is the user's explicit wish about
//! one load balancer and knows nothing of stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::aws::{AwsError, Clients, elb, elbv2};
use super::resource::v2::Family;
use super::resource::{LoadBalancer, PolicyKind};

/// How many load balancers an error lists.
const LISTED: usize = 20;

/// Whether the instances are to get the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Every connection to the port begins with it.
    Enable,
    /// None does.
    Disable,
}

/// What is to change about one instance port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortChange {
    /// The instance port.
    pub port: u16,
    /// The policies on it now.
    pub from: Vec<String>,
    /// The policies on it afterwards.
    pub to: Vec<String>,
}

/// What is to change about one load balancer, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// The load balancer.
    pub load_balancer: String,
    /// The policy to create first.
    pub create: Option<String>,
    /// The ports whose policies are then replaced.
    pub ports: Vec<PortChange>,
    /// The policies that no port uses any more, deleted at last.
    pub delete: Vec<String>,
}

impl Switch {
    /// Says whether everything is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.create.is_none() && self.ports.is_empty() && self.delete.is_empty()
    }
}

/// Why the header cannot be switched.
#[derive(Debug, thiserror::Error)]
pub enum ProxyProtocolError {
    /// AWS refused a call or did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// There is no such load balancer.
    #[error("there is no classic load balancer called {name} in {region}")]
    UnknownLoadBalancer {
        /// The name asked for.
        name: String,
        /// The region.
        region: String,
        /// The names of those that there are, the first few.
        existing: Vec<String>,
        /// Whether there are more.
        more: bool,
    },
    /// The load balancer of that name is no Classic one.
    #[error("{name} is {} load balancer, which has no policies on instance ports", article(*family))]
    NotClassic {
        /// The name asked for.
        name: String,
        /// What it is.
        family: Family,
    },
    /// No listener forwards to some of the ports.
    #[error("load balancer {name} has no listener with instance port {}", join(ports))]
    NoListener {
        /// The load balancer.
        name: String,
        /// The ports asked for that no listener forwards to.
        ports: BTreeSet<u16>,
        /// The instance ports of its listeners.
        existing: BTreeSet<u16>,
    },
}

impl ProxyProtocolError {
    /// Says what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::UnknownLoadBalancer { existing, more, .. } => Some(if existing.is_empty() {
                "there are none in this region: check --region and --profile".to_owned()
            } else {
                let and_more = if *more { ", …" } else { "" };
                format!("there are {}{and_more}", existing.join(", "))
            }),
            Self::NotClassic { family: Family::Application, .. } => Some(
                "an Application load balancer never sends the PROXY header; the app finds the visitor's \
                 address in X-Forwarded-For"
                    .to_owned(),
            ),
            Self::NotClassic { family: Family::Network, .. } => Some(
                "a Network load balancer sends it to the target groups with the attribute \
                 proxy_protocol_v2.enabled: set `proxy_protocol: true` in its spec and apply that"
                    .to_owned(),
            ),
            Self::NoListener { existing, .. } => Some(if existing.is_empty() {
                "it has no listeners".to_owned()
            } else {
                format!("its listeners have the instance ports {}", join(existing))
            }),
        }
    }
}

fn article(family: Family) -> &'static str {
    match family {
        Family::Application => "an Application",
        Family::Network => "a Network",
    }
}

/// Reads the load balancer called `name` and says what is to change about it for `wish` to be true of `ports`.
pub async fn plan(
    clients: &Clients,
    name: &str,
    ports: &BTreeSet<u16>,
    wish: Wish,
) -> Result<Switch, ProxyProtocolError> {
    if let Some(found) = elb::load_balancer(clients, name).await? {
        return switch(&found, ports, wish);
    }
    let of_v2 = match elbv2::load_balancer(clients, name).await {
        // Who may not read those is told of the Classic ones.
        Err(error) if error.is_any(&["AccessDenied", "AccessDeniedException"]) => None,
        found => found?,
    };
    if let Some(found) = of_v2 {
        return Err(ProxyProtocolError::NotClassic { name: found.name, family: found.family });
    }
    let (existing, more) = elb::load_balancer_names(clients, LISTED).await?;
    let (name, region) = (name.to_owned(), clients.region().to_owned());
    Err(ProxyProtocolError::UnknownLoadBalancer { name, region, existing, more })
}

/// Changes what `switch` says; repeated, it ends as it did the first time.
pub async fn run(clients: &Clients, switch: &Switch) -> Result<(), ProxyProtocolError> {
    let name = &switch.load_balancer;
    if let Some(policy) = &switch.create {
        let attributes = BTreeMap::from([("ProxyProtocol".to_owned(), "true".to_owned())]);
        let created = elb::create_policy(clients, name, policy, PolicyKind::ProxyProtocol, &attributes).await;
        match created {
            // The answer to an earlier try was lost, or someone else wishes the same.
            Err(error) if error.is("DuplicatePolicyName") => {
                let policies = elb::policies(clients, name).await?;
                if !policies.get(policy).is_some_and(super::resource::Policy::turns_proxy_protocol_on) {
                    return Err(error.into());
                }
            }
            created => created?,
        }
    }
    for change in &switch.ports {
        elb::set_backend_policies(clients, name, change.port, &change.to).await?;
    }
    for policy in &switch.delete {
        match elb::delete_policy(clients, name, policy).await {
            Err(error) if error.is("PolicyNotFound") => {}
            deleted => deleted?,
        }
    }
    Ok(())
}

/// Puts the PROXY header on `ports` of the load balancer called `name`, and returns what that changed.
pub async fn enable(
    clients: &Clients,
    name: &str,
    ports: &BTreeSet<u16>,
) -> Result<Switch, ProxyProtocolError> {
    let switch = plan(clients, name, ports, Wish::Enable).await?;
    run(clients, &switch).await?;
    Ok(switch)
}

/// Takes the PROXY header off `ports` of the load balancer called `name`, and returns what that changed.
pub async fn disable(
    clients: &Clients,
    name: &str,
    ports: &BTreeSet<u16>,
) -> Result<Switch, ProxyProtocolError> {
    let switch = plan(clients, name, ports, Wish::Disable).await?;
    run(clients, &switch).await?;
    Ok(switch)
}

fn switch(balancer: &LoadBalancer, ports: &BTreeSet<u16>, wish: Wish) -> Result<Switch, ProxyProtocolError> {
    let existing: BTreeSet<u16> =
        balancer.listeners.values().map(|listener| listener.instance_port).collect();
    let unknown: BTreeSet<u16> = ports.difference(&existing).copied().collect();
    if !unknown.is_empty() {
        let name = balancer.name.clone();
        return Err(ProxyProtocolError::NoListener { name, ports: unknown, existing });
    }
    let policy = match wish {
        Wish::Enable => Some(policy_name(balancer)),
        Wish::Disable => None,
    };
    let mut after = balancer.backend_policies.clone();
    let mut changes = Vec::new();
    for port in ports {
        let from = balancer.backend_policies.get(port).cloned().unwrap_or_default();
        let is_other = |name: &&String| {
            !balancer.policies.get(*name).is_some_and(|policy| policy.is(PolicyKind::ProxyProtocol))
        };
        let to: BTreeSet<String> = from.iter().filter(is_other).chain(policy.as_ref()).cloned().collect();
        let to: Vec<String> = to.into_iter().collect();
        after.insert(*port, to.clone());
        if from.iter().collect::<BTreeSet<_>>() != to.iter().collect() {
            changes.push(PortChange { port: *port, from, to });
        }
    }
    let create = policy.filter(|policy| !balancer.policies.contains_key(policy));
    let delete = match wish {
        Wish::Enable => Vec::new(),
        Wish::Disable => unused(balancer, &after),
    };
    Ok(Switch { load_balancer: balancer.name.clone(), create, ports: changes, delete })
}

/// Returns the name of the policy to use: the usual one, or the next that is not taken by another policy.
fn policy_name(balancer: &LoadBalancer) -> String {
    let fits = |name: &String| {
        balancer.policies.get(name).is_none_or(super::resource::Policy::turns_proxy_protocol_on)
    };
    // One more than there are policies is free.
    (1..=balancer.policies.len() + 1)
        .map(|number| numbered(&balancer.name, number))
        .find(fits)
        .unwrap_or_else(|| numbered(&balancer.name, 1))
}

fn numbered(load_balancer: &str, number: usize) -> String {
    match number {
        1 => format!("{load_balancer}-proxy-protocol"),
        _ => format!("{load_balancer}-proxy-protocol-{number}"),
    }
}

/// Returns the policies of the name and kind that [`enable`] makes and that are on no port.
fn unused(balancer: &LoadBalancer, on_ports: &BTreeMap<u16, Vec<String>>) -> Vec<String> {
    let used: BTreeSet<&String> = on_ports.values().flatten().collect();
    let is_ours = |name: &String| {
        name.strip_prefix(&numbered(&balancer.name, 1)).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('-').is_some_and(|number| number.parse::<usize>().is_ok())
        })
    };
    balancer
        .policies
        .values()
        .filter(|policy| policy.turns_proxy_protocol_on() && is_ours(&policy.name))
        .filter(|policy| !used.contains(&policy.name))
        .map(|policy| policy.name.clone())
        .collect()
}

fn join(ports: &BTreeSet<u16>) -> String {
    let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
    ports.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::resource::{Attributes, HealthCheck, Listener, Policy, Protocol, Scheme, Tags};

    /// A load balancer `ws` with a TCP listener for each instance port, these policies (name, type, value),
    /// and these on the ports.
    fn balancer(
        instance_ports: &[u16],
        policies: &[(&str, &str, &str)],
        on_ports: &[(u16, &[&str])],
    ) -> LoadBalancer {
        let listener = |port: u16| Listener {
            port,
            protocol: Protocol::Tcp,
            instance_port: port,
            instance_protocol: Protocol::Tcp,
            certificate: None,
            policies: Vec::new(),
        };
        let policy = |(name, type_name, value): &(&str, &str, &str)| Policy {
            name: (*name).to_owned(),
            type_name: (*type_name).to_owned(),
            attributes: BTreeMap::from([("ProxyProtocol".to_owned(), (*value).to_owned())]),
        };
        LoadBalancer {
            name: "ws".to_owned(),
            dns_name: String::new(),
            scheme: Scheme::InternetFacing,
            vpc: None,
            subnets: BTreeSet::new(),
            security_groups: BTreeSet::new(),
            listeners: instance_ports.iter().map(|port| (*port, listener(*port))).collect(),
            policies: policies.iter().map(policy).map(|policy| (policy.name.clone(), policy)).collect(),
            backend_policies: on_ports
                .iter()
                .map(|(port, names)| (*port, names.iter().map(|name| (*name).to_owned()).collect()))
                .collect(),
            attributes: Attributes {
                idle_timeout: 60,
                connection_draining: None,
                cross_zone: false,
                access_logs: None,
            },
            health_check: HealthCheck {
                target: "TCP:80".to_owned(),
                interval: 30,
                timeout: 5,
                healthy_threshold: 10,
                unhealthy_threshold: 2,
            },
            instances: BTreeSet::new(),
            tags: Tags::default(),
        }
    }

    const PROXY: &str = "ProxyProtocolPolicyType";

    fn change(port: u16, from: &[&str], to: &[&str]) -> PortChange {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        PortChange { port, from: owned(from), to: owned(to) }
    }

    #[test]
    fn enabling_creates_one_policy_and_keeps_the_others_on_each_port() {
        let found = balancer(
            &[80, 8080],
            &[("keys", "BackendServerAuthenticationPolicyType", ""), ("old", PROXY, "true")],
            &[(80, &["keys", "old"])],
        );
        let switch = switch(&found, &BTreeSet::from([80, 8080]), Wish::Enable).unwrap();
        assert_eq!(switch.create.as_deref(), Some("ws-proxy-protocol"));
        assert_eq!(
            switch.ports,
            [
                change(80, &["keys", "old"], &["keys", "ws-proxy-protocol"]),
                change(8080, &[], &["ws-proxy-protocol"])
            ]
        );
        assert!(switch.delete.is_empty());
    }

    #[test]
    fn enabling_what_is_enabled_changes_nothing() {
        let found = balancer(&[80], &[("ws-proxy-protocol", PROXY, "True")], &[(80, &["ws-proxy-protocol"])]);
        assert!(switch(&found, &BTreeSet::from([80]), Wish::Enable).unwrap().is_empty());
    }

    #[test]
    fn a_policy_of_that_name_with_other_content_is_left_alone() {
        let found = balancer(
            &[80],
            &[("ws-proxy-protocol", PROXY, "false"), ("ws-proxy-protocol-2", "Other", "")],
            &[],
        );
        let switch = switch(&found, &BTreeSet::from([80]), Wish::Enable).unwrap();
        assert_eq!(switch.create.as_deref(), Some("ws-proxy-protocol-3"));
        assert_eq!(switch.ports, [change(80, &[], &["ws-proxy-protocol-3"])]);
    }

    #[test]
    fn disabling_deletes_our_policy_once_no_port_uses_it() {
        let found = balancer(
            &[80, 8080],
            &[("ws-proxy-protocol", PROXY, "true"), ("users", PROXY, "true")],
            &[(80, &["ws-proxy-protocol"]), (8080, &["ws-proxy-protocol"])],
        );
        let one = switch(&found, &BTreeSet::from([80]), Wish::Disable).unwrap();
        assert_eq!(one.ports, [change(80, &["ws-proxy-protocol"], &[])]);
        assert!(one.delete.is_empty());
        let both = switch(&found, &BTreeSet::from([80, 8080]), Wish::Disable).unwrap();
        assert_eq!(both.ports.len(), 2);
        assert_eq!(both.delete, ["ws-proxy-protocol"]);
    }

    #[test]
    fn a_port_without_a_listener_is_refused_with_those_that_there_are() {
        let found = balancer(&[80, 8080], &[], &[]);
        let error = switch(&found, &BTreeSet::from([80, 81, 82]), Wish::Enable).unwrap_err();
        assert_eq!(error.to_string(), "load balancer ws has no listener with instance port 81, 82");
        assert_eq!(error.hint().unwrap(), "its listeners have the instance ports 80, 8080");
    }
}
