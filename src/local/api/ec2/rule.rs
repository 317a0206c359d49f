//! The rules of security groups: authorize, revoke, modify, describe.

use super::filter::{Field, Filters, one};
use super::kind;
use super::permission::{self, Permission};
use super::select::{listed, page, page_size};
use super::{done, security_group, tags};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::ec2::{Direction, Peer, Ports, Region, Rule, SecurityGroup, Traffic};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Rules that a group may have in each direction.
const MOST: usize = 60;

/// A rule with the group that it is of.
struct Owned<'a> {
    group: &'a SecurityGroup,
    rule: &'a Rule,
}

fn fields<'a>() -> [Field<Owned<'a>>; 2] {
    [
        ("group-id", |_, owned| one(&owned.group.id)),
        ("security-group-rule-id", |_, owned| one(&owned.rule.id)),
    ]
}

pub(super) fn authorize(
    context: &mut Context<'_>,
    params: &Params,
    direction: Direction,
) -> Result<Members, ApiError> {
    let tags = tags::specified(params, &kind::SECURITY_GROUP_RULE, &[])?;
    let region = &context.state.region_mut(context.region).ec2;
    let group = security_group::named(region, params)?;
    let permissions = permission::read(params, region, group)?;
    let of_direction: Vec<&Rule> = group.rules.iter().filter(|rule| rule.direction == direction).collect();
    for permission in &permissions {
        if of_direction.iter().any(|rule| rule.traffic == permission.traffic) {
            let message = format!("the specified rule \"{}\" already exists", words(&permission.traffic));
            return Err(ApiError::bad_request("InvalidPermission.Duplicate", message));
        }
    }
    if of_direction.len() + permissions.len() > MOST {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(ApiError::bad_request("RulesPerSecurityGroupLimitExceeded", message));
    }
    let id = group.id.clone();
    let mut described = Vec::new();
    for Permission { traffic, description } in permissions {
        let rule =
            Rule { id: context.ids.resource("sgr"), direction, traffic, description, tags: tags.clone() };
        let region_name = context.region;
        if let Some(group) = context.here().ec2.security_groups.get_mut(&id) {
            group.rules.push(rule);
            described.extend(group.rules.last().map(|rule| self::description(region_name, group, rule)));
        }
    }
    Ok(done().structures("securityGroupRuleSet", "item", described))
}

/// A rule as the refusal of a duplicate words it.
fn words(traffic: &Traffic) -> String {
    let peer = match &traffic.peer {
        Peer::Ipv4(peer) | Peer::Ipv6(peer) | Peer::Group(peer) | Peer::PrefixList(peer) => peer,
    };
    let protocol = if traffic.protocol == "-1" { "ALL".to_owned() } else { traffic.protocol.to_uppercase() };
    match traffic.ports {
        Some(Ports { from, to }) => {
            format!("peer: {peer}, {protocol}, from port: {from}, to port: {to}, ALLOW")
        }
        None => format!("peer: {peer}, {protocol}, ALLOW"),
    }
}

/// Takes rules away by their ids or by what they admit.
///
/// A rule that is not there is refused in every VPC. (The API reference says that none but non-default VPCs
/// refuse it; clients meet `InvalidPermission.NotFound` in both.)
pub(super) fn revoke(
    context: &mut Context<'_>,
    params: &Params,
    direction: Direction,
) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let group = security_group::named(region, params)?;
    let ids = params.ec2_list("SecurityGroupRuleId");
    let mut doomed: Vec<String> = Vec::new();
    if ids.is_empty() {
        for permission in permission::read(params, region, group)? {
            doomed.push(matching(group, direction, &permission)?.id.clone());
        }
    } else {
        for id in ids {
            kind::SECURITY_GROUP_RULE.check(&id)?;
            let known = group.rules.iter().any(|rule| rule.id == id && rule.direction == direction);
            if !known {
                return Err(kind::SECURITY_GROUP_RULE.not_found(&[&id]));
            }
            doomed.push(id);
        }
    }
    let id = group.id.clone();
    let mut revoked = Vec::new();
    if let Some(group) = region.security_groups.get_mut(&id) {
        let gone = group.rules.iter().filter(|rule| doomed.contains(&rule.id));
        revoked.extend(gone.map(|rule| {
            let reference = if let Peer::Group(id) = &rule.traffic.peer { Some(id) } else { None };
            summary(&group.id, rule)
                .optional("referencedGroupId", reference)
                .optional("description", rule.description.as_ref())
        }));
        group.rules.retain(|rule| !doomed.contains(&rule.id));
    }
    Ok(done().structures("unknownIpPermissionSet", "item", []).structures(
        "revokedSecurityGroupRuleSet",
        "item",
        revoked,
    ))
}

/// The rule that admits what a permission says.
fn matching<'a>(
    group: &'a SecurityGroup,
    direction: Direction,
    permission: &Permission,
) -> Result<&'a Rule, ApiError> {
    let same = |rule: &&Rule| rule.direction == direction && rule.traffic == permission.traffic;
    group.rules.iter().find(same).ok_or_else(|| {
        let message = "The specified rule does not exist in this security group.";
        ApiError::bad_request("InvalidPermission.NotFound", message)
    })
}

