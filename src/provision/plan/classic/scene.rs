//! What every part of a Classic load balancer is planned against, and what the parts are called.

use crate::provision::plan::attachment::Point;
use crate::provision::plan::v2::record;
use crate::provision::plan::{Action, AttachmentPoint, Surroundings};
use crate::provision::resource::{
    DesiredLoadBalancer, Kind, LoadBalancer, LoadBalancerType, ResourceKey, Stack, Tags,
};

/// What the parts of a Classic load balancer are planned against.
pub(super) struct Scene<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) desired: &'a DesiredLoadBalancer,
    /// The load balancer as it is, where it stays.
    pub(super) current: Option<&'a LoadBalancer>,
    /// The load balancer that has to make way for one of the same name.
    pub(super) replaced: Option<&'a LoadBalancer>,
}

impl Scene<'_> {
    /// Returns the load balancer's name.
    pub(super) fn name(&self) -> &str {
        &self.desired.name
    }

    /// Returns the load balancer's key.
    pub(super) fn key(&self) -> ResourceKey {
        ResourceKey::new(Kind::LoadBalancer, self.name())
    }

    /// Returns the key of the load balancer's own security group.
    pub(super) fn security_group_key(&self) -> ResourceKey {
        Stack::security_group_key(LoadBalancerType::Classic, self.name())
    }

    /// Returns the tags that the load balancer gets.
    pub(super) fn tags(&self) -> Tags {
        let (stack, observed) = (self.around.stack, self.around.observed);
        let mut tags = stack.tags.owned_by(&stack.name, &self.key());
        tags.0.extend(record::note(stack, observed));
        tags
    }

    /// Returns the load balancer as what an Auto Scaling group is attached to.
    pub(super) fn point(&self) -> Point<'_> {
        point(self.key(), self.name(), self.current, self.around.stack)
    }

    /// Returns what is done to a part of the load balancer that is not there yet: it is made again where the
    /// load balancer that has to make way had one.
    pub(super) fn making(&self, had: impl FnOnce(&LoadBalancer) -> bool) -> Action {
        if self.replaced.is_some_and(had) { Action::Replace } else { Action::Create }
    }
}

/// Returns a Classic load balancer as what an Auto Scaling group is attached to; what is noted on one that is not the
/// stack's is nothing of the stack's.
pub(super) fn point<'a>(
    key: ResourceKey,
    name: &str,
    current: Option<&'a LoadBalancer>,
    stack: &Stack,
) -> Point<'a> {
    static NOTHING: Tags = Tags::NONE;
    let tags = |found: &'a LoadBalancer| {
        if found.tags.are_of(&stack.name) { &found.tags } else { &NOTHING }
    };
    Point {
        key,
        place: AttachmentPoint::LoadBalancer(name.to_owned()),
        current: current.map(|found| (found.name.as_str(), tags(found))),
        word: None,
    }
}

/// Returns the key of the listener on `port`.
pub(super) fn listener_key(port: u16) -> ResourceKey {
    ResourceKey::new(Kind::Listener, port)
}

/// Returns the key of the policy called `name`.
pub(super) fn policy_key(name: &str) -> ResourceKey {
    ResourceKey::new(Kind::Policy, name)
}

/// Returns the key of the set of policies on an instance port.
pub(in crate::provision::plan) fn backend_key(port: u16) -> ResourceKey {
    ResourceKey::new(Kind::BackendPolicies, port)
}
