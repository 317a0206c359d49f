//! Which instances are registered.

use std::collections::BTreeSet;

use super::scene::Scene;
use crate::provision::plan::fields::field;
use crate::provision::plan::order::{After, Draft, DraftStep, created};
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
    let new: BTreeSet<String> = wanted.difference(&current).cloned().collect();
    let old: BTreeSet<String> = current.difference(&wanted).cloned().collect();
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
        draft.step(DraftStep::new(operation, &first).also_for(new_keys).makes().after([
            created(&scene.key()),
            After::EveryMade(Kind::Admission),
            After::EveryMade(Kind::Listener),
            After::EveryMade(Kind::BackendPolicies),
            After::EveryMade(Kind::Attributes),
            After::EveryMade(Kind::HealthCheck),
        ]));
    }
    let mut old_keys = old.iter().map(key);
    if let Some(first) = old_keys.next() {
        let operation = Operation::DeregisterInstances { name, instances: old.clone() };
        let after = [After::EveryMade(Kind::Target), After::EveryMade(Kind::Attributes)];
        draft.step(DraftStep::new(operation, &first).also_for(old_keys).removes().after(after));
    }
}

/// Waits until one of the instances is in service, before anybody is led to the load balancer alone.
pub(super) fn await_in_service(scene: &Scene<'_>, instances: BTreeSet<String>, draft: &mut Draft) {
    let operation = Operation::AwaitInService { name: scene.name().to_owned(), instances };
    draft.step(DraftStep::new(operation, &scene.key()).completes(&healthy_key()).after([
        created(&scene.key()),
        After::EveryMade(Kind::Target),
        After::EveryMade(Kind::Listener),
        After::EveryMade(Kind::BackendPolicies),
        After::EveryMade(Kind::Proxy),
    ]));
}
