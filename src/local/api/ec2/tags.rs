//! Tags: those that come with a creation, and `CreateTags`, `DeleteTags` and `DescribeTags`.

use super::filter::{Field, Filters, one};
use super::kind::{self, Kind};
use super::select::{listed, page, page_size};
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::Region;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Tags a resource may have.
const MOST: usize = 50;

/// The tags that `TagSpecification.N` gives to what an operation creates. `others` are further types that the
/// operation knows.
pub(super) fn specified(params: &Params, kind: &Kind, others: &[&str]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for specification in params.ec2_structures("TagSpecification") {
        let resource_type = specification.ec2_required("ResourceType")?;
        let given = read(&specification)?;
        if resource_type == kind.resource_type {
            tags.extend(given);
        } else if !others.contains(&resource_type) {
            let message =
                format!("'{resource_type}' is not a valid taggable resource type for this operation.");
            return Err(ApiError::bad_request("InvalidParameterValue", message));
        }
    }
    if tags.len() > MOST { Err(too_many()) } else { Ok(tags) }
}

/// `Tag.N.Key` and `Tag.N.Value`, checked.
fn read(params: &Params) -> Result<Tags, ApiError> {
    let refuse = |message: String| Err(ApiError::bad_request("InvalidParameterValue", message));
    let mut tags = Tags::new();
    for tag in params.ec2_structures("Tag") {
        let key = tag.get("Key").unwrap_or_default();
        let value = tag.get("Value").unwrap_or_default();
        if key.is_empty() {
            return refuse("Tag key cannot be empty.".to_owned());
        }
        if key.chars().count() > 127 {
            return refuse(format!("Tag key exceeds the maximum length of 127 characters: '{key}'"));
        }
        if value.chars().count() > 255 {
            return refuse(format!("Tag value exceeds the maximum length of 255 characters: '{value}'"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse("Tag keys starting with 'aws:' are reserved for internal use".to_owned());
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return refuse(format!("Duplicate tag key '{key}' specified."));
        }
    }
    Ok(tags)
}

fn too_many() -> ApiError {
    ApiError::bad_request("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}

/// A resource's tags in its description.
pub(super) fn set(tags: &Tags) -> Vec<Members> {
    tags.iter().map(|(key, value)| Members::new().text("key", key).text("value", value)).collect()
}

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let resources = resources(region, params)?;
    let given = read(params)?;
    if given.is_empty() {
        return Err(ApiError::missing_parameter("Tag"));
    }
    for id in &resources {
        let mut merged = tags_mut(region, id).cloned().unwrap_or_default();
        merged.extend(given.clone());
        if merged.len() > MOST {
            return Err(too_many());
        }
    }
    for id in &resources {
        if let Some(tags) = tags_mut(region, id) {
            tags.extend(given.clone());
        }
    }
    Ok(Members::new().text("return", true))
}

/// Without `Tag.N` all tags go; a tag with a value goes only if it has that value.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let resources = resources(region, params)?;
    let named = params.ec2_structures("Tag");
    for id in &resources {
        let Some(tags) = tags_mut(region, id) else { continue };
        if named.is_empty() {
            tags.clear();
        }
        for tag in &named {
            let key = tag.get("Key").unwrap_or_default();
            let holds = tags.get(key).is_some_and(|held| tag.get("Value").is_none_or(|value| value == held));
            if holds {
                tags.remove(key);
            }
        }
    }
    Ok(Members::new().text("return", true))
}

/// The ids in `ResourceId.N`, all of which exist.
fn resources(region: &mut Region, params: &Params) -> Result<Vec<String>, ApiError> {
    let ids = params.ec2_list("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::missing_parameter("resourceIdSet"));
    }
    for id in &ids {
        let kind = kind::TAGGED.iter().find(|kind| id.split('-').next() == Some(kind.prefix));
        let Some(kind) = kind else {
            return Err(ApiError::bad_request("InvalidID", format!("The ID '{id}' is not valid")));
        };
        kind.check(id)?;
        if tags_mut(region, id).is_none() {
            return Err(kind.not_found(&[id]));
        }
    }
    Ok(ids)
}

fn tags_mut<'a>(region: &'a mut Region, id: &str) -> Option<&'a mut Tags> {
    match id.split('-').next()? {
        "vpc" => region.vpcs.get_mut(id).map(|vpc| &mut vpc.tags),
        "subnet" => region.subnets.get_mut(id).map(|subnet| &mut subnet.tags),
        "igw" => region.internet_gateways.get_mut(id).map(|gateway| &mut gateway.tags),
        "rtb" => region.route_tables.get_mut(id).map(|table| &mut table.tags),
        "sg" => region.security_groups.get_mut(id).map(|group| &mut group.tags),
        "sgr" => {
            let mut rules = region.security_groups.values_mut().flat_map(|group| &mut group.rules);
            rules.find(|rule| rule.id == id).map(|rule| &mut rule.tags)
        }
        "i" => region.instances.get_mut(id).map(|instance| &mut instance.tags),
        "eipalloc" => region.addresses.get_mut(id).map(|address| &mut address.tags),
        "lt" => region.launch_templates.get_mut(id).map(|template| &mut template.tags),
        "eni" => region.network_interfaces.get_mut(id).map(|interface| &mut interface.tags),
        _ => None,
    }
}

