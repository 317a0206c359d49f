//! What it takes to attach an Auto Scaling group, and to detach it.

use super::{Place, Statement, allow};
use crate::provision::resource::{DesiredBalancer, Stack};

pub(super) const READS: &[&str] =
    &["DescribeAutoScalingGroups", "DescribeLoadBalancerTargetGroups", "DescribeLoadBalancers"];
const CLASSIC: &[&str] = &["AttachLoadBalancers", "DetachLoadBalancers"];
const V2: &[&str] = &["AttachLoadBalancerTargetGroups", "DetachLoadBalancerTargetGroups"];

pub(super) fn statement(stack: &Stack, place: Place<'_>) -> Option<Statement> {
    let name = stack.instances.auto_scaling_group.as_ref()?;
    let actions = match &stack.load_balancer {
        DesiredBalancer::Classic(_) => CLASSIC,
        DesiredBalancer::V2(_) => V2,
    };
    // The UUID in a group's ARN is known to AWS alone.
    let arn = place.arn("autoscaling", &format!("autoScalingGroup:*:autoScalingGroupName/{name}"));
    Some(allow("AutoScalingGroup", "autoscaling", actions).on([arn]))
}
