//! Security groups. Their rules are the business of `rule`.

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, listed, select};
use super::{invalid_value, permission, tags, vpc};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Direction, Peer, Region, Rule, SecurityGroup};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for SecurityGroup {
    const KIND: &'static Kind = &kind::SECURITY_GROUP;
    const FIELDS: &'static [Field<Self>] = &[
        ("description", |_, group| one(&group.description)),
        ("egress.ip-permission.cidr", |_, group| of(group, Direction::Egress, ipv4)),
        ("egress.ip-permission.from-port", |_, group| of(group, Direction::Egress, from_port)),
        ("egress.ip-permission.group-id", |_, group| of(group, Direction::Egress, peer_group)),
        ("egress.ip-permission.ipv6-cidr", |_, group| of(group, Direction::Egress, ipv6)),
        ("egress.ip-permission.prefix-list-id", |_, group| of(group, Direction::Egress, prefix_list)),
        ("egress.ip-permission.protocol", |_, group| of(group, Direction::Egress, protocol)),
        ("egress.ip-permission.to-port", |_, group| of(group, Direction::Egress, to_port)),
        ("egress.ip-permission.user-id", |_, group| of(group, Direction::Egress, user)),
        ("group-id", |_, group| one(&group.id)),
        ("group-name", |_, group| one(&group.name)),
        ("ip-permission.cidr", |_, group| of(group, Direction::Ingress, ipv4)),
        ("ip-permission.from-port", |_, group| of(group, Direction::Ingress, from_port)),
        ("ip-permission.group-id", |_, group| of(group, Direction::Ingress, peer_group)),
        ("ip-permission.group-name", |region, group| {
            let ids = of(group, Direction::Ingress, peer_group);
            ids.iter().filter_map(|id| Some(region.security_groups.get(id)?.name.clone())).collect()
        }),
        ("ip-permission.ipv6-cidr", |_, group| of(group, Direction::Ingress, ipv6)),
        ("ip-permission.prefix-list-id", |_, group| of(group, Direction::Ingress, prefix_list)),
        ("ip-permission.protocol", |_, group| of(group, Direction::Ingress, protocol)),
        ("ip-permission.to-port", |_, group| of(group, Direction::Ingress, to_port)),
        ("ip-permission.user-id", |_, group| of(group, Direction::Ingress, user)),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
        ("vpc-id", |_, group| one(&group.vpc_id)),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// A filter's values among the rules of one direction.
fn of(group: &SecurityGroup, direction: Direction, value: fn(&Rule) -> Option<String>) -> Vec<String> {
    group.rules.iter().filter(|rule| rule.direction == direction).filter_map(value).collect()
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "one of several functions of one shape; the others may have none"
)]
fn protocol(rule: &Rule) -> Option<String> {
    Some(rule.traffic.protocol.clone())
}

fn from_port(rule: &Rule) -> Option<String> {
    rule.traffic.ports.map(|ports| ports.from.to_string())
}

fn to_port(rule: &Rule) -> Option<String> {
    rule.traffic.ports.map(|ports| ports.to.to_string())
}

fn ipv4(rule: &Rule) -> Option<String> {
    if let Peer::Ipv4(cidr) = &rule.traffic.peer { Some(cidr.clone()) } else { None }
}

fn ipv6(rule: &Rule) -> Option<String> {
    if let Peer::Ipv6(cidr) = &rule.traffic.peer { Some(cidr.clone()) } else { None }
}

fn peer_group(rule: &Rule) -> Option<String> {
    if let Peer::Group(id) = &rule.traffic.peer { Some(id.clone()) } else { None }
}

fn prefix_list(rule: &Rule) -> Option<String> {
    if let Peer::PrefixList(id) = &rule.traffic.peer { Some(id.clone()) } else { None }
}

fn user(rule: &Rule) -> Option<String> {
    peer_group(rule).map(|_| ACCOUNT_ID.to_owned())
}

/// The group of that id.
pub(super) fn find<'a>(region: &'a Region, id: &str) -> Result<&'a SecurityGroup, ApiError> {
    kind::SECURITY_GROUP.check(id)?;
    region.security_groups.get(id).ok_or_else(|| kind::SECURITY_GROUP.not_found(&[id]))
}

/// The group of that name in the default VPC; only there can groups be named instead of identified.
pub(super) fn find_by_name<'a>(region: &'a Region, name: &str) -> Result<&'a SecurityGroup, ApiError> {
    let vpc = region
        .default_vpc()
        .ok_or_else(|| ApiError::bad_request("VPCIdNotSpecified", "No default VPC for this user"))?;
    let found = region.security_groups.values().find(|group| group.vpc_id == vpc.id && group.name == name);
    found.ok_or_else(|| {
        let message = format!("The security group '{name}' does not exist in default VPC '{}'", vpc.id);
        ApiError::bad_request("InvalidGroup.NotFound", message)
    })
}