/// One line of `DescribeTags`.
struct Line {
    id: String,
    resource_type: &'static str,
    key: String,
    value: String,
}

const FIELDS: &[Field<Line>] = &[
    ("key", |_, line| one(&line.key)),
    ("resource-id", |_, line| one(&line.id)),
    ("resource-type", |_, line| one(line.resource_type)),
    ("value", |_, line| one(&line.value)),
];

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().ec2;
    // `tag:KEY` asks for the line of that key; a line has no other tag.
    let filters = Filters::read(params, FIELDS, true)?;
    let limit = page_size(params, 1000)?;
    let mut lines = lines(region);
    lines.retain(|line| {
        let own = Tags::from([(line.key.clone(), line.value.clone())]);
        filters.admit(FIELDS, &own, region, line)
    });
    let page = page(params, limit, lines, |line| format!("{}/{}", line.id, line.key))?;
    Ok(listed("tagSet", page, |line| {
        Members::new()
            .text("resourceId", line.id)
            .text("resourceType", line.resource_type)
            .text("key", line.key)
            .text("value", line.value)
    }))
}

fn lines(region: &Region) -> Vec<Line> {
    let mut all: Vec<(&Kind, &str, &Tags)> = Vec::new();
    all.extend(region.vpcs.values().map(|vpc| (&kind::VPC, vpc.id.as_str(), &vpc.tags)));
    all.extend(region.subnets.values().map(|subnet| (&kind::SUBNET, subnet.id.as_str(), &subnet.tags)));
    let gateways = region.internet_gateways.values();
    all.extend(gateways.map(|gateway| (&kind::INTERNET_GATEWAY, gateway.id.as_str(), &gateway.tags)));
    all.extend(
        region.route_tables.values().map(|table| (&kind::ROUTE_TABLE, table.id.as_str(), &table.tags)),
    );
    for group in region.security_groups.values() {
        all.push((&kind::SECURITY_GROUP, &group.id, &group.tags));
        all.extend(group.rules.iter().map(|rule| (&kind::SECURITY_GROUP_RULE, rule.id.as_str(), &rule.tags)));
    }
    all.extend(region.instances.values().map(|one| (&kind::INSTANCE, one.id.as_str(), &one.tags)));
    let interfaces = region.network_interfaces.values();
    all.extend(interfaces.map(|one| (&kind::NETWORK_INTERFACE, one.id.as_str(), &one.tags)));
    let addresses = region.addresses.values();
    all.extend(addresses.map(|one| (&kind::ADDRESS, one.allocation_id.as_str(), &one.tags)));
    let templates = region.launch_templates.values();
    all.extend(templates.map(|one| (&kind::LAUNCH_TEMPLATE, one.id.as_str(), &one.tags)));
    all.into_iter()
        .flat_map(|(kind, id, tags)| {
            tags.iter().map(move |(key, value)| Line {
                id: id.to_owned(),
                resource_type: kind.resource_type,
                key: key.clone(),
                value: value.clone(),
            })
        })
        .collect()
}
