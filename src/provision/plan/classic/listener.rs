//! Listeners, matched by port, with their certificates and SSL negotiation policies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::policy;
use super::scene::{Scene, backend_key, listener_key, policy_key};
use crate::provision::plan::certificate::certificate_key;
use crate::provision::plan::fields::{changed, field, shown};
use crate::provision::plan::order::{After, Draft, DraftStep, created, gone, made};
use crate::provision::plan::{Action, Disruption, NewListener, Operation, Reference};
use crate::provision::resource::{DesiredListener, Listener, LoadBalancer, PolicyKind};

/// Returns what creates the listener.
pub(super) fn new_listener(
    port: u16,
    listener: &DesiredListener,
    certificate: Option<&Reference>,
) -> NewListener {
    NewListener {
        port,
        protocol: listener.protocol,
        instance_port: listener.instance_port,
        instance_protocol: listener.instance_protocol,
        certificate: certificate.filter(|_| listener.protocol.is_secure()).cloned(),
    }
}

/// Says whether a listener can only become what is desired by deletion and creation.
fn requires_replacement(desired: &DesiredListener, current: &Listener) -> bool {
    desired.protocol != current.protocol
        || desired.instance_port != current.instance_port
        || desired.instance_protocol != current.instance_protocol
}

/// Plans every listener and the SSL negotiation policy on it.
pub(super) fn plan(scene: &Scene<'_>, draft: &mut Draft) {
    for (port, desired) in &scene.desired.listeners {
        let current =
            scene.current.and_then(|balancer| balancer.listeners.get(port).map(|found| (balancer, found)));
        match current {
            Some((balancer, listener)) if requires_replacement(desired, listener) => {
                let before = observed_form(listener, balancer);
                let fields = changed(Some(&before), Some(&desired_form(scene, desired)));
                draft
                    .change(Action::Replace, &listener_key(*port), fields, Disruption::DropsConnections)
                    .reason = Some(
                    "a listener's ports and protocols cannot be changed: it is deleted and made again"
                        .to_owned(),
                );
                delete(scene, BTreeSet::from([*port]), draft);
                create(scene, *port, desired, draft);
                set_ssl_policy(scene, *port, desired, None, draft);
            }
            Some((balancer, listener)) => {
                set_certificate(scene, *port, desired, listener, draft);
                set_ssl_policy(scene, *port, desired, Some((balancer, listener)), draft);
            }
            None => {
                let action = scene.making(|old| old.listeners.contains_key(port));
                let fields = changed(None::<&()>, Some(&desired_form(scene, desired)));
                draft.change(action, &listener_key(*port), fields, Disruption::None);
                if scene.current.is_some() {
                    create(scene, *port, desired, draft);
                }
                set_ssl_policy(scene, *port, desired, None, draft);
            }
        }
    }
    plan_deletions(scene, draft);
}

fn plan_deletions(scene: &Scene<'_>, draft: &mut Draft) {
    let Some(balancer) = scene.current else { return };
    let wanted = &scene.desired.listeners;
    let gone: BTreeMap<_, _> =
        balancer.listeners.iter().filter(|(port, _)| !wanted.contains_key(port)).collect();
    for (port, listener) in &gone {
        let fields = changed(Some(&observed_form(listener, balancer)), None::<&()>);
        draft.change(Action::Delete, &listener_key(**port), fields, Disruption::DropsConnections);
    }
    if !gone.is_empty() {
        delete(scene, gone.keys().map(|port| **port).collect(), draft);
    }
}

/// The policies on the instance ports are settled first: they cannot be once the port has no listener.
fn delete(scene: &Scene<'_>, ports: BTreeSet<u16>, draft: &mut Draft) {
    let keys: Vec<_> = ports.iter().map(|port| listener_key(*port)).collect();
    let Some((first, rest)) = keys.split_first() else { return };
    let swept = scene.current.into_iter().flat_map(|balancer| {
        ports.iter().filter_map(|port| balancer.listeners.get(port)).map(|listener| listener.instance_port)
    });
    let after: Vec<After> =
        swept.filter(|port| policy::is_swept(scene, *port)).map(|port| made(&backend_key(port))).collect();
    let operation = Operation::DeleteListeners { name: scene.name().to_owned(), ports };
    draft.step(DraftStep::new(operation, first).also_for(rest.iter().cloned()).removes().after(after));
}

