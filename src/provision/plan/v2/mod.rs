//! Application and Network load balancers in the planner, with their target groups and DNS records.

mod describe;
mod operation;

pub use operation::{
    AliasTarget, ListenerSettings, NewAction, NewLoadBalancer, NewRecord, NewTargetGroup, V2Operation,
    WeightedGroup,
};

use super::PlanError;
use super::former::Former;
use super::order::Draft;
use crate::provision::resource::{DesiredBalancer, Kind, Observed, ResourceKey, Stack};

/// Stands for the moment when every target group of the load balancer has a healthy target.
pub(super) fn healthy_key() -> ResourceKey {
    ResourceKey::new(Kind::LoadBalancer, "with healthy targets")
}

/// Stands for the moment when resolvers have forgotten where the records led before.
pub(super) fn resolvers_key() -> ResourceKey {
    ResourceKey::new(Kind::DnsRecord, "in every resolver")
}

/// Checks what only an Application or a Network load balancer asks of its surroundings.
pub(super) fn check(stack: &Stack, errors: &mut Vec<PlanError>) {
    if let DesiredBalancer::V2(desired) = &stack.load_balancer {
        errors.push(PlanError::Unsupported { desired: desired.family.into() });
    }
}

pub(super) fn plan_deletions(_: &Stack, _: &Observed, _: &[Former<'_>], _: &mut Draft) {}
