//! Load balancers of the stack that are not the desired one: those of the time before the spec changed its name or
//! its type. Another has taken their place, and the question is when they go.
//!
//! A load balancer that carries traffic is removed only once that traffic has somewhere else to go: with a DNS
//! record in the spec that is when the record leads to the new one and resolvers know it; without one, only the
//! user knows, and says so with `--cutover`. A Classic load balancer that is renamed goes with the plan that makes
//! its successor.

use super::fields::{KNOWN_AFTER_APPLY, field};
use super::header::Headers;
use super::order::{After, Draft, DraftStep, made};
use super::v2::{healthy_key, is_protected, resolvers_key};
use super::{Action, Cutover, Disruption, Operation, PlanError, Surroundings, V2Operation, classic};
use crate::provision::resource::{
    DesiredBalancer, Kind, LoadBalancer, LoadBalancerType, Observed, ResourceKey, Stack, v2,
};

/// What becomes of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It keeps what it needs to serve.
    Stays,
    /// It is deleted once its successor serves.
    Goes,
}

/// The load balancer itself.
#[derive(Debug, Clone, Copy)]
enum Found<'a> {
    Classic(&'a LoadBalancer),
    V2(&'a v2::LoadBalancer),
}

/// A load balancer of the stack that is not the desired one.
#[derive(Debug)]
pub(super) struct Former<'a> {
    found: Found<'a>,
    fate: Fate,
    /// Its key; with its type where the desired one may have the same name.
    key: ResourceKey,
}

impl<'a> Former<'a> {
    fn new(found: Found<'a>, desired: LoadBalancerType, fate: Fate) -> Self {
        let (kind, name) = match found {
            Found::Classic(balancer) => (LoadBalancerType::Classic, &balancer.name),
            Found::V2(balancer) => (balancer.family.into(), &balancer.name),
        };
        let key = if kind == desired {
            ResourceKey::new(Kind::LoadBalancer, name)
        } else {
            ResourceKey::new(Kind::LoadBalancer, format!("{kind}/{name}"))
        };
        Self { found, fate, key }
    }

    /// Says whether it stays for now.
    pub(super) fn stays(&self) -> bool {
        self.fate == Fate::Stays
    }

    /// Returns its ARN, if it has one.
    pub(super) fn arn(&self) -> Option<&'a str> {
        match self.found {
            Found::Classic(_) => None,
            Found::V2(balancer) => Some(&balancer.arn),
        }
    }

    /// Returns the name that it answers at.
    pub(super) fn dns_name(&self) -> &'a str {
        match self.found {
            Found::Classic(balancer) => &balancer.dns_name,
            Found::V2(balancer) => &balancer.dns_name,
        }
    }

    /// Returns the ids of its security groups.
    pub(super) fn security_groups(&self) -> impl Iterator<Item = &'a String> {
        match self.found {
            Found::Classic(balancer) => balancer.security_groups.iter(),
            Found::V2(balancer) => balancer.security_groups.iter(),
        }
    }

    /// Returns the ARNs of the certificates on its listeners.
    pub(super) fn certificates(&self) -> Vec<&'a String> {
        match self.found {
            Found::Classic(balancer) => {
                balancer.listeners.values().filter_map(|listener| listener.certificate.as_ref()).collect()
            }
            Found::V2(balancer) => balancer
                .listeners
                .values()
                .flat_map(|listener| listener.certificate.iter().chain(&listener.additional_certificates))
                .collect(),
        }
    }

    fn name(&self) -> &'a str {
        match self.found {
            Found::Classic(balancer) => &balancer.name,
            Found::V2(balancer) => &balancer.name,
        }
    }

    fn kind(&self) -> LoadBalancerType {
        match self.found {
            Found::Classic(_) => LoadBalancerType::Classic,
            Found::V2(balancer) => balancer.family.into(),
        }
    }
}

/// Finds all load balancers of the stack but the desired one, and decides what becomes of each.
pub(super) fn find<'a>(stack: &Stack, observed: &'a Observed, cutover: Cutover) -> Vec<Former<'a>> {
    let desired = &stack.load_balancer;
    let moves = stack.dns.as_ref().is_some_and(|record| record.weight.is_none());
    let fate = |kind| match (desired, kind, cutover) {
        (DesiredBalancer::Classic(_), LoadBalancerType::Classic, _) | (_, _, Cutover::Now) => Fate::Goes,
        _ if moves => Fate::Goes,
        _ => Fate::Stays,
    };
    let mut formers = all(stack, observed);
    formers.retain(|former| match (desired, former.found) {
        (DesiredBalancer::Classic(classic), Found::Classic(found)) => found.name != classic.name,
        (DesiredBalancer::V2(balancer), Found::V2(found)) => found.name != balancer.name,
        (DesiredBalancer::Classic(_), Found::V2(_)) | (DesiredBalancer::V2(_), Found::Classic(_)) => true,
    });
    for former in &mut formers {
        former.fate = fate(former.kind());
    }
    formers
}

