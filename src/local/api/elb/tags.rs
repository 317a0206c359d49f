//! Tags of load balancers.

use super::tagging::{check_count, given, members};
use super::{Context, named, not_found, required_list, required_structures};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

const MOST_NAMES: usize = 20;

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
        let tags = members(&load_balancer.tags);
        described.push(Members::new().text("LoadBalancerName", name).structures("Tags", "member", tags));
    }
    Ok(Members::new().structures("TagDescriptions", "member", described))
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
