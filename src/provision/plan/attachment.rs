//! The Auto Scaling group whose instances serve: attached to what registers them, and detached from it.
//!
//! An attachment carries no tags, so whose it is stands in a tag of the load balancer or target group
//! ([`ATTACHED_TAG`]): the groups that the stack has attached to it, or is about to. The tag is written before a group
//! is attached and rewritten after one is detached, so that a run may be killed anywhere in between. A group that
//! somebody else has attached is not in it, and stays.

use std::collections::BTreeSet;

use super::fields::field;
use super::order::{After, Draft, DraftStep, created, gone, made};
use super::{Action, AttachmentPoint, Disruption, Operation, TagChange, V2Operation};
use crate::provision::resource::{ATTACHED_TAG, AutoScalingGroup, Kind, Observed, ResourceKey, Tags};

/// What a group is attached to: a Classic load balancer or a target group.
pub(super) struct Point<'a> {
    /// The key of that resource.
    pub(super) key: ResourceKey,
    /// The same as operations name it.
    pub(super) place: AttachmentPoint,
    /// Its name or ARN and its tags, where it is there already and is the stack's.
    pub(super) current: Option<(&'a str, &'a Tags)>,
    /// The target group's name in the spec; none for a load balancer.
    pub(super) word: Option<&'a str>,
}

impl Point<'_> {
    fn group_key(&self, group: &str) -> ResourceKey {
        match self.word {
            Some(word) => ResourceKey::new(Kind::AutoScalingGroup, format!("{word}/{group}")),
            None => ResourceKey::new(Kind::AutoScalingGroup, group),
        }
    }

    /// The step that notes which groups are the stack's.
    fn note(&self, groups: &BTreeSet<String>, resource: &ResourceKey) -> Option<DraftStep> {
        let (identifier, _) = self.current?;
        let mut tags = TagChange::default();
        if groups.is_empty() {
            tags.remove.insert(ATTACHED_TAG.to_owned());
        } else {
            tags.set = Tags::default().noting(groups);
        }
        let operation = match self.place {
            AttachmentPoint::LoadBalancer(_) => {
                Operation::TagLoadBalancer { name: identifier.to_owned(), tags }
            }
            AttachmentPoint::TargetGroup(_) => Operation::V2(V2Operation::SetTags {
                arn: identifier.to_owned(),
                key: self.key.clone(),
                tags,
            }),
        };
        Some(DraftStep::new(operation, resource))
    }
}

/// Returns the instances of the groups with these names.
pub(super) fn members<'a>(
    observed: &'a Observed,
    names: impl IntoIterator<Item = &'a String>,
) -> BTreeSet<&'a String> {
    let names: BTreeSet<&String> = names.into_iter().collect();
    let groups = observed.auto_scaling_groups.iter().filter(|group| names.contains(&group.name));
    groups.flat_map(|group| &group.instances).collect()
}

/// Returns the groups that the stack has attached to what has these tags, and that are attached still.
fn attached<'a>(
    observed: &'a Observed,
    identifier: &'a str,
    tags: &Tags,
) -> impl Iterator<Item = &'a AutoScalingGroup> {
    let noted = tags.noted();
    let groups = observed.auto_scaling_groups.iter();
    groups.filter(move |group| noted.contains(&group.name) && group.is_attached_to(identifier))
}

/// Returns the names of the stack's groups that are to leave what is called or has the ARN `identifier`.
pub(super) fn leaving<'a>(
    observed: &'a Observed,
    current: Option<(&'a str, &Tags)>,
    desired: Option<&String>,
) -> Vec<&'a String> {
    let Some((identifier, tags)) = current else { return Vec::new() };
    let attached = attached(observed, identifier, tags).map(|group| &group.name);
    attached.filter(|name| Some(*name) != desired).collect()
}

