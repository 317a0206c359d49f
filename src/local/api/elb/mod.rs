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

pub(super) use self::instances::{join, leave};
use super::query::{bounded, page, required_bounded, required_list, required_structures};
use super::{Context, interfaces, tagging};
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
