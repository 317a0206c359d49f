//! Launch templates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::local::state::Tags;

/// A launch template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LaunchTemplate {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    /// The version that is meant where none is named.
    pub(crate) default: u32,
    /// By number, from 1.
    pub(crate) versions: BTreeMap<u32, LaunchTemplateVersion>,
    pub(crate) tags: Tags,
}

/// A version of a launch template, which never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LaunchTemplateVersion {
    pub(crate) description: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    /// The parameters of a launch, as they were given.
    pub(crate) data: BTreeMap<String, String>,
}

impl LaunchTemplate {
    /// The number of the newest version.
    pub(crate) fn latest(&self) -> u32 {
        self.versions.keys().next_back().copied().unwrap_or(self.default)
    }

    /// The number that a version is named by: a number, `$Latest` or `$Default`.
    pub(crate) fn number(&self, version: &str) -> Option<u32> {
        let number = match version {
            "$Latest" => self.latest(),
            "$Default" => self.default,
            number => number.parse().ok()?,
        };
        self.versions.contains_key(&number).then_some(number)
    }
}
