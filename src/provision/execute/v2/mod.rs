//! Application and Network load balancers and their DNS records: one operation of a plan, as calls.

mod action;
mod attribute;
mod listener;
mod load_balancer;
mod record;
mod rule;
mod target_group;

use super::failure::ExecuteError;
use super::operation::Run;
use crate::provision::aws::elbv2;
use crate::provision::plan::v2::V2Operation;
use crate::provision::plan::{Reference, TagChange};
use crate::provision::resource::ResourceKey;

impl V2Operation {
    /// Returns the resource whose ARN the operation puts out.
    pub(super) fn output(&self) -> Option<&ResourceKey> {
        match self {
            Self::CreateLoadBalancer { key, .. }
            | Self::CreateTargetGroup { key, .. }
            | Self::CreateListener { key, .. } => Some(key),
            Self::DeleteLoadBalancer { .. }
            | Self::SetSubnets { .. }
            | Self::SetSecurityGroups { .. }
            | Self::SetAddressType { .. }
            | Self::ModifyLoadBalancerAttributes { .. }
            | Self::ModifyHealthCheck { .. }
            | Self::ModifyTargetGroupAttributes { .. }
            | Self::DeleteTargetGroup { .. }
            | Self::RegisterTargets { .. }
            | Self::DeregisterTargets { .. }
            | Self::AwaitDrained { .. }
            | Self::AwaitHealthy { .. }
            | Self::ModifyListener { .. }
            | Self::ModifyListenerAttributes { .. }
            | Self::DeleteListener { .. }
            | Self::AddListenerCertificates { .. }
            | Self::RemoveListenerCertificates { .. }
            | Self::CreateRule { .. }
            | Self::ModifyRule { .. }
            | Self::SetRulePriorities { .. }
            | Self::DeleteRule { .. }
            | Self::SetTags { .. }
            | Self::UpsertRecord { .. }
            | Self::DeleteRecord { .. }
            | Self::AwaitResolvers { .. } => None,
        }
    }
}

impl Run<'_> {
    /// Runs the operation and returns the ARN of what it makes, if a later step may need it.
    #[allow(clippy::too_many_lines, reason = "one arm for each operation")]
    pub(super) async fn v2(&self, operation: &V2Operation) -> Result<Option<String>, ExecuteError> {
        match operation {
            V2Operation::CreateLoadBalancer { new, .. } => {
                return self.create_v2_load_balancer(new).await.map(Some);
            }
            V2Operation::DeleteLoadBalancer { arn, name } => {
                self.delete_v2_load_balancer(arn, name).await?;
            }
            V2Operation::SetSubnets { load_balancer, subnets } => {
                self.set_subnets(load_balancer, subnets).await?;
            }
            V2Operation::SetSecurityGroups { load_balancer, security_groups } => {
                self.set_security_groups(load_balancer, security_groups).await?;
            }
            V2Operation::SetAddressType { load_balancer, address_type } => {
                let arn = self.identifier(load_balancer)?;
                elbv2::set_address_type(self.clients, &arn, *address_type).await?;
            }
            V2Operation::ModifyLoadBalancerAttributes { load_balancer, attributes } => {
                self.modify_load_balancer_attributes(load_balancer, attributes).await?;
            }
            V2Operation::CreateTargetGroup { new, .. } => {
                return self.create_target_group(new).await.map(Some);
            }
            V2Operation::ModifyHealthCheck { group, health_check } => {
                self.modify_health_check(group, health_check).await?;
            }
            V2Operation::ModifyTargetGroupAttributes { group, attributes } => {
                self.modify_target_group_attributes(group, attributes).await?;
            }
            V2Operation::DeleteTargetGroup { arn, .. } => self.delete_target_group(arn).await?,
            V2Operation::RegisterTargets { group, targets } => {
                self.register_targets(group, targets).await?;
            }
            V2Operation::DeregisterTargets { group, targets } => {
                self.deregister_targets(group, targets).await?;
            }
            V2Operation::AwaitDrained { group, delay } => self.await_drained(group, *delay).await?,
            V2Operation::AwaitHealthy { groups, seconds } => self.await_healthy(groups, *seconds).await?,
            V2Operation::CreateListener { load_balancer, settings, tags, .. } => {
                return self.create_listener(load_balancer, settings, tags).await.map(Some);
            }
            V2Operation::ModifyListener { listener, settings } => {
                self.modify_listener(listener, settings).await?;
            }
            V2Operation::ModifyListenerAttributes { listener, attributes, .. } => {
                self.modify_listener_attributes(listener, attributes).await?;
            }
            V2Operation::DeleteListener { arn, .. } => self.delete_listener(arn).await?,
            V2Operation::AddListenerCertificates { listener, certificates, .. } => {
                self.add_listener_certificates(listener, certificates).await?;
            }
            V2Operation::RemoveListenerCertificates { listener, certificates, .. } => {
                self.remove_listener_certificates(listener, certificates).await?;
            }
            V2Operation::CreateRule { listener, priority, conditions, action, tags, .. } => {
                let rule = rule::NewRule { priority: *priority, conditions, action, tags };
                self.create_rule(listener, rule).await?;
            }
            V2Operation::ModifyRule { arn, conditions, action, .. } => {
                self.modify_rule(arn, conditions, action).await?;
            }
            V2Operation::SetRulePriorities { priorities, .. } => {
                elbv2::set_rule_priorities(self.clients, priorities).await?;
            }
            V2Operation::DeleteRule { arn, .. } => self.delete_rule(arn).await?,
            V2Operation::SetTags { arn, tags, .. } => self.set_tags(arn, tags).await?,
            V2Operation::UpsertRecord { record, replaces } => self.upsert_record(record, replaces).await?,
            V2Operation::DeleteRecord { record } => self.delete_record(record).await?,
            V2Operation::AwaitResolvers { name, seconds } => self.await_resolvers(name, *seconds).await?,
        }
        Ok(None)
    }

    async fn set_tags(&self, arn: &str, tags: &TagChange) -> Result<(), ExecuteError> {
        if !tags.set.0.is_empty() {
            elbv2::add_tags(self.clients, arn, &tags.set).await?;
        }
        if !tags.remove.is_empty() {
            elbv2::remove_tags(self.clients, arn, &tags.remove).await?;
        }
        Ok(())
    }
}

/// Says whether something was made in this run, so that AWS may not show it everywhere yet.
fn is_new(reference: &Reference) -> bool {
    match reference {
        Reference::Planned(_) => true,
        Reference::Existing(_) => false,
    }
}
