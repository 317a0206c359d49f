//! EC2: the network and the instances, which are only read, and security groups.

use std::collections::BTreeSet;

use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::types::{
    Filter, Instance as ApiInstance, InstanceStateName, IpPermission, IpRange, Ipv6Range, NetworkInterface,
    ResourceType, SecurityGroup as ApiSecurityGroup, SecurityGroupRule, Subnet as ApiSubnet, Tag,
    TagSpecification, UserIdGroupPair, Vpc as ApiVpc,
};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{AwsError, Clients, Failure, Service, error};
use crate::provision::resource::{
    Architecture, GroupRule, Instance, InstanceState, RuleSource, STACK_TAG, SecurityGroup, Subnet, Tags, Vpc,
};

/// A condition that what is described must meet: one of the values.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    name: String,
    values: Vec<String>,
}

impl Condition {
    pub(crate) fn new<I>(name: impl Into<String>, values: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }

    /// Returns a condition for each of the tags.
    pub(crate) fn tags(tags: &Tags) -> Vec<Self> {
        tags.0.iter().map(|(key, value)| Self::new(format!("tag:{key}"), [value])).collect()
    }
}

/// A network interface that has a security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) description: String,
    /// Whether a load balancer made it.
    pub(crate) of_load_balancer: bool,
    pub(crate) instance: Option<String>,
}

/// A security group to create.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewGroup<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) vpc: &'a str,
    pub(crate) tags: &'a Tags,
}

pub(super) fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::Ec2, operation)
}

/// Describes with one call a page, until there is no next page.
macro_rules! pages {
    ($clients:expr, $call:ident, $operation:literal, $conditions:expr, $items:ident) => {{
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = $clients
                .ec2()
                .$call()
                .set_filters(Some(filters($conditions)))
                .set_next_token(token)
                .send()
                .await
                .map_err(failed($operation))?;
            found.extend(page.$items.unwrap_or_default());
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break found;
            }
        }
    }};
}
pub(super) use pages;

pub(crate) async fn vpcs(clients: &Clients, conditions: &[Condition]) -> Result<Vec<Vpc>, AwsError> {
    let found = pages!(clients, describe_vpcs, "DescribeVpcs", conditions, vpcs);
    let mut vpcs: Vec<_> = found.into_iter().map(vpc_from).collect();
    vpcs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(vpcs)
}

pub(crate) async fn subnets(clients: &Clients, conditions: &[Condition]) -> Result<Vec<Subnet>, AwsError> {
    let found = pages!(clients, describe_subnets, "DescribeSubnets", conditions, subnets);
    let mut subnets: Vec<_> = found.into_iter().map(subnet_from).collect();
    subnets.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(subnets)
}

pub(crate) async fn instances(
    clients: &Clients,
    conditions: &[Condition],
) -> Result<Vec<Instance>, AwsError> {
    let found = pages!(clients, describe_instances, "DescribeInstances", conditions, reservations);
    let mut instances: Vec<_> = found
        .into_iter()
        .flat_map(|reservation| reservation.instances.unwrap_or_default())
        .map(instance_from)
        .collect();
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(instances)
}

pub(crate) async fn security_groups(
    clients: &Clients,
    conditions: &[Condition],
) -> Result<Vec<SecurityGroup>, AwsError> {
    let found =
        pages!(clients, describe_security_groups, "DescribeSecurityGroups", conditions, security_groups);
    let mut groups: Vec<_> = found.into_iter().map(group_from).collect();
    groups.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(groups)
}

/// Describes the ingress rules that meet the conditions; egress rules are left out.
pub(crate) async fn ingress_rules(
    clients: &Clients,
    conditions: &[Condition],
) -> Result<Vec<GroupRule>, AwsError> {
    let found = pages!(
        clients,
        describe_security_group_rules,
        "DescribeSecurityGroupRules",
        conditions,
        security_group_rules
    );
    let mut rules: Vec<_> =
        found.into_iter().filter(|rule| rule.is_egress != Some(true)).map(rule_from).collect();
    rules.sort();
    Ok(rules)
}

