//! Desired and observed → a plan: match, diff, replace, order. Pure and synchronous: it takes no clock and
//! does no I/O, and the same input gives the same plan.

mod operation;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use operation::{IamName, NewListener, NewRule, NewRuleSource, Operation, Reference, TagChange};

use super::resource::ResourceKey;

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It does not exist and will.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted and made again.
    Replace,
    /// It exists and will not.
    Delete,
}

/// What a change does to live connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disruption {
    /// Nothing.
    None,
    /// Open connections stay as they are; new ones are treated otherwise, or refused for a moment.
    NewConnections,
    /// Open connections are closed.
    DropsConnections,
}

/// A field of a resource, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field, in the words of the spec where it has some.
    pub path: String,
    /// The value now; null where there is none.
    pub from: serde_json::Value,
    /// The value afterwards; null where there is none.
    pub to: serde_json::Value,
}

/// What changes about one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happens to it.
    pub action: Action,
    /// Which resource it is.
    pub resource: ResourceKey,
    /// What differs, field by field.
    pub fields: Vec<FieldChange>,
    /// What that does to live connections.
    pub disruption: Disruption,
    /// Why, where the fields do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One operation of a plan, and what must have ended before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in [`Plan::steps`].
    pub id: usize,
    /// The steps that must have succeeded; every one is smaller than `id`.
    pub needs: BTreeSet<usize>,
    /// The resources whose change it carries out.
    pub resources: Vec<ResourceKey>,
    /// What to do.
    pub operation: Operation,
}

/// Everything that `apply` will do, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The stack.
    pub stack: String,
    /// The region.
    pub region: String,
    /// What changes, in the order of [`ResourceKey`].
    pub changes: Vec<Change>,
    /// What the user should know and that stops nothing.
    pub warnings: Vec<String>,
    /// The operations, in an order that respects what each one needs.
    pub steps: Vec<Step>,
}
