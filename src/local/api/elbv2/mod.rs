//! Application and Network Load Balancers, 2015-12-01.
//!
//! Codes, statuses and limits are those of the service model; messages are AWS's where one was ever seen in
//! the open, and in AWS's manner otherwise. Gateway Load Balancers, Lambda functions, trust stores, transforms and
//! actions that authenticate users are not here.

mod absent;
mod actions;
mod arn;
mod attributes;
mod certificates;
mod conditions;
mod describe;
mod health_checks;
mod limits;
mod listeners;
mod load_balancers;
mod placement;
#[cfg(test)]
mod property_test;
mod rules;
mod security_groups;
mod ssl_policies;
mod tags;
mod target_groups;
mod targets;

pub(super) use self::targets::{join, leave};
use super::query::{bounded, one_of, page, required_bounded, required_list, required_structures};
use super::{Context, alias_zone, interfaces, tagging};
use crate::local::state::elbv2::{Kind, LoadBalancer};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::routing::Service;
use crate::local::wire::xml::Members;

/// Runs an operation.
pub(crate) fn handle(context: &mut Context<'_>, action: &str, params: &Params) -> Result<Members, ApiError> {
    let now = context.now;
    context.here().elbv2.target_groups.values_mut().for_each(|group| group.settle(now));
    match action {
        "AddListenerCertificates" => certificates::add(context, params),
        "AddTags" => tags::add(context, params),
        "CreateListener" => listeners::create(context, params),
        "CreateLoadBalancer" => load_balancers::create(context, params),
        "CreateRule" => rules::create(context, params),
        "CreateTargetGroup" => target_groups::create(context, params),
        "DeleteListener" => listeners::delete(context, params),
        "DeleteLoadBalancer" => load_balancers::delete(context, params),
        "DeleteRule" => rules::delete(context, params),
        "DeleteTargetGroup" => target_groups::delete(context, params),
        "DeregisterTargets" => targets::deregister(context, params),
        "DescribeAccountLimits" => limits::describe(params),
        "DescribeCapacityReservation" => absent::capacity_reservation(context, params),
        "DescribeListenerAttributes" => attributes::describe_listener(context, params),
        "DescribeListenerCertificates" => certificates::describe(context, params),
        "DescribeListeners" => describe::listeners(context, params),
        "DescribeLoadBalancerAttributes" => attributes::describe_load_balancer(context, params),
        "DescribeLoadBalancers" => describe::load_balancers(context, params),
        "DescribeRules" => rules::describe(context, params),
        "DescribeSSLPolicies" => ssl_policies::describe(params),
        "DescribeTags" => tags::describe(context, params),
        "DescribeTargetGroupAttributes" => attributes::describe_target_group(context, params),
        "DescribeTargetGroups" => describe::target_groups(context, params),
        "DescribeTargetHealth" => targets::describe_health(context, params),
        "DescribeTrustStores" => absent::trust_stores(params),
        "GetResourcePolicy" => absent::resource_policy(params),
        "ModifyListener" => listeners::modify(context, params),
        "ModifyListenerAttributes" => attributes::modify_listener(context, params),
        "ModifyLoadBalancerAttributes" => attributes::modify_load_balancer(context, params),
        "ModifyRule" => rules::modify(context, params),
        "ModifyTargetGroup" => target_groups::modify(context, params),
        "ModifyTargetGroupAttributes" => attributes::modify_target_group(context, params),
        "RegisterTargets" => targets::register(context, params),
        "RemoveListenerCertificates" => certificates::remove(context, params),
        "RemoveTags" => tags::remove(context, params),
        "SetIpAddressType" => load_balancers::set_ip_address_type(context, params),
        "SetRulePriorities" => rules::set_priorities(context, params),
        "SetSecurityGroups" => security_groups::set(context, params),
        "SetSubnets" => placement::set(context, params),
        _ => Err(ApiError::invalid_action(action, Service::ElbV2.version())),
    }
}

/// A configuration that is refused; other than Classic's, this comes with 400.
fn invalid_configuration(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("InvalidConfigurationRequest", message)
}

/// Refuses parameters of what is not here: to pass over them would be to promise it. Empty ones and `off` ask for
/// nothing.
fn refuse_unserved(params: &Params, names: &[&str]) -> Result<(), ApiError> {
    let asks = |name: &&&str| {
        params.get(name).is_some_and(|value| !["", "off"].contains(&value))
            || !params.structure(name).is_empty()
    };
    match names.iter().find(asks) {
        Some(name) => Err(ApiError::validation(format!("{name} is not served by the local AWS"))),
        None => Ok(()),
    }
}

/// The name of a load balancer or target group: what names must be is the same for both.
fn check_name(name: &str, noun: &str) -> Result<(), ApiError> {
    const LONGEST: usize = 32;
    if name.chars().count() > LONGEST {
        let message = format!("The {noun} name '{name}' cannot be longer than '{LONGEST}' characters");
        return Err(ApiError::validation(message));
    }
    if !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '-') {
        let message = format!(
            "The {noun} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-)"
        );
        return Err(ApiError::validation(message));
    }
    if name.starts_with('-') || name.ends_with('-') {
        let message = format!("The {noun} name '{name}' cannot begin or end with a hyphen(-)");
        return Err(ApiError::validation(message));
    }
    Ok(())
}

/// What the network interfaces of a load balancer are described as, and who owns them.
fn description(load_balancer: &LoadBalancer) -> (String, &'static str) {
    let requester = match load_balancer.kind {
        Kind::Application => "amazon-elb",
        Kind::Network => "amazon-aws",
    };
    (format!("ELB {}", load_balancer.path()), requester)
}

/// The ids of both in the same order.
fn sorted(ids: &[String]) -> Vec<&String> {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    ids
}