/// Describes the network interfaces that have the security group.
pub(crate) async fn interfaces(clients: &Clients, group: &str) -> Result<Vec<Interface>, AwsError> {
    let conditions = [Condition::new("group-id", [group])];
    let found = pages!(
        clients,
        describe_network_interfaces,
        "DescribeNetworkInterfaces",
        &conditions,
        network_interfaces
    );
    let mut interfaces: Vec<_> = found.into_iter().map(interface_from).collect();
    interfaces.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(interfaces)
}

/// Creates a security group and returns its id.
pub(crate) async fn create_security_group(clients: &Clients, new: NewGroup<'_>) -> Result<String, AwsError> {
    const OPERATION: &str = "CreateSecurityGroup";
    let output = clients
        .ec2()
        .create_security_group()
        .group_name(new.name)
        .description(new.description)
        .vpc_id(new.vpc)
        .tag_specifications(tagged(ResourceType::SecurityGroup, new.tags))
        .send()
        .await
        .map_err(failed(OPERATION))?;
    output.group_id.ok_or_else(|| AwsError {
        service: Service::Ec2,
        operation: OPERATION,
        failure: Failure::Malformed("the answer names no group".to_owned()),
    })
}

pub(crate) async fn delete_security_group(clients: &Clients, id: &str) -> Result<(), AwsError> {
    clients
        .ec2()
        .delete_security_group()
        .group_id(id)
        .send()
        .await
        .map_err(failed("DeleteSecurityGroup"))
        .map(drop)
}

/// Adds TCP rules, all in one call, which AWS refuses whole if one is there already.
pub(crate) async fn authorize_ingress(
    clients: &Clients,
    group: &str,
    rules: &[(u16, RuleSource)],
    tags: &Tags,
) -> Result<(), AwsError> {
    let permissions = rules.iter().map(|(port, source)| permission(*port, source)).collect();
    clients
        .ec2()
        .authorize_security_group_ingress()
        .group_id(group)
        .set_ip_permissions(Some(permissions))
        .tag_specifications(tagged(ResourceType::SecurityGroupRule, tags))
        .send()
        .await
        .map_err(failed("AuthorizeSecurityGroupIngress"))
        .map(drop)
}

/// Removes rules by their ids, all in one call.
pub(crate) async fn revoke_ingress(clients: &Clients, group: &str, rules: &[String]) -> Result<(), AwsError> {
    clients
        .ec2()
        .revoke_security_group_ingress()
        .group_id(group)
        .set_security_group_rule_ids(Some(rules.to_vec()))
        .send()
        .await
        .map_err(failed("RevokeSecurityGroupIngress"))
        .map(drop)
}

pub(crate) async fn create_tags(clients: &Clients, id: &str, tags: &Tags) -> Result<(), AwsError> {
    clients
        .ec2()
        .create_tags()
        .resources(id)
        .set_tags(Some(tags_to(tags)))
        .send()
        .await
        .map_err(failed("CreateTags"))
        .map(drop)
}

pub(crate) async fn delete_tags(
    clients: &Clients,
    id: &str,
    keys: &BTreeSet<String>,
) -> Result<(), AwsError> {
    clients
        .ec2()
        .delete_tags()
        .resources(id)
        .set_tags(Some(keys.iter().map(|key| Tag::builder().key(key).build()).collect()))
        .send()
        .await
        .map_err(failed("DeleteTags"))
        .map(drop)
}

pub(super) fn filters(conditions: &[Condition]) -> Vec<Filter> {
    conditions
        .iter()
        .map(|condition| {
            Filter::builder().name(&condition.name).set_values(Some(condition.values.clone())).build()
        })
        .collect()
}

fn permission(port: u16, source: &RuleSource) -> IpPermission {
    let permission =
        IpPermission::builder().ip_protocol("tcp").from_port(i32::from(port)).to_port(i32::from(port));
    match source {
        RuleSource::Cidr(range) if range.contains(':') => {
            permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).build())
        }
        RuleSource::Cidr(range) => permission.ip_ranges(IpRange::builder().cidr_ip(range).build()),
        RuleSource::Group(id) | RuleSource::Other(id) => {
            permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(id).build())
        }
    }
    .build()
}

