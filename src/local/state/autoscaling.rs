//! Auto Scaling's records: launch configurations, groups with their members, and what groups did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Auto Scaling in one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Region {
    /// By name.
    pub(crate) launch_configurations: BTreeMap<String, LaunchConfiguration>,
    /// By name.
    pub(crate) groups: BTreeMap<String, Group>,
    /// The newest last.
    pub(crate) activities: Vec<Activity>,
}

/// What a group launches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LaunchConfiguration {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) image_id: String,
    pub(crate) size: String,
    pub(crate) key_name: Option<String>,
    pub(crate) security_groups: Vec<String>,
    /// A name or an ARN, as it was given.
    pub(crate) profile: Option<String>,
    pub(crate) user_data: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) launch: LaunchSource,
    pub(crate) least: u32,
    pub(crate) most: u32,
    pub(crate) desired: u32,
    pub(crate) cooldown: u32,
    pub(crate) zones: Vec<String>,
    /// One a zone; empty for the default subnets of the zones.
    pub(crate) subnets: Vec<String>,
    /// `EC2` or `ELB`.
    pub(crate) health_check: String,
    pub(crate) grace: u32,
    /// Names of Classic load balancers.
    pub(crate) load_balancers: Vec<String>,
    /// ARNs.
    pub(crate) target_groups: Vec<String>,
    pub(crate) protects_new: bool,
    pub(crate) tags: BTreeMap<String, Tag>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    /// In the order of their launch.
    pub(crate) members: Vec<Member>,
}

/// Where a group has it from what it launches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LaunchSource {
    /// A launch configuration, by name.
    Configuration(String),
    /// A launch template of EC2, by id, and the version as it was given.
    Template {
        /// Its id.
        id: String,
        /// A number, `$Latest` or `$Default`.
        version: String,
    },
}

/// The value of a tag of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) value: String,
    /// Whether instances get it too.
    pub(crate) at_launch: bool,
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) instance_id: String,
    pub(crate) zone: String,
    pub(crate) size: String,
    /// From scale-in.
    pub(crate) is_protected: bool,
    /// What it was launched from.
    pub(crate) launch: LaunchSource,
}

/// Something that a group did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activity {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) arn: String,
    pub(crate) description: String,
    pub(crate) cause: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

impl Region {
    /// The group that an instance is in.
    pub(crate) fn group_of(&self, instance: &str) -> Option<&Group> {
        self.groups.values().find(|group| group.members.iter().any(|member| member.instance_id == instance))
    }
}
