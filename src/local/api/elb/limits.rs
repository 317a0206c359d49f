//! `DescribeAccountLimits`.

use std::collections::BTreeMap;

use super::{Context, page};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `DescribeAccountLimits`: AWS's default quotas.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let limits: BTreeMap<String, Members> = [
        ("classic-listeners", 100),
        ("classic-load-balancers", context.settings.load_balancer_quota),
        ("classic-registered-instances", 1000),
    ]
    .map(|(name, most)| (name.to_owned(), Members::new().text("Name", name).text("Max", most)))
    .into();
    let page = page(params, limits.iter())?;
    let described = page.items.into_iter().cloned();
    Ok(Members::new().structures("Limits", "member", described).optional("NextMarker", page.next))
}
