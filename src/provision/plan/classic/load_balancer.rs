//! The load balancer itself: its creation with its listeners, what can be changed in place, what cannot.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::listener::new_listener;
use super::scene::{Scene, listener_key, point};
use crate::provision::plan::attachment;
use crate::provision::plan::certificate::certificate_key;
use crate::provision::plan::fields::{changed, field, shown};
use crate::provision::plan::order::{After, Draft, DraftStep, created, gone, made};
use crate::provision::plan::security_group::prefixed;
use crate::provision::plan::v2::record;
use crate::provision::plan::{Action, Disruption, FieldChange, Operation, Reference, TagChange};
use crate::provision::resource::{
    DesiredLoadBalancer, Kind, LoadBalancer, Observed, ResourceKey, Scheme, Stack,
};

/// Says why a load balancer cannot become what is desired in place: its scheme and its VPC are for life.
pub(super) fn requires_replacement(desired: &DesiredLoadBalancer, vpc: &str, current: &LoadBalancer) -> bool {
    current.scheme != desired.scheme || current.vpc.as_deref().is_some_and(|found| found != vpc)
}

/// Plans the load balancer, without what is planned as resources of their own.
pub(super) fn plan(scene: &Scene<'_>, draft: &mut Draft) {
    match scene.current {
        Some(current) => update(scene, current, draft),
        None => create(scene, draft),
    }
}

/// Plans the deletion of a load balancer of the stack.
pub(in crate::provision::plan) fn plan_deletion(
    (stack, observed): (&Stack, &Observed),
    balancer: &LoadBalancer,
    key: &ResourceKey,
    after: Vec<After>,
    draft: &mut Draft,
) {
    let released = attachment::plan_release(
        observed,
        &point(key.clone(), &balancer.name, Some(balancer), stack),
        &after,
        draft,
    );
    let listeners: Vec<u16> = balancer.listeners.keys().copied().collect();
    let fields = vec![
        field("dns_name", &balancer.dns_name, ()),
        field("listeners", listeners, ()),
        field("instances", &balancer.instances, ()),
    ];
    draft.change(Action::Delete, key, fields, Disruption::DropsConnections);
    let operation = Operation::DeleteLoadBalancer { name: balancer.name.clone() };
    draft.step(DraftStep::new(operation, key).removes().after(after.into_iter().chain(released)));
}

fn scheme_word(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::InternetFacing => "internet-facing",
        Scheme::Internal => "internal",
    }
}

fn create(scene: &Scene<'_>, draft: &mut Draft) {
    let key = scene.key();
    let after = json!({
        "scheme": scheme_word(scene.desired.scheme),
        "vpc": scene.around.placement.vpc,
        "subnets": scene.around.placement.subnets,
        "security_groups": [shown(&scene.around.security_group)],
        "tags": scene.tags(),
    });
    if let Some(old) = scene.replaced {
        let before = json!({
            "scheme": scheme_word(old.scheme),
            "vpc": old.vpc,
            "subnets": old.subnets,
            "security_groups": old.security_groups,
            "tags": old.tags.without_reserved(),
        });
        let fields = changed(Some(&before), Some(&after));
        let change = draft.change(Action::Replace, &key, fields, Disruption::DropsConnections);
        change.reason = Some(
            "the scheme and the VPC of a load balancer cannot be changed: it is deleted and made again, with \
             another address behind its DNS name"
                .to_owned(),
        );
        let after = [After::EveryGone(Kind::DnsRecord)];
        let around = scene.around;
        let place = point(key.clone(), &old.name, Some(old), around.stack);
        let released = attachment::plan_release(around.observed, &place, &after, draft);
        let operation = Operation::DeleteLoadBalancer { name: old.name.clone() };
        let step = DraftStep::new(operation, &key).removes();
        draft.step(step.after(after.into_iter().chain(released)));
    } else {
        draft.change(Action::Create, &key, changed(None::<&()>, Some(&after)), Disruption::None);
    }
    let operation = Operation::CreateLoadBalancer {
        name: scene.name().to_owned(),
        scheme: scene.desired.scheme,
        subnets: scene.around.placement.subnets.clone(),
        security_groups: vec![scene.around.security_group.clone()],
        listeners: scene
            .desired
            .listeners
            .iter()
            .map(|(port, listener)| new_listener(*port, listener, scene.around.certificate()))
            .collect(),
        tags: scene.tags().noting(&scene.around.stack.instances.auto_scaling_group),
    };
    draft.step(
        DraftStep::new(operation, &key)
            .also_for(scene.desired.listeners.keys().map(|port| listener_key(*port)))
            .makes()
            .after([gone(&key), made(&scene.security_group_key()), created(&certificate_key())]),
    );
}

