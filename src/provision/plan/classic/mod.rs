//! A Classic load balancer in the planner: what is planned for it once the stack's surroundings are.

mod listener;
mod load_balancer;
mod policy;
mod scene;
mod settings;
mod target;

use std::collections::BTreeSet;

use self::scene::Scene;
use super::Surroundings;
use super::former::Former;
use super::order::Draft;
use super::v2::AliasTarget;
use super::v2::record::{self, Destination};
use crate::provision::resource::v2::AddressType;
use crate::provision::resource::{DesiredLoadBalancer, LoadBalancer, Observed};

pub(super) use load_balancer::plan_deletion;
pub(super) use scene::backend_key;

/// Returns the load balancer of the desired name, if it stays.
pub(super) fn kept<'a>(
    desired: &DesiredLoadBalancer,
    observed: &'a Observed,
    vpc: &str,
) -> Option<&'a LoadBalancer> {
    let found = observed.load_balancer(&desired.name)?;
    (!load_balancer::requires_replacement(desired, vpc, found)).then_some(found)
}

/// Plans the load balancer and all that is part of it; `found` is the one of its name.
pub(super) fn plan(
    around: &Surroundings<'_>,
    desired: &DesiredLoadBalancer,
    found: Option<&LoadBalancer>,
    formers: &[Former<'_>],
    draft: &mut Draft,
) {
    let replaced =
        found.filter(|found| load_balancer::requires_replacement(desired, &around.placement.vpc, found));
    let scene = Scene { around, desired, current: found.filter(|_| replaced.is_none()), replaced };
    load_balancer::plan(&scene, draft);
    listener::plan(&scene, draft);
    policy::plan_backends(&scene, draft);
    policy::plan_deletions(&scene, draft);
    settings::plan_attributes(&scene, draft);
    settings::plan_health_check(&scene, draft);
    target::plan(&scene, draft);
    let destination = Destination {
        stack: around.stack,
        observed: around.observed,
        scheme: desired.scheme,
        address_type: AddressType::Ipv4,
        dns_name: scene.current.map(|current| current.dns_name.as_str()),
        replaced: replaced.map(|old| old.dns_name.as_str()),
        target: AliasTarget::Classic(desired.name.clone()),
    };
    let moves = record::plan(destination, formers, draft);
    let goes = formers.iter().any(|former| !former.stays());
    let instances: BTreeSet<String> = around.placement.running().map(str::to_owned).collect();
    if (moves || goes) && !instances.is_empty() {
        target::await_in_service(&scene, instances, draft);
    }
}
