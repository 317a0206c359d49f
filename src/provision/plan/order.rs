//! Which operation waits for which: steps say what they bring about and what must have come about before
//! them, and [`Draft::finish`] turns that into an order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, Disruption, FieldChange, Operation, Plan, Reference, Step};
use crate::provision::resource::{Kind, LoadBalancer, Observed, ResourceKey, Stack};

/// Something that a step brings about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// The resource exists; parts of it may still be missing.
    Created(ResourceKey),
    /// The resource is as desired.
    Made(ResourceKey),
    /// The resource is gone.
    Gone(ResourceKey),
}

/// What a step waits for. A mark that no step of the plan brings about is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum After {
    /// Every step that brings this about.
    Mark(Mark),
    /// Every step that creates or makes a resource of this kind.
    EveryMade(Kind),
    /// Every step that removes a resource of this kind.
    EveryGone(Kind),
}

impl After {
    fn is(&self, mark: &Mark) -> bool {
        match (self, mark) {
            (Self::Mark(wanted), mark) => wanted == mark,
            (Self::EveryMade(kind), Mark::Created(key) | Mark::Made(key))
            | (Self::EveryGone(kind), Mark::Gone(key)) => key.kind == *kind,
            (Self::EveryMade(_) | Self::EveryGone(_), _) => false,
        }
    }
}

/// Returns the condition that `key` exists.
pub(super) fn created(key: &ResourceKey) -> After {
    After::Mark(Mark::Created(key.clone()))
}

/// Returns the condition that `key` is as desired.
pub(super) fn made(key: &ResourceKey) -> After {
    After::Mark(Mark::Made(key.clone()))
}

/// Returns the condition that `key` is gone.
pub(super) fn gone(key: &ResourceKey) -> After {
    After::Mark(Mark::Gone(key.clone()))
}

/// A step before its place is known.
#[derive(Debug)]
pub(super) struct DraftStep {
    operation: Operation,
    resources: Vec<ResourceKey>,
    marks: Vec<Mark>,
    after: Vec<After>,
}

impl DraftStep {
    /// Starts a step for the change of `resource`.
    pub(super) fn new(operation: Operation, resource: &ResourceKey) -> Self {
        Self { operation, resources: vec![resource.clone()], marks: Vec::new(), after: Vec::new() }
    }

    /// Says that the step carries out the change of these resources as well.
    pub(super) fn also_for(mut self, resources: impl IntoIterator<Item = ResourceKey>) -> Self {
        self.resources.extend(resources);
        self
    }

    /// Says that its resources exist and are as desired afterwards.
    pub(super) fn makes(self) -> Self {
        let marks = self
            .resources
            .iter()
            .flat_map(|key| [Mark::Created(key.clone()), Mark::Made(key.clone())])
            .collect();
        Self { marks, ..self }
    }

    /// Says that its resources exist afterwards, and that parts of them are still to come.
    pub(super) fn creates(self) -> Self {
        let marks = self.resources.iter().cloned().map(Mark::Created).collect();
        Self { marks, ..self }
    }

    /// Says that its resources are gone afterwards.
    pub(super) fn removes(self) -> Self {
        let marks = self.resources.iter().cloned().map(Mark::Gone).collect();
        Self { marks, ..self }
    }

    /// Says that `key` is one part closer to being as desired afterwards.
    pub(super) fn completes(mut self, key: &ResourceKey) -> Self {
        self.marks.push(Mark::Made(key.clone()));
        self
    }

    /// Says that `key` is gone afterwards.
    pub(super) fn clears(mut self, key: &ResourceKey) -> Self {
        self.marks.push(Mark::Gone(key.clone()));
        self
    }

    /// Says what must have come about before.
    pub(super) fn after(mut self, after: impl IntoIterator<Item = After>) -> Self {
        self.after.extend(after);
        self
    }
}

/// A plan that is being made.
#[derive(Debug, Default)]
pub(super) struct Draft {
    changes: BTreeMap<ResourceKey, Change>,
    warnings: Vec<String>,
    steps: Vec<DraftStep>,
    awaited: BTreeSet<Reference>,
}

impl Draft {
    /// Adds a change; a second one of the same resource adds its fields to the first.
    pub(super) fn change(
        &mut self,
        action: Action,
        resource: &ResourceKey,
        fields: Vec<FieldChange>,
        disruption: Disruption,
    ) -> &mut Change {
        let change = self.changes.entry(resource.clone()).or_insert_with(|| Change {
            action,
            resource: resource.clone(),
            fields: Vec::new(),
            disruption,
            reason: None,
        });
        change.fields.extend(fields);
        change.disruption = change.disruption.max(disruption);
        change
    }

    /// Says whether the resource changes already.
    pub(super) fn has_change(&self, resource: &ResourceKey) -> bool {
        self.changes.contains_key(resource)
    }

