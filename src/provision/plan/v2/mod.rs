//! Application and Network load balancers in the planner, with their target groups and DNS records.

mod action;
mod attributes;
mod describe;
mod listener;
mod load_balancer;
mod operation;
pub(super) mod record;
mod rule;
mod scene;
mod target_group;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use operation::{
    AliasTarget, ListenerSettings, NewAction, NewLoadBalancer, NewRecord, NewTargetGroup, V2Operation,
    WeightedGroup,
};

use self::record::Destination;
pub(super) use self::scene::group_key;
use self::scene::{Scene, switch_key};
use super::former::Former;
use super::order::{After, Draft, DraftStep, created, made};
use super::placement::Placement;
use super::{Operation, PlanError, Reference, Surroundings};
use crate::provision::resource::v2::{DesiredLoadBalancer, Family, LoadBalancer, Target, TargetKind};
use crate::provision::resource::{Kind, Observed, ResourceKey, Stack};

/// How many seconds a target group's first target may take to become healthy, before visitors are led to it.
const FIRST_HEALTHY: u32 = 600;

/// Stands for the moment when every target group of the load balancer has a healthy target.
pub(super) fn healthy_key() -> ResourceKey {
    ResourceKey::new(Kind::LoadBalancer, "with healthy targets")
}

/// Stands for the moment when resolvers have forgotten where the records led before.
pub(super) fn resolvers_key() -> ResourceKey {
    ResourceKey::new(Kind::DnsRecord, "in every resolver")
}

/// Stands for the moment when the targets of every group that traffic is switched to are being checked.
fn prepared_key() -> ResourceKey {
    ResourceKey::new(Kind::TargetGroup, "checked before they take over")
}

/// Checks what only an Application or a Network load balancer asks of its surroundings.
pub(super) fn check(
    stack: &Stack,
    observed: &Observed,
    desired: &DesiredLoadBalancer,
    placement: &Placement<'_>,
    errors: &mut Vec<PlanError>,
) {
    if let Some(found) = observed.v2_load_balancer(&desired.name) {
        if found.family != desired.family {
            errors.push(PlanError::NameOfOtherType {
                name: found.name.clone(),
                found: found.family.into(),
                desired: desired.family.into(),
            });
        } else if load_balancer::requires_replacement(desired, &placement.vpc, found)
            && !placement.vpc.is_empty()
            && is_protected(found)
        {
            errors.push(PlanError::DeletionProtected { name: found.name.clone() });
        }
    }
    for (word, group) in desired.target_groups.iter().filter(|_| stack.instances.auto_scaling_group.is_some())
    {
        let own = BTreeSet::from([group.port]);
        if group.targets.kind() == TargetKind::Instance && group.target_ports() != own {
            let (target_group, port) = (word.clone(), group.port);
            errors.push(PlanError::PortsOfAutoScalingGroup { target_group, port });
        }
    }
    if desired.family == Family::Application && placement.subnets.len() == 1 {
        errors.push(PlanError::TooFewZones { found: placement.subnets.len() });
    }
    if !desired.addresses.is_empty() {
        for subnet in placement.subnets.iter().filter(|subnet| !desired.addresses.contains_key(*subnet)) {
            errors.push(PlanError::NoAddress { subnet: subnet.clone() });
        }
        for subnet in desired.addresses.keys().filter(|subnet| !placement.subnets.contains(*subnet)) {
            errors.push(PlanError::AddressElsewhere { subnet: subnet.clone() });
        }
    }
}

