//! Target groups, matched by the name that what is fixed is hashed into, and who is registered with them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::V2Operation;
use super::attributes::difference;
use super::listener::set_tags;
use super::operation::NewTargetGroup;
use super::scene::{Group, Scene, group_key};
use crate::provision::plan::attachment::{self, Point};
use crate::provision::plan::fields::{changed, field};
use crate::provision::plan::order::{After, Draft, DraftStep, created, gone, made};
use crate::provision::plan::placement::Placement;
use crate::provision::plan::proxy::either_key;
use crate::provision::plan::security_group::prefixed;
use crate::provision::plan::{Action, AttachmentPoint, Disruption, Operation, Reference};
use crate::provision::resource::v2::{
    DesiredLoadBalancer, DesiredTargetGroup, Family, HealthCheck, Target, TargetGroup, TargetKind,
    TargetSelector,
};
use crate::provision::resource::{Kind, Observed, RESOURCE_TAG, ResourceKey, Stack};

/// Matches a desired target group with what there is.
pub(super) fn match_up<'a>(
    stack: &Stack,
    observed: &'a Observed,
    placement: &Placement<'_>,
    balancer: &DesiredLoadBalancer,
    (word, desired): (&str, &DesiredTargetGroup),
) -> Group<'a> {
    let name = desired.name_in_aws(&stack.name, &balancer.name, word, &placement.vpc);
    let current =
        observed.target_groups.iter().find(|found| found.name == name && found.tags.are_of(&stack.name));
    let reference = match current {
        Some(current) => Reference::Existing(current.arn.clone()),
        None => Reference::Planned(group_key(word)),
    };
    let ports = desired.target_ports();
    let on_ports = |ids: Vec<&str>| -> BTreeSet<Target> {
        ids.iter()
            .flat_map(|id| ports.iter().map(|port| Target { id: (*id).to_owned(), port: *port }))
            .collect()
    };
    let (targets, running) = match &desired.targets {
        TargetSelector::Instances { .. } => {
            (on_ports(placement.instances.keys().copied().collect()), on_ports(placement.running().collect()))
        }
        TargetSelector::Ips { addresses, .. } => {
            let targets = on_ports(addresses.iter().map(String::as_str).collect());
            (targets.clone(), targets)
        }
    };
    Group { name, reference, current, targets, running }
}

/// Plans every target group and its targets.
pub(super) fn plan(scene: &Scene<'_>, draft: &mut Draft) {
    for (word, desired) in &scene.desired.target_groups {
        let Some(group) = scene.groups.get(word.as_str()) else { continue };
        match group.current {
            Some(current) => update(scene, word, desired, current, draft),
            None => create(scene, word, desired, group, draft),
        }
        plan_attributes(scene, word, desired, group, draft);
        plan_targets(scene, word, desired, group, draft);
    }
    let wanted: BTreeSet<&String> = scene.groups.values().map(|group| &group.name).collect();
    for old in scene.around.observed.target_groups.iter().filter(|found| !wanted.contains(&found.name)) {
        if old.tags.are_of(&scene.stack().name) {
            plan_deletion(scene, old, draft);
        }
    }
}

/// Plans the deletion of a target group that no load balancer uses by then.
pub(super) fn plan_deletion_of_unused(observed: &Observed, old: &TargetGroup, draft: &mut Draft) {
    let key = tagged_key(old)
        .filter(|key| !draft.has_change(key))
        .unwrap_or_else(|| ResourceKey::new(Kind::TargetGroup, &old.name));
    draft.change(Action::Delete, &key, changed(Some(&observed_form(old)), None::<&()>), Disruption::None);
    let after = vec![After::EveryGone(Kind::LoadBalancer)];
    let released = release(observed, &key, old, &after, draft);
    delete(&key, old, after.into_iter().chain(released), draft);
}

/// Plans that the stack's Auto Scaling groups leave a target group of the stack that is deleted.
fn release(
    observed: &Observed,
    key: &ResourceKey,
    old: &TargetGroup,
    after: &[After],
    draft: &mut Draft,
) -> Vec<After> {
    let point = Point {
        key: key.clone(),
        place: AttachmentPoint::TargetGroup(Reference::Existing(old.arn.clone())),
        current: Some((&old.arn, &old.tags)),
        // Its successor may have its name in the spec.
        word: Some(&old.name),
    };
    attachment::plan_release(observed, &point, after, draft)
}

