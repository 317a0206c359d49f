//! Tags, and the ownership that two of them state.
//!
//! There is no state file: what carries [`STACK_TAG`] with the stack's name is the stack's, and nothing else
//! is ever changed or deleted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ResourceKey;

/// The tag whose value is the stack that owns the resource.
pub const STACK_TAG: &str = "elbws:stack";
/// The tag whose value says which resource of the stack it is, as `kind/name`.
pub const RESOURCE_TAG: &str = "elbws:resource";

/// The tag whose value names the Auto Scaling groups that the stack has attached to the resource, or is about to,
/// with colons between them, which no such name has.
pub const ATTACHED_TAG: &str = "elbws:auto-scaling-groups";

/// The tags of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(pub BTreeMap<String, String>);

impl Tags {
    /// No tags.
    pub const NONE: Self = Self(BTreeMap::new());

    /// Returns these tags with the two that state ownership.
    #[must_use]
    pub fn owned_by(&self, stack: &str, key: &ResourceKey) -> Self {
        let mut tags = self.0.clone();
        tags.insert(STACK_TAG.to_owned(), stack.to_owned());
        tags.insert(RESOURCE_TAG.to_owned(), key.to_string());
        Self(tags)
    }

    /// Says whether the resource that carries these tags is `stack`'s.
    #[must_use]
    pub fn are_of(&self, stack: &str) -> bool {
        self.owner() == Some(stack)
    }

    /// Returns the stack that owns the resource with these tags, if one does.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.0.get(STACK_TAG).map(String::as_str)
    }

    /// Says whether all of the `wanted` tags are among these.
    #[must_use]
    pub fn include(&self, wanted: &Self) -> bool {
        wanted.0.iter().all(|(key, value)| self.0.get(key) == Some(value))
    }

    /// Returns these tags with the note of these Auto Scaling groups; without one where there are none.
    #[must_use]
    pub fn noting<'a>(&self, groups: impl IntoIterator<Item = &'a String>) -> Self {
        let names: Vec<&str> = groups.into_iter().map(String::as_str).collect();
        let mut tags = self.0.clone();
        if !names.is_empty() {
            tags.insert(ATTACHED_TAG.to_owned(), names.join(":"));
        }
        Self(tags)
    }

    /// Returns the Auto Scaling groups that the resource's note names.
    #[must_use]
    pub fn noted(&self) -> BTreeSet<String> {
        let names = self.0.get(ATTACHED_TAG).map(String::as_str).unwrap_or_default();
        names.split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Returns the tags without those that AWS itself sets, which nobody can change, and without the note of Auto
    /// Scaling groups, which changes with their attachments alone.
    #[must_use]
    pub fn without_reserved(&self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(key, _)| !key.starts_with("aws:") && *key != ATTACHED_TAG)
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        )
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
