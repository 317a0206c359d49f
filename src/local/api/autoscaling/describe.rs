//! Descriptions of groups, of their instances, and of what they did.

use super::{Context, launch, page, tags};
use crate::local::api::ec2::timestamp;
use crate::local::state::Region;
use crate::local::state::autoscaling::{Activity, Group, Member};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

pub(super) fn groups(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let names = params.list("AutoScalingGroupNames");
    let filters = tags::Filter::read_all(params, &tags::OF_GROUPS)?;
    let here = &*context.here();
    let wanted = here.autoscaling.groups.iter().filter(|(name, group)| {
        (names.is_empty() || names.contains(name)) && filters.iter().all(|filter| filter.admits_group(group))
    });
    let wanted = wanted.map(|(name, group)| (name.clone(), group));
    page(params, "AutoScalingGroups", wanted, |group| described(here, group))
}

fn described(here: &Region, group: &Group) -> Members {
    let classic = group.load_balancers.iter().map(|name| ("elb", name));
    let sources = classic.chain(group.target_groups.iter().map(|arn| ("elbv2", arn)));
    let sources = sources.map(|(kind, id)| Members::new().text("Identifier", id).text("Type", kind));
    let members = group
        .members
        .iter()
        .map(|member| Members::new().text("HealthStatus", "Healthy").append(instance(here, member)));
    let names =
        Members::new().text("AutoScalingGroupName", &group.name).text("AutoScalingGroupARN", &group.arn);
    launch::described(here, names, &group.launch)
        .text("MinSize", group.least)
        .text("MaxSize", group.most)
        .text("DesiredCapacity", group.desired)
        .text("DefaultCooldown", group.cooldown)
        .texts("AvailabilityZones", "member", &group.zones)
        .texts("LoadBalancerNames", "member", &group.load_balancers)
        .texts("TargetGroupARNs", "member", &group.target_groups)
        .text("HealthCheckType", &group.health_check)
        .text("HealthCheckGracePeriod", group.grace)
        .structures("Instances", "member", members)
        .text("CreatedTime", timestamp(group.created_at))
        .structures("SuspendedProcesses", "member", [])
        .text("VPCZoneIdentifier", group.subnets.join(","))
        .structures("EnabledMetrics", "member", [])
        .structures("Tags", "member", tags::described(group))
        .texts("TerminationPolicies", "member", ["Default"])
        .text("NewInstancesProtectedFromScaleIn", group.protects_new)
        .structures("TrafficSources", "member", sources)
}

/// What both descriptions of an instance have in common.
fn instance(here: &Region, member: &Member) -> Members {
    let members = Members::new()
        .text("InstanceId", &member.instance_id)
        .text("InstanceType", &member.size)
        .text("AvailabilityZone", &member.zone)
        .text("LifecycleState", "InService")
        .text("ProtectedFromScaleIn", member.is_protected);
    launch::described(here, members, &member.launch)
}

pub(super) fn instances(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let ids = params.list("InstanceIds");
    let here = &*context.here();
    let all =
        here.autoscaling.groups.values().flat_map(|group| group.members.iter().map(move |one| (group, one)));
    let mut wanted: Vec<(String, (&Group, &Member))> = all
        .filter(|(_, member)| ids.is_empty() || ids.contains(&member.instance_id))
        .map(|(group, member)| (member.instance_id.clone(), (group, member)))
        .collect();
    wanted.sort_by(|one, other| one.0.cmp(&other.0));
    page(params, "AutoScalingInstances", wanted, |(group, member)| {
        Members::new()
            .text("AutoScalingGroupName", &group.name)
            .text("HealthStatus", "HEALTHY")
            .append(instance(here, member))
    })
}

/// The newest come first.
pub(super) fn activities(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let ids = params.list("ActivityIds");
    let name = params.get("AutoScalingGroupName").filter(|name| !name.is_empty());
    let deleted = params.boolean("IncludeDeletedGroups")?.unwrap_or_default();
    let region = &context.here().autoscaling;
    let newest = region.activities.iter().rev().enumerate();
    let wanted = newest.filter(|(_, activity)| {
        (ids.is_empty() || ids.contains(&activity.id))
            && name.is_none_or(|name| activity.group == name)
            && (deleted || region.groups.contains_key(&activity.group))
    });
    let wanted = wanted.map(|(index, activity)| (format!("{index:06}"), activity));
    page(params, "Activities", wanted, activity)
}

/// An activity's description. All of them are over by the time they are told.
pub(super) fn activity(activity: &Activity) -> Members {
    let status = if activity.failure.is_some() { "Failed" } else { "Successful" };
    Members::new()
        .text("ActivityId", &activity.id)
        .text("AutoScalingGroupName", &activity.group)
        .text("AutoScalingGroupARN", &activity.arn)
        .text("Description", &activity.description)
        .text("Cause", &activity.cause)
        .text("StartTime", timestamp(activity.at))
        .text("EndTime", timestamp(activity.at))
        .text("StatusCode", status)
        .optional("StatusMessage", activity.failure.as_ref())
        .text("Progress", 100)
}
