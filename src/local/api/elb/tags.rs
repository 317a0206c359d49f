//! Tags of load balancers.

use super::{Context, named, not_found, required_list, required_structures};
use crate::local::state::Tags;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

const MOST_TAGS: usize = 50;
const MOST_NAMES: usize = 20;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// `AddTags`: to one load balancer; a key that it has gets the new value.
pub(super) fn add(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let only = only_name(params)?;
    let load_balancer = named(&mut context.here().elb, &only)?;
    let mut tags = load_balancer.tags.clone();
    tags.extend(given(params)?);
    check_count(&tags)?;
    load_balancer.tags = tags;
    Ok(Members::new())
}

/// `RemoveTags`: a key that it does not have is no error.
pub(super) fn remove(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let only = only_name(params)?;
    let load_balancer = named(&mut context.here().elb, &only)?;
    for key in required_structures(params, "Tags")? {
        load_balancer.tags.remove(key.get("Key").unwrap_or_default());
    }
    Ok(Members::new())
}

/// `DescribeTags`: of up to 20 load balancers.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let names = required_list(params, "LoadBalancerNames")?;
    if names.len() > MOST_NAMES {
        let list = format!("[{}]", names.join(", "));
        let constraint = format!("Member must have length less than or equal to {MOST_NAMES}");
        return Err(ApiError::constraint(Some(&list), "loadBalancerNames", &constraint));
    }
    let region = context.here();
    let mut described = Vec::new();
    for name in &names {
        let load_balancer = region.elb.load_balancers.get(name).ok_or_else(|| not_found(name))?;
        let tags = load_balancer
            .tags
            .iter()
            .map(|(key, value)| Members::new().text("Key", key).text("Value", value));
        described.push(Members::new().text("LoadBalancerName", name).structures("Tags", "member", tags));
    }
    Ok(Members::new().structures("TagDescriptions", "member", described))
}

/// The tags that a request gives, each key once.
pub(super) fn given(params: &Params) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in required_structures(params, "Tags")? {
        let key = tag.required("Key")?;
        let value = tag.get("Value").unwrap_or_default();
        check_length(key, "key", LONGEST_KEY)?;
        check_length(value, "value", LONGEST_VALUE)?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            let message = format!("Tag keys starting with 'aws:' are reserved for system use: {key}");
            return Err(ApiError::validation(message));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            let message = format!("Tag key '{key}' was specified more than once");
            return Err(ApiError::bad_request("DuplicateTagKeys", message));
        }
    }
    Ok(tags)
}

/// Refuses more tags than a load balancer can have.
pub(super) fn check_count(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() <= MOST_TAGS {
        return Ok(());
    }
    Err(ApiError::bad_request("TooManyTags", format!("A load balancer can have at most {MOST_TAGS} tags")))
}

/// The characters that the model allows: letters, digits, separators and a few signs, of any script.
fn check_length(text: &str, member: &str, longest: usize) -> Result<(), ApiError> {
    let member = format!("tags.1.member.{member}");
    if text.chars().count() > longest {
        let constraint = format!("Member must have length less than or equal to {longest}");
        return Err(ApiError::constraint(Some(text), &member, &constraint));
    }
    let allowed = |character: char| {
        character.is_alphanumeric() || character.is_whitespace() || "_.:/=+-@".contains(character)
    };
    if !text.chars().all(allowed) {
        let constraint = r"Member must satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$";
        return Err(ApiError::constraint(Some(text), &member, constraint));
    }
    Ok(())
}

/// The list of load balancers holds one name only, says the documentation of both operations.
fn only_name(params: &Params) -> Result<Params, ApiError> {
    let names = required_list(params, "LoadBalancerNames")?;
    let [name] = names.as_slice() else {
        return Err(ApiError::validation("Only one load balancer can be specified"));
    };
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("LoadBalancerName", name).finish();
    Ok(Params::parse(form.as_bytes()))
}
