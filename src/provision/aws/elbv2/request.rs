//! What calls are made of, in the SDK's types.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Certificate, IpAddressType, Matcher, ProtocolEnum, SubnetMapping, TargetDescription,
};

use crate::provision::resource::v2::{AddressType, HealthCheck, Protocol, SubnetAddress, Target};

/// Returns either the subnets or, where one has an address that stays, a mapping for each.
pub(super) fn subnets_to(
    subnets: &BTreeMap<String, Option<SubnetAddress>>,
) -> (Option<Vec<String>>, Option<Vec<SubnetMapping>>) {
    if subnets.values().all(Option::is_none) {
        return (Some(subnets.keys().cloned().collect()), None);
    }
    let mappings = subnets
        .iter()
        .map(|(subnet, address)| {
            let mapping = SubnetMapping::builder().subnet_id(subnet);
            match address {
                Some(SubnetAddress::Allocation(id)) => mapping.allocation_id(id),
                Some(SubnetAddress::Private(address)) => mapping.private_ipv4_address(address),
                None => mapping,
            }
            .build()
        })
        .collect();
    (None, Some(mappings))
}

pub(super) fn targets_to(targets: &[Target], zone: Option<&str>) -> Vec<TargetDescription> {
    targets
        .iter()
        .map(|target| {
            TargetDescription::builder()
                .id(&target.id)
                .port(i32::from(target.port))
                .set_availability_zone(zone.map(str::to_owned))
                .build()
        })
        .collect()
}

pub(super) fn certificates_to<'a>(arns: impl IntoIterator<Item = &'a str>) -> Vec<Certificate> {
    arns.into_iter().map(|arn| Certificate::builder().certificate_arn(arn).build()).collect()
}

pub(super) fn health_check_port(check: &HealthCheck) -> String {
    check.port.map_or_else(|| "traffic-port".to_owned(), |port| port.to_string())
}

pub(super) fn matcher_to(check: &HealthCheck) -> Option<Matcher> {
    check.matcher.as_ref().map(|codes| Matcher::builder().http_code(codes).build())
}

pub(super) fn protocol_to(protocol: Protocol) -> ProtocolEnum {
    ProtocolEnum::from(protocol.as_aws())
}

pub(super) fn address_type_to(address_type: AddressType) -> IpAddressType {
    match address_type {
        AddressType::Ipv4 => IpAddressType::Ipv4,
        AddressType::Dualstack => IpAddressType::Dualstack,
    }
}

pub(super) fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
