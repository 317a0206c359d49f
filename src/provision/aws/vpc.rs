//! EC2: what lies between a load balancer and its instances, which is only read.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    HttpTokensState, Instance as ApiInstance, InstanceMetadataEndpointState, InstanceNetworkInterface,
    NetworkAcl as ApiNetworkAcl, NetworkAclEntry, RouteState, RouteTable as ApiRouteTable, RuleAction,
    Subnet as ApiSubnet,
};

use super::ec2::{Condition, failed, filters, pages, rule_from};
use super::{AwsError, Clients};
use crate::provision::resource::GroupRule;
use crate::provision::resource::path::{
    AclEntry, Interface, Machine, Metadata, NetworkAcl, RouteTable, SubnetRoom, Switch, Verdict, Way,
};

/// The rules of security groups, by the way that they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Those for what comes in.
    pub ingress: Vec<GroupRule>,
    /// Those for what goes out.
    pub egress: Vec<GroupRule>,
}

/// Describes the rules of security groups, sorted.
pub(crate) async fn rules(clients: &Clients, groups: &BTreeSet<String>) -> Result<Rules, AwsError> {
    if groups.is_empty() {
        return Ok(Rules::default());
    }
    let conditions = [Condition::new("group-id", groups)];
    let found = pages!(
        clients,
        describe_security_group_rules,
        "DescribeSecurityGroupRules",
        &conditions,
        security_group_rules
    );
    let (egress, ingress): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|rule| rule.is_egress == Some(true));
    let sorted = |rules: Vec<_>| {
        let mut rules: Vec<GroupRule> = rules.into_iter().map(rule_from).collect();
        rules.sort();
        rules
    };
    Ok(Rules { ingress: sorted(ingress), egress: sorted(egress) })
}

/// Describes subnets by their ids, sorted.
pub(crate) async fn rooms(clients: &Clients, ids: &BTreeSet<String>) -> Result<Vec<SubnetRoom>, AwsError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let conditions = [Condition::new("subnet-id", ids)];
    let found = pages!(clients, describe_subnets, "DescribeSubnets", &conditions, subnets);
    let mut rooms: Vec<SubnetRoom> = found.into_iter().map(room_from).collect();
    rooms.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rooms)
}

/// Describes instances by their ids, sorted; those that EC2 does not know are left out.
pub(crate) async fn machines(clients: &Clients, ids: &BTreeSet<String>) -> Result<Vec<Machine>, AwsError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let conditions = [Condition::new("instance-id", ids)];
    let found = pages!(clients, describe_instances, "DescribeInstances", &conditions, reservations);
    let mut machines: Vec<Machine> = found
        .into_iter()
        .flat_map(|reservation| reservation.instances.unwrap_or_default())
        .map(machine_from)
        .collect();
    machines.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(machines)
}

/// Describes the network ACLs of a VPC, sorted by id.
pub(crate) async fn network_acls(clients: &Clients, vpc: &str) -> Result<Vec<NetworkAcl>, AwsError> {
    let conditions = [Condition::new("vpc-id", [vpc])];
    let found = pages!(clients, describe_network_acls, "DescribeNetworkAcls", &conditions, network_acls);
    let mut acls: Vec<NetworkAcl> = found.into_iter().map(acl_from).collect();
    acls.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(acls)
}

/// Describes the route tables of a VPC, sorted by id.
pub(crate) async fn route_tables(clients: &Clients, vpc: &str) -> Result<Vec<RouteTable>, AwsError> {
    let conditions = [Condition::new("vpc-id", [vpc])];
    let found = pages!(clients, describe_route_tables, "DescribeRouteTables", &conditions, route_tables);
    let mut tables: Vec<RouteTable> = found.into_iter().map(table_from).collect();
    tables.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(tables)
}

fn room_from(found: ApiSubnet) -> SubnetRoom {
    SubnetRoom {
        id: found.subnet_id.unwrap_or_default(),
        zone: found.availability_zone.unwrap_or_default(),
        block: found.cidr_block.unwrap_or_default(),
        free: unsigned(found.available_ip_address_count),
    }
}

fn machine_from(found: ApiInstance) -> Machine {
    Machine {
        id: found.instance_id.unwrap_or_default(),
        subnet: found.subnet_id.filter(|id| !id.is_empty()),
        address: found.private_ip_address.and_then(|address| address.parse().ok()),
        size: found.instance_type.map(|size| size.as_str().to_owned()).unwrap_or_default(),
        metadata: found.metadata_options.map(|options| Metadata {
            endpoint: switch(options.http_endpoint != Some(InstanceMetadataEndpointState::Disabled)),
            tokens: switch(options.http_tokens == Some(HttpTokensState::Required)),
            hops: unsigned(options.http_put_response_hop_limit),
        }),
        profile: found.iam_instance_profile.and_then(|profile| profile.arn),
        interfaces: found.network_interfaces.unwrap_or_default().into_iter().map(interface_from).collect(),
    }
}

fn interface_from(found: InstanceNetworkInterface) -> Interface {
    Interface {
        id: found.network_interface_id.unwrap_or_default(),
        established_timeout: found
            .connection_tracking_configuration
            .and_then(|tracking| tracking.tcp_established_timeout)
            .and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

fn acl_from(found: ApiNetworkAcl) -> NetworkAcl {
    let mut entries: Vec<AclEntry> =
        found.entries.unwrap_or_default().into_iter().filter_map(entry_from).collect();
    entries.sort_by_key(|entry| entry.number);
    NetworkAcl {
        id: found.network_acl_id.unwrap_or_default(),
        subnets: found
            .associations
            .unwrap_or_default()
            .into_iter()
            .filter_map(|association| association.subnet_id)
            .collect(),
        entries,
    }
}

/// Reads an entry; none for what is neither for an IPv4 nor an IPv6 block.
fn entry_from(found: NetworkAclEntry) -> Option<AclEntry> {
    let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
    Some(AclEntry {
        number: unsigned(found.rule_number),
        way: if found.egress == Some(true) { Way::Out } else { Way::In },
        verdict: if found.rule_action == Some(RuleAction::Allow) { Verdict::Allow } else { Verdict::Deny },
        protocol: found.protocol.unwrap_or_else(|| "-1".to_owned()),
        block: found.cidr_block.or(found.ipv6_cidr_block)?,
        ports: found.port_range.and_then(|range| Some((port(range.from)?, port(range.to)?))),
    })
}

fn table_from(found: ApiRouteTable) -> RouteTable {
    let associations = found.associations.unwrap_or_default();
    let default = |route: &aws_sdk_ec2::types::Route| {
        route.destination_cidr_block.as_deref() == Some("0.0.0.0/0")
            && route.state != Some(RouteState::Blackhole)
    };
    RouteTable {
        id: found.route_table_id.unwrap_or_default(),
        main: switch(associations.iter().any(|association| association.main == Some(true))),
        subnets: associations.into_iter().filter_map(|association| association.subnet_id).collect(),
        internet_gateway: found
            .routes
            .unwrap_or_default()
            .into_iter()
            .filter(default)
            .find_map(|route| route.gateway_id.filter(|id| id.starts_with("igw-"))),
    }
}

fn switch(on: bool) -> Switch {
    if on { Switch::On } else { Switch::Off }
}

fn unsigned(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}
