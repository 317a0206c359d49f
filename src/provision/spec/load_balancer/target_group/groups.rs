//! The target groups of a load balancer by name: which exist, which are used.

use std::collections::{BTreeMap, BTreeSet};

use super::TargetGroupName;
use crate::provision::spec::item::{Item, Read};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::suggest::nearest;

/// The name of the group where the spec names none.
const DEFAULT: &str = "default";

/// The groups as far as they are sound, each with its place in the spec.
pub(in crate::provision::spec::load_balancer) struct Groups<'a, G> {
    entries: Vec<Entry<'a, G>>,
}

struct Entry<'a, G> {
    name: TargetGroupName,
    /// Its place; none for the default one, which is not written.
    item: Option<&'a Item>,
    group: Read<G>,
}

impl<'a, G> Groups<'a, G> {
    /// Reads `target_groups:` of the load balancer, each group with `one`; by default there is one.
    pub(in crate::provision::spec::load_balancer) fn decode(
        load_balancer: &'a Item,
        problems: &mut Problems,
        one: impl Fn(&Item, &mut Problems) -> Read<G>,
    ) -> Read<Self> {
        let Some(map) = load_balancer.get("target_groups") else {
            let group = one(&load_balancer.defaults_from(), problems);
            let entry = Entry { name: TargetGroupName::new(DEFAULT), item: None, group };
            return Ok(Self { entries: vec![entry] });
        };
        let entry = |(name, item): &'a (String, Item)| Entry {
            name: TargetGroupName::new(name),
            item: Some(item),
            group: one(item, problems),
        };
        Ok(Self { entries: map.as_map()?.iter().map(entry).collect() })
    }

    /// Returns the group that is meant where a listener names none: the only one, or the one named `default`.
    pub(in crate::provision::spec::load_balancer) fn implied(&self) -> Option<&TargetGroupName> {
        match self.entries.as_slice() {
            [only] => Some(&only.name),
            several => several.iter().map(|entry| &entry.name).find(|name| name.as_str() == DEFAULT),
        }
    }

    /// Returns the group of that name, if there is one and it is sound.
    pub(in crate::provision::spec::load_balancer) fn get(&self, name: &TargetGroupName) -> Option<&G> {
        self.entries.iter().find(|entry| entry.name == *name)?.group.as_ref().ok()
    }

    /// Yields the sound groups with their names and places.
    pub(in crate::provision::spec::load_balancer) fn sound(
        &self,
    ) -> impl Iterator<Item = (&TargetGroupName, Option<&'a Item>, &G)> {
        self.entries.iter().filter_map(|entry| Some((&entry.name, entry.item, entry.group.as_ref().ok()?)))
    }

    /// Reports at `item` if it names a group that does not exist.
    pub(in crate::provision::spec::load_balancer) fn check_name(
        &self,
        name: &str,
        item: &Item,
        problems: &mut Problems,
    ) {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        if names.contains(&name) {
            return;
        }
        let hint = match nearest(name, &names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the target groups are {}", names.join(", ")),
        };
        item.report(problems, Refusal::new(format!("there is no target group {name}")).hint(hint));
    }

    /// Reports at `item` that it has to say which of several groups is meant.
    pub(in crate::provision::spec::load_balancer) fn report_ambiguous(
        &self,
        item: &Item,
        how: &str,
        problems: &mut Problems,
    ) {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let refusal = Refusal::new(format!("which of the target groups {} is meant here?", names.join(", ")))
            .hint(format!("write {how}, or call one of them {DEFAULT}"));
        item.report(problems, refusal);
    }

    /// Reports the groups that nothing forwards to.
    pub(in crate::provision::spec::load_balancer) fn report_unused(
        &self,
        used: &BTreeSet<&TargetGroupName>,
        problems: &mut Problems,
    ) {
        for entry in self.entries.iter().filter(|entry| !used.contains(&entry.name)) {
            if let Some(item) = entry.item {
                let refusal = Refusal::new("nothing forwards to this target group, so it is never checked")
                    .hint("forward to it, or remove it");
                item.report(problems, refusal);
            }
        }
    }

    /// Returns those that are used, if all are sound; the default one is left out where nothing forwards.
    pub(in crate::provision::spec::load_balancer) fn all(
        self,
        used: &BTreeSet<TargetGroupName>,
    ) -> Read<BTreeMap<TargetGroupName, G>> {
        let kept =
            self.entries.into_iter().filter(|entry| entry.item.is_some() || used.contains(&entry.name));
        kept.map(|entry| Ok((entry.name, entry.group?))).collect()
    }
}