fn create(scene: &Scene<'_>, port: u16, desired: &DesiredListener, draft: &mut Draft) {
    let operation = Operation::CreateListeners {
        name: scene.name().to_owned(),
        listeners: vec![new_listener(port, desired, scene.around.certificate())],
    };
    draft.step(DraftStep::new(operation, &listener_key(port)).makes().after([
        gone(&listener_key(port)),
        made(&scene.security_group_key()),
        created(&certificate_key()),
    ]));
}

fn set_certificate(
    scene: &Scene<'_>,
    port: u16,
    desired: &DesiredListener,
    current: &Listener,
    draft: &mut Draft,
) {
    let Some(certificate) = scene.around.certificate().filter(|_| desired.protocol.is_secure()) else {
        return;
    };
    if matches!(certificate, Reference::Existing(arn) if current.certificate.as_ref() == Some(arn)) {
        return;
    }
    let fields = vec![field("certificate", &current.certificate, shown(certificate))];
    draft.change(Action::Update, &listener_key(port), fields, Disruption::NewConnections);
    let operation = Operation::SetListenerCertificate {
        name: scene.name().to_owned(),
        port,
        certificate: certificate.clone(),
    };
    draft.step(DraftStep::new(operation, &listener_key(port)).makes().after([created(&certificate_key())]));
}

fn set_ssl_policy(
    scene: &Scene<'_>,
    port: u16,
    desired: &DesiredListener,
    current: Option<(&LoadBalancer, &Listener)>,
    draft: &mut Draft,
) {
    let Some(reference) = &desired.ssl_policy else { return };
    let found = current.and_then(|(balancer, listener)| ssl_policy(listener, balancer));
    if found == Some(reference.as_str()) {
        return;
    }
    if current.is_some() {
        let fields = vec![field("ssl_policy", found, reference)];
        draft.change(Action::Update, &listener_key(port), fields, Disruption::NewConnections);
    }
    let name = policy::ensure(
        scene,
        PolicyKind::SslNegotiation,
        BTreeMap::from([("Reference-Security-Policy".to_owned(), reference.clone())]),
        draft,
    );
    let others = current.into_iter().flat_map(|(balancer, listener)| {
        listener.policies.iter().filter(|name| !is_ssl(balancer, name)).cloned()
    });
    let operation = Operation::SetListenerPolicies {
        name: scene.name().to_owned(),
        port,
        policies: others.chain([name.clone()]).collect(),
    };
    draft.step(
        DraftStep::new(operation, &listener_key(port))
            .completes(&listener_key(port))
            .after([created(&listener_key(port)), made(&policy_key(&name))]),
    );
}

fn is_ssl(balancer: &LoadBalancer, policy: &str) -> bool {
    balancer.policies.get(policy).is_some_and(|policy| policy.is(PolicyKind::SslNegotiation))
}

/// Returns the predefined policy that a listener's SSL negotiation follows. A policy without a reference is a
/// predefined one itself, or a custom one, and goes by its name.
fn ssl_policy<'a>(listener: &'a Listener, balancer: &'a LoadBalancer) -> Option<&'a str> {
    let name = listener.policies.iter().find(|name| is_ssl(balancer, name))?;
    Some(balancer.policies.get(name).and_then(|policy| policy.reference()).unwrap_or(name))
}

fn desired_form(scene: &Scene<'_>, listener: &DesiredListener) -> Value {
    json!({
        "protocol": listener.protocol,
        "instance_port": listener.instance_port,
        "instance_protocol": listener.instance_protocol,
        "certificate": scene.around.certificate().filter(|_| listener.protocol.is_secure()).map(shown),
        "ssl_policy": listener.ssl_policy,
    })
}

fn observed_form(listener: &Listener, balancer: &LoadBalancer) -> Value {
    json!({
        "protocol": listener.protocol,
        "instance_port": listener.instance_port,
        "instance_protocol": listener.instance_protocol,
        "certificate": listener.certificate,
        "ssl_policy": ssl_policy(listener, balancer),
    })
}
