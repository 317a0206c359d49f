//! The tags of certificates.

use serde_json::{Value, json};

use super::find;
use crate::local::api::Context;
use crate::local::api::input::{list as items, missing, required_text, text, validation};
use crate::local::state::Tags;
use crate::local::wire::error::ApiError;

/// Tags a certificate may have.
const MOST: usize = 50;

/// `Tags`, checked; there need not be any.
pub(super) fn read(input: &Value) -> Result<Tags, ApiError> {
    let refuse = |message: String| Err(ApiError::bad_request("InvalidTagException", message));
    let mut tags = Tags::new();
    for tag in items(input, "Tags")?.unwrap_or_default() {
        let key = required_text(tag, "Key")?;
        let value = text(tag, "Value")?.unwrap_or_default();
        check(key, value)?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse(format!("aws: prefixed tag key names are not allowed for external use: {key}"));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return refuse(format!("Duplicate tag key: {key}"));
        }
    }
    if tags.len() > MOST { Err(too_many()) } else { Ok(tags) }
}

fn check(key: &str, value: &str) -> Result<(), ApiError> {
    if !(1..=128).contains(&key.chars().count()) {
        return Err(validation(Some(key), "tags.key", "Member must have length between 1 and 128"));
    }
    if value.chars().count() > 256 {
        return Err(validation(
            Some(value),
            "tags.value",
            "Member must have length less than or equal to 256",
        ));
    }
    let admitted = |character: char| {
        character.is_alphanumeric() || character.is_whitespace() || "_.:/=+-@".contains(character)
    };
    for text in [key, value] {
        if !text.chars().all(admitted) {
            let constraint = r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)";
            return Err(validation(Some(text), "tags", constraint));
        }
    }
    Ok(())
}

fn too_many() -> ApiError {
    ApiError::bad_request("TooManyTagsException", format!("A certificate may have {MOST} tags at most."))
}

pub(super) fn add(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let certificate = find(context, input)?;
    if items(input, "Tags")?.is_none() {
        return Err(missing("Tags"));
    }
    let mut merged = certificate.tags.clone();
    merged.extend(read(input)?);
    if merged.len() > MOST {
        return Err(too_many());
    }
    certificate.tags = merged;
    Ok(json!({}))
}

/// A tag without a value goes whatever its value is; one with a value only if it has that one.
pub(super) fn remove(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let certificate = find(context, input)?;
    let named = items(input, "Tags")?.ok_or_else(|| missing("Tags"))?;
    let mut left = certificate.tags.clone();
    for tag in named {
        let key = required_text(tag, "Key")?;
        let value = text(tag, "Value")?;
        if left.get(key).is_some_and(|held| value.is_none_or(|value| value == held)) {
            left.remove(key);
        }
    }
    certificate.tags = left;
    Ok(json!({}))
}

pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let tags = find(context, input)?.tags.iter();
    let tags: Vec<Value> = tags.map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    Ok(json!({ "Tags": tags }))
}
