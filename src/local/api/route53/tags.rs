//! Tags of hosted zones.

use super::{Context, invalid_input, zone};
use crate::local::state::Tags;
use crate::local::wire::document::Node;
use crate::local::wire::error::ApiError;
use crate::local::wire::rest::Request;
use crate::local::wire::routing::RestOutput;
use crate::local::wire::xml::Members;

const MOST: usize = 10;

/// `ChangeTagsForResource`.
pub(super) fn change(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let tags = named(context, request)?;
    let Some(body) = &request.body else { return Err(invalid_input("Invalid XML ; the body is empty")) };
    let mut new = tags.clone();
    for tag in body.list("AddTags", "Tag") {
        let key = tag.text("Key").unwrap_or_default();
        let value = tag.text("Value").unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid_input(format!("The tag '{key}' is not valid")));
        }
        new.insert(key.to_owned(), value.to_owned());
    }
    for key in body.list("RemoveTagKeys", "Key").map(Node::content) {
        new.remove(key);
    }
    if new.len() > MOST {
        return Err(invalid_input(format!("A resource can have at most {MOST} tags")));
    }
    *tags = new;
    Ok(RestOutput::ok(Members::new()))
}

/// `ListTagsForResource`.
pub(super) fn list(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let tags = named(context, request)?;
    let tags = tags.iter().map(|(key, value)| Members::new().text("Key", key).text("Value", value));
    let set = Members::new()
        .optional("ResourceType", request.params.get("ResourceType"))
        .optional("ResourceId", request.params.get("ResourceId"))
        .structures("Tags", "Tag", tags);
    Ok(RestOutput::ok(Members::new().structure("ResourceTagSet", set)))
}

fn named<'a>(context: &'a mut Context<'_>, request: &Request) -> Result<&'a mut Tags, ApiError> {
    let id = request.params.get("ResourceId").unwrap_or_default();
    match request.params.get("ResourceType") {
        Some("hostedzone") => Ok(&mut zone(context.state, id)?.tags),
        Some("healthcheck") => {
            let message = format!("No health check exists with the specified ID: {id}");
            Err(ApiError::not_found("NoSuchHealthCheck", message))
        }
        Some(_) | None => Err(invalid_input("The resource type must be hostedzone or healthcheck")),
    }
}
