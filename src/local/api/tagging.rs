//! Tags as requests to both kinds of load balancing give them, and what the services refuse in them.

use super::query::required_structures;
use crate::local::state::Tags;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// Tags as they are described.
pub(super) fn members(tags: &Tags) -> impl Iterator<Item = Members> {
    tags.iter().map(|(key, value)| Members::new().text("Key", key).text("Value", value))
}

/// The tags that a create gives, if any.
pub(super) fn of_new(params: &Params) -> Result<Tags, ApiError> {
    let tags = if params.has("Tags") { given(params)? } else { Tags::new() };
    check_count(&tags)?;
    Ok(tags)
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
    Err(ApiError::bad_request("TooManyTags", format!("A resource can have at most {MOST_TAGS} tags")))
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
