//! What describes answer, as resources.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    AvailabilityZone, IpAddressType, Listener as ApiListener, LoadBalancer as ApiLoadBalancer,
    LoadBalancerSchemeEnum, LoadBalancerState as ApiState, LoadBalancerStateEnum, LoadBalancerTypeEnum,
    ProtocolEnum, Rule as ApiRule, TargetGroup as ApiTargetGroup, TargetTypeEnum,
};

use super::action::{action_from, conditions_from};
use crate::provision::resource::v2::{
    Action, AddressType, Family, HealthCheck, Listener, LoadBalancer, LoadBalancerState, Protocol, Rule,
    SubnetAddress, TargetGroup, TargetKind,
};
use crate::provision::resource::{Scheme, Tags};

/// Reads what `DescribeLoadBalancers` says of one: all but attributes, listeners and tags. None for a Gateway
/// load balancer, which carries no visitors' connections.
pub(super) fn load_balancer_from(found: ApiLoadBalancer) -> Option<LoadBalancer> {
    let family = match found.r#type? {
        LoadBalancerTypeEnum::Application => Family::Application,
        LoadBalancerTypeEnum::Network => Family::Network,
        _ => return None,
    };
    let internal = found.scheme == Some(LoadBalancerSchemeEnum::Internal);
    Some(LoadBalancer {
        arn: found.load_balancer_arn?,
        name: found.load_balancer_name.unwrap_or_default(),
        family,
        dns_name: found.dns_name.unwrap_or_default(),
        canonical_zone: found.canonical_hosted_zone_id.unwrap_or_default(),
        state: state_from(found.state),
        scheme: if internal { Scheme::Internal } else { Scheme::InternetFacing },
        address_type: match found.ip_address_type {
            Some(IpAddressType::Dualstack) => AddressType::Dualstack,
            _ => AddressType::Ipv4,
        },
        vpc: found.vpc_id.unwrap_or_default(),
        subnets: found.availability_zones.unwrap_or_default().into_iter().filter_map(subnet_from).collect(),
        security_groups: found.security_groups.unwrap_or_default().into_iter().collect(),
        attributes: BTreeMap::new(),
        listeners: BTreeMap::new(),
        tags: Tags::default(),
    })
}

fn state_from(found: Option<ApiState>) -> LoadBalancerState {
    let Some(found) = found else { return LoadBalancerState::Active };
    match found.code {
        Some(LoadBalancerStateEnum::Provisioning) => LoadBalancerState::Provisioning,
        Some(LoadBalancerStateEnum::ActiveImpaired) => LoadBalancerState::ActiveImpaired,
        Some(LoadBalancerStateEnum::Failed) => {
            LoadBalancerState::Failed(found.reason.unwrap_or_else(|| "AWS gives no reason".to_owned()))
        }
        _ => LoadBalancerState::Active,
    }
}

fn subnet_from(zone: AvailabilityZone) -> Option<(String, Option<SubnetAddress>)> {
    let address = zone.load_balancer_addresses.unwrap_or_default().into_iter().find_map(|found| {
        let allocation = found.allocation_id.filter(|id| !id.is_empty()).map(SubnetAddress::Allocation);
        let private = found.private_ipv4_address.filter(|address| !address.is_empty());
        allocation.or_else(|| private.map(SubnetAddress::Private))
    });
    Some((zone.subnet_id?, address))
}

/// Reads what `DescribeListeners` says of one: all but additional certificates, rules, attributes and tags.
pub(super) fn listener_from(found: ApiListener) -> Option<(u16, Listener)> {
    let port = found.port.and_then(|port| u16::try_from(port).ok())?;
    let alpn = found.alpn_policy.unwrap_or_default().into_iter().find(|policy| policy != "None");
    let listener = Listener {
        arn: found.listener_arn?,
        protocol: protocol_from(found.protocol.as_ref()),
        ssl_policy: found.ssl_policy.filter(|policy| !policy.is_empty()),
        alpn_policy: alpn,
        certificate: found.certificates.unwrap_or_default().into_iter().find_map(|one| one.certificate_arn),
        additional_certificates: BTreeSet::new(),
        default_action: action_from(found.default_actions),
        rules: Vec::new(),
        attributes: BTreeMap::new(),
        tags: Tags::default(),
    };
    Some((port, listener))
}

/// Reads a rule without its tags; none for the default one, which has no priority.
pub(super) fn rule_from(found: ApiRule) -> Option<Rule> {
    let priority = found.priority?.parse().ok()?;
    let transformed = found.transforms.is_some_and(|transforms| !transforms.is_empty());
    let action = match action_from(found.actions) {
        _ if transformed => Action::Other("a transformed request".to_owned()),
        action => action,
    };
    let conditions = conditions_from(found.conditions);
    Some(Rule { arn: found.rule_arn?, priority, conditions, action, tags: Tags::default() })
}

/// Reads what `DescribeTargetGroups` says of one: all but attributes, targets and tags.
pub(super) fn target_group_from(found: ApiTargetGroup) -> Option<TargetGroup> {
    let health_check = health_check_from(&found);
    Some(TargetGroup {
        arn: found.target_group_arn?,
        name: found.target_group_name.unwrap_or_default(),
        protocol: protocol_from(found.protocol.as_ref()),
        protocol_version: found.protocol_version.filter(|version| !version.is_empty()),
        port: found.port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        vpc: found.vpc_id.unwrap_or_default(),
        kind: match found.target_type {
            Some(TargetTypeEnum::Instance) => Some(TargetKind::Instance),
            Some(TargetTypeEnum::Ip) => Some(TargetKind::Ip),
            _ => None,
        },
        load_balancers: found.load_balancer_arns.unwrap_or_default().into_iter().collect(),
        health_check,
        attributes: BTreeMap::new(),
        targets: BTreeSet::new(),
        healthy: BTreeSet::new(),
        tags: Tags::default(),
    })
}

fn health_check_from(found: &ApiTargetGroup) -> HealthCheck {
    let name = protocol_from(found.health_check_protocol.as_ref());
    // A group that elbws makes is checked by HTTP, HTTPS or TCP.
    let protocol = Protocol::from_aws(&name).unwrap_or(Protocol::Tcp);
    let http = matches!(protocol, Protocol::Http | Protocol::Https);
    let matcher = found.matcher.as_ref();
    HealthCheck {
        protocol,
        port: found.health_check_port.as_deref().and_then(|port| port.parse().ok()),
        path: found.health_check_path.clone().filter(|path| http && !path.is_empty()),
        matcher: matcher
            .and_then(|matcher| matcher.http_code.clone().or_else(|| matcher.grpc_code.clone()))
            .filter(|codes| http && !codes.is_empty()),
        interval: unsigned(found.health_check_interval_seconds),
        timeout: unsigned(found.health_check_timeout_seconds),
        healthy_threshold: unsigned(found.healthy_threshold_count),
        unhealthy_threshold: unsigned(found.unhealthy_threshold_count),
    }
}

fn protocol_from(found: Option<&ProtocolEnum>) -> String {
    found.map(|protocol| protocol.as_str().to_owned()).unwrap_or_default()
}

fn unsigned(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}
