//! Classic ELB, 2012-06-01: all 29 operations.
//!
//! Codes, statuses and limits are those of the service model; messages are AWS's where one was ever seen in
//! the open, and in AWS's manner otherwise.

mod attributes;
mod describe;
mod health;
mod health_check;
mod instances;
mod limits;
mod listeners;
mod load_balancers;
mod placement;
mod policies;
mod policy_attachment;
mod policy_types;
mod predefined;
#[cfg(test)]
mod property_test;
mod security_groups;
mod subnets;
mod tags;

use super::Context;
use crate::local::state::elb::{LoadBalancer, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::routing::Service;
use crate::local::wire::xml::Members;

/// Runs an operation.
pub(crate) fn handle(context: &mut Context<'_>, action: &str, params: &Params) -> Result<Members, ApiError> {
    match action {
        "AddTags" => tags::add(context, params),
        "ApplySecurityGroupsToLoadBalancer" => security_groups::apply(context, params),
        "AttachLoadBalancerToSubnets" => subnets::attach(context, params),
        "ConfigureHealthCheck" => health_check::configure(context, params),
        "CreateAppCookieStickinessPolicy" => policies::create_app_cookie(context, params),
        "CreateLBCookieStickinessPolicy" => policies::create_lb_cookie(context, params),
        "CreateLoadBalancer" => load_balancers::create(context, params),
        "CreateLoadBalancerListeners" => listeners::create(context, params),
        "CreateLoadBalancerPolicy" => policies::create(context, params),
        "DeleteLoadBalancer" => load_balancers::delete(context, params),
        "DeleteLoadBalancerListeners" => listeners::delete(context, params),
        "DeleteLoadBalancerPolicy" => policies::delete(context, params),
        "DeregisterInstancesFromLoadBalancer" => instances::deregister(context, params),
        "DescribeAccountLimits" => limits::describe(context, params),
        "DescribeInstanceHealth" => health::describe(context, params),
        "DescribeLoadBalancerAttributes" => attributes::describe(context, params),
        "DescribeLoadBalancerPolicies" => policies::describe(context, params),
        "DescribeLoadBalancerPolicyTypes" => policy_types::describe(params),
        "DescribeLoadBalancers" => describe::load_balancers(context, params),
        "DescribeTags" => tags::describe(context, params),
        "DetachLoadBalancerFromSubnets" => subnets::detach(context, params),
        "DisableAvailabilityZonesForLoadBalancer" => subnets::disable_zones(context, params),
        "EnableAvailabilityZonesForLoadBalancer" => subnets::enable_zones(context, params),
        "ModifyLoadBalancerAttributes" => attributes::modify(context, params),
        "RegisterInstancesWithLoadBalancer" => instances::register(context, params),
        "RemoveTags" => tags::remove(context, params),
        "SetLoadBalancerListenerSSLCertificate" => listeners::set_certificate(context, params),
        "SetLoadBalancerPoliciesForBackendServer" => policy_attachment::for_backend_server(context, params),
        "SetLoadBalancerPoliciesOfListener" => policy_attachment::of_listener(context, params),
        _ => Err(ApiError::invalid_action(action, Service::Elb.version())),
    }
}

/// The load balancer that a request names.
fn named<'a>(region: &'a mut Region, params: &Params) -> Result<&'a mut LoadBalancer, ApiError> {
    let name = params.required("LoadBalancerName")?;
    region.load_balancers.get_mut(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> ApiError {
    let message = format!("There is no ACTIVE Load Balancer named '{name}'");
    ApiError::bad_request("LoadBalancerNotFound", message)
}

/// A configuration that is refused: the one code of Classic ELB that comes with 409.
fn invalid_configuration(message: impl Into<String>) -> ApiError {
    ApiError::conflict("InvalidConfigurationRequest", message)
}

/// A list that must have something in it.
fn required_list(params: &Params, name: &str) -> Result<Vec<String>, ApiError> {
    let list = params.list(name);
    if list.is_empty() { Err(params.required(name).err().unwrap_or_else(|| empty(name))) } else { Ok(list) }
}

/// A list of structures that must have something in it.
fn required_structures(params: &Params, name: &str) -> Result<Vec<Params>, ApiError> {
    let list = params.structures(name);
    if list.is_empty() { Err(params.required(name).err().unwrap_or_else(|| empty(name))) } else { Ok(list) }
}

fn empty(name: &str) -> ApiError {
    ApiError::validation(format!("{name} cannot be empty"))
}

/// A whole number within bounds; `member` is its path in AWS's validation messages.
fn bounded(params: &Params, name: &str, member: &str, bounds: [u16; 2]) -> Result<Option<u16>, ApiError> {
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

/// A whole number within bounds that must be there.
fn required_bounded(params: &Params, name: &str, member: &str, bounds: [u16; 2]) -> Result<u16, ApiError> {
    bounded(params, name, member, bounds)?
        .ok_or_else(|| ApiError::constraint(None, member, "Member must not be null"))
}

/// The part of a list that a page holds, and where the next page begins.
struct Page<'a, T> {
    items: Vec<&'a T>,
    next: Option<String>,
}

/// Cuts a page out of what is sorted by name; the marker is the name of the last item of the page before.
fn page<'a, T>(
    params: &Params,
    sorted: impl Iterator<Item = (&'a String, &'a T)>,
) -> Result<Page<'a, T>, ApiError> {
    let size = bounded(params, "PageSize", "pageSize", [1, 400])?.unwrap_or(400);
    let marker = params.get("Marker").filter(|marker| !marker.is_empty());
    let mut rest = sorted.filter(|(name, _)| marker.is_none_or(|marker| name.as_str() > marker));
    let mut items = Vec::new();
    let mut last = None;
    for (name, item) in rest.by_ref().take(usize::from(size)) {
        items.push(item);
        last = Some(name);
    }
    let next = if rest.next().is_some() { last.cloned() } else { None };
    Ok(Page { items, next })
}