fn delete(key: &ResourceKey, old: &TargetGroup, after: impl IntoIterator<Item = After>, draft: &mut Draft) {
    let operation = V2Operation::DeleteTargetGroup { arn: old.arn.clone(), name: old.name.clone() };
    draft.step(DraftStep::new(Operation::V2(operation), key).removes().after(after));
}

/// Returns the group that was made for this word of the spec before one of its fixed fields changed, as long as the
/// load balancer uses it.
fn predecessor<'a>(scene: &Scene<'a>, word: &str) -> Option<&'a TargetGroup> {
    let key = group_key(word).to_string();
    let arn = &scene.current?.arn;
    scene.around.observed.target_groups.iter().find(|found| {
        found.tags.are_of(&scene.stack().name)
            && found.tags.0.get(RESOURCE_TAG) == Some(&key)
            && found.load_balancers.contains(arn)
            && !scene.groups.values().any(|group| group.name == found.name)
    })
}

fn create(scene: &Scene<'_>, word: &str, desired: &DesiredTargetGroup, group: &Group<'_>, draft: &mut Draft) {
    let key = group_key(word);
    let form = desired_form(scene, desired);
    if let Some(old) = predecessor(scene, word) {
        let fields = changed(Some(&observed_form(old)), Some(&form));
        let disruption =
            if old.targets.is_empty() { Disruption::NewConnections } else { Disruption::DropsConnections };
        draft.change(Action::Replace, &key, fields, disruption).reason = Some(format!(
            "the new one is made beside the old one, which goes once listeners and rules have switched; {}",
            delay_text(old)
        ));
    } else {
        draft.change(Action::Create, &key, changed(None::<&()>, Some(&form)), Disruption::None);
    }
    let new = NewTargetGroup {
        name: group.name.clone(),
        protocol: desired.protocol,
        protocol_version: desired.protocol_version.clone(),
        port: desired.port,
        vpc: scene.around.placement.vpc.clone(),
        kind: desired.targets.kind(),
        health_check: desired.health_check.clone(),
        tags: scene.tags(&key).noting(attached_group(scene, desired)),
    };
    let operation = V2Operation::CreateTargetGroup { key: key.clone(), new };
    // The security group leads to what is left of a run that was killed: it is there first.
    draft.step(
        DraftStep::new(Operation::V2(operation), &key).makes().after([created(&scene.security_group_key())]),
    );
}

fn update(
    scene: &Scene<'_>,
    word: &str,
    desired: &DesiredTargetGroup,
    current: &TargetGroup,
    draft: &mut Draft,
) {
    let key = group_key(word);
    set_tags(scene, &key, &current.arn, &current.tags, draft);
    if current.health_check == desired.health_check {
        return;
    }
    let (from, to) = (health_check_form(&current.health_check), health_check_form(&desired.health_check));
    let fields = prefixed("health_check", changed(Some(&from), Some(&to)));
    draft.change(Action::Update, &key, fields, Disruption::NewConnections);
    let operation = V2Operation::ModifyHealthCheck {
        group: Reference::Existing(current.arn.clone()),
        health_check: desired.health_check.clone(),
    };
    let step = DraftStep::new(Operation::V2(operation), &key).makes();
    draft.step(step.after([After::EveryMade(Kind::Admission)]));
}

fn plan_attributes(
    scene: &Scene<'_>,
    word: &str,
    desired: &DesiredTargetGroup,
    group: &Group<'_>,
    draft: &mut Draft,
) {
    let key = group_key(word);
    let found = difference(group.current.map(|current| &current.attributes), &desired.attributes);
    if found.set.is_empty() {
        return;
    }
    let header = found.set.get("proxy_protocol_v2.enabled").cloned();
    let switch = scene.around.switch.as_ref().filter(|switch| switch.is_by(&key));
    if group.current.is_some() {
        let disruption = if switch.is_some() { Disruption::None } else { found.disruption };
        let change = draft.change(Action::Update, &key, found.fields, disruption);
        if let Some(switch) = switch {
            change.reason = Some(switch.steps());
        } else if let Some(header) = header {
            change.reason = Some(format!(
                "from this call on, what listens on port {} of the targets must {} a PROXY header",
                desired.port,
                if header == "true" { "expect" } else { "no longer expect" }
            ));
        }
    } else {
        let before = predecessor(scene, word).map(|old| &old.attributes);
        let fields = difference(before, &desired.attributes).fields;
        draft.change(Action::Create, &key, fields, Disruption::None);
    }
    let operation =
        V2Operation::ModifyTargetGroupAttributes { group: group.reference.clone(), attributes: found.set };
    let step = DraftStep::new(Operation::V2(operation), &key).completes(&key);
    draft.step(step.after([created(&key)]).after(switch.map(|_| made(&either_key()))));
}

