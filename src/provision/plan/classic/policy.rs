//! Policies, and which of them are on each instance port.
//!
//! Setting a port's policies replaces the whole set, and a policy in use cannot be deleted: what others put on a
//! port is written back, and a policy that must differ gets a new name, is swapped in, and the old one goes.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::{Scene, backend_key, listener_key, policy_key};
use crate::provision::plan::fields::{changed, field};
use crate::provision::plan::order::{After, Draft, DraftStep, created, made};
use crate::provision::plan::proxy::either_key;
use crate::provision::plan::{Action, Disruption, Operation};
use crate::provision::resource::{Kind, LoadBalancer, Policy, PolicyKind};

/// Returns the name of a policy of this kind and content on the load balancer, and plans its creation where
/// there is none yet.
pub(super) fn ensure(
    scene: &Scene<'_>,
    kind: PolicyKind,
    attributes: BTreeMap<String, String>,
    draft: &mut Draft,
) -> String {
    let existing = scene.current.map(|balancer| &balancer.policies);
    let same = |name: &str| {
        existing.and_then(|policies| policies.get(name)).map(|policy| {
            policy.is(kind)
                && attributes.iter().all(|(key, value)| {
                    policy.attributes.get(key).is_some_and(|found| found.eq_ignore_ascii_case(value))
                })
        })
    };
    let base = match kind {
        PolicyKind::ProxyProtocol => format!("{}-proxy-protocol", scene.name()),
        PolicyKind::SslNegotiation => {
            format!("{}-{}", scene.name(), attributes.values().next().map_or("", String::as_str))
        }
    };
    let mut name = base.clone();
    let mut number = 2;
    while same(&name) == Some(false) {
        name = format!("{base}-{number}");
        number += 1;
    }
    if same(&name).is_none() && !draft.has_change(&policy_key(&name)) {
        let action = scene.making(|old| old.policies.contains_key(&name));
        let mut fields = vec![field("type", (), kind.as_api())];
        fields.extend(changed(None::<&()>, Some(&attributes)));
        draft.change(action, &policy_key(&name), fields, Disruption::None);
        let operation =
            Operation::CreatePolicy { name: scene.name().to_owned(), policy: name.clone(), kind, attributes };
        draft.step(DraftStep::new(operation, &policy_key(&name)).makes().after([created(&scene.key())]));
    }
    name
}

/// Returns the policies that an instance port has and keeps: all but those for the PROXY header.
fn others(balancer: &LoadBalancer, port: u16) -> Vec<String> {
    let on_port = balancer.backend_policies.get(&port).into_iter().flatten();
    on_port
        .filter(|name| {
            !balancer.policies.get(*name).is_some_and(|policy| policy.is(PolicyKind::ProxyProtocol))
        })
        .cloned()
        .collect()
}

fn has_proxy_protocol(balancer: &LoadBalancer, port: u16) -> bool {
    let mut names = balancer.backend_policies.get(&port).into_iter().flatten();
    names.any(|name| balancer.policies.get(name).is_some_and(Policy::turns_proxy_protocol_on))
}

/// Says whether the policies of an instance port are swept because nothing desired listens on it.
pub(super) fn is_swept(scene: &Scene<'_>, port: u16) -> bool {
    let Some(balancer) = scene.current else { return false };
    !scene.desired.listeners.values().any(|listener| listener.instance_port == port)
        && balancer
            .backend_policies
            .get(&port)
            .is_some_and(|names| others(balancer, port).len() != names.len())
}

/// Plans the PROXY header on every instance port: on where the spec wants it, off elsewhere, stale ports swept.
pub(super) fn plan_backends(scene: &Scene<'_>, draft: &mut Draft) {
    let listening: BTreeSet<u16> =
        scene.desired.listeners.values().map(|listener| listener.instance_port).collect();
    let present = scene.current.into_iter().flat_map(|balancer| balancer.backend_policies.keys().copied());
    let ports: BTreeSet<u16> = listening.iter().copied().chain(present).collect();
    for port in ports {
        let wanted = listening.contains(&port) && scene.desired.proxy_protocol.contains(&port);
        let found = scene.current.is_some_and(|balancer| has_proxy_protocol(balancer, port));
        if wanted != found || is_swept(scene, port) {
            set_backend(scene, port, wanted, draft);
        }
    }
}

fn set_backend(scene: &Scene<'_>, port: u16, wanted: bool, draft: &mut Draft) {
    let mut policies = scene.current.map(|balancer| others(balancer, port)).unwrap_or_default();
    let mut after = Vec::new();
    if wanted {
        let attributes = BTreeMap::from([("ProxyProtocol".to_owned(), "true".to_owned())]);
        let name = ensure(scene, PolicyKind::ProxyProtocol, attributes, draft);
        after.push(made(&policy_key(&name)));
        policies.push(name);
    }
    let listeners = scene.desired.listeners.iter();
    after.extend(
        listeners
            .filter(|(_, listener)| listener.instance_port == port)
            .map(|(port, _)| created(&listener_key(*port))),
    );
    let before = scene.current.and_then(|balancer| balancer.backend_policies.get(&port));
    let switch = scene.around.switch.as_ref().filter(|switch| switch.is_by(&backend_key(port)));
    let (action, disruption) = match before {
        Some(_) if policies.is_empty() => (Action::Delete, Disruption::NewConnections),
        Some(_) => (Action::Update, Disruption::NewConnections),
        None if scene.current.is_some() => (Action::Create, Disruption::NewConnections),
        None => (scene.making(|old| old.backend_policies.contains_key(&port)), Disruption::None),
    };
    let disruption = if switch.is_some() { Disruption::None } else { disruption };
    let change =
        draft.change(action, &backend_key(port), vec![field("policies", before, &policies)], disruption);
    if let Some(switch) = switch {
        change.reason = Some(switch.steps());
        after.push(made(&either_key()));
    } else if disruption == Disruption::NewConnections && !is_swept(scene, port) {
        change.reason = Some(format!(
            "from this call on, what listens on port {port} of the instances must {} a PROXY header",
            if wanted { "expect" } else { "no longer expect" }
        ));
    }
    let operation = Operation::SetBackendPolicies { name: scene.name().to_owned(), port, policies };
    draft.step(DraftStep::new(operation, &backend_key(port)).makes().after(after));
}

/// Plans the deletion of our policies that nothing uses any more.
pub(super) fn plan_deletions(scene: &Scene<'_>, draft: &mut Draft) {
    let Some(balancer) = scene.current else { return };
    let used = draft.policies_in_use(balancer);
    for (name, policy) in &balancer.policies {
        let kind =
            [PolicyKind::ProxyProtocol, PolicyKind::SslNegotiation].into_iter().find(|kind| policy.is(*kind));
        let prefix = match kind {
            Some(PolicyKind::ProxyProtocol) => format!("{}-proxy-protocol", scene.name()),
            Some(PolicyKind::SslNegotiation) => format!("{}-ELBSecurityPolicy-", scene.name()),
            None => continue,
        };
        if !name.starts_with(&prefix) || used.contains(name) {
            continue;
        }
        let mut fields = vec![field("type", &policy.type_name, ())];
        fields.extend(changed(Some(&policy.attributes), None::<&()>));
        draft.change(Action::Delete, &policy_key(name), fields, Disruption::None);
        let operation = Operation::DeletePolicy { name: scene.name().to_owned(), policy: name.clone() };
        draft.step(DraftStep::new(operation, &policy_key(name)).removes().after([
            After::EveryMade(Kind::BackendPolicies),
            After::EveryMade(Kind::Listener),
            After::EveryGone(Kind::Listener),
        ]));
    }
}
