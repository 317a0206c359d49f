//! What listeners and rules do with a request: as a call says it, and as a plan shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use serde_json::{Map, Value, json};

use super::operation::{NewAction, WeightedGroup};
use super::scene::Scene;
use crate::provision::plan::Reference;
use crate::provision::resource::v2::{Action, Forward, Weights};

/// The most target groups that one action forwards to.
const GROUPS_AN_ACTION: usize = 5;

/// Returns a desired action with its target groups resolved.
pub(super) fn desired(scene: &Scene<'_>, action: &Action) -> NewAction {
    new_action(action, |name| match scene.groups.get(name) {
        Some(group) => group.reference.clone(),
        // The spec is checked for groups that it does not have.
        None => Reference::Existing(name.to_owned()),
    })
}

fn new_action(action: &Action, reference: impl Fn(&str) -> Reference) -> NewAction {
    let weighted = |groups: &Weights| Ok::<_, Infallible>(weighted(groups, reference));
    let Ok(renamed) = action.rename(weighted);
    renamed
}

fn weighted(groups: &Weights, reference: impl Fn(&str) -> Reference) -> Vec<WeightedGroup> {
    let groups = groups.iter();
    groups.map(|(name, weight)| WeightedGroup { group: reference(name), weight: *weight }).collect()
}

/// Returns the form in which a desired action is compared and shown.
pub(super) fn desired_form(action: &Action) -> Value {
    form(action, str::to_owned)
}

/// Returns the same of an observed one.
pub(super) fn observed_form(scene: &Scene<'_>, action: &Action) -> Value {
    form(action, |arn| scene.group_word(arn))
}

fn form(action: &Action, word: impl Fn(&str) -> String) -> Value {
    match action {
        Action::Forward(Forward { groups, stickiness }) => {
            let weights: BTreeMap<String, u16> =
                groups.iter().map(|(name, weight)| (word(name), *weight)).collect();
            let forward = match weights.first_key_value() {
                Some((only, _)) if weights.len() == 1 && stickiness.is_none() => json!(only),
                Some(_) | None => {
                    let mut parts = Map::new();
                    if let Some(seconds) = stickiness {
                        parts.insert("stickiness".to_owned(), (*seconds).into());
                    }
                    for (group, weight) in weights {
                        parts.insert(group, weight.into());
                    }
                    Value::Object(parts)
                }
            };
            json!({ "forward": forward })
        }
        Action::Redirect { protocol, host, port, path, query, status } => json!({
            "redirect": {
                "protocol": protocol, "host": host, "port": port, "path": path, "query": query, "status": status,
            }
        }),
        Action::FixedResponse { status, content_type, body } => json!({
            "fixed_response": { "status": status, "content_type": content_type, "body": body }
        }),
        Action::Other(name) => json!({ "other": name }),
    }
}

/// How an action is switched to groups that do not get its traffic yet.
pub(super) struct Switch {
    /// The action with the new groups at the weight 0, so that their targets are checked before they get traffic;
    /// none where they are part of it already.
    pub(super) prepared: Option<NewAction>,
    /// The new groups.
    pub(super) groups: BTreeSet<Reference>,
}

/// Says how `current` becomes `desired` without a moment in which nobody is healthy: an unused target group is not
/// checked (`Target.NotInUse`), so it is first used without getting anything.
///
/// None where nobody new gets traffic, and where none of the new groups has targets.
pub(super) fn switch(scene: &Scene<'_>, current: &Action, desired: &Action) -> Option<Switch> {
    let (Action::Forward(current), Action::Forward(desired)) = (current, desired) else { return None };
    if current.groups.values().all(|weight| *weight == 0) {
        return None;
    }
    let mut groups = BTreeSet::new();
    let mut missing = Vec::new();
    for name in desired.groups.iter().filter(|(_, weight)| **weight > 0).map(|(name, _)| name) {
        let group = scene.groups.get(name.as_str())?;
        let arn = group.current.map(|current| &current.arn);
        let weight = arn.and_then(|arn| current.groups.get(arn));
        if weight.is_some_and(|weight| *weight > 0) || group.running.is_empty() {
            continue;
        }
        groups.insert(group.reference.clone());
        if weight.is_none() {
            missing.push(WeightedGroup { group: group.reference.clone(), weight: 0 });
        }
    }
    if groups.is_empty() || current.groups.len() + missing.len() > GROUPS_AN_ACTION {
        return None;
    }
    let prepared = (!missing.is_empty()).then(|| {
        let standing = weighted(&current.groups, |arn| Reference::Existing(arn.to_owned()));
        let groups = standing.into_iter().chain(missing).collect();
        NewAction::Forward(Forward { groups, stickiness: current.stickiness })
    });
    Some(Switch { prepared, groups })
}

/// Says whether an observed action does what is desired.
pub(super) fn is_same(scene: &Scene<'_>, current: &Action, desired: &Action) -> bool {
    match (current, desired) {
        (Action::Forward(current), Action::Forward(desired)) => {
            let wanted: Option<BTreeMap<&String, u16>> = desired
                .groups
                .iter()
                .map(|(name, weight)| {
                    let arn = scene.groups.get(name.as_str())?.current.map(|current| &current.arn)?;
                    Some((arn, *weight))
                })
                .collect();
            let found: BTreeMap<&String, u16> =
                current.groups.iter().map(|(arn, weight)| (arn, *weight)).collect();
            wanted.as_ref() == Some(&found) && current.stickiness == desired.stickiness
        }
        (current, desired) => current == desired,
    }
}
