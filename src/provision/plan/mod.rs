//! Desired and observed → a plan: match, diff, replace, order. Pure and synchronous: it takes no clock and
//! does no I/O, and the same input gives the same plan.

mod certificate;
mod describe;
mod failure;
mod fields;
mod listener;
mod load_balancer;
mod operation;
mod order;
mod placement;
mod policy;
mod saved;
mod scene;
mod security_group;
mod settings;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use failure::PlanError;
pub use fields::KNOWN_AFTER_APPLY;
pub use operation::{IamName, NewListener, NewRule, NewRuleSource, Operation, Reference, TagChange};

pub use saved::{SavedPlan, SavedPlanError};

use self::order::Draft;
use self::scene::Scene;
use super::resource::{LoadBalancer, Observed, ResourceKey, Stack};

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
    /// The load balancer's name.
    pub load_balancer: String,
    /// The running instances that serve once the plan is applied; none after a destroy.
    pub targets: BTreeSet<String>,
    /// What changes, in the order of [`ResourceKey`].
    pub changes: Vec<Change>,
    /// What the user should know and that stops nothing.
    pub warnings: Vec<String>,
    /// The operations, in an order that respects what each one needs.
    pub steps: Vec<Step>,
}

/// What to do about a load balancer of the stack's name that nobody's tags claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adoption {
    /// Refuse to touch it.
    Refuse,
    /// Take it over.
    Adopt,
}

/// Plans how `observed` becomes `stack`.
///
/// # Errors
///
/// Everything that stands in the way, at once.
pub fn plan(stack: &Stack, observed: &Observed, adoption: Adoption) -> Result<Plan, Vec<PlanError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mut draft = Draft::default();
    let found = owned(stack, observed, adoption, &mut errors);
    let placement = placement::place(stack, observed, found, &mut errors, &mut warnings);
    let certificate = certificate::plan(stack, observed, &mut draft, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    for warning in warnings {
        draft.warn(warning);
    }
    let security_group = security_group::plan(stack, observed, &placement.vpc, &mut draft);
    let replaced = found.filter(|found| load_balancer::requires_replacement(stack, &placement.vpc, found));
    let current = found.filter(|_| replaced.is_none());
    let scene = Scene { stack, observed, placement, current, replaced, certificate, security_group };

    security_group::plan_admissions(stack, observed, &scene.placement, &scene.security_group, &mut draft);
    load_balancer::plan(&scene, &mut draft);
    listener::plan(&scene, &mut draft);
    policy::plan_backends(&scene, &mut draft);
    policy::plan_deletions(&scene, &mut draft);
    settings::plan_attributes(&scene, &mut draft);
    settings::plan_health_check(&scene, &mut draft);
    target::plan(&scene, &mut draft);

    let renamed = observed
        .load_balancers
        .iter()
        .filter(|other| other.name != stack.load_balancer.name && other.tags.are_of(&stack.name));
    for other in renamed {
        load_balancer::plan_deletion(other, &mut draft);
    }
    security_group::plan_deletions(&stack.name, observed, Some(&scene.security_group), &mut draft);
    certificate::plan_deletions(&stack.name, observed, scene.certificate.as_ref(), &mut draft);
    let targets = scene.placement.running().map(str::to_owned).collect();
    Ok(Plan { targets, ..draft.finish(stack, observed) })
}

/// Plans the deletion of all that carries the stack's tags.
#[must_use]
pub fn destroy(stack: &Stack, observed: &Observed) -> Plan {
    let mut draft = Draft::default();
    let name = &stack.name;
    for balancer in &observed.load_balancers {
        if balancer.tags.are_of(name) {
            load_balancer::plan_deletion(balancer, &mut draft);
        } else {
            draft.warn(format!(
                "load balancer {} does not carry the stack's tags and is left alone",
                balancer.name
            ));
        }
    }
    security_group::plan_admission_deletions(name, observed, &mut draft);
    security_group::plan_deletions(name, observed, None, &mut draft);
    certificate::plan_deletions(name, observed, None, &mut draft);
    draft.finish(stack, observed)
}

fn owned<'a>(
    stack: &Stack,
    observed: &'a Observed,
    adoption: Adoption,
    errors: &mut Vec<PlanError>,
) -> Option<&'a LoadBalancer> {
    let found = observed.load_balancer(&stack.load_balancer.name)?;
    let refused = match (found.tags.owner(), adoption) {
        (Some(owner), _) => owner != stack.name,
        (None, Adoption::Refuse) => true,
        (None, Adoption::Adopt) => false,
    };
    if refused {
        errors.push(PlanError::NotOwned {
            name: found.name.clone(),
            owner: found.tags.owner().map(str::to_owned),
        });
    }
    Some(found)
}
