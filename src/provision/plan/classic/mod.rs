//! A Classic load balancer in the planner: what is planned for it once the stack's surroundings are.

mod listener;
mod load_balancer;
mod policy;
mod scene;
mod settings;
mod target;

use self::scene::Scene;
use super::Surroundings;
use super::order::Draft;
use crate::provision::resource::{DesiredLoadBalancer, LoadBalancer};

pub(super) use load_balancer::plan_deletion;

/// Plans the load balancer and all that is part of it; `found` is the one of its name.
pub(super) fn plan(
    around: &Surroundings<'_>,
    desired: &DesiredLoadBalancer,
    found: Option<&LoadBalancer>,
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
}
