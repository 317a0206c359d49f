//! Members of the JSON services' requests, with the refusals of their request validation.

use serde_json::Value;

use crate::local::wire::error::ApiError;
use crate::local::wire::query;

/// A value outside of what the model allows.
pub(super) fn validation(value: Option<&str>, member: &str, constraint: &str) -> ApiError {
    ApiError { code: "ValidationException".to_owned(), ..ApiError::constraint(value, member, constraint) }
}

/// Something of another type than the model says.
pub(super) fn mistyped(name: &str, expected: &str) -> ApiError {
    ApiError::bad_request("SerializationException", format!("{name} is not {expected}"))
}

/// A string, if it was given.
pub(super) fn text<'a>(input: &'a Value, name: &str) -> Result<Option<&'a str>, ApiError> {
    match &input[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(mistyped(name, "a string")),
    }
}

/// A string that must be given.
pub(super) fn required_text<'a>(input: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    text(input, name)?.ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &str) -> ApiError {
    validation(None, &query::member(name), "Member must not be null")
}

/// A whole number, if it was given.
pub(super) fn integer(input: &Value, name: &str) -> Result<Option<i64>, ApiError> {
    match &input[name] {
        Value::Null => Ok(None),
        value => value.as_i64().map(Some).ok_or_else(|| mistyped(name, "a whole number")),
    }
}

/// `true` or `false`, if it was given.
pub(super) fn boolean(input: &Value, name: &str) -> Result<Option<bool>, ApiError> {
    match &input[name] {
        Value::Null => Ok(None),
        value => value.as_bool().map(Some).ok_or_else(|| mistyped(name, "true or false")),
    }
}

/// A list, if it was given.
pub(super) fn list<'a>(input: &'a Value, name: &str) -> Result<Option<&'a [Value]>, ApiError> {
    match &input[name] {
        Value::Null => Ok(None),
        Value::Array(items) => Ok(Some(items)),
        _ => Err(mistyped(name, "a list")),
    }
}

/// A list of strings, if it was given.
pub(super) fn texts<'a>(input: &'a Value, name: &str) -> Result<Option<Vec<&'a str>>, ApiError> {
    let Some(items) = list(input, name)? else { return Ok(None) };
    let texts = items.iter().map(|item| item.as_str().ok_or_else(|| mistyped(name, "a list of strings")));
    texts.collect::<Result<_, _>>().map(Some)
}

/// A string that must be one of a set, if it was given.
pub(super) fn choice<'a>(input: &'a Value, name: &str, among: &[&str]) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = text(input, name)? else { return Ok(None) };
    check_choice(value, name, among)?;
    Ok(Some(value))
}

/// Refuses a string that is not one of a set.
pub(super) fn check_choice(value: &str, name: &str, among: &[&str]) -> Result<(), ApiError> {
    if among.contains(&value) {
        return Ok(());
    }
    let constraint = format!("Member must satisfy enum value set: [{}]", among.join(", "));
    Err(validation(Some(value), &query::member(name), &constraint))
}
