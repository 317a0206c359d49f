//! Listeners, matched by port: everything about one changes in place.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::V2Operation;
use super::action::{self, Switch};
use super::attributes::difference;
use super::operation::ListenerSettings;
use super::rule;
use super::scene::{Scene, group_key, listener_key, switch_key};
use crate::provision::plan::fields::{changed, field, shown};
use crate::provision::plan::order::{After, Draft, DraftStep, created, gone, made};
use crate::provision::plan::security_group::prefixed;
use crate::provision::plan::{Action, Disruption, Operation, Reference, TagChange};
use crate::provision::resource::v2::{
    Action as LoadBalancerAction, DesiredListener, Family, Listener, Protocol,
};
use crate::provision::resource::{Kind, ResourceKey, Tags};

/// Plans every listener with its rules.
pub(super) fn plan(scene: &Scene<'_>, draft: &mut Draft) {
    for (port, desired) in &scene.desired.listeners {
        let current = scene.current.and_then(|balancer| balancer.listeners.get(port));
        match current {
            Some(listener) => update(scene, *port, desired, listener, draft),
            None => create(scene, *port, desired, draft),
        }
        plan_attributes(scene, *port, desired, current, draft);
        rule::plan(scene, *port, desired, current, draft);
    }
    plan_deletions(scene, draft);
}

/// Returns how steps refer to the listener.
pub(super) fn reference(port: u16, current: Option<&Listener>) -> Reference {
    match current {
        Some(listener) => Reference::Existing(listener.arn.clone()),
        None => Reference::Planned(listener_key(port)),
    }
}

/// Returns the steps that must have ended before something forwards to the groups of an action: they exist, and
/// those who serve are registered.
pub(super) fn groups_stand(action: &LoadBalancerAction) -> Vec<After> {
    let LoadBalancerAction::Forward(forward) = action else { return Vec::new() };
    let groups = forward.groups.keys().map(|name| created(&group_key(name)));
    groups.chain([After::EveryMade(Kind::Target)]).collect()
}

fn certificate<'a>(scene: &'a Scene<'_>, desired: &DesiredListener) -> Option<&'a Reference> {
    scene.around.certificate().filter(|_| desired.protocol.is_secure())
}

/// Returns the certificates that are chosen by SNI.
fn additional<'a>(scene: &'a Scene<'_>, desired: &DesiredListener) -> BTreeSet<&'a Reference> {
    let main = certificate(scene, desired);
    let all = scene.around.certificates.additional.iter();
    all.filter(|reference| desired.protocol.is_secure() && Some(*reference) != main).collect()
}

fn settings(scene: &Scene<'_>, port: u16, desired: &DesiredListener) -> ListenerSettings {
    ListenerSettings {
        port,
        protocol: desired.protocol,
        ssl_policy: desired.ssl_policy.clone(),
        alpn_policy: desired.alpn_policy.clone(),
        certificate: certificate(scene, desired).cloned(),
        default_action: action::desired(scene, &desired.default_action),
    }
}

fn create(scene: &Scene<'_>, port: u16, desired: &DesiredListener, draft: &mut Draft) {
    let key = listener_key(port);
    let form = desired_form(scene, desired);
    let kind = scene.making(|old| old.listeners.contains_key(&port));
    draft.change(kind, &key, changed(None::<&()>, Some(&form)), Disruption::None);
    let operation = V2Operation::CreateListener {
        key: key.clone(),
        load_balancer: scene.reference(),
        settings: settings(scene, port, desired),
        tags: scene.tags(&key),
    };
    draft.step(
        DraftStep::new(Operation::V2(operation), &key)
            .makes()
            .after([
                created(&scene.key()),
                gone(&key),
                made(&scene.security_group_key()),
                After::EveryMade(Kind::Certificate),
            ])
            .after(groups_stand(&desired.default_action)),
    );
    add_certificates(port, None, additional(scene, desired), draft);
}

