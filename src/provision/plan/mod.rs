//! Desired and observed → a plan: match, diff, replace, order. Pure and synchronous: it takes no clock and
//! does no I/O, and the same input gives the same plan.

mod attachment;
mod certificate;
mod classic;
mod describe;
mod failure;
mod fields;
mod former;
mod header;
mod operation;
mod order;
mod placement;
mod proxy;
mod saved;
mod security_group;
#[cfg(test)]
mod tests;
pub mod v2;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use failure::PlanError;
pub use fields::KNOWN_AFTER_APPLY;
pub use header::Header;
pub use operation::{
    AttachmentPoint, IamName, NewListener, NewRule, NewRuleSource, Operation, Reference, TagChange,
};
pub use proxy::{Gate, Lack, ProxyOn, ProxyOperation, ProxyState, proxy_states};
pub use saved::{SavedPlan, SavedPlanError};
pub use v2::V2Operation;

use self::certificate::Certificates;
use self::former::Former;
use self::order::Draft;
use self::placement::Placement;
use self::proxy::Switch;
use super::resource::{
    DesiredBalancer, Kind, LoadBalancerType, Observed, ResourceKey, Stack, Tags, v2 as resource_v2,
};

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
    /// What kind it is.
    pub load_balancer_type: LoadBalancerType,
    /// The running instances that serve once the plan is applied; none after a destroy.
    pub targets: BTreeSet<String>,
    /// Who of them, and which addresses, then serve each target group, by the group's name in AWS; none with a
    /// Classic load balancer.
    pub target_groups: BTreeMap<String, BTreeSet<resource_v2::Target>>,
    /// What changes, in the order of [`ResourceKey`].
    pub changes: Vec<Change>,
    /// What the user should know and that stops nothing.
    pub warnings: Vec<String>,
    /// The operations, in an order that respects what each one needs.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Says whether anything is registered once the plan is applied.
    #[must_use]
    pub fn has_targets(&self) -> bool {
        match self.load_balancer_type {
            LoadBalancerType::Classic => !self.targets.is_empty(),
            LoadBalancerType::Application | LoadBalancerType::Network => {
                self.target_groups.values().any(|targets| !targets.is_empty())
            }
        }
    }
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

/// What becomes of a load balancer of the stack whose place another has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cutover {
    /// It stays until the traffic has moved: until a DNS record of the stack leads to the other one.
    WhenMoved,
    /// It is removed: the user has moved the traffic.
    Now,
}

/// What the user has agreed to besides the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// What to do about an unclaimed load balancer.
    pub adoption: Adoption,
    /// What to do about one whose place another has taken.
    pub cutover: Cutover,
}

impl From<Adoption> for Choices {
    fn from(adoption: Adoption) -> Self {
        Self { adoption, cutover: Cutover::WhenMoved }
    }
}

/// What a load balancer is planned in: all that is settled before it.
struct Surroundings<'a> {
    stack: &'a Stack,
    observed: &'a Observed,
    placement: Placement<'a>,
    certificates: Certificates,
    security_group: Reference,
    /// The PROXY header of ports that the stack's proxies serve, where it is turned on or off.
    switch: Option<Switch>,
}

impl Surroundings<'_> {
    /// Returns the certificate of secure listeners.
    fn certificate(&self) -> Option<&Reference> {
        self.certificates.main.as_ref()
    }
}