fn update(scene: &Scene<'_>, current: &LoadBalancer, draft: &mut Draft) {
    let key = scene.key();
    if let Some(tags) = TagChange::between(&current.tags, &scene.tags()) {
        let fields = prefixed("tags", changed(Some(&current.tags.without_reserved()), Some(&scene.tags())));
        let change = draft.change(Action::Update, &key, fields, Disruption::None);
        if current.tags.owner().is_none() {
            change.reason = Some("adopted".to_owned());
        }
        let operation = |tags| Operation::TagLoadBalancer { name: current.name.clone(), tags };
        record::plan_tags(tags, &key, operation, draft);
    }
    let has_own_group_only = matches!(&scene.around.security_group, Reference::Existing(id)
        if current.security_groups.len() == 1 && current.security_groups.contains(id));
    if !has_own_group_only {
        let to = [shown(&scene.around.security_group)];
        let fields = vec![field("security_groups", &current.security_groups, to)];
        draft.change(Action::Update, &key, fields, Disruption::NewConnections);
        let operation = Operation::ApplySecurityGroups {
            name: current.name.clone(),
            security_groups: vec![scene.around.security_group.clone()],
        };
        let after = [made(&scene.security_group_key()), After::EveryMade(Kind::Admission)];
        draft.step(DraftStep::new(operation, &key).completes(&key).after(after));
    }
    update_subnets(scene, current, draft);
}

/// Swaps subnets within a zone first (a zone takes one at a time), then adds zones, then leaves zones, so that
/// the load balancer always has a subnet.
fn update_subnets(scene: &Scene<'_>, current: &LoadBalancer, draft: &mut Draft) {
    let key = scene.key();
    let wanted = &scene.around.placement.subnets;
    let attach: BTreeSet<String> = wanted.difference(&current.subnets).cloned().collect();
    let detach: BTreeSet<String> = current.subnets.difference(wanted).cloned().collect();
    if attach.is_empty() && detach.is_empty() {
        return;
    }
    let disruption = if detach.is_empty() { Disruption::None } else { Disruption::DropsConnections };
    let fields: Vec<FieldChange> = vec![field("subnets", &current.subnets, wanted)];
    draft.change(Action::Update, &key, fields, disruption);

    let zones: BTreeMap<&str, &str> = scene
        .around
        .observed
        .subnets
        .iter()
        .map(|subnet| (subnet.id.as_str(), subnet.zone.as_str()))
        .collect();
    let new_zones: BTreeSet<&&str> = attach.iter().filter_map(|subnet| zones.get(subnet.as_str())).collect();
    let (swapped, left): (BTreeSet<String>, BTreeSet<String>) = detach
        .into_iter()
        .partition(|subnet| zones.get(subnet.as_str()).is_some_and(|zone| new_zones.contains(zone)));
    // The last subnet cannot be detached: where every one is swapped, new zones go first.
    let (attach_first, attach_then): (BTreeSet<String>, BTreeSet<String>) =
        attach.into_iter().partition(|subnet| {
            let zone = zones.get(subnet.as_str());
            !current.subnets.iter().any(|old| zones.get(old.as_str()) == zone)
        });
    let stages = [
        (subnets_step(scene, attach_first, Direction::Attach), 0),
        (subnets_step(scene, swapped, Direction::Detach), 1),
        (subnets_step(scene, attach_then, Direction::Attach), 2),
        (subnets_step(scene, left, Direction::Detach), 3),
    ];
    for (operation, stage) in stages {
        let Some(operation) = operation else { continue };
        let mark = |stage: i32| ResourceKey::new(Kind::LoadBalancer, format!("{key} subnets {stage}"));
        let after = (0..stage).map(|earlier| made(&mark(earlier)));
        draft.step(DraftStep::new(operation, &key).completes(&key).completes(&mark(stage)).after(after));
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Attach,
    Detach,
}

fn subnets_step(scene: &Scene<'_>, subnets: BTreeSet<String>, direction: Direction) -> Option<Operation> {
    let name = scene.name().to_owned();
    if subnets.is_empty() {
        return None;
    }
    Some(match direction {
        Direction::Attach => Operation::AttachSubnets { name, subnets },
        Direction::Detach => Operation::DetachSubnets { name, subnets },
    })
}
