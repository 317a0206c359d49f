//! Route 53, 2013-04-01: hosted zones and their records, plain, weighted and as aliases of load balancers.
//!
//! Nothing answers DNS here; `/_elbws/resolve` tells what would be answered.

mod change;
mod record;
mod tags;
mod validity;
mod zones;

use super::Context;
use crate::local::state::State;
use crate::local::state::route53::HostedZone;
use crate::local::wire::error::ApiError;
use crate::local::wire::rest::Request;
use crate::local::wire::routing::RestOutput;
use crate::local::wire::xml::Members;

/// Runs an operation.
pub(crate) fn handle(
    context: &mut Context<'_>,
    operation: &str,
    request: &Request,
) -> Result<RestOutput, ApiError> {
    match operation {
        "ChangeResourceRecordSets" => change::change(context, request),
        "ChangeTagsForResource" => tags::change(context, request),
        "CreateHostedZone" => zones::create(context, request),
        "DeleteHostedZone" => zones::delete(context, request),
        "GetChange" => change::get(context, request),
        "GetHostedZone" => zones::get(context, request),
        "GetHostedZoneCount" => Ok(zones::count(context)),
        "ListHostedZones" => zones::list(context, request),
        "ListHostedZonesByName" => zones::list_by_name(context, request),
        "ListResourceRecordSets" => record::list(context, request),
        "ListTagsForResource" => tags::list(context, request),
        _ => Err(ApiError::unknown_operation(operation)),
    }
}

/// The zone of that id, with `/hostedzone/` in front or without.
fn zone<'a>(state: &'a mut State, id: &str) -> Result<&'a mut HostedZone, ApiError> {
    let id = id.strip_prefix("/hostedzone/").unwrap_or(id);
    let missing = || ApiError::not_found("NoSuchHostedZone", format!("No hosted zone found with ID: {id}"));
    state.route53.zones.get_mut(id).ok_or_else(missing)
}

/// The zone that the path names.
fn named<'a>(context: &'a mut Context<'_>, request: &Request) -> Result<&'a mut HostedZone, ApiError> {
    zone(context.state, request.params.get("Id").unwrap_or_default())
}

/// The refusal of a request that is not as the service model has it.
fn invalid_input(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("InvalidInput", message)
}

/// `maxitems`: 1 to the largest page, which is also the default.
fn max_items(request: &Request, largest: usize) -> Result<usize, ApiError> {
    let Some(text) = request.params.get("maxitems").filter(|text| !text.is_empty()) else {
        return Ok(largest);
    };
    match text.parse::<usize>() {
        Ok(number) if number >= 1 => Ok(number.min(largest)),
        Ok(_) | Err(_) => Err(invalid_input(format!("Invalid value '{text}' for maxitems"))),
    }
}

/// Notes a change down, and describes it as one that is on its way.
fn submitted(context: &mut Context<'_>, comment: Option<&str>) -> Members {
    let id = format!("C{}", &context.ids.uuid().replace('-', "").to_uppercase()[12..]);
    context.state.route53.changes.insert(id.clone(), context.now);
    change::info(&id, "PENDING", context.now, comment)
}
