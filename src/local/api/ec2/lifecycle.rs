//! What happens to instances after their launch: start, stop, reboot, terminate, and their attributes.

use time::OffsetDateTime;

use super::instance::{state_members, timestamp};
use super::kind;
use super::{done, invalid_value, security_group};
use crate::local::api::Context;
use crate::local::state::ec2::{InstanceState, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

pub(super) fn start(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let ids = ids(region, params)?;
    refuse_terminated(region, &ids, "started")?;
    let changes = ids.iter().filter_map(|id| {
        let instance = region.instances.get_mut(id)?;
        let before = instance.state;
        instance.state = InstanceState::Running;
        instance.transition_reason = None;
        let shown = if before == InstanceState::Running { before } else { InstanceState::Pending };
        Some(change(id, before, shown))
    });
    Ok(Members::new().structures("instancesSet", "item", changes.collect::<Vec<_>>()))
}

pub(super) fn stop(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let reason = user_initiated(context);
    let region = &mut context.here().ec2;
    let ids = ids(region, params)?;
    refuse_terminated(region, &ids, "stopped")?;
    let changes = ids.iter().filter_map(|id| {
        let instance = region.instances.get_mut(id)?;
        let before = instance.state;
        instance.state = InstanceState::Stopped;
        instance.transition_reason = Some(reason.clone());
        let shown = if before == InstanceState::Stopped { before } else { InstanceState::Stopping };
        Some(change(id, before, shown))
    });
    Ok(Members::new().structures("instancesSet", "item", changes.collect::<Vec<_>>()))
}

pub(super) fn reboot(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().ec2;
    let ids = ids(region, params)?;
    refuse_terminated(region, &ids, "rebooted")?;
    Ok(done())
}

/// Ends instances for good; their network interfaces go with them.
pub(super) fn terminate(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let reason = user_initiated(context);
    let now = context.now;
    let region = &mut context.here().ec2;
    let ids = ids(region, params)?;
    let kept = |id: &&String| {
        let instance = region.instances.get(*id);
        instance.is_some_and(|one| one.disable_api_termination && one.state != InstanceState::Terminated)
    };
    if let Some(id) = ids.iter().find(kept) {
        let message = format!(
            "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
        );
        return Err(ApiError::bad_request("OperationNotPermitted", message));
    }
    let changes = terminated(region, &ids, &reason, now);
    Ok(Members::new().structures("instancesSet", "item", changes))
}

/// Ends instances that a group has no more use for; termination protection is not for these.
pub(in crate::local::api) fn end(context: &mut Context<'_>, ids: &[String]) {
    let (reason, now) = (user_initiated(context), context.now);
    terminated(&mut context.here().ec2, ids, &reason, now);
}

fn terminated(region: &mut Region, ids: &[String], reason: &str, now: OffsetDateTime) -> Vec<Members> {
    let changes = ids.iter().filter_map(|id| {
        let instance = region.instances.get_mut(id)?;
        let before = instance.state;
        if before == InstanceState::Terminated {
            return Some(change(id, before, before));
        }
        instance.state = InstanceState::Terminated;
        instance.profile = None;
        instance.terminated_at = Some(now);
        instance.transition_reason = Some(reason.to_owned());
        Some(change(id, before, InstanceState::ShuttingDown))
    });
    let changes = changes.collect();
    let ended = |owner: &Option<String>| owner.as_ref().is_some_and(|id| ids.contains(id));
    region.network_interfaces.retain(|_, interface| !ended(&interface.instance_id));
    changes
}

fn change(id: &str, before: InstanceState, shown: InstanceState) -> Members {
    Members::new()
        .text("instanceId", id)
        .structure("currentState", state_members(shown))
        .structure("previousState", state_members(before))
}

fn user_initiated(context: &Context<'_>) -> String {
    let time = timestamp(context.now);
    let (date, clock) = time.split_once('T').unwrap_or((&time, ""));
    format!("User initiated ({date} {} GMT)", clock.get(..8).unwrap_or_default())
}

/// `InstanceId.N`, all of which exist.
fn ids(region: &Region, params: &Params) -> Result<Vec<String>, ApiError> {
    let ids = params.ec2_list("InstanceId");
    if ids.is_empty() {
        return Err(ApiError::missing_parameter("InstanceId"));
    }
    for id in &ids {
        kind::INSTANCE.check(id)?;
    }
    let unknown: Vec<&str> =
        ids.iter().map(String::as_str).filter(|id| !region.instances.contains_key(*id)).collect();
    if unknown.is_empty() { Ok(ids) } else { Err(kind::INSTANCE.not_found(&unknown)) }
}

fn refuse_terminated(region: &Region, ids: &[String], done: &str) -> Result<(), ApiError> {
    let terminated = |id: &&String| {
        region.instances.get(*id).is_some_and(|instance| instance.state == InstanceState::Terminated)
    };
    ids.iter().find(terminated).map_or(Ok(()), |id| {
        let message = format!("This instance '{id}' is not in a state from which it can be {done}.");
        Err(ApiError::bad_request("IncorrectInstanceState", message))
    })
}

/// Its groups, its type while it is stopped, and whether it checks source and destination or may be terminated.
pub(super) fn modify_attribute(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let id = params.ec2_required("InstanceId")?;
    kind::INSTANCE.check(id)?;
    let instance = region.instances.get(id).ok_or_else(|| kind::INSTANCE.not_found(&[id]))?;
    if instance.state == InstanceState::Terminated {
        let message = format!("The instance '{id}' is not in a state in which it can be modified.");
        return Err(ApiError::bad_request("IncorrectInstanceState", message));
    }
    let groups = params.ec2_list("GroupId");
    check_groups(region, &groups, &instance.vpc_id)?;
    let instance_type = params.get("InstanceType.Value");
    if instance_type.is_some() && instance.state != InstanceState::Stopped {
        let message = format!("The instance '{id}' is not in the 'stopped' state.");
        return Err(ApiError::bad_request("IncorrectInstanceState", message));
    }
    if let Some(instance_type) = instance_type {
        check_type(instance_type)?;
    }
    let source_dest_check = params.boolean("SourceDestCheck.Value")?;
    let disable_api_termination = params.boolean("DisableApiTermination.Value")?;
    let nothing = groups.is_empty()
        && instance_type.is_none()
        && source_dest_check.is_none()
        && disable_api_termination.is_none();
    if nothing {
        return Err(ApiError::bad_request("InvalidParameterCombination", "No attributes specified."));
    }

    let interfaces = region.network_interfaces.values_mut();
    if !groups.is_empty() {
        for interface in interfaces.filter(|interface| interface.instance_id.as_deref() == Some(id)) {
            interface.security_groups.clone_from(&groups);
        }
    }
    if let Some(instance) = region.instances.get_mut(id) {
        if !groups.is_empty() {
            instance.security_groups = groups;
        }
        if let Some(instance_type) = instance_type {
            instance_type.clone_into(&mut instance.size);
        }
        instance.source_dest_check = source_dest_check.unwrap_or(instance.source_dest_check);
        instance.disable_api_termination =
            disable_api_termination.unwrap_or(instance.disable_api_termination);
    }
    Ok(done())
}

/// At most five groups, all of the VPC.
pub(super) fn check_groups(region: &Region, ids: &[String], vpc_id: &str) -> Result<(), ApiError> {
    for id in ids {
        let group = security_group::find(region, id)?;
        if group.vpc_id != vpc_id {
            let message = format!("Security group {id} and network {vpc_id} belong to different networks.");
            return Err(ApiError::bad_request("InvalidParameter", message));
        }
    }
    if ids.len() > 5 {
        let message =
            "You have exceeded the maximum number of security groups allowed per network interface.";
        return Err(ApiError::bad_request("SecurityGroupsPerInterfaceLimitExceeded", message));
    }
    Ok(())
}

/// `t3.micro` or the like.
pub(super) fn check_type(name: &str) -> Result<(), ApiError> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    match name.split_once('.') {
        Some((family, size)) if word(family) && word(size) => Ok(()),
        Some(_) | None => Err(invalid_value(format!("Invalid value '{name}' for InstanceType."))),
    }
}