/// Plans how `observed` becomes `stack`.
///
/// # Errors
///
/// Everything that stands in the way, at once.
pub fn plan(stack: &Stack, observed: &Observed, choices: impl Into<Choices>) -> Result<Plan, Vec<PlanError>> {
    let choices = choices.into();
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mut draft = Draft::default();
    check_ownership(stack, observed, choices.adoption, &mut errors);
    let attached = attached_subnets(stack, observed);
    let placement = placement::place(stack, observed, &attached, &mut errors, &mut warnings);
    let certificates = certificate::plan(stack, observed, &mut draft, &mut errors);
    let formers = former::find(stack, observed, choices.cutover);
    if let DesiredBalancer::V2(desired) = &stack.load_balancer {
        v2::check(stack, observed, desired, &placement, &mut errors);
    }
    v2::record::check(stack, stack.load_balancer.scheme(), observed, choices.adoption, &mut errors);
    former::check(&formers, &mut errors);
    let switch = Switch::find(stack, observed, &placement);
    proxy::check(stack, observed, (&placement, switch.as_ref()), &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    for warning in warnings {
        draft.warn(warning);
    }
    let security_group = security_group::plan(stack, observed, &placement.vpc, &mut draft);
    let kept: BTreeSet<&String> =
        formers.iter().filter(|former| former.stays()).flat_map(Former::security_groups).collect();
    security_group::plan_admissions(stack, observed, &placement, &security_group, &kept, &mut draft);
    let around = Surroundings { stack, observed, placement, certificates, security_group, switch };
    let name = stack.load_balancer.name();
    let target_groups = match &stack.load_balancer {
        DesiredBalancer::Classic(desired) => {
            classic::plan(&around, desired, observed.load_balancer(name), &formers, &mut draft);
            v2::plan_unused_groups(stack, observed, &formers, &mut draft);
            BTreeMap::new()
        }
        DesiredBalancer::V2(desired) => {
            v2::plan(&around, desired, observed.v2_load_balancer(name), &formers, &mut draft)
        }
    };
    former::plan(&around, &formers, &mut draft);
    security_group::plan_deletions(&stack.name, observed, Some(&around.security_group), &kept, &mut draft);
    let listening: BTreeSet<&String> =
        formers.iter().filter(|former| former.stays()).flat_map(Former::certificates).collect();
    certificate::plan_deletions(&stack.name, observed, &around.certificates, &listening, &mut draft);
    let site = proxy::Site {
        stack,
        observed,
        placement: &around.placement,
        switch: around.switch.as_ref(),
        target_groups: &target_groups,
    };
    proxy::plan(&site, &mut draft);
    let targets = around.placement.running().map(str::to_owned).collect();
    Ok(Plan { targets, target_groups, ..draft.finish(stack, observed) })
}

/// Plans the proxy on the instances, and nothing else of what [`plan`] plans.
///
/// # Errors
///
/// What [`plan`] refuses, and a load balancer that is not there.
pub fn deploy(
    stack: &Stack,
    observed: &Observed,
    choices: impl Into<Choices>,
) -> Result<Plan, Vec<PlanError>> {
    let name = stack.load_balancer.name();
    if found_tags(stack, observed).is_none() {
        return Err(vec![PlanError::NotBuilt { name: name.to_owned(), region: observed.region.clone() }]);
    }
    let mut plan = plan(stack, observed, choices)?;
    let turned = plan.steps.iter().find_map(|step| match &step.operation {
        Operation::Proxy(ProxyOperation::ConfirmOptional { .. }) => step.resources.first(),
        _ => None,
    });
    if let Some(turned) = turned {
        return Err(vec![PlanError::SwitchedByApply { by: turned.clone() }]);
    }
    let is_ours = |key: &ResourceKey| matches!(key.kind, Kind::Program | Kind::Proxy);
    let all = plan.changes.len();
    plan.changes.retain(|change| is_ours(&change.resource));
    let others = all - plan.changes.len();
    plan.steps.retain(|step| step.resources.iter().all(is_ours));
    let places: BTreeMap<usize, usize> =
        plan.steps.iter().enumerate().map(|(place, step)| (step.id, place)).collect();
    for (place, step) in plan.steps.iter_mut().enumerate() {
        step.id = place;
        step.needs = step.needs.iter().filter_map(|need| places.get(need)).copied().collect();
    }
    plan.warnings.clear();
    if others > 0 {
        let (noun, verb) = if others == 1 { ("resource", "differs") } else { ("resources", "differ") };
        plan.warnings
            .push(format!("{others} {noun} of the stack {verb} from the spec: elbws apply changes them"));
    }
    Ok(plan)
}

/// Plans the deletion of all that carries the stack's tags.
///
/// # Errors
///
/// What AWS would refuse to delete.
pub fn destroy(stack: &Stack, observed: &Observed) -> Result<Plan, Vec<PlanError>> {
    let mut draft = Draft::default();
    let name = &stack.name;
    let mut errors = Vec::new();
    let formers = former::all(stack, observed);
    former::check(&formers, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    for foreign in foreign(stack, observed) {
        draft.warn(format!("load balancer {foreign} does not carry the stack's tags and is left alone"));
    }
    former::plan_deletions((stack, observed), &formers, &mut draft);
    v2::plan_deletions(stack, observed, &mut draft);
    security_group::plan_admission_deletions(name, observed, &mut draft);
    security_group::plan_deletions(name, observed, None, &BTreeSet::new(), &mut draft);
    certificate::plan_deletions(name, observed, &Certificates::default(), &BTreeSet::new(), &mut draft);
    Ok(draft.finish(stack, observed))
}

/// Returns the tags of the load balancer that has the desired name and API, whoever owns it.
fn found_tags<'a>(stack: &Stack, observed: &'a Observed) -> Option<&'a Tags> {
    let name = stack.load_balancer.name();
    match &stack.load_balancer {
        DesiredBalancer::Classic(_) => observed.load_balancer(name).map(|found| &found.tags),
        DesiredBalancer::V2(_) => observed.v2_load_balancer(name).map(|found| &found.tags),
    }
}

fn attached_subnets(stack: &Stack, observed: &Observed) -> BTreeSet<String> {
    let name = stack.load_balancer.name();
    let subnets = match &stack.load_balancer {
        DesiredBalancer::Classic(_) => observed.load_balancer(name).map(|found| found.subnets.clone()),
        DesiredBalancer::V2(_) => {
            observed.v2_load_balancer(name).map(|found| found.subnets.keys().cloned().collect())
        }
    };
    subnets.unwrap_or_default()
}

fn check_ownership(stack: &Stack, observed: &Observed, adoption: Adoption, errors: &mut Vec<PlanError>) {
    let Some(tags) = found_tags(stack, observed) else { return };
    let refused = match (tags.owner(), adoption) {
        (Some(owner), _) => owner != stack.name,
        (None, Adoption::Refuse) => true,
        (None, Adoption::Adopt) => false,
    };
    if refused {
        errors.push(PlanError::NotOwned {
            name: stack.load_balancer.name().to_owned(),
            owner: tags.owner().map(str::to_owned),
        });
    }
}

/// Returns the names of the observed load balancers that are not the stack's.
fn foreign<'a>(stack: &Stack, observed: &'a Observed) -> impl Iterator<Item = &'a str> {
    // Of a type that the spec does not speak of, one of the same name is nobody's concern.
    let (classic, v2) = match &stack.load_balancer {
        DesiredBalancer::Classic(_) => (observed.load_balancers.as_slice(), Default::default()),
        DesiredBalancer::V2(_) => (Default::default(), observed.v2_load_balancers.as_slice()),
    };
    let classic = classic.iter().map(|found| (found.name.as_str(), &found.tags));
    let v2 = v2.iter().map(|found| (found.name.as_str(), &found.tags));
    let name = stack.name.clone();
    classic.chain(v2).filter(move |(_, tags)| !tags.are_of(&name)).map(|(name, _)| name)
}