/// Returns the Auto Scaling group that is attached to a target group.
fn attached_group<'a>(scene: &Scene<'a>, desired: &DesiredTargetGroup) -> Option<&'a String> {
    let group = scene.stack().instances.auto_scaling_group.as_ref();
    group.filter(|_| desired.targets.kind() == TargetKind::Instance)
}

fn plan_targets(
    scene: &Scene<'_>,
    word: &str,
    desired: &DesiredTargetGroup,
    group: &Group<'_>,
    draft: &mut Draft,
) {
    let current = group.current.map(|current| current.targets.clone()).unwrap_or_default();
    // The instances of Auto Scaling groups come and go with their groups, by AWS.
    let observed = scene.around.observed;
    let attached = attached_group(scene, desired);
    let point = Point {
        key: group_key(word),
        place: AttachmentPoint::TargetGroup(group.reference.clone()),
        current: group.current.map(|current| (current.arn.as_str(), &current.tags)),
        word: Some(word),
    };
    let leaving = attachment::leaving(observed, point.current, attached);
    let (of_group, of_leaving) =
        (attachment::members(observed, attached), attachment::members(observed, leaving.iter().copied()));
    let standing = vec![created(&group_key(word)), made(&group_key(word)), After::EveryMade(Kind::Admission)];
    let rejoining: BTreeSet<Target> = group
        .targets
        .iter()
        .filter(|target| of_leaving.contains(&target.id) && !of_group.contains(&target.id))
        .cloned()
        .collect();
    attachment::plan(observed, &point, attached, standing.clone(), !rejoining.is_empty(), draft);
    if !rejoining.is_empty() {
        let left: Vec<ResourceKey> = leaving
            .iter()
            .map(|name| ResourceKey::new(Kind::AutoScalingGroup, format!("{word}/{name}")))
            .collect();
        if let Some(first) = left.first() {
            let operation =
                V2Operation::RegisterTargets { group: group.reference.clone(), targets: rejoining };
            draft.step(DraftStep::new(Operation::V2(operation), first).after(left.iter().map(gone)));
        }
    }
    let key =
        |target: &Target| ResourceKey::new(Kind::Target, format!("{word}/{}:{}", target.id, target.port));
    let new: BTreeSet<Target> = group
        .targets
        .difference(&current)
        .filter(|target| !of_group.contains(&target.id) && !of_leaving.contains(&target.id))
        .cloned()
        .collect();
    let old: BTreeSet<Target> = current
        .difference(&group.targets)
        .filter(|target| !of_leaving.contains(&target.id))
        .cloned()
        .collect();
    for target in &new {
        draft.change(Action::Create, &key(target), vec![field("state", (), "registered")], Disruption::None);
    }
    let mut new_keys = new.iter().map(key);
    if let Some(first) = new_keys.next() {
        let operation = V2Operation::RegisterTargets { group: group.reference.clone(), targets: new.clone() };
        draft.step(
            DraftStep::new(Operation::V2(operation), &first).also_for(new_keys).makes().after(standing),
        );
    }
    let Some(found) = group.current else { return };
    for target in &old {
        let fields = vec![field("state", "registered", ())];
        draft.change(Action::Delete, &key(target), fields, Disruption::DropsConnections).reason =
            Some(delay_text(found));
    }
    let mut old_keys = old.iter().map(key);
    if let Some(first) = old_keys.next() {
        let operation = V2Operation::DeregisterTargets { group: found.arn.clone(), targets: old.clone() };
        let after = [
            After::EveryMade(Kind::Target),
            After::EveryMade(Kind::AutoScalingGroup),
            made(&group_key(word)),
        ];
        draft
            .step(DraftStep::new(Operation::V2(operation), &first).also_for(old_keys).removes().after(after));
    }
}

