//! Operations on Application and Network load balancers in words.

use std::fmt;

use super::operation::{NewAction, NewLoadBalancer, NewRecord, NewTargetGroup, V2Operation};
use crate::provision::plan::Reference;
use crate::provision::plan::describe::{joined, plural};
use crate::provision::resource::v2::{AddressType, Forward, Record, Target};

impl fmt::Display for V2Operation {
    #[allow(clippy::too_many_lines, reason = "one arm for each operation")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateLoadBalancer { new: NewLoadBalancer { name, family, .. }, .. } => {
                write!(f, "create {family} load balancer {name}")
            }
            Self::DeleteLoadBalancer { name, .. } => write!(f, "delete load balancer {name}"),
            Self::SetSubnets { load_balancer, subnets } => {
                write!(f, "attach {} to {}", joined(subnets.keys()), name(load_balancer))
            }
            Self::SetSecurityGroups { load_balancer, .. } => {
                write!(f, "set the security groups of {}", name(load_balancer))
            }
            Self::SetAddressType { load_balancer, address_type } => {
                let word = match address_type {
                    AddressType::Ipv4 => "ipv4",
                    AddressType::Dualstack => "dualstack",
                };
                write!(f, "make {} {word}", name(load_balancer))
            }
            Self::ModifyLoadBalancerAttributes { load_balancer, .. } => {
                write!(f, "set the attributes of {}", name(load_balancer))
            }
            Self::CreateTargetGroup { new: NewTargetGroup { name, .. }, .. } => {
                write!(f, "create target group {name}")
            }
            Self::ModifyHealthCheck { group, .. } => write!(f, "set the health check of {}", name(group)),
            Self::ModifyTargetGroupAttributes { group, .. } => {
                write!(f, "set the attributes of {}", name(group))
            }
            Self::DeleteTargetGroup { name, .. } => write!(f, "delete target group {name}"),
            Self::RegisterTargets { group, targets } => {
                write!(f, "register {} with {}", targets_text(targets.iter()), name(group))
            }
            Self::DeregisterTargets { group, targets } => {
                write!(f, "deregister {} from {}", targets_text(targets.iter()), name_in(group))
            }
            Self::AwaitDrained { group, .. } => {
                write!(f, "wait until the targets of {} are drained", name_in(group))
            }
            Self::AwaitHealthy { groups, .. } => {
                write!(f, "wait for healthy targets of {}", joined(groups.iter().map(name)))
            }
            Self::CreateListener { settings, load_balancer, .. } => {
                write!(f, "create listener {} on {}", settings.port, name(load_balancer))
            }
            Self::ModifyListener { settings, .. } => {
                write!(f, "change listener {}{}", settings.port, weights(&settings.default_action))
            }
            Self::ModifyListenerAttributes { port, .. } => {
                write!(f, "set the attributes of listener {port}")
            }
            Self::DeleteListener { port, .. } => write!(f, "delete listener {port}"),
            Self::AddListenerCertificates { port, certificates, .. } => write!(
                f,
                "add {} certificate{} to listener {port}",
                certificates.len(),
                plural(certificates.len())
            ),
            Self::RemoveListenerCertificates { port, certificates, .. } => write!(
                f,
                "remove {} certificate{} from listener {port}",
                certificates.len(),
                plural(certificates.len())
            ),
            Self::CreateRule { port, priority, .. } => {
                write!(f, "create a rule of listener {port} with priority {priority}")
            }
            Self::ModifyRule { port, arn, action, .. } => {
                write!(f, "change rule {} of listener {port}{}", name_in(arn), weights(action))
            }
            Self::SetRulePriorities { port, priorities } => write!(
                f,
                "set the priorit{} of {} rule{} of listener {port}",
                if priorities.len() == 1 { "y" } else { "ies" },
                priorities.len(),
                plural(priorities.len())
            ),
            Self::DeleteRule { port, arn } => write!(f, "delete rule {} of listener {port}", name_in(arn)),
            Self::SetTags { key, .. } => write!(f, "tag {key}"),
            Self::UpsertRecord { record: NewRecord { name, kinds, .. }, .. } => {
                write!(f, "point {name} ({}) at the load balancer", joined(kinds.iter()))
            }
            Self::DeleteRecord { record: Record { name, kind, .. } } => {
                write!(f, "delete record {name} ({kind})")
            }
            Self::AwaitResolvers { name, seconds } => {
                write!(f, "wait {seconds} s until resolvers ask for {name} again")
            }
        }
    }
}

/// Returns what a reader knows the resource by: its key, or the name inside its ARN.
fn name(reference: &Reference) -> String {
    match reference {
        Reference::Existing(arn) => name_in(arn).to_owned(),
        Reference::Planned(key) => key.to_string(),
    }
}

/// Returns the name inside an ARN: `chat` of `…:loadbalancer/app/chat/50dc6c495c0c9188`, of a rule its id.
fn name_in(arn: &str) -> &str {
    let mut parts = arn.rsplit('/');
    let last = parts.next().unwrap_or(arn);
    if arn.contains(":listener-rule/") { last } else { parts.next().unwrap_or(arn) }
}

/// Says which groups get nothing and are only checked.
fn weights(action: &NewAction) -> String {
    let NewAction::Forward(Forward { groups, .. }) = action else { return String::new() };
    let idle: Vec<String> =
        groups.iter().filter(|group| group.weight == 0).map(|group| name(&group.group)).collect();
    if idle.is_empty() { String::new() } else { format!(", with nothing for {}", joined(idle.iter())) }
}

fn targets_text<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    joined(targets.map(|target| format!("{}:{}", target.id, target.port)))
}
