//! Answers about what no load balancer here has: inventories and other tools ask for it of every one.

use super::arn::{self, Kind as Arn};
use super::describe::at_most_20;
use super::{Context, page};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `DescribeCapacityReservation`: none was made, since none can be.
pub(super) fn capacity_reservation(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    arn::load_balancer(&mut context.here().elbv2, params)?;
    Ok(Members::new().structures("CapacityReservationState", "member", []))
}

/// `DescribeTrustStores`: there are none, and so none of those that are named.
pub(super) fn trust_stores(params: &Params) -> Result<Members, ApiError> {
    let (arns, names) = (params.list("TrustStoreArns"), params.list("Names"));
    at_most_20(&arns, "trust store ARNs")?;
    at_most_20(&names, "trust store names")?;
    if !arns.is_empty() || !names.is_empty() {
        return Err(ApiError::bad_request("TrustStoreNotFound", "One or more trust stores not found"));
    }
    let page = page(params, std::iter::empty::<(&str, Members)>())?;
    Ok(Members::new().structures("TrustStores", "member", page.items).optional("NextMarker", page.next))
}

/// `GetResourcePolicy`: only trust stores that are shared have one.
pub(super) fn resource_policy(params: &Params) -> Result<Members, ApiError> {
    let resource = params.required("ResourceArn")?;
    if Arn::of(resource).is_none() && !resource.contains(":truststore/") {
        return Err(ApiError::validation(format!("'{resource}' is not a valid resource ARN")));
    }
    Err(ApiError::bad_request("ResourceNotFound", format!("No resource policy was found for '{resource}'")))
}
