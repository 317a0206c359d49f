//! Auto Scaling, 2011-01-01: groups that keep so many instances running, and those registered with load balancers.
//!
//! What a group is to do is done by the end of the call that made it necessary: [`settle`].

mod attachments;
mod describe;
mod groups;
mod launch;
mod launch_configurations;
mod members;
mod tags;

use super::Context;
use super::query::bounded;
use crate::local::ACCOUNT_ID;
use crate::local::state::autoscaling::{Group, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::routing::Service;
use crate::local::wire::xml::Members;

pub(super) use self::members::settle;

/// Runs an operation.
pub(crate) fn handle(context: &mut Context<'_>, action: &str, params: &Params) -> Result<Members, ApiError> {
    match action {
        "AttachLoadBalancerTargetGroups" => attachments::attach(context, params, "TargetGroupARNs"),
        "AttachLoadBalancers" => attachments::attach(context, params, "LoadBalancerNames"),
        "AttachTrafficSources" => attachments::attach(context, params, "TrafficSources"),
        "CreateAutoScalingGroup" => groups::create(context, params),
        "CreateLaunchConfiguration" => launch_configurations::create(context, params),
        "CreateOrUpdateTags" => tags::create_or_update(context, params),
        "DeleteAutoScalingGroup" => groups::delete(context, params),
        "DeleteLaunchConfiguration" => launch_configurations::delete(context, params),
        "DeleteTags" => tags::delete(context, params),
        "DescribeAutoScalingGroups" => describe::groups(context, params),
        "DescribeAutoScalingInstances" => describe::instances(context, params),
        "DescribeLaunchConfigurations" => launch_configurations::describe(context, params),
        "DescribeLoadBalancerTargetGroups" => attachments::describe_target_groups(context, params),
        "DescribeLoadBalancers" => attachments::describe_load_balancers(context, params),
        "DescribeScalingActivities" => describe::activities(context, params),
        "DescribeTags" => tags::describe(context, params),
        "DescribeTrafficSources" => attachments::describe_traffic_sources(context, params),
        "DetachLoadBalancerTargetGroups" => attachments::detach(context, params, "TargetGroupARNs"),
        "DetachLoadBalancers" => attachments::detach(context, params, "LoadBalancerNames"),
        "DetachTrafficSources" => attachments::detach(context, params, "TrafficSources"),
        "SetDesiredCapacity" => groups::set_desired(context, params),
        "TerminateInstanceInAutoScalingGroup" => members::terminate(context, params),
        "UpdateAutoScalingGroup" => groups::update(context, params),
        _ => Err(ApiError::invalid_action(action, Service::AutoScaling.version())),
    }
}

/// The group that a request names.
fn named<'a>(region: &'a mut Region, params: &Params) -> Result<&'a mut Group, ApiError> {
    let name = params.required("AutoScalingGroupName")?;
    region.groups.get_mut(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> ApiError {
    ApiError::validation(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

/// The ARN of something new.
fn new_arn(context: &mut Context<'_>, kind: &str, name: &str) -> String {
    let id = context.ids.uuid();
    format!("arn:aws:autoscaling:{}:{ACCOUNT_ID}:{kind}:{id}:{kind}Name/{name}", context.region)
}

/// A name of at most 255 characters; a colon would end it in its ARN.
fn new_name<'a>(params: &'a Params, parameter: &str) -> Result<&'a str, ApiError> {
    let name = params.required(parameter)?;
    if name.chars().count() > 255 || name.contains(':') {
        let member = crate::local::wire::query::member(parameter);
        let constraint = "Member must have length less than or equal to 255 and no colon";
        return Err(ApiError::constraint(Some(name), &member, constraint));
    }
    Ok(name)
}

/// What every token begins with.
const TOKEN: &str = "after:";

/// Cuts a page of at most 50 unless more are wanted, 100 at most, out of what is sorted by key.
fn page<T>(
    params: &Params,
    name: &str,
    sorted: impl IntoIterator<Item = (String, T)>,
    item: impl Fn(T) -> Members,
) -> Result<Members, ApiError> {
    let size = bounded(params, "MaxRecords", "maxRecords", [1, 100])?.unwrap_or(50);
    let after = match params.get("NextToken").filter(|token| !token.is_empty()) {
        None => None,
        Some(token) => Some(token.strip_prefix(TOKEN).ok_or_else(|| {
            ApiError::bad_request("InvalidNextToken", format!("The token '{token}' is invalid."))
        })?),
    };
    let mut rest = sorted.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
    let mut items = Vec::new();
    let mut last = None;
    for (key, value) in rest.by_ref().take(usize::from(size)) {
        items.push(item(value));
        last = Some(key);
    }
    let next = if rest.next().is_some() { last.map(|key| format!("{TOKEN}{key}")) } else { None };
    Ok(Members::new().structures(name, "member", items).optional("NextToken", next))
}
