//! Which instances are registered.

use std::collections::BTreeSet;

use super::scene::Scene;
use crate::provision::plan::attachment;
use crate::provision::plan::fields::field;
use crate::provision::plan::order::{After, Draft, DraftStep, created, gone};
use crate::provision::plan::v2::healthy_key;
use crate::provision::plan::{Action, Disruption, Operation};
use crate::provision::resource::{Kind, ResourceKey};

/// Plans the registrations: instances come in service once everything in front of them stands, and the old ones
/// leave after the new ones came.
pub(super) fn plan(scene: &Scene<'_>, draft: &mut Draft) {
    let wanted: BTreeSet<String> =
        scene.around.placement.instances.keys().map(|id| (*id).to_owned()).collect();
    let current = scene.current.map(|balancer| balancer.instances.clone()).unwrap_or_default();
    let name = scene.name().to_owned();
    let key = |id: &String| ResourceKey::new(Kind::Target, id);
    // The instances of Auto Scaling groups come and go with their groups, by AWS.
    let observed = scene.around.observed;
    let group = scene.around.stack.instances.auto_scaling_group.as_ref();
    let point = scene.point();
    let leaving = attachment::leaving(observed, point.current, group);
    let (of_group, of_leaving) =
        (attachment::members(observed, group), attachment::members(observed, leaving.iter().copied()));
    let new: BTreeSet<String> =
        wanted.difference(&current).filter(|id| !of_group.contains(id)).cloned().collect();
    let old: BTreeSet<String> =
        current.difference(&wanted).filter(|id| !of_leaving.contains(id)).cloned().collect();
    let rejoining: BTreeSet<String> = wanted
        .iter()
        .filter(|id| of_leaving.contains(id) && !of_group.contains(id) && !new.contains(*id))
        .cloned()
        .collect();
    attachment::plan(observed, &point, group, standing(scene), !rejoining.is_empty(), draft);
    if !rejoining.is_empty() {
        let left: Vec<ResourceKey> =
            leaving.iter().map(|name| ResourceKey::new(Kind::AutoScalingGroup, name)).collect();
        if let Some(first) = left.first() {
            let operation = Operation::RegisterInstances { name: name.clone(), instances: rejoining };
            draft.step(DraftStep::new(operation, first).after(left.iter().map(gone)));
        }
    }
    for id in &new {
        let action = scene.making(|old| old.instances.contains(id));
        draft.change(action, &key(id), vec![field("state", (), "registered")], Disruption::None);
    }
    for id in &old {
        let change = draft.change(
            Action::Delete,
            &key(id),
            vec![field("state", "registered", ())],
            Disruption::DropsConnections,
        );
        if let Some(seconds) = scene.desired.attributes.connection_draining {
            change.reason = Some(format!("its connections have {seconds} s to end"));
        }
    }
    let mut new_keys = new.iter().map(key);
    if let Some(first) = new_keys.next() {
        let operation = Operation::RegisterInstances { name: name.clone(), instances: new.clone() };
        draft.step(DraftStep::new(operation, &first).also_for(new_keys).makes().after(standing(scene)));
    }
    let mut old_keys = old.iter().map(key);
    if let Some(first) = old_keys.next() {
        let operation = Operation::DeregisterInstances { name, instances: old.clone() };
        let after = [
            After::EveryMade(Kind::Target),
            After::EveryMade(Kind::AutoScalingGroup),
            After::EveryMade(Kind::Attributes),
        ];
        draft.step(DraftStep::new(operation, &first).also_for(old_keys).removes().after(after));
    }
}

/// What is there before anybody is registered.
fn standing(scene: &Scene<'_>) -> Vec<After> {
    vec![
        created(&scene.key()),
        After::EveryMade(Kind::Admission),
        After::EveryMade(Kind::Listener),
        After::EveryMade(Kind::BackendPolicies),
        After::EveryMade(Kind::Attributes),
        After::EveryMade(Kind::HealthCheck),
    ]
}

/// Waits until one of the instances is in service, before anybody is led to the load balancer alone.
pub(super) fn await_in_service(scene: &Scene<'_>, instances: BTreeSet<String>, draft: &mut Draft) {
    let operation = Operation::AwaitInService { name: scene.name().to_owned(), instances };
    draft.step(DraftStep::new(operation, &scene.key()).completes(&healthy_key()).after([
        created(&scene.key()),
        After::EveryMade(Kind::Target),
        After::EveryMade(Kind::AutoScalingGroup),
        After::EveryMade(Kind::Listener),
        After::EveryMade(Kind::BackendPolicies),
        After::EveryMade(Kind::Proxy),
    ]));
}