    /// Returns the names of the policies that the load balancer's listeners and instance ports use once the
    /// steps drafted so far have run.
    pub(super) fn policies_in_use(&self, balancer: &LoadBalancer) -> BTreeSet<String> {
        let mut listeners: BTreeMap<u16, &[String]> = balancer
            .listeners
            .values()
            .map(|listener| (listener.port, listener.policies.as_slice()))
            .collect();
        let mut backends: BTreeMap<u16, &[String]> =
            balancer.backend_policies.iter().map(|(port, names)| (*port, names.as_slice())).collect();
        for step in &self.steps {
            if let Operation::DeleteListeners { ports, .. } = &step.operation {
                listeners.retain(|port, _| !ports.contains(port));
            } else if let Operation::SetListenerPolicies { port, policies, .. } = &step.operation {
                listeners.insert(*port, policies);
            } else if let Operation::SetBackendPolicies { port, policies, .. } = &step.operation {
                backends.insert(*port, policies);
            }
        }
        listeners.into_values().chain(backends.into_values()).flatten().cloned().collect()
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Notes target groups that must have healthy targets before traffic is switched to them.
    pub(super) fn awaited(&mut self, groups: BTreeSet<Reference>) {
        self.awaited.extend(groups);
    }

    /// Returns those groups.
    pub(super) fn take_awaited(&mut self) -> BTreeSet<Reference> {
        std::mem::take(&mut self.awaited)
    }

    /// Adds a step.
    pub(super) fn step(&mut self, step: DraftStep) {
        self.steps.push(step);
    }

    /// Puts the steps in order: among those whose needs are met, the one that was added first.
    pub(super) fn finish(self, stack: &Stack, observed: &Observed) -> Plan {
        let needs: Vec<BTreeSet<usize>> =
            self.steps.iter().enumerate().map(|(index, step)| needs_of(index, step, &self.steps)).collect();
        let mut order: Vec<usize> = Vec::with_capacity(self.steps.len());
        let mut placed: BTreeMap<usize, usize> = BTreeMap::new();
        while order.len() < self.steps.len() {
            let next = (0..self.steps.len()).find(|index| {
                !placed.contains_key(index) && needs[*index].iter().all(|need| placed.contains_key(need))
            });
            // A cycle is a mistake in this folder, which the tests over every spec would show; the first
            // step left then goes first, so that a plan always has all of its steps.
            let next = next.or_else(|| (0..self.steps.len()).find(|index| !placed.contains_key(index)));
            debug_assert!(next.is_some());
            let Some(next) = next else { break };
            placed.insert(next, order.len());
            order.push(next);
        }
        let mut drafts: BTreeMap<usize, DraftStep> = self.steps.into_iter().enumerate().collect();
        let steps = order
            .iter()
            .enumerate()
            .filter_map(|(id, index)| {
                let draft = drafts.remove(index)?;
                let needs = needs[*index]
                    .iter()
                    .filter_map(|need| placed.get(need))
                    .copied()
                    .filter(|need| *need < id);
                Some(Step {
                    id,
                    needs: needs.collect(),
                    resources: draft.resources,
                    operation: draft.operation,
                })
            })
            .collect();
        Plan {
            stack: stack.name.clone(),
            region: observed.region.clone(),
            load_balancer_type: stack.load_balancer.kind(),
            load_balancer: stack.load_balancer.name().to_owned(),
            targets: BTreeSet::new(),
            target_groups: BTreeMap::new(),
            changes: self.changes.into_values().collect(),
            warnings: self.warnings,
            steps,
        }
    }
}

fn needs_of(index: usize, step: &DraftStep, all: &[DraftStep]) -> BTreeSet<usize> {
    all.iter()
        .enumerate()
        .filter(|(other, candidate)| {
            *other != index
                && step.after.iter().any(|after| candidate.marks.iter().any(|mark| after.is(mark)))
        })
        .map(|(other, _)| other)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delete(name: &str) -> DraftStep {
        let key = ResourceKey::new(Kind::LoadBalancer, name);
        DraftStep::new(Operation::DeleteLoadBalancer { name: name.to_owned() }, &key).removes()
    }

    fn names(plan: &Plan) -> Vec<(String, Vec<usize>)> {
        plan.steps
            .iter()
            .map(|step| (step.resources[0].name.clone(), step.needs.iter().copied().collect()))
            .collect()
    }

    #[test]
    fn a_step_follows_all_that_bring_about_what_it_needs() {
        let mut draft = Draft::default();
        let key = |name| ResourceKey::new(Kind::LoadBalancer, name);
        draft.step(delete("last").after([gone(&key("a")), gone(&key("b"))]));
        draft.step(delete("a"));
        draft.step(delete("b").after([gone(&key("nobody"))]));
        let plan = draft.finish(&super::super::tests::stack(), &Observed::default());
        assert_eq!(names(&plan), [("a".into(), vec![]), ("b".into(), vec![]), ("last".into(), vec![0, 1])]);
    }

    #[test]
    fn a_kind_stands_for_all_of_its_resources_but_the_step_itself() {
        let mut draft = Draft::default();
        draft.step(delete("x").after([After::EveryGone(Kind::LoadBalancer)]));
        draft.step(delete("a"));
        let plan = draft.finish(&super::super::tests::stack(), &Observed::default());
        assert_eq!(names(&plan), [("a".into(), vec![]), ("x".into(), vec![0])]);
    }
}