/// Plans the end of a group of the stack that is no longer wanted: the listeners and rules of this load balancer
/// have switched, its targets are drained, and then it goes. One that serves a load balancer which stays is kept.
fn plan_deletion(scene: &Scene<'_>, old: &TargetGroup, draft: &mut Draft) {
    let own = scene.current.or(scene.replaced).map(|balancer| &balancer.arn);
    let serves = |arn: &String| scene.serving.contains(arn.as_str());
    if old.load_balancers.iter().any(serves) {
        return;
    }
    let used = own.is_some_and(|arn| old.load_balancers.contains(arn));
    let is_predecessor = |key: &ResourceKey| {
        predecessor(scene, &key.name).is_some_and(|found| found.arn == old.arn)
            && scene.groups.contains_key(key.name.as_str())
    };
    let key = match tagged_key(old) {
        Some(key) if is_predecessor(&key) => key,
        other => {
            let key = other
                .filter(|key| !scene.groups.contains_key(key.name.as_str()) && !draft.has_change(key))
                .unwrap_or_else(|| ResourceKey::new(Kind::TargetGroup, &old.name));
            let disruption =
                if used && !old.targets.is_empty() { Disruption::DropsConnections } else { Disruption::None };
            let change = draft.change(
                Action::Delete,
                &key,
                changed(Some(&observed_form(old)), None::<&()>),
                disruption,
            );
            if disruption == Disruption::DropsConnections {
                change.reason = Some(delay_text(old));
            }
            key
        }
    };
    let switched = [
        After::EveryMade(Kind::Listener),
        After::EveryGone(Kind::Listener),
        After::EveryMade(Kind::Rule),
        After::EveryGone(Kind::Rule),
        After::EveryGone(Kind::LoadBalancer),
    ];
    let released = release(scene.around.observed, &key, old, &switched, draft);
    if used && scene.current.is_some() && !old.targets.is_empty() {
        let drained = ResourceKey::new(Kind::TargetGroup, format!("{} drained", old.name));
        let operation =
            V2Operation::DeregisterTargets { group: old.arn.clone(), targets: old.targets.clone() };
        let left = ResourceKey::new(Kind::TargetGroup, format!("{} left", old.name));
        let after = switched.iter().cloned().chain(released.clone());
        draft.step(DraftStep::new(Operation::V2(operation), &key).completes(&left).after(after));
        let operation = V2Operation::AwaitDrained { group: old.arn.clone(), delay: delay(old) };
        draft.step(DraftStep::new(Operation::V2(operation), &key).completes(&drained).after([made(&left)]));
        delete(&key, old, switched.into_iter().chain(released).chain([made(&drained)]), draft);
    } else {
        delete(&key, old, switched.into_iter().chain(released), draft);
    }
}

/// Returns the key that the group was made for.
fn tagged_key(group: &TargetGroup) -> Option<ResourceKey> {
    let key = group.tags.0.get(RESOURCE_TAG)?.parse::<ResourceKey>().ok()?;
    (key.kind == Kind::TargetGroup).then_some(key)
}

fn delay(group: &TargetGroup) -> u32 {
    let value = group.attributes.get("deregistration_delay.timeout_seconds");
    value.and_then(|value| value.parse().ok()).unwrap_or(300)
}

fn delay_text(group: &TargetGroup) -> String {
    format!("its connections have {} s to end", delay(group))
}

fn kind_word(kind: Option<TargetKind>) -> &'static str {
    match kind {
        Some(TargetKind::Instance) => "instance",
        Some(TargetKind::Ip) => "ip",
        None => "other",
    }
}

/// What is fixed for a group's life, and its health check.
fn desired_form(scene: &Scene<'_>, desired: &DesiredTargetGroup) -> Value {
    json!({
        "protocol": desired.protocol.to_string(),
        "protocol_version": desired.protocol_version.as_ref().filter(|_| scene.desired.family == Family::Application),
        "port": desired.port,
        "target_type": kind_word(Some(desired.targets.kind())),
        "vpc": scene.around.placement.vpc,
        "health_check": health_check_form(&desired.health_check),
    })
}

fn observed_form(group: &TargetGroup) -> Value {
    json!({
        "protocol": group.protocol.to_ascii_lowercase(),
        "protocol_version": group.protocol_version,
        "port": group.port,
        "target_type": kind_word(group.kind),
        "vpc": group.vpc,
        "health_check": health_check_form(&group.health_check),
    })
}

fn health_check_form(check: &HealthCheck) -> Value {
    json!({
        "protocol": check.protocol.to_string(),
        "port": check.port.map_or_else(|| json!("traffic-port"), Value::from),
        "path": check.path,
        "matcher": check.matcher,
        "interval": check.interval,
        "timeout": check.timeout,
        "healthy_threshold": check.healthy_threshold,
        "unhealthy_threshold": check.unhealthy_threshold,
    })
}