/// Plans that `desired` is attached, after `after`, and no other group of the stack's is. `rejoins` says whether
/// instances of those that leave are registered again afterwards.
pub(super) fn plan(
    observed: &Observed,
    point: &Point<'_>,
    desired: Option<&String>,
    after: Vec<After>,
    rejoins: bool,
    draft: &mut Draft,
) {
    let noted = point.current.map(|(_, tags)| tags.noted()).unwrap_or_default();
    let wanted: BTreeSet<String> = desired.into_iter().cloned().collect();
    if let Some(name) = desired {
        attach(observed, point, name, &noted, after, draft);
    }
    let leaving = leaving(observed, point.current, desired);
    for name in &leaving {
        let after = [After::EveryMade(Kind::Target), After::EveryMade(Kind::AutoScalingGroup)];
        detach(point, name, rejoins, after, draft);
    }
    if noted.is_subset(&wanted) {
        return;
    }
    // What was noted and is no longer attached is forgotten.
    let last = leaving.last().map(|name| point.group_key(name));
    let resource = last.unwrap_or_else(|| {
        let from = noted.iter().cloned().collect::<Vec<_>>().join(":");
        let to = wanted.iter().cloned().collect::<Vec<_>>().join(":");
        let fields = vec![field(format!("tags.{ATTACHED_TAG}"), from, to)];
        draft.change(Action::Update, &point.key, fields, Disruption::None);
        point.key.clone()
    });
    if let Some(step) = point.note(&wanted, &resource) {
        let detached = leaving.iter().map(|name| gone(&point.group_key(name)));
        let attached = desired.iter().map(|name| made(&point.group_key(name)));
        draft.step(step.after(detached.chain(attached)));
    }
}

fn attach(
    observed: &Observed,
    point: &Point<'_>,
    name: &String,
    noted: &BTreeSet<String>,
    after: Vec<After>,
    draft: &mut Draft,
) {
    let found = observed.auto_scaling_groups.iter().find(|group| group.name == *name);
    let is_there = point
        .current
        .is_some_and(|(identifier, _)| found.is_some_and(|group| group.is_attached_to(identifier)));
    let key = point.group_key(name);
    let mut before = vec![created(&point.key), made(&point.key), gone(&key)];
    if !noted.contains(name) {
        let union: BTreeSet<String> = noted.iter().cloned().chain([name.clone()]).collect();
        let noted_key = ResourceKey::new(Kind::AutoScalingGroup, format!("{key} noted"));
        if is_there {
            // Somebody has attached it before: from now on the attachment is the stack's.
            let fields = vec![field("owner", (), "this stack")];
            draft.change(Action::Update, &key, fields, Disruption::None);
        }
        if let Some(step) = point.note(&union, &key) {
            draft.step(step.completes(&noted_key));
        }
        before.push(made(&noted_key));
    }
    if is_there {
        return;
    }
    let was_there = draft.has_change(&key);
    let change = draft.change(Action::Create, &key, vec![field("state", (), "attached")], Disruption::None);
    if was_there {
        change.action = Action::Replace;
    }
    let operation = Operation::AttachGroup { group: name.clone(), to: point.place.clone() };
    draft.step(DraftStep::new(operation, &key).makes().after(before.into_iter().chain(after)));
}

fn detach(
    point: &Point<'_>,
    name: &str,
    settled: bool,
    after: impl IntoIterator<Item = After>,
    draft: &mut Draft,
) -> ResourceKey {
    let key = point.group_key(name);
    let fields = vec![field("state", "attached", ())];
    draft.change(Action::Delete, &key, fields, Disruption::DropsConnections);
    let operation = Operation::DetachGroup { group: name.to_owned(), from: point.place.clone(), settled };
    draft.step(DraftStep::new(operation, &key).removes().after(after));
    key
}

/// Plans that the stack's groups are detached, after `after`, from what is deleted; returns what that deletion waits
/// for.
pub(super) fn plan_release(
    observed: &Observed,
    point: &Point<'_>,
    after: &[After],
    draft: &mut Draft,
) -> Vec<After> {
    let names = leaving(observed, point.current, None);
    names.iter().map(|name| gone(&detach(point, name, false, after.to_vec(), draft))).collect()
}
