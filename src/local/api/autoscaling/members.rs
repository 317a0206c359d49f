//! The instances of groups: as many as are desired, replaced when they end, registered with what the group is
//! attached to.

use std::collections::BTreeMap;

use super::launch::{self, Place};
use super::{Context, describe};
use crate::local::api::{ec2, elb, elbv2};
use crate::local::state::Tags;
use crate::local::state::autoscaling::{Activity, Group, Member};
use crate::local::state::ec2::InstanceState;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The tag that tells an instance's group.
const GROUP_TAG: &str = "aws:autoscaling:groupName";
/// How many activities are remembered in a region.
const REMEMBERED: usize = 1000;

/// Makes every group of the region what it is to be. Called after each operation that changes something.
pub(in crate::local::api) fn settle(context: &mut Context<'_>) {
    let names: Vec<String> = context.here().autoscaling.groups.keys().cloned().collect();
    for name in names {
        replace_ended(context, &name);
        scale_in(context, &name);
        scale_out(context, &name);
    }
}

/// Takes those out that no longer run: for a group a stopped instance is as good as a terminated one.
fn replace_ended(context: &mut Context<'_>, name: &str) {
    let here = context.here();
    let Some(group) = here.autoscaling.groups.get(name) else { return };
    let runs = |id: &String| {
        here.ec2.instances.get(id).is_some_and(|instance| instance.state == InstanceState::Running)
    };
    let ids = group.members.iter().map(|member| &member.instance_id);
    let ended: Vec<String> = ids.filter(|id| !runs(id)).cloned().collect();
    end(context, name, &ended, "an instance was taken out of service in response to an EC2 health check");
}

fn scale_in(context: &mut Context<'_>, name: &str) {
    loop {
        let Some(group) = context.here().autoscaling.groups.get(name) else { return };
        if group.members.len() <= usize::try_from(group.desired).unwrap_or(usize::MAX) {
            return;
        }
        let Some(id) = first_to_go(group) else { return };
        end(context, name, &[id], "the group has more instances than are desired");
    }
}

/// The oldest one, that is not protected, of the zone that has the most.
fn first_to_go(group: &Group) -> Option<String> {
    let mut crowds: BTreeMap<&str, usize> = BTreeMap::new();
    for member in &group.members {
        *crowds.entry(&member.zone).or_default() += 1;
    }
    let candidates = group.members.iter().enumerate().filter(|(_, member)| !member.is_protected);
    let crowd = |member: &Member| crowds.get(member.zone.as_str()).copied().unwrap_or_default();
    let first = candidates.max_by_key(|(age, member)| (crowd(member), std::cmp::Reverse(*age)));
    first.map(|(_, member)| member.instance_id.clone())
}

fn scale_out(context: &mut Context<'_>, name: &str) {
    loop {
        let here = context.here();
        let Some(group) = here.autoscaling.groups.get(name).cloned() else { return };
        if group.members.len() >= usize::try_from(group.desired).unwrap_or(usize::MAX) {
            return;
        }
        let launched = launch(context, &group);
        let failed = launched.is_err();
        let (description, failure) = match launched {
            Ok(id) => (format!("Launching a new EC2 instance: {id}"), None),
            Err(error) => ("Launching a new EC2 instance".to_owned(), Some(error.message)),
        };
        let cause = "the group has fewer instances than are desired";
        remember(context, &group, description, cause, failure);
        if failed {
            return;
        }
    }
}

