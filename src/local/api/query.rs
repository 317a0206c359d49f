//! What the operations of both kinds of load balancing read of their requests in the same way: lists, bounded
//! numbers, and pages.

use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;

/// A list that must have something in it.
pub(super) fn required_list(params: &Params, name: &str) -> Result<Vec<String>, ApiError> {
    let list = params.list(name);
    if list.is_empty() { Err(params.required(name).err().unwrap_or_else(|| empty(name))) } else { Ok(list) }
}

/// A list of structures that must have something in it.
pub(super) fn required_structures(params: &Params, name: &str) -> Result<Vec<Params>, ApiError> {
    let list = params.structures(name);
    if list.is_empty() { Err(params.required(name).err().unwrap_or_else(|| empty(name))) } else { Ok(list) }
}

fn empty(name: &str) -> ApiError {
    ApiError::validation(format!("{name} cannot be empty"))
}

/// A whole number within bounds; `member` is its path in AWS's validation messages.
pub(super) fn bounded(
    params: &Params,
    name: &str,
    member: &str,
    bounds: [u16; 2],
) -> Result<Option<u16>, ApiError> {
    let Some(value) = params.integer(name)? else { return Ok(None) };
    let [least, most] = bounds;
    let text = value.to_string();
    if value < i64::from(least) {
        let constraint = format!("Member must have value greater than or equal to {least}");
        return Err(ApiError::constraint(Some(&text), member, &constraint));
    }
    match u16::try_from(value) {
        Ok(value) if value <= most => Ok(Some(value)),
        Ok(_) | Err(_) => {
            let constraint = format!("Member must have value less than or equal to {most}");
            Err(ApiError::constraint(Some(&text), member, &constraint))
        }
    }
}

/// One of a few words; `member` is its path in AWS's validation messages.
pub(super) fn one_of<'a>(
    params: &'a Params,
    name: &str,
    member: &str,
    words: &[&str],
) -> Result<Option<&'a str>, ApiError> {
    match params.get(name).filter(|value| !value.is_empty()) {
        Some(value) if !words.contains(&value) => {
            let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            Err(ApiError::constraint(Some(value), member, &constraint))
        }
        value => Ok(value),
    }
}

/// A whole number within bounds that must be there.
pub(super) fn required_bounded(
    params: &Params,
    name: &str,
    member: &str,
    bounds: [u16; 2],
) -> Result<u16, ApiError> {
    bounded(params, name, member, bounds)?
        .ok_or_else(|| ApiError::constraint(None, member, "Member must not be null"))
}

/// The part of a list that a page holds, and where the next page begins.
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// The marker of the next page, if there is one.
    pub(super) next: Option<String>,
}

/// Cuts a page out of what is sorted by key; the marker is the key of the last item of the page before.
pub(super) fn page<K: AsRef<str>, T>(
    params: &Params,
    sorted: impl Iterator<Item = (K, T)>,
) -> Result<Page<T>, ApiError> {
    let size = bounded(params, "PageSize", "pageSize", [1, 400])?.unwrap_or(400);
    let marker = params.get("Marker").filter(|marker| !marker.is_empty());
    let mut rest = sorted.filter(|(key, _)| marker.is_none_or(|marker| key.as_ref() > marker));
    let mut items = Vec::new();
    let mut last = None;
    for (key, item) in rest.by_ref().take(usize::from(size)) {
        items.push(item);
        last = Some(key);
    }
    let next = if rest.next().is_some() { last.map(|key| key.as_ref().to_owned()) } else { None };
    Ok(Page { items, next })
}
