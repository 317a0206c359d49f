//! The load balancer itself and its attributes.

use std::collections::BTreeMap;

use serde_json::json;

use super::V2Operation;
use super::attributes::difference;
use super::operation::NewLoadBalancer;
use super::record;
use super::scene::Scene;
use crate::provision::plan::fields::{changed, field, shown};
use crate::provision::plan::order::{After, Draft, DraftStep, created, gone, made};
use crate::provision::plan::security_group::prefixed;
use crate::provision::plan::{Action, Disruption, Operation, Reference, TagChange};
use crate::provision::resource::v2::{
    DesiredLoadBalancer, Family, LoadBalancer, LoadBalancerState, SubnetAddress,
};
use crate::provision::resource::{Kind, ResourceKey};

/// Says whether a load balancer of the desired name and kind cannot become what is desired in place.
pub(super) fn requires_replacement(desired: &DesiredLoadBalancer, vpc: &str, current: &LoadBalancer) -> bool {
    let lacks_group = desired.family == Family::Network && current.security_groups.is_empty();
    let moves_address = current.subnets.iter().any(|(subnet, address)| match desired.addresses.get(subnet) {
        Some(wanted) => address.as_ref() != Some(wanted),
        None => address.is_some() && desired.addresses.is_empty(),
    });
    current.scheme != desired.scheme
        || current.vpc != vpc
        || lacks_group
        || moves_address
        || matches!(current.state, LoadBalancerState::Failed(_))
}

/// Plans the load balancer, without what is planned as resources of their own.
pub(super) fn plan(scene: &Scene<'_>, draft: &mut Draft) {
    match scene.current {
        Some(current) => update(scene, current, draft),
        None => create(scene, draft),
    }
    plan_attributes(scene, draft);
}

/// Returns the subnets with the addresses that stay in them.
fn subnets(scene: &Scene<'_>) -> BTreeMap<String, Option<SubnetAddress>> {
    let address = |subnet: &String| scene.desired.addresses.get(subnet).cloned();
    scene.around.placement.subnets.iter().map(|subnet| (subnet.clone(), address(subnet))).collect()
}

fn address_word(address: &SubnetAddress) -> &str {
    match address {
        SubnetAddress::Allocation(text) | SubnetAddress::Private(text) => text,
    }
}

fn addresses(subnets: &BTreeMap<String, Option<SubnetAddress>>) -> Option<BTreeMap<&str, &str>> {
    let found: BTreeMap<&str, &str> = subnets
        .iter()
        .filter_map(|(subnet, address)| Some((subnet.as_str(), address_word(address.as_ref()?))))
        .collect();
    (!found.is_empty()).then_some(found)
}

fn create(scene: &Scene<'_>, draft: &mut Draft) {
    let key = scene.key();
    let desired = scene.desired;
    let subnets = subnets(scene);
    let tags = scene.balancer_tags();
    let after = json!({
        "type": desired.family,
        "scheme": desired.scheme,
        "ip_address_type": desired.address_type,
        "vpc": scene.around.placement.vpc,
        "subnets": scene.around.placement.subnets,
        "addresses": addresses(&subnets),
        "security_groups": [shown(&scene.around.security_group)],
        "tags": tags,
    });
    if let Some(old) = scene.replaced {
        let before = json!({
            "type": old.family,
            "scheme": old.scheme,
            "ip_address_type": old.address_type,
            "vpc": old.vpc,
            "subnets": old.subnets.keys().collect::<Vec<_>>(),
            "addresses": addresses(&old.subnets),
            "security_groups": old.security_groups,
            "tags": old.tags.without_reserved(),
        });
        let fields = changed(Some(&before), Some(&after));
        let change = draft.change(Action::Replace, &key, fields, Disruption::DropsConnections);
        change.reason = Some(
            "the scheme, the VPC and the addresses of a load balancer cannot be changed: it is deleted and made \
             again under another DNS name; with another load_balancer.name the new one is built beside the old one"
                .to_owned(),
        );
        let operation = V2Operation::DeleteLoadBalancer { arn: old.arn.clone(), name: old.name.clone() };
        draft.step(
            DraftStep::new(Operation::V2(operation), &key)
                .removes()
                .after([After::EveryGone(Kind::DnsRecord)]),
        );
    } else {
        draft.change(Action::Create, &key, changed(None::<&()>, Some(&after)), Disruption::None);
    }
    let new = NewLoadBalancer {
        name: desired.name.clone(),
        family: desired.family,
        scheme: desired.scheme,
        address_type: desired.address_type,
        subnets,
        security_groups: vec![scene.around.security_group.clone()],
        tags,
    };
    let operation = V2Operation::CreateLoadBalancer { key: key.clone(), new };
    draft.step(
        DraftStep::new(Operation::V2(operation), &key)
            .makes()
            .after([gone(&key), made(&scene.security_group_key())]),
    );
}

