//! Operations in words, for progress and for errors.

use std::collections::BTreeSet;
use std::fmt;

use super::{AttachmentPoint, NewListener, Operation, Reference};

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V2(operation) => operation.fmt(f),
            Self::Proxy(operation) => operation.fmt(f),
            Self::ImportCertificate { files, over: None, .. } => {
                write!(f, "import certificate {}", files.certificate.display())
            }
            Self::ImportCertificate { files, over: Some(arn), .. } => {
                write!(f, "import certificate {} over {arn}", files.certificate.display())
            }
            Self::TagCertificate { arn, .. } => write!(f, "tag certificate {arn}"),
            Self::DeleteCertificate { arn } => write!(f, "delete certificate {arn}"),
            Self::CreateSecurityGroup { name, .. } => write!(f, "create security group {name}"),
            Self::AuthorizeIngress { rules, group, .. } => {
                let ports: BTreeSet<u16> = rules.iter().map(|rule| rule.port).collect();
                let group = match group {
                    Reference::Existing(id) => id.clone(),
                    Reference::Planned(key) => key.to_string(),
                };
                write!(f, "admit {} on {group}", ports_text(&ports))
            }
            Self::RevokeIngress { group, rules } => {
                write!(f, "remove {} rule{} from {group}", rules.len(), plural(rules.len()))
            }
            Self::TagSecurityGroup { id, .. } => write!(f, "tag security group {id}"),
            Self::DeleteSecurityGroup { id } => write!(f, "delete security group {id}"),
            Self::CreateLoadBalancer { name, listeners, .. } => {
                write!(f, "create load balancer {name} with {}", listeners_text(listeners))
            }
            Self::DeleteLoadBalancer { name } => write!(f, "delete load balancer {name}"),
            Self::TagLoadBalancer { name, .. } => write!(f, "tag load balancer {name}"),
            Self::ApplySecurityGroups { name, .. } => write!(f, "set the security groups of {name}"),
            Self::AttachSubnets { name, subnets } => {
                write!(f, "attach {} to {name}", joined(subnets.iter()))
            }
            Self::DetachSubnets { name, subnets } => {
                write!(f, "detach {} from {name}", joined(subnets.iter()))
            }
            Self::CreateListeners { name, listeners } => {
                write!(f, "create {} on {name}", listeners_text(listeners))
            }
            Self::DeleteListeners { name, ports } => {
                write!(f, "delete listener{} {} of {name}", plural(ports.len()), joined(ports.iter()))
            }
            Self::SetListenerCertificate { name, port, .. } => {
                write!(f, "set the certificate of listener {port} of {name}")
            }
            Self::CreatePolicy { policy, .. } => write!(f, "create policy {policy}"),
            Self::DeletePolicy { policy, .. } => write!(f, "delete policy {policy}"),
            Self::SetListenerPolicies { name, port, .. } => {
                write!(f, "set the policies of listener {port} of {name}")
            }
            Self::SetBackendPolicies { name, port, policies } if policies.is_empty() => {
                write!(f, "clear the policies of instance port {port} of {name}")
            }
            Self::SetBackendPolicies { name, port, policies } => {
                write!(f, "put {} on instance port {port} of {name}", policies.join(", "))
            }
            Self::ModifyAttributes { name, .. } => write!(f, "set the attributes of {name}"),
            Self::ConfigureHealthCheck { name, .. } => write!(f, "set the health check of {name}"),
            Self::RegisterInstances { name, instances } => {
                write!(f, "register {} with {name}", joined(instances.iter()))
            }
            Self::AwaitInService { name, .. } => write!(f, "wait until an instance of {name} is in service"),
            Self::AttachGroup { group, to } => write!(f, "attach Auto Scaling group {group} to {to}"),
            Self::DetachGroup { group, from, .. } => {
                write!(f, "detach Auto Scaling group {group} from {from}")
            }
            Self::DeregisterInstances { name, instances } => {
                write!(f, "deregister {} from {name}", joined(instances.iter()))
            }
        }
    }
}

impl fmt::Display for AttachmentPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoadBalancer(name) => f.write_str(name),
            Self::TargetGroup(Reference::Planned(key)) => f.write_str(&key.name),
            Self::TargetGroup(Reference::Existing(arn)) => f.write_str(arn.rsplit('/').nth(1).unwrap_or(arn)),
        }
    }
}

pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn ports_text(ports: &BTreeSet<u16>) -> String {
    format!("port{} {}", plural(ports.len()), joined(ports.iter()))
}

fn listeners_text(listeners: &[NewListener]) -> String {
    let ports = listeners.iter().map(|listener| listener.port);
    format!("listener{} {}", plural(listeners.len()), joined(ports))
}

/// Lists the first few and counts the rest.
pub(super) fn joined(items: impl Iterator<Item = impl ToString>) -> String {
    const SHOWN: usize = 4;
    let mut items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.len() > SHOWN {
        let rest = items.split_off(SHOWN - 1);
        items.push(format!("{} more", rest.len()));
    }
    items.join(", ")
}
