//! The tags of server certificates.

use super::page;
use super::server_certificate::find_mut;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Tags a server certificate may have.
const MOST: usize = 50;

/// `Tags.member.N`, checked; there need not be any.
pub(super) fn read(params: &Params) -> Result<Tags, ApiError> {
    let refuse = |message: &str| Err(ApiError::bad_request("InvalidInput", message));
    let mut tags = Tags::new();
    for tag in params.structures("Tags") {
        let (key, value) = (tag.required("Key")?, tag.get("Value").unwrap_or_default());
        if key.chars().count() > 128 {
            let constraint = "Member must have length less than or equal to 128";
            return Err(ApiError::constraint(Some(key), "tags.member.key", constraint));
        }
        if value.chars().count() > 256 {
            let constraint = "Member must have length less than or equal to 256";
            return Err(ApiError::constraint(Some(value), "tags.member.value", constraint));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse("Tag keys with the prefix aws: are reserved for internal use.");
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return refuse("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
        }
    }
    if tags.len() > MOST { Err(too_many()) } else { Ok(tags) }
}

fn too_many() -> ApiError {
    let message = format!("The number of tags has reached the maximum limit of {MOST}.");
    ApiError::conflict("LimitExceeded", message)
}

/// Tags as answers list them.
pub(super) fn set(tags: &Tags) -> Vec<Members> {
    tags.iter().map(|(key, value)| Members::new().text("Key", key).text("Value", value)).collect()
}

pub(super) fn add(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let certificate = find_mut(context.state, params)?;
    let mut merged = certificate.tags.clone();
    merged.extend(read(params)?);
    if merged.len() > MOST {
        return Err(too_many());
    }
    certificate.tags = merged;
    Ok(Members::new())
}

pub(super) fn remove(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let certificate = find_mut(context.state, params)?;
    for key in params.list("TagKeys") {
        certificate.tags.remove(&key);
    }
    Ok(Members::new())
}

pub(super) fn list(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let tags = find_mut(context.state, params)?.tags.iter().collect();
    let (tags, ending) = page(params, tags, |(key, _)| key.as_str())?;
    let members = tags.into_iter().map(|(key, value)| Members::new().text("Key", key).text("Value", value));
    Ok(ending.structures("Tags", "member", members))
}