/// Says whether AWS refuses to delete the load balancer.
pub(super) fn is_protected(balancer: &LoadBalancer) -> bool {
    let value = balancer.attributes.get("deletion_protection.enabled");
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Plans the load balancer and all that is part of it; `found` is the one of its name. Returns who of the running
/// ones serves each target group in the end.
pub(super) fn plan(
    around: &Surroundings<'_>,
    desired: &DesiredLoadBalancer,
    found: Option<&LoadBalancer>,
    formers: &[Former<'_>],
    draft: &mut Draft,
) -> BTreeMap<String, BTreeSet<Target>> {
    let replaced =
        found.filter(|found| load_balancer::requires_replacement(desired, &around.placement.vpc, found));
    let groups = desired.target_groups.iter().map(|(word, group)| {
        let found =
            target_group::match_up(around.stack, around.observed, &around.placement, desired, (word, group));
        (word.as_str(), found)
    });
    let scene = Scene {
        around,
        desired,
        current: found.filter(|_| replaced.is_none()),
        replaced,
        serving: formers.iter().filter(|former| former.stays()).filter_map(Former::arn).collect(),
        groups: groups.collect(),
    };
    load_balancer::plan(&scene, draft);
    target_group::plan(&scene, draft);
    listener::plan(&scene, draft);
    await_switched(&scene, draft);
    let destination = Destination {
        stack: around.stack,
        observed: around.observed,
        scheme: desired.scheme,
        address_type: desired.address_type,
        dns_name: scene.current.map(|current| current.dns_name.as_str()),
        replaced: replaced.map(|old| old.dns_name.as_str()),
        target: AliasTarget::V2(scene.reference()),
    };
    let moves = record::plan(destination, formers, draft);
    if moves || formers.iter().any(|former| !former.stays()) {
        await_healthy(&scene, draft);
    }
    scene.groups.into_values().map(|group| (group.name, group.running)).collect()
}

/// Waits until those have healthy targets that listeners and rules are about to switch to.
fn await_switched(scene: &Scene<'_>, draft: &mut Draft) {
    let groups: Vec<Reference> = draft.take_awaited().into_iter().collect();
    if groups.is_empty() {
        return;
    }
    let operation = V2Operation::AwaitHealthy { groups, seconds: FIRST_HEALTHY };
    draft.step(DraftStep::new(Operation::V2(operation), &scene.key()).completes(&switch_key()).after([
        made(&prepared_key()),
        After::EveryMade(Kind::Target),
        After::EveryMade(Kind::AutoScalingGroup),
        After::EveryMade(Kind::Proxy),
    ]));
}

/// Waits until all that the load balancer forwards to has a healthy target, before anybody is led to it alone.
fn await_healthy(scene: &Scene<'_>, draft: &mut Draft) {
    let served = |group: &&scene::Group<'_>| !group.running.is_empty();
    let groups: Vec<Reference> =
        scene.groups.values().filter(served).map(|group| group.reference.clone()).collect();
    if groups.is_empty() {
        return;
    }
    let operation = V2Operation::AwaitHealthy { groups, seconds: FIRST_HEALTHY };
    draft.step(DraftStep::new(Operation::V2(operation), &scene.key()).completes(&healthy_key()).after([
        created(&scene.key()),
        After::EveryMade(Kind::Target),
        After::EveryMade(Kind::AutoScalingGroup),
        After::EveryMade(Kind::Listener),
        After::EveryMade(Kind::Rule),
        After::EveryMade(Kind::Proxy),
    ]));
}

/// Plans the deletion of the stack's target groups that no load balancer of it uses that stays.
pub(super) fn plan_unused_groups(
    stack: &Stack,
    observed: &Observed,
    formers: &[Former<'_>],
    draft: &mut Draft,
) {
    let serving: BTreeSet<&str> =
        formers.iter().filter(|former| former.stays()).filter_map(Former::arn).collect();
    for group in observed.target_groups.iter().filter(|found| found.tags.are_of(&stack.name)) {
        if !group.load_balancers.iter().any(|arn| serving.contains(arn.as_str())) {
            target_group::plan_deletion_of_unused(observed, group, draft);
        }
    }
}

/// Plans the deletion of the stack's target groups and records; its load balancers go by themselves.
pub(super) fn plan_deletions(stack: &Stack, observed: &Observed, draft: &mut Draft) {
    record::plan_deletions(stack, observed, draft);
    for group in observed.target_groups.iter().filter(|found| found.tags.are_of(&stack.name)) {
        target_group::plan_deletion_of_unused(observed, group, draft);
    }
}