/// Returns all load balancers of the stack as ones that go.
pub(super) fn all<'a>(stack: &Stack, observed: &'a Observed) -> Vec<Former<'a>> {
    let desired = stack.load_balancer.kind();
    let classic = observed.load_balancers.iter().filter(|found| found.tags.are_of(&stack.name));
    let v2 = observed.v2_load_balancers.iter().filter(|found| found.tags.are_of(&stack.name));
    classic
        .map(Found::Classic)
        .chain(v2.map(Found::V2))
        .map(|found| Former::new(found, desired, Fate::Goes))
        .collect()
}

/// Refuses the deletion of what is protected from it.
pub(super) fn check(formers: &[Former<'_>], errors: &mut Vec<PlanError>) {
    for former in formers.iter().filter(|former| !former.stays()) {
        let Found::V2(balancer) = former.found else { continue };
        if is_protected(balancer) {
            errors.push(PlanError::DeletionProtected { name: balancer.name.clone() });
        }
    }
}

/// Plans the deletion of those that go, and says of the others what is left to do.
pub(super) fn plan(around: &Surroundings<'_>, formers: &[Former<'_>], draft: &mut Draft) {
    let successor = match &around.stack.load_balancer {
        DesiredBalancer::Classic(desired) => {
            around.observed.load_balancer(&desired.name).map(|found| &found.dns_name)
        }
        DesiredBalancer::V2(desired) => {
            around.observed.v2_load_balancer(&desired.name).map(|found| &found.dns_name)
        }
    };
    let successor = successor.map_or(KNOWN_AFTER_APPLY, String::as_str);
    let headers = Headers::desired(&around.stack.load_balancer);
    for former in formers {
        let before = match former.found {
            Found::Classic(balancer) => Headers::of_classic(balancer),
            Found::V2(balancer) => Headers::of_v2(balancer, around.observed),
        };
        if let Some(conflict) = headers.conflict(&before, former.kind(), former.name()) {
            draft.warn(conflict);
        }
        match former.fate {
            Fate::Goes => plan_deletion((around.stack, around.observed), former, draft),
            Fate::Stays => draft.warn(left_to_do(former, around.stack, successor)),
        }
    }
}

/// Plans the deletion of all of them.
pub(super) fn plan_deletions(around: (&Stack, &Observed), formers: &[Former<'_>], draft: &mut Draft) {
    for former in formers {
        plan_deletion(around, former, draft);
    }
}

fn left_to_do(former: &Former<'_>, stack: &Stack, successor: &str) -> String {
    let (kind, name, dns_name) = (former.kind(), former.name(), former.dns_name());
    let repoint = match &stack.dns {
        Some(record) => format!("give all of the weight of {} to the new one", record.name),
        None => format!("point DNS from {dns_name} at the new one, {successor}"),
    };
    format!(
        "the {kind} load balancer {name} stays beside the new one and keeps serving: {repoint}, then remove the old \
         one with `elbws apply --cutover`"
    )
}

fn plan_deletion(around: (&Stack, &Observed), former: &Former<'_>, draft: &mut Draft) {
    let after = [
        After::EveryMade(Kind::Target),
        After::EveryMade(Kind::AutoScalingGroup),
        After::EveryGone(Kind::DnsRecord),
        made(&healthy_key()),
        made(&resolvers_key()),
        After::EveryMade(Kind::DnsRecord),
    ];
    match former.found {
        Found::Classic(balancer) => {
            classic::plan_deletion(around, balancer, &former.key, after.to_vec(), draft);
        }
        Found::V2(balancer) => {
            let key = &former.key;
            let fields = vec![
                field("dns_name", &balancer.dns_name, ()),
                field("listeners", balancer.listeners.keys().collect::<Vec<_>>(), ()),
            ];
            draft.change(Action::Delete, key, fields, Disruption::DropsConnections);
            let operation =
                V2Operation::DeleteLoadBalancer { arn: balancer.arn.clone(), name: balancer.name.clone() };
            draft.step(DraftStep::new(Operation::V2(operation), key).removes().after(after));
        }
    }
}