/// Launches an instance where the group has the fewest, and registers it.
fn launch(context: &mut Context<'_>, group: &Group) -> Result<String, ApiError> {
    let here = context.here();
    let in_zone = |zone: &str| group.members.iter().filter(|member| member.zone == zone).count();
    let zone_of = |subnet: &String| here.ec2.subnets.get(subnet).map(|subnet| subnet.zone.clone());
    let place = if group.subnets.is_empty() {
        group.zones.iter().min_by_key(|zone| in_zone(zone)).map(|zone| Place::Zone(zone))
    } else {
        let crowd = |subnet: &&String| zone_of(subnet).map(|zone| in_zone(&zone)).unwrap_or_default();
        group.subnets.iter().min_by_key(crowd).map(|subnet| Place::Subnet(subnet))
    };
    let place = place.ok_or_else(|| ApiError::internal("a group is nowhere"))?;
    let params = launch::parameters(here, group, &place)?;
    let mut tags: Tags = group
        .tags
        .iter()
        .filter(|(_, tag)| tag.at_launch)
        .map(|(key, tag)| (key.clone(), tag.value.clone()))
        .collect();
    tags.insert(GROUP_TAG.to_owned(), group.name.clone());
    let id = ec2::launch_one(context, &params, &tags)?;
    let Some(instance) = context.here().ec2.instances.get(&id) else {
        return Err(ApiError::internal("a launch made no instance"));
    };
    let member = Member {
        instance_id: id.clone(),
        zone: instance.zone.clone(),
        size: instance.size.clone(),
        is_protected: group.protects_new,
        launch: group.launch.clone(),
    };
    if let Some(group) = context.here().autoscaling.groups.get_mut(&group.name) {
        group.members.push(member);
    }
    // What the group is attached to may have been deleted since; its instances serve all the same.
    let now = context.now;
    let here = context.here();
    for name in &group.load_balancers {
        let _ = elb::join(here, name, std::slice::from_ref(&id));
    }
    for arn in &group.target_groups {
        let _ = elbv2::join(here, arn, std::slice::from_ref(&id), now);
    }
    Ok(id)
}

/// Deregisters and terminates instances of a group.
pub(super) fn end(context: &mut Context<'_>, name: &str, ids: &[String], cause: &str) {
    if ids.is_empty() {
        return;
    }
    let now = context.now;
    let here = context.here();
    let Some(group) = here.autoscaling.groups.get_mut(name) else { return };
    group.members.retain(|member| !ids.contains(&member.instance_id));
    let group = group.clone();
    for name in &group.load_balancers {
        elb::leave(here, name, ids);
    }
    for arn in &group.target_groups {
        elbv2::leave(here, arn, ids, now);
    }
    ec2::end(context, ids);
    for id in ids {
        remember(context, &group, format!("Terminating EC2 instance: {id}"), cause, None);
    }
}

fn remember(
    context: &mut Context<'_>,
    group: &Group,
    description: String,
    cause: &str,
    failure: Option<String>,
) {
    let activity = Activity {
        id: context.ids.uuid(),
        group: group.name.clone(),
        arn: group.arn.clone(),
        description,
        cause: format!("At {} {cause}.", ec2::timestamp(context.now)),
        at: context.now,
        failure,
    };
    let activities = &mut context.here().autoscaling.activities;
    // What fails is tried again at every turn, and told once.
    let mut past = activities.iter().rev().filter(|past| past.group == activity.group);
    let told = past.next().is_some_and(|past| past.failure.is_some() && past.failure == activity.failure);
    if !told {
        activities.push(activity);
        let surplus = activities.len().saturating_sub(REMEMBERED);
        activities.drain(..surplus);
    }
}

/// `TerminateInstanceInAutoScalingGroup`.
pub(super) fn terminate(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let id = params.required("InstanceId")?.to_owned();
    params.required("ShouldDecrementDesiredCapacity")?;
    let fewer = params.boolean("ShouldDecrementDesiredCapacity")?.unwrap_or_default();
    let region = &mut context.here().autoscaling;
    let Some(name) = region.group_of(&id).map(|group| group.name.clone()) else {
        let message = format!("Instance Id not found - No managed instance found for instance ID: {id}");
        return Err(ApiError::validation(message));
    };
    if fewer && let Some(group) = region.groups.get_mut(&name) {
        if group.desired <= group.least {
            let message = format!(
                "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
                group.least
            );
            return Err(ApiError::validation(message));
        }
        group.desired -= 1;
    }
    end(context, &name, &[id], "an instance was taken out of service in response to a user request");
    let activity = context.here().autoscaling.activities.last().map(describe::activity);
    Ok(activity.map_or_else(Members::new, |activity| Members::new().structure("Activity", activity)))
}