/// The group that `GroupId`, or else `GroupName`, names.
pub(super) fn named<'a>(region: &'a Region, params: &Params) -> Result<&'a SecurityGroup, ApiError> {
    match (params.get("GroupId"), params.get("GroupName")) {
        (Some(id), _) => find(region, id),
        (None, Some(name)) => find_by_name(region, name),
        (None, None) => {
            let message = "The request must contain the parameter groupName or groupId";
            Err(ApiError::bad_request("MissingParameter", message))
        }
    }
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let names = params.ec2_list("GroupName");
    let region_name = context.region;
    let region = &context.here().ec2;
    let wanted: Vec<&str> = names
        .iter()
        .map(|name| find_by_name(region, name).map(|group| group.id.as_str()))
        .collect::<Result<_, _>>()?;
    let groups = region.security_groups.values();
    let groups = groups.filter(|group| wanted.is_empty() || wanted.contains(&group.id.as_str()));
    let page = select(params, region, groups)?;
    Ok(listed("securityGroupInfo", page, |group| description(region_name, group)))
}

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.ec2_required("GroupName")?.trim().to_owned();
    let description = params.ec2_required("GroupDescription")?.to_owned();
    check_name(&name)?;
    if !permission::is_plain_text(&description) {
        return Err(invalid_value(format!(
            "Value ({description}) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported."
        )));
    }
    let tags = tags::specified(params, &kind::SECURITY_GROUP, &[])?;
    let region = &context.here().ec2;
    let vpc = match params.get("VpcId") {
        Some(id) => vpc::find(region, id)?,
        None => region
            .default_vpc()
            .ok_or_else(|| ApiError::bad_request("VPCIdNotSpecified", "No default VPC for this user"))?,
    };
    if region.security_groups.values().any(|group| group.vpc_id == vpc.id && group.name == name) {
        let message = format!("The security group '{name}' already exists for VPC '{}'", vpc.id);
        return Err(ApiError::bad_request("InvalidGroup.Duplicate", message));
    }
    let vpc_id = vpc.id.clone();
    let rules = vec![Rule::all_egress(context.ids.resource("sgr"))];
    let group = SecurityGroup { id: context.ids.resource("sg"), name, description, vpc_id, rules, tags };
    let answer = Members::new()
        .text("return", true)
        .text("groupId", &group.id)
        .text("securityGroupArn", arn(context.region, &group))
        .structures("tagSet", "item", tags::set(&group.tags));
    context.here().ec2.security_groups.insert(group.id.clone(), group);
    Ok(answer)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name == "default" {
        let message = "Cannot use reserved security group name: default";
        return Err(ApiError::bad_request("InvalidGroup.Reserved", message));
    }
    if name.to_ascii_lowercase().starts_with("sg-") {
        return Err(invalid_value(
            "invalid value for parameter groupName. Group names may not be in the format sg-*",
        ));
    }
    if name.is_empty() || !permission::is_plain_text(name) {
        return Err(invalid_value(format!(
            "Value ({name}) for parameter GroupName is invalid. Character sets beyond ASCII are not supported."
        )));
    }
    Ok(())
}

/// Not while a network interface has the group, or a rule of another group names it.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let group = named(region, params)?;
    let id = group.id.clone();
    if group.name == "default" {
        let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(ApiError::bad_request("CannotDelete", message));
    }
    let worn = region.network_interfaces.values().any(|interface| interface.security_groups.contains(&id));
    let named = region.security_groups.values().any(|group| group.id != id && group.references(&id));
    if worn || named {
        let message = format!("resource {id} has a dependent object");
        return Err(ApiError::bad_request("DependencyViolation", message));
    }
    region.security_groups.remove(&id);
    Ok(Members::new().text("return", true).text("groupId", id))
}

fn arn(region: &str, group: &SecurityGroup) -> String {
    format!("arn:aws:ec2:{region}:{ACCOUNT_ID}:security-group/{}", group.id)
}

/// Ids and names of groups, as interfaces and instances show them.
pub(super) fn identifiers(region: &Region, ids: &[String]) -> Vec<Members> {
    ids.iter()
        .map(|id| {
            let name = region.security_groups.get(id).map(|group| group.name.as_str());
            Members::new().text("groupId", id).text("groupName", name.unwrap_or_default())
        })
        .collect()
}

fn description(region: &str, group: &SecurityGroup) -> Members {
    Members::new()
        .text("groupId", &group.id)
        .text("groupName", &group.name)
        .text("groupDescription", &group.description)
        .text("ownerId", ACCOUNT_ID)
        .text("vpcId", &group.vpc_id)
        .text("securityGroupArn", arn(region, group))
        .structures("ipPermissions", "item", permission::set(&group.rules, Direction::Ingress))
        .structures("ipPermissionsEgress", "item", permission::set(&group.rules, Direction::Egress))
        .structures("tagSet", "item", tags::set(&group.tags))
}