fn tagged(kind: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags_to(tags))).build()
}

fn tags_to(tags: &Tags) -> Vec<Tag> {
    tags.0.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn tags_from(tags: Option<Vec<Tag>>) -> Tags {
    let tags = tags.unwrap_or_default();
    tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

fn vpc_from(found: ApiVpc) -> Vpc {
    Vpc {
        id: found.vpc_id.unwrap_or_default(),
        is_default: found.is_default.unwrap_or_default(),
        tags: tags_from(found.tags),
    }
}

fn subnet_from(found: ApiSubnet) -> Subnet {
    Subnet {
        id: found.subnet_id.unwrap_or_default(),
        vpc: found.vpc_id.unwrap_or_default(),
        block: found.cidr_block.unwrap_or_default(),
        zone: found.availability_zone.unwrap_or_default(),
        is_default: found.default_for_az.unwrap_or_default(),
        maps_public_address: found.map_public_ip_on_launch.unwrap_or_default(),
        tags: tags_from(found.tags),
    }
}

fn instance_from(found: ApiInstance) -> Instance {
    Instance {
        id: found.instance_id.unwrap_or_default(),
        state: state_from(found.state.and_then(|state| state.name).as_ref()),
        vpc: found.vpc_id.filter(|vpc| !vpc.is_empty()),
        zone: found.placement.and_then(|placement| placement.availability_zone).unwrap_or_default(),
        architecture: found.architecture.and_then(|found| Architecture::from_ec2(found.as_str())),
        profile: found.iam_instance_profile.and_then(|profile| profile.arn),
        security_groups: found
            .security_groups
            .unwrap_or_default()
            .into_iter()
            .filter_map(|group| group.group_id)
            .collect(),
        tags: tags_from(found.tags),
    }
}

fn state_from(name: Option<&InstanceStateName>) -> InstanceState {
    match name {
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::ShuttingDown) => InstanceState::ShuttingDown,
        Some(InstanceStateName::Terminated) => InstanceState::Terminated,
        Some(InstanceStateName::Stopping) => InstanceState::Stopping,
        Some(InstanceStateName::Stopped) => InstanceState::Stopped,
        // The SDK's enum grows; a state of tomorrow is not yet running.
        _ => InstanceState::Pending,
    }
}

fn group_from(found: ApiSecurityGroup) -> SecurityGroup {
    SecurityGroup {
        id: found.group_id.unwrap_or_default(),
        name: found.group_name.unwrap_or_default(),
        vpc: found.vpc_id.unwrap_or_default(),
        tags: tags_from(found.tags),
    }
}

pub(super) fn rule_from(found: SecurityGroupRule) -> GroupRule {
    let source = if let Some(range) = found.cidr_ipv4.or(found.cidr_ipv6) {
        RuleSource::Cidr(range)
    } else if let Some(group) = found.referenced_group_info.and_then(|group| group.group_id) {
        RuleSource::Group(group)
    } else {
        RuleSource::Other(found.prefix_list_id.unwrap_or_default())
    };
    GroupRule {
        id: found.security_group_rule_id.unwrap_or_default(),
        group: found.group_id.unwrap_or_default(),
        protocol: found.ip_protocol.unwrap_or_else(|| "-1".to_owned()),
        from_port: found.from_port.unwrap_or(-1),
        to_port: found.to_port.unwrap_or(-1),
        source,
        stack: tags_from(found.tags).0.remove(STACK_TAG),
    }
}

fn interface_from(found: NetworkInterface) -> Interface {
    let description = found.description.unwrap_or_default();
    // Classic and application load balancers' have the requester `amazon-elb`, network load balancers'
    // `amazon-aws`; all are described as `ELB …`.
    let of_load_balancer =
        found.requester_id.as_deref() == Some("amazon-elb") || description.starts_with("ELB ");
    Interface {
        id: found.network_interface_id.unwrap_or_default(),
        description,
        of_load_balancer,
        instance: found.attachment.and_then(|attachment| attachment.instance_id),
    }
}
