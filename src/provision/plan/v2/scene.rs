//! What every part of an Application or a Network load balancer is planned against, and what the parts are called.

use std::collections::{BTreeMap, BTreeSet};

use super::record;
use crate::provision::plan::{Action, Reference, Surroundings};
use crate::provision::resource::v2::{DesiredLoadBalancer, LoadBalancer, Target, TargetGroup};
use crate::provision::resource::{Kind, ResourceKey, Stack, Tags};

/// A desired target group, matched with what there is.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// Its name in AWS.
    pub(super) name: String,
    pub(super) reference: Reference,
    pub(super) current: Option<&'a TargetGroup>,
    /// Who is to be registered.
    pub(super) targets: BTreeSet<Target>,
    /// Who of them can become healthy.
    pub(super) running: BTreeSet<Target>,
}

/// What the parts of a load balancer are planned against.
pub(super) struct Scene<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) desired: &'a DesiredLoadBalancer,
    /// The load balancer as it is, where it stays.
    pub(super) current: Option<&'a LoadBalancer>,
    /// The load balancer that has to make way for one of the same name.
    pub(super) replaced: Option<&'a LoadBalancer>,
    /// The ARNs of load balancers of the stack that another takes the place of and that keep serving for now.
    pub(super) serving: BTreeSet<&'a str>,
    /// Its target groups by their names in the spec.
    pub(super) groups: BTreeMap<&'a str, Group<'a>>,
}

impl<'a> Scene<'a> {
    pub(super) fn stack(&self) -> &'a Stack {
        self.around.stack
    }

    /// Returns the load balancer's name.
    pub(super) fn name(&self) -> &'a str {
        &self.desired.name
    }

    /// Returns the load balancer's key.
    pub(super) fn key(&self) -> ResourceKey {
        ResourceKey::new(Kind::LoadBalancer, self.name())
    }

    /// Returns the load balancer as steps refer to it.
    pub(super) fn reference(&self) -> Reference {
        match self.current {
            Some(current) => Reference::Existing(current.arn.clone()),
            None => Reference::Planned(self.key()),
        }
    }

    /// Returns the key of the load balancer's own security group.
    pub(super) fn security_group_key(&self) -> ResourceKey {
        Stack::security_group_key(self.desired.family.into(), self.name())
    }

    /// Returns the tags of the resource with this key.
    pub(super) fn tags(&self, key: &ResourceKey) -> Tags {
        self.stack().tags.owned_by(&self.stack().name, key)
    }

    /// Returns the tags of the load balancer itself.
    pub(super) fn balancer_tags(&self) -> Tags {
        let mut tags = self.tags(&self.key());
        tags.0.extend(record::note(self.stack(), self.around.observed));
        tags
    }

    /// Says whether a part of the load balancer with these tags is the stack's to change: what others have put
    /// there is not, unless the load balancer itself is being adopted.
    pub(super) fn is_ours(&self, tags: &Tags) -> bool {
        let adopting = self.current.is_some_and(|current| current.tags.owner().is_none());
        tags.are_of(&self.stack().name) || (adopting && tags.owner().is_none())
    }

    /// Returns what is done to a part of the load balancer that is not there yet.
    pub(super) fn making(&self, had: impl FnOnce(&LoadBalancer) -> bool) -> Action {
        if self.replaced.is_some_and(had) { Action::Replace } else { Action::Create }
    }

    /// Returns what a reader knows the target group with this ARN by: its name in the spec, or that in AWS where it
    /// is another one.
    pub(super) fn group_word(&self, arn: &str) -> String {
        let is = |group: &&Group<'_>| group.current.is_some_and(|current| current.arn == arn);
        if let Some((word, _)) = self.groups.iter().find(|(_, group)| is(group)) {
            return (*word).to_owned();
        }
        let found = self.around.observed.target_groups.iter().find(|group| group.arn == arn);
        found.map_or(arn, |group| &group.name).to_owned()
    }
}

/// Returns the key of the listener on `port`.
pub(super) fn listener_key(port: u16) -> ResourceKey {
    ResourceKey::new(Kind::Listener, port)
}

/// Returns the key of a target group by its name in the spec.
pub(in crate::provision::plan) fn group_key(group: &str) -> ResourceKey {
    ResourceKey::new(Kind::TargetGroup, group)
}

/// Stands for the moment when the target groups that traffic is switched to have a healthy target.
pub(super) fn switch_key() -> ResourceKey {
    ResourceKey::new(Kind::TargetGroup, "ready to take over")
}
