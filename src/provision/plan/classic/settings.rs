//! Attributes and health check: one call each, changed in place.

use super::scene::Scene;
use crate::provision::plan::fields::changed;
use crate::provision::plan::order::{Draft, DraftStep, created};
use crate::provision::plan::{Action, Disruption, Operation};
use crate::provision::resource::{Kind, ResourceKey};

/// Plans the attributes.
pub(super) fn plan_attributes(scene: &Scene<'_>, draft: &mut Draft) {
    let desired = &scene.desired.attributes;
    let current = scene.current.map(|balancer| &balancer.attributes);
    if current == Some(desired) {
        return;
    }
    let key = ResourceKey::new(Kind::Attributes, scene.name());
    let (action, disruption) = match current {
        None => (scene.making(|_| true), Disruption::None),
        Some(current)
            if current.idle_timeout != desired.idle_timeout || current.cross_zone != desired.cross_zone =>
        {
            (Action::Update, Disruption::NewConnections)
        }
        Some(_) => (Action::Update, Disruption::None),
    };
    draft.change(action, &key, changed(current, Some(desired)), disruption);
    let operation =
        Operation::ModifyAttributes { name: scene.name().to_owned(), attributes: desired.clone() };
    draft.step(DraftStep::new(operation, &key).makes().after([created(&scene.key())]));
}

/// Plans the health check.
pub(super) fn plan_health_check(scene: &Scene<'_>, draft: &mut Draft) {
    let desired = &scene.desired.health_check;
    let current = scene.current.map(|balancer| &balancer.health_check);
    if current == Some(desired) {
        return;
    }
    let key = ResourceKey::new(Kind::HealthCheck, scene.name());
    let (action, disruption) = match current {
        None => (scene.making(|_| true), Disruption::None),
        Some(_) => (Action::Update, Disruption::NewConnections),
    };
    draft.change(action, &key, changed(current, Some(desired)), disruption);
    let operation =
        Operation::ConfigureHealthCheck { name: scene.name().to_owned(), health_check: desired.clone() };
    let after = [created(&scene.key()), crate::provision::plan::order::After::EveryMade(Kind::Admission)];
    draft.step(DraftStep::new(operation, &key).makes().after(after));
}
