//! What a describe selects: ids, filters and a page, the same way for every resource.

use super::filter::{Field, Filters};
use super::kind::Kind;
use crate::local::state::Tags;
use crate::local::state::ec2::Region;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// A resource that can be described.
pub(super) trait Resource: Sized + 'static {
    /// Its kind.
    const KIND: &'static Kind;
    /// Its filters, those of its tags aside.
    const FIELDS: &'static [Field<Self>];
    /// The largest page.
    const LARGEST_PAGE: i64 = 1000;

    /// Its id.
    fn id(&self) -> &str;

    /// Its tags.
    fn tags(&self) -> &Tags;

    /// Where it stands among the others; pages go by this.
    fn position(&self) -> String {
        self.id().to_owned()
    }
}

/// One page.
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// Where the next one begins, if there is one.
    pub(super) next: Option<String>,
}

/// Selects from all resources of a kind those that a describe asks for.
pub(super) fn select<'a, T: Resource>(
    params: &Params,
    region: &'a Region,
    all: impl IntoIterator<Item = &'a T>,
) -> Result<Page<&'a T>, ApiError> {
    let limit = page_size(params, T::LARGEST_PAGE)?;
    let items = named_and_filtered(params, region, T::FIELDS, all)?;
    page(params, limit, items, |item| item.position())
}

/// Those of `all` that the ids and filters of a request admit; ids that are not among them are refused.
pub(super) fn named_and_filtered<'a, T: Resource>(
    params: &Params,
    region: &'a Region,
    fields: &[Field<T>],
    all: impl IntoIterator<Item = &'a T>,
) -> Result<Vec<&'a T>, ApiError> {
    let ids = params.ec2_list(T::KIND.parameter);
    for id in &ids {
        T::KIND.check(id)?;
    }
    let filters = Filters::read(params, fields, true)?;
    let mut items: Vec<&T> = all.into_iter().collect();
    let unknown = |id: &&str| !items.iter().any(|item| item.id() == *id);
    let unknown: Vec<&str> = ids.iter().map(String::as_str).filter(unknown).collect();
    if !unknown.is_empty() {
        return Err(T::KIND.not_found(&unknown));
    }
    items.retain(|item| ids.is_empty() || ids.iter().any(|id| id == item.id()));
    items.retain(|item| filters.admit(fields, item.tags(), region, *item));
    Ok(items)
}

/// Cuts a page out of `items`, which are put in the order of their positions first.
pub(super) fn page<T>(
    params: &Params,
    limit: Option<usize>,
    mut items: Vec<T>,
    position: impl Fn(&T) -> String,
) -> Result<Page<T>, ApiError> {
    items.sort_by_cached_key(&position);
    if let Some(token) = params.get("NextToken").filter(|token| !token.is_empty()) {
        let after = token.strip_prefix(TOKEN).ok_or_else(|| {
            ApiError::bad_request("InvalidNextToken", "The specified NextToken is not valid")
        })?;
        items.retain(|item| position(item).as_str() > after);
    }
    let mut next = None;
    if let Some(limit) = limit
        && items.len() > limit
    {
        items.truncate(limit);
        next = items.last().map(|last| format!("{TOKEN}{}", position(last)));
    }
    Ok(Page { items, next })
}

/// What every token begins with, so that something else is not taken for one.
const TOKEN: &str = "after:";

/// `MaxResults`, which must be between 5 and `largest`.
pub(super) fn page_size(params: &Params, largest: i64) -> Result<Option<usize>, ApiError> {
    let Some(size) = params.integer("MaxResults")? else { return Ok(None) };
    let refuse = |expecting: String| {
        let message =
            format!("Value ( {size} ) for parameter maxResults is invalid. Expecting a value {expecting}.");
        Err(ApiError::bad_request("InvalidParameterValue", message))
    };
    if size < 5 {
        return refuse("greater than or equal to 5".to_owned());
    }
    if size > largest {
        return refuse(format!("less than or equal to {largest}"));
    }
    Ok(usize::try_from(size).ok())
}

/// A describe's answer: the list, and the token of the next page.
pub(super) fn listed<T>(name: &str, page: Page<T>, item: impl Fn(T) -> Members) -> Members {
    Members::new().structures(name, "item", page.items.into_iter().map(item)).optional("nextToken", page.next)
}
