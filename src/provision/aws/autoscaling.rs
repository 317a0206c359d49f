//! Auto Scaling: groups, which are only read, and what they are attached to.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::error::SdkError;
use aws_sdk_autoscaling::types::{AutoScalingGroup as ApiGroup, Instance, LifecycleState};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{AwsError, Clients, Service, error};
use crate::provision::resource::AutoScalingGroup;

/// The one code for all that is wrong with a request: an unknown group as well as one that is not attached.
pub(crate) const INVALID: &str = "ValidationError";
/// How many groups are described by one call.
const GROUPS_A_CALL: usize = 50;

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::AutoScaling, operation)
}

/// Reads those of the groups that there are, sorted by name; calls nothing where none is named.
pub(crate) async fn groups(
    clients: &Clients,
    names: &BTreeSet<String>,
) -> Result<Vec<AutoScalingGroup>, AwsError> {
    let names: Vec<String> = names.iter().cloned().collect();
    let mut groups = Vec::new();
    for names in names.chunks(GROUPS_A_CALL) {
        let mut token: Option<String> = None;
        loop {
            let page = clients
                .autoscaling()
                .describe_auto_scaling_groups()
                .set_auto_scaling_group_names(Some(names.to_vec()))
                .set_next_token(token)
                .send()
                .await
                .map_err(failed("DescribeAutoScalingGroups"))?;
            groups.extend(page.auto_scaling_groups.unwrap_or_default().into_iter().map(group));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
    }
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(groups)
}

fn group(found: ApiGroup) -> AutoScalingGroup {
    let instances = found.instances.unwrap_or_default().into_iter();
    AutoScalingGroup {
        name: found.auto_scaling_group_name.unwrap_or_default(),
        instances: instances.filter(serves).filter_map(|instance| instance.instance_id).collect(),
        load_balancers: found.load_balancer_names.unwrap_or_default().into_iter().collect(),
        target_groups: found.target_group_arns.unwrap_or_default().into_iter().collect(),
    }
}

/// Whether it is registered with what its group is attached to, or is about to be: one on its way out, or on
/// standby, is not.
fn serves(instance: &Instance) -> bool {
    matches!(
        instance.lifecycle_state,
        Some(
            LifecycleState::InService
                | LifecycleState::Pending
                | LifecycleState::PendingProceed
                | LifecycleState::PendingWait
        )
    )
}

pub(crate) async fn attach_load_balancer(clients: &Clients, group: &str, name: &str) -> Result<(), AwsError> {
    let call = clients.autoscaling().attach_load_balancers();
    let call = call.auto_scaling_group_name(group).load_balancer_names(name);
    call.send().await.map_err(failed("AttachLoadBalancers"))?;
    Ok(())
}

pub(crate) async fn detach_load_balancer(clients: &Clients, group: &str, name: &str) -> Result<(), AwsError> {
    let call = clients.autoscaling().detach_load_balancers();
    let call = call.auto_scaling_group_name(group).load_balancer_names(name);
    call.send().await.map_err(failed("DetachLoadBalancers"))?;
    Ok(())
}

pub(crate) async fn attach_target_group(clients: &Clients, group: &str, arn: &str) -> Result<(), AwsError> {
    let call = clients.autoscaling().attach_load_balancer_target_groups();
    let call = call.auto_scaling_group_name(group).target_group_arns(arn);
    call.send().await.map_err(failed("AttachLoadBalancerTargetGroups"))?;
    Ok(())
}

pub(crate) async fn detach_target_group(clients: &Clients, group: &str, arn: &str) -> Result<(), AwsError> {
    let call = clients.autoscaling().detach_load_balancer_target_groups();
    let call = call.auto_scaling_group_name(group).target_group_arns(arn);
    call.send().await.map_err(failed("DetachLoadBalancerTargetGroups"))?;
    Ok(())
}

/// Says whether a group's instances are still registered with a Classic load balancer: until a detached one has let
/// go of them, it is described.
pub(crate) async fn knows_load_balancer(
    clients: &Clients,
    group: &str,
    name: &str,
) -> Result<bool, AwsError> {
    let mut token: Option<String> = None;
    loop {
        let call = clients.autoscaling().describe_load_balancers().auto_scaling_group_name(group);
        let page = call.set_next_token(token).send().await.map_err(failed("DescribeLoadBalancers"))?;
        let mut found = page.load_balancers.unwrap_or_default().into_iter();
        if found.any(|one| one.load_balancer_name.as_deref() == Some(name)) {
            return Ok(true);
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(false);
        }
    }
}

/// The same of a target group.
pub(crate) async fn knows_target_group(clients: &Clients, group: &str, arn: &str) -> Result<bool, AwsError> {
    let mut token: Option<String> = None;
    loop {
        let call =
            clients.autoscaling().describe_load_balancer_target_groups().auto_scaling_group_name(group);
        let page =
            call.set_next_token(token).send().await.map_err(failed("DescribeLoadBalancerTargetGroups"))?;
        let mut found = page.load_balancer_target_groups.unwrap_or_default().into_iter();
        if found.any(|one| one.load_balancer_target_group_arn.as_deref() == Some(arn)) {
            return Ok(true);
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(false);
        }
    }
}