/// Gives rules, named by what they admit or by their ids, other descriptions; one that is left out is removed.
pub(super) fn describe_anew(
    context: &mut Context<'_>,
    params: &Params,
    direction: Direction,
) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let group = security_group::named(region, params)?;
    let mut descriptions: Vec<(String, Option<String>)> = Vec::new();
    for named in params.ec2_structures("SecurityGroupRuleDescription") {
        let id = named.ec2_required("SecurityGroupRuleId")?;
        kind::SECURITY_GROUP_RULE.check(id)?;
        if !group.rules.iter().any(|rule| rule.id == id && rule.direction == direction) {
            return Err(kind::SECURITY_GROUP_RULE.not_found(&[id]));
        }
        let description = permission::checked_description(named.get("Description"))?;
        descriptions.push((id.to_owned(), description));
    }
    if descriptions.is_empty() {
        for permission in permission::read(params, region, group)? {
            let rule = matching(group, direction, &permission)?;
            descriptions.push((rule.id.clone(), permission.description));
        }
    }
    let id = group.id.clone();
    let rules = region.security_groups.get_mut(&id).into_iter().flat_map(|group| &mut group.rules);
    for rule in rules {
        if let Some((_, description)) = descriptions.iter().find(|(id, _)| *id == rule.id) {
            rule.description.clone_from(description);
        }
    }
    Ok(done())
}

/// Replaces what rules admit; their ids and tags stay.
pub(super) fn modify(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let group = security_group::find(region, params.ec2_required("GroupId")?)?;
    let updates = params.ec2_structures("SecurityGroupRule");
    if updates.is_empty() {
        return Err(ApiError::missing_parameter("SecurityGroupRule"));
    }
    let mut rules = group.rules.clone();
    for update in &updates {
        let id = update.ec2_required("SecurityGroupRuleId")?;
        kind::SECURITY_GROUP_RULE.check(id)?;
        let unknown = || kind::SECURITY_GROUP_RULE.not_found(&[id]);
        let rule = rules.iter_mut().find(|rule| rule.id == id).ok_or_else(unknown)?;
        let permission = permission::read_rule(&update.structure("SecurityGroupRule"), region, group)?;
        rule.traffic = permission.traffic;
        rule.description = permission.description;
    }
    for (index, rule) in rules.iter().enumerate() {
        let same = |other: &Rule| other.direction == rule.direction && other.traffic == rule.traffic;
        if rules[..index].iter().any(same) {
            let message = format!("the specified rule \"{}\" already exists", words(&rule.traffic));
            return Err(ApiError::bad_request("InvalidPermission.Duplicate", message));
        }
    }
    let id = group.id.clone();
    if let Some(group) = region.security_groups.get_mut(&id) {
        group.rules = rules;
    }
    Ok(done())
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region_name = context.region;
    let region: &Region = &context.here().ec2;
    let ids = params.ec2_list("SecurityGroupRuleId");
    for id in &ids {
        kind::SECURITY_GROUP_RULE.check(id)?;
    }
    let filters = Filters::read(params, &fields(), true)?;
    let limit = page_size(params, 1000)?;
    let groups = region.security_groups.values();
    let mut rules: Vec<Owned<'_>> =
        groups.flat_map(|group| group.rules.iter().map(move |rule| Owned { group, rule })).collect();
    if let Some(unknown) = ids.iter().find(|id| !rules.iter().any(|owned| owned.rule.id == **id)) {
        return Err(kind::SECURITY_GROUP_RULE.not_found(&[unknown]));
    }
    rules.retain(|owned| ids.is_empty() || ids.contains(&owned.rule.id));
    rules.retain(|owned| filters.admit(&fields(), &owned.rule.tags, region, owned));
    let page = page(params, limit, rules, |owned| owned.rule.id.clone())?;
    Ok(listed("securityGroupRuleSet", page, |owned| description(region_name, owned.group, owned.rule)))
}

/// What all descriptions of a rule begin with.
fn summary(group_id: &str, rule: &Rule) -> Members {
    let (mut ipv4, mut ipv6, mut list) = (None, None, None);
    match &rule.traffic.peer {
        Peer::Ipv4(cidr) => ipv4 = Some(cidr),
        Peer::Ipv6(cidr) => ipv6 = Some(cidr),
        Peer::PrefixList(id) => list = Some(id),
        Peer::Group(_) => {}
    }
    // Where the protocol has no ports, a rule (unlike a permission) shows -1 for both.
    let ports = rule.traffic.ports.unwrap_or(Ports { from: -1, to: -1 });
    Members::new()
        .text("securityGroupRuleId", &rule.id)
        .text("groupId", group_id)
        .text("isEgress", rule.direction == Direction::Egress)
        .text("ipProtocol", &rule.traffic.protocol)
        .text("fromPort", ports.from)
        .text("toPort", ports.to)
        .optional("cidrIpv4", ipv4)
        .optional("cidrIpv6", ipv6)
        .optional("prefixListId", list)
}

fn description(region: &str, group: &SecurityGroup, rule: &Rule) -> Members {
    let mut members = summary(&group.id, rule).text("groupOwnerId", ACCOUNT_ID);
    if let Peer::Group(id) = &rule.traffic.peer {
        let reference =
            Members::new().text("groupId", id).text("userId", ACCOUNT_ID).text("vpcId", &group.vpc_id);
        members = members.structure("referencedGroupInfo", reference);
    }
    let arn = format!("arn:aws:ec2:{region}:{ACCOUNT_ID}:security-group-rule/{}", rule.id);
    members.optional("description", rule.description.as_ref()).text("securityGroupRuleArn", arn).structures(
        "tagSet",
        "item",
        tags::set(&rule.tags),
    )
}