fn update(scene: &Scene<'_>, current: &LoadBalancer, draft: &mut Draft) {
    let key = scene.key();
    let tags = scene.balancer_tags();
    if let Some(tags_change) = TagChange::between(&current.tags, &tags) {
        let fields = prefixed("tags", changed(Some(&current.tags.without_reserved()), Some(&tags)));
        let change = draft.change(Action::Update, &key, fields, Disruption::None);
        if current.tags.owner().is_none() {
            change.reason = Some("adopted".to_owned());
        }
        let operation =
            |tags| Operation::V2(V2Operation::SetTags { arn: current.arn.clone(), key: key.clone(), tags });
        record::plan_tags(tags_change, &key, operation, draft);
    }
    let has_own_group_only = matches!(&scene.around.security_group, Reference::Existing(id)
        if current.security_groups.len() == 1 && current.security_groups.contains(id));
    if !has_own_group_only {
        let to = [shown(&scene.around.security_group)];
        let fields = vec![field("security_groups", &current.security_groups, to)];
        draft.change(Action::Update, &key, fields, Disruption::NewConnections);
        let operation = V2Operation::SetSecurityGroups {
            load_balancer: scene.reference(),
            security_groups: vec![scene.around.security_group.clone()],
        };
        let after = [made(&scene.security_group_key()), After::EveryMade(Kind::Admission)];
        draft.step(DraftStep::new(Operation::V2(operation), &key).completes(&key).after(after));
    }
    let subnets_key = ResourceKey::new(Kind::LoadBalancer, format!("{key} subnets"));
    if !current.subnets.keys().eq(scene.around.placement.subnets.iter()) {
        let leaves = current.subnets.keys().any(|subnet| !scene.around.placement.subnets.contains(subnet));
        let disruption = if leaves { Disruption::DropsConnections } else { Disruption::None };
        let from: Vec<&String> = current.subnets.keys().collect();
        let fields = vec![field("subnets", from, &scene.around.placement.subnets)];
        draft.change(Action::Update, &key, fields, disruption);
        let operation = V2Operation::SetSubnets { load_balancer: scene.reference(), subnets: subnets(scene) };
        draft.step(DraftStep::new(Operation::V2(operation), &key).completes(&key).completes(&subnets_key));
    }
    let address_type = scene.desired.address_type;
    if current.address_type != address_type {
        let fields = vec![field("ip_address_type", current.address_type, address_type)];
        draft.change(Action::Update, &key, fields, Disruption::NewConnections);
        let operation = V2Operation::SetAddressType { load_balancer: scene.reference(), address_type };
        let step = DraftStep::new(Operation::V2(operation), &key).completes(&key);
        draft.step(step.after([made(&subnets_key)]));
    }
}

fn plan_attributes(scene: &Scene<'_>, draft: &mut Draft) {
    let current = scene.current.map(|balancer| &balancer.attributes);
    let found = difference(current, &scene.desired.attributes);
    if found.set.is_empty() {
        return;
    }
    let key = ResourceKey::new(Kind::Attributes, scene.name());
    let (action, disruption) = match current {
        Some(_) => (Action::Update, found.disruption),
        None => (scene.making(|_| true), Disruption::None),
    };
    draft.change(action, &key, found.fields, disruption);
    let operation =
        V2Operation::ModifyLoadBalancerAttributes { load_balancer: scene.reference(), attributes: found.set };
    draft.step(DraftStep::new(Operation::V2(operation), &key).makes().after([created(&scene.key())]));
}
