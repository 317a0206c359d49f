//! The tags of groups.

use std::collections::BTreeMap;

use super::{Context, not_found, page};
use crate::local::state::autoscaling::{Group, Tag};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Tags a group may have.
const MOST: usize = 50;
/// The one type of resource that is tagged.
const RESOURCE: &str = "auto-scaling-group";

/// The tags that a creation gives.
pub(super) fn of_new(params: &Params, name: &str) -> Result<BTreeMap<String, Tag>, ApiError> {
    let mut tags = BTreeMap::new();
    for given in params.structures("Tags") {
        if given.get("ResourceId").is_some_and(|id| id != name) {
            let message = format!("The resource id of a tag must be the group's name, {name}");
            return Err(ApiError::validation(message));
        }
        let (key, tag) = read(&given)?;
        tags.insert(key, tag);
    }
    check_count(&tags)?;
    Ok(tags)
}

fn read(params: &Params) -> Result<(String, Tag), ApiError> {
    let key = params.required("Key")?;
    let value = params.get("Value").unwrap_or_default();
    if key.chars().count() > 128 || value.chars().count() > 256 {
        let constraint = "Member must have length less than or equal to 128, its value 256";
        return Err(ApiError::constraint(Some(key), "tags.1.member.key", constraint));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(ApiError::validation(format!("Tag keys starting with 'aws:' are reserved: {key}")));
    }
    let at_launch = params.boolean("PropagateAtLaunch")?.unwrap_or_default();
    Ok((key.to_owned(), Tag { value: value.to_owned(), at_launch }))
}

fn check_count(tags: &BTreeMap<String, Tag>) -> Result<(), ApiError> {
    if tags.len() <= MOST {
        return Ok(());
    }
    Err(ApiError::bad_request("LimitExceeded", format!("A group can have at most {MOST} tags")))
}

/// The names of the groups that the tags of a request are of; they exist.
fn groups_named(context: &mut Context<'_>, tags: &[Params]) -> Result<Vec<String>, ApiError> {
    let mut names = Vec::new();
    for tag in tags {
        let name = tag.required("ResourceId")?;
        if tag.get("ResourceType").is_some_and(|kind| kind != RESOURCE) {
            return Err(ApiError::validation(format!("The resource type of a tag must be {RESOURCE}")));
        }
        if !context.here().autoscaling.groups.contains_key(name) {
            return Err(not_found(name));
        }
        names.push(name.to_owned());
    }
    if names.is_empty() {
        return Err(ApiError::constraint(None, "tags", "Member must not be null"));
    }
    Ok(names)
}

pub(super) fn create_or_update(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let given = params.structures("Tags");
    let names = groups_named(context, &given)?;
    let mut groups = context.here().autoscaling.groups.clone();
    for (tag, name) in given.iter().zip(&names) {
        let (key, tag) = read(tag)?;
        if let Some(group) = groups.get_mut(name) {
            group.tags.insert(key, tag);
            check_count(&group.tags)?;
        }
    }
    context.here().autoscaling.groups = groups;
    Ok(Members::new())
}

/// What is not there is no error.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let given = params.structures("Tags");
    let names = groups_named(context, &given)?;
    for (tag, name) in given.iter().zip(&names) {
        let key = tag.required("Key")?;
        if let Some(group) = context.here().autoscaling.groups.get_mut(name) {
            group.tags.remove(key);
        }
    }
    Ok(Members::new())
}

/// A filter: a name, and the values of which one must hold.
pub(super) struct Filter {
    name: String,
    values: Vec<String>,
}

/// The filters of `DescribeAutoScalingGroups`, `tag:KEY` aside.
pub(super) const OF_GROUPS: [&str; 2] = ["tag-key", "tag-value"];
/// Those of `DescribeTags`.
const OF_TAGS: [&str; 4] = ["auto-scaling-group", "key", "value", "propagate-at-launch"];

impl Filter {
    pub(super) fn read_all(params: &Params, known: &[&str]) -> Result<Vec<Self>, ApiError> {
        let mut filters = Vec::new();
        for filter in params.structures("Filters") {
            let name = filter.get("Name").unwrap_or_default().to_owned();
            let of_tag = known.contains(&"tag-key") && name.starts_with("tag:");
            if !of_tag && !known.contains(&name.as_str()) {
                return Err(ApiError::validation(format!("Filter type {name} is not correct.")));
            }
            filters.push(Self { name, values: filter.list("Values") });
        }
        Ok(filters)
    }

    pub(super) fn admits_group(&self, group: &Group) -> bool {
        let has = |value: &String| self.values.contains(value);
        match self.name.strip_prefix("tag:") {
            Some(key) => group.tags.get(key).is_some_and(|tag| has(&tag.value)),
            None if self.name == "tag-key" => group.tags.keys().any(has),
            None => group.tags.values().any(|tag| has(&tag.value)),
        }
    }

    fn admits_tag(&self, group: &str, key: &str, tag: &Tag) -> bool {
        let at_launch = tag.at_launch.to_string();
        let found = match self.name.as_str() {
            "auto-scaling-group" => group,
            "key" => key,
            "value" => &tag.value,
            _ => &at_launch,
        };
        self.values.iter().any(|value| value == found)
    }
}

/// A group's tags, as they are described.
pub(super) fn described(group: &Group) -> impl Iterator<Item = Members> + '_ {
    group.tags.iter().map(|(key, tag)| line(&group.name, key, tag))
}

fn line(group: &str, key: &str, tag: &Tag) -> Members {
    Members::new()
        .text("ResourceId", group)
        .text("ResourceType", RESOURCE)
        .text("Key", key)
        .text("Value", &tag.value)
        .text("PropagateAtLaunch", tag.at_launch)
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let filters = Filter::read_all(params, &OF_TAGS)?;
    let groups = context.here().autoscaling.groups.values();
    let lines = groups.flat_map(|group| group.tags.iter().map(move |(key, tag)| (&group.name, key, tag)));
    let wanted = lines.filter(|(group, key, tag)| filters.iter().all(|one| one.admits_tag(group, key, tag)));
    let wanted = wanted.map(|(group, key, tag)| (format!("{group}/{key}"), (group, key, tag)));
    page(params, "Tags", wanted, |(group, key, tag)| line(group, key, tag))
}