fn update(scene: &Scene<'_>, port: u16, desired: &DesiredListener, current: &Listener, draft: &mut Draft) {
    let key = listener_key(port);
    set_tags(scene, &key, &current.arn, &current.tags, draft);
    let (before, after) = (observed_form(scene, current), desired_form(scene, desired));
    let mut fields = changed(Some(&before), Some(&after));
    let same_action = action::is_same(scene, &current.default_action, &desired.default_action);
    if !same_action && !fields.iter().any(|field| field.path.starts_with("default_action")) {
        // The groups have the words of those that they replace.
        let (from, to) = (&before["default_action"], &after["default_action"]);
        fields.push(field("default_action", from, to));
    }
    let modifies = !same_action || fields.iter().any(|field| field.path != "additional_certificates");
    if !fields.is_empty() {
        draft.change(Action::Update, &key, fields, Disruption::NewConnections);
    }
    let listener = Reference::Existing(current.arn.clone());
    let wanted = additional(scene, desired);
    let is_there = |reference: &Reference| matches!(reference, Reference::Existing(arn) if current.additional_certificates.contains(arn));
    let missing = wanted.iter().copied().filter(|reference| !is_there(reference)).collect();
    let mut stale: BTreeSet<String> = current
        .additional_certificates
        .iter()
        .filter(|arn| !wanted.contains(&Reference::Existing((*arn).clone())))
        .cloned()
        .collect();
    if modifies {
        let mut step_after = vec![After::EveryMade(Kind::Certificate), made(&scene.security_group_key())];
        step_after.extend(groups_stand(&desired.default_action));
        // Groups that fit another protocol cannot stand beside those of this one.
        let stays =
            scene.desired.family == Family::Application || current.protocol == desired.protocol.as_aws();
        let switch = action::switch(scene, &current.default_action, &desired.default_action);
        if let Some(switch) = switch.filter(|_| stays) {
            prepare(port, current, switch, &step_after, draft);
            step_after.push(made(&switch_key()));
        }
        let settings = settings(scene, port, desired);
        let operation = V2Operation::ModifyListener { listener: listener.clone(), settings };
        draft.step(
            DraftStep::new(Operation::V2(operation), &key)
                .makes()
                .completes(&settled_key(port))
                .after(step_after),
        );
        // A default certificate that is replaced may stay among those of SNI.
        let default = certificate(scene, desired);
        if let (Some(old), Some(new)) = (&current.certificate, default)
            && *new != Reference::Existing(old.clone())
            && !wanted.contains(&Reference::Existing(old.clone()))
        {
            stale.insert(old.clone());
        }
    }
    // A listener that is no longer secure has lost its certificates by then.
    if !desired.protocol.is_secure() {
        return;
    }
    add_certificates(port, Some(current), missing, draft);
    if !stale.is_empty() {
        let operation = V2Operation::RemoveListenerCertificates { listener, port, certificates: stale };
        draft.step(
            DraftStep::new(Operation::V2(operation), &key).completes(&key).after([made(&settled_key(port))]),
        );
    }
}

/// Stands for the moment when the listener has its own settings, before its certificates of SNI.
fn settled_key(port: u16) -> ResourceKey {
    ResourceKey::new(Kind::Listener, format!("{port} settled"))
}

/// Adds what the listener is to be switched to at the weight 0; the rest stays as it is.
fn prepare(port: u16, current: &Listener, switch: Switch, after: &[After], draft: &mut Draft) {
    let key = listener_key(port);
    let Some(prepared) = switch.prepared else {
        draft.awaited(switch.groups);
        return;
    };
    let Some(protocol) = Protocol::from_aws(&current.protocol) else { return };
    draft.awaited(switch.groups);
    let settings = ListenerSettings {
        port,
        protocol,
        ssl_policy: current.ssl_policy.clone(),
        alpn_policy: current.alpn_policy.clone(),
        certificate: current.certificate.clone().map(Reference::Existing),
        default_action: prepared,
    };
    let operation =
        V2Operation::ModifyListener { listener: Reference::Existing(current.arn.clone()), settings };
    draft.step(
        DraftStep::new(Operation::V2(operation), &key)
            .completes(&super::prepared_key())
            .after(after.to_vec()),
    );
}

fn add_certificates(
    port: u16,
    current: Option<&Listener>,
    certificates: BTreeSet<&Reference>,
    draft: &mut Draft,
) {
    if certificates.is_empty() {
        return;
    }
    let operation = V2Operation::AddListenerCertificates {
        listener: reference(port, current),
        port,
        certificates: certificates.into_iter().cloned().collect(),
    };
    let key = listener_key(port);
    draft.step(DraftStep::new(Operation::V2(operation), &key).completes(&key).after([
        created(&key),
        made(&settled_key(port)),
        After::EveryMade(Kind::Certificate),
    ]));
}

/// Plans the tags of a part of the load balancer that has an ARN.
pub(super) fn set_tags(scene: &Scene<'_>, key: &ResourceKey, arn: &str, current: &Tags, draft: &mut Draft) {
    set_tags_to(key, arn, current, &scene.tags(key), draft);
}

/// The same with these tags.
pub(super) fn set_tags_to(key: &ResourceKey, arn: &str, current: &Tags, tags: &Tags, draft: &mut Draft) {
    let Some(tags_change) = TagChange::between(current, tags) else { return };
    let fields = prefixed("tags", changed(Some(&current.without_reserved()), Some(tags)));
    draft.change(Action::Update, key, fields, Disruption::None);
    let operation = V2Operation::SetTags { arn: arn.to_owned(), key: key.clone(), tags: tags_change };
    draft.step(DraftStep::new(Operation::V2(operation), key));
}

fn plan_attributes(
    scene: &Scene<'_>,
    port: u16,
    desired: &DesiredListener,
    current: Option<&Listener>,
    draft: &mut Draft,
) {
    let found = difference(current.map(|listener| &listener.attributes), &desired.attributes);
    if found.set.is_empty() {
        return;
    }
    let key = listener_key(port);
    let (kind, disruption) = match current {
        Some(_) => (Action::Update, found.disruption),
        None => (scene.making(|old| old.listeners.contains_key(&port)), Disruption::None),
    };
    draft.change(kind, &key, found.fields, disruption);
    let operation = V2Operation::ModifyListenerAttributes {
        listener: reference(port, current),
        port,
        attributes: found.set,
    };
    draft.step(
        DraftStep::new(Operation::V2(operation), &key)
            .completes(&key)
            .after([created(&key), made(&settled_key(port))]),
    );
}

fn plan_deletions(scene: &Scene<'_>, draft: &mut Draft) {
    let Some(balancer) = scene.current else { return };
    for (port, listener) in &balancer.listeners {
        if scene.desired.listeners.contains_key(port) {
            continue;
        }
        if !scene.is_ours(&listener.tags) {
            draft.warn(format!(
                "listener {port} of {} does not carry the stack's tags and is left alone",
                balancer.name
            ));
            continue;
        }
        let key = listener_key(*port);
        let fields = changed(Some(&observed_form(scene, listener)), None::<&()>);
        draft.change(Action::Delete, &key, fields, Disruption::DropsConnections);
        let operation = V2Operation::DeleteListener { arn: listener.arn.clone(), port: *port };
        draft.step(DraftStep::new(Operation::V2(operation), &key).removes());
    }
}

fn desired_form(scene: &Scene<'_>, listener: &DesiredListener) -> Value {
    let additional: Vec<&str> = additional(scene, listener).into_iter().map(shown).collect();
    json!({
        "protocol": listener.protocol.to_string(),
        "certificate": certificate(scene, listener).map(shown),
        "additional_certificates": (!additional.is_empty()).then_some(additional),
        "ssl_policy": listener.ssl_policy,
        "alpn_policy": listener.alpn_policy,
        "default_action": action::desired_form(&listener.default_action),
    })
}

fn observed_form(scene: &Scene<'_>, listener: &Listener) -> Value {
    let protocol = Protocol::from_aws(&listener.protocol)
        .map_or_else(|| listener.protocol.clone(), |protocol| protocol.to_string());
    let additional = &listener.additional_certificates;
    json!({
        "protocol": protocol,
        "certificate": listener.certificate,
        "additional_certificates": (!additional.is_empty()).then_some(additional),
        "ssl_policy": listener.ssl_policy,
        "alpn_policy": listener.alpn_policy,
        "default_action": action::observed_form(scene, &listener.default_action),
    })
}
