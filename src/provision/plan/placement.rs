//! Matches what a stack selects with what there is: its VPC, subnets and instances.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::{PlanError, listed};
use crate::provision::resource::{
    Instance, InstanceState, Observed, Stack, Subnet, SubnetSelector, VpcSelector,
};

/// Where a stack is placed and who serves it.
#[derive(Debug, Default)]
pub(super) struct Placement<'a> {
    /// The VPC's id.
    pub(super) vpc: String,
    /// The subnets, one per zone.
    pub(super) subnets: BTreeSet<String>,
    /// The instances, by id.
    pub(super) instances: BTreeMap<&'a str, &'a Instance>,
}

impl Placement<'_> {
    /// Returns the ids of the instances that can come in service.
    pub(super) fn running(&self) -> impl Iterator<Item = &str> {
        let can_serve = |state| matches!(state, InstanceState::Pending | InstanceState::Running);
        self.instances.values().filter(move |found| can_serve(found.state)).map(|found| found.id.as_str())
    }
}

/// Matches all three and collects whatever does not fit.
pub(super) fn place<'a>(
    stack: &Stack,
    observed: &'a Observed,
    attached: &BTreeSet<String>,
    errors: &mut Vec<PlanError>,
    warnings: &mut Vec<String>,
) -> Placement<'a> {
    let Some(vpc) = vpc(stack, observed, errors) else { return Placement::default() };
    let subnets = subnets(stack, observed, &vpc, attached, errors);
    let instances = instances(stack, observed, &vpc, errors);
    if instances.is_empty() && errors.is_empty() {
        warnings.push(match (&stack.instances.auto_scaling_group, &stack.instances.tags) {
            (Some(name), _) => format!("the Auto Scaling group {name} has no instance yet: nobody serves"),
            (None, tags) if tags.0.is_empty() => "no instance serves this stack".to_owned(),
            (None, tags) => format!("no running instance has the tags {}: nobody will serve", listed(tags)),
        });
    }
    Placement { vpc, subnets, instances }
}

fn vpc(stack: &Stack, observed: &Observed, errors: &mut Vec<PlanError>) -> Option<String> {
    let fit: Vec<_> = observed
        .vpcs
        .iter()
        .filter(|vpc| match &stack.vpc {
            VpcSelector::Default => vpc.is_default,
            VpcSelector::Id(id) => vpc.id == *id,
            VpcSelector::Tags(tags) => vpc.tags.include(tags),
        })
        .map(|vpc| vpc.id.clone())
        .collect();
    match fit.as_slice() {
        [id] => return Some(id.clone()),
        [] => {
            errors.push(PlanError::NoVpc { region: observed.region.clone(), selector: stack.vpc.clone() });
        }
        _ => errors.push(PlanError::SeveralVpcs { vpcs: fit }),
    }
    None
}

fn subnets(
    stack: &Stack,
    observed: &Observed,
    vpc: &str,
    attached: &BTreeSet<String>,
    errors: &mut Vec<PlanError>,
) -> BTreeSet<String> {
    let here: Vec<&Subnet> = observed.subnets.iter().filter(|subnet| subnet.vpc == vpc).collect();
    let chosen = match &stack.subnets {
        SubnetSelector::All => one_per_zone(&here, attached),
        SubnetSelector::Ids(ids) => {
            for id in ids.iter().filter(|id| !here.iter().any(|subnet| subnet.id == **id)) {
                errors.push(PlanError::UnknownSubnet { vpc: vpc.to_owned(), subnet: id.clone() });
            }
            here.into_iter().filter(|subnet| ids.contains(&subnet.id)).collect()
        }
        SubnetSelector::Tags(tags) => here.into_iter().filter(|subnet| subnet.tags.include(tags)).collect(),
    };
    if chosen.is_empty() && !matches!(&stack.subnets, SubnetSelector::Ids(_)) {
        errors.push(PlanError::NoSubnets { vpc: vpc.to_owned(), selector: stack.subnets.clone() });
    }
    for (zone, subnets) in by_zone(&chosen) {
        if subnets.len() > 1 {
            let mut subnets: Vec<String> = subnets.iter().map(|subnet| subnet.id.clone()).collect();
            subnets.sort();
            errors.push(PlanError::SubnetsShareZone { zone: zone.to_owned(), subnets });
        }
    }
    chosen.into_iter().map(|subnet| subnet.id.clone()).collect()
}

fn by_zone<'a>(subnets: &[&'a Subnet]) -> BTreeMap<&'a str, Vec<&'a Subnet>> {
    let mut zones: BTreeMap<&str, Vec<&Subnet>> = BTreeMap::new();
    for subnet in subnets {
        zones.entry(&subnet.zone).or_default().push(subnet);
    }
    zones
}

/// Chooses in every zone the subnet that is attached already, else the zone's default one, else a public
/// one, else the first by id: the same choice each time.
fn one_per_zone<'a>(subnets: &[&'a Subnet], attached: &BTreeSet<String>) -> Vec<&'a Subnet> {
    let is_attached = |subnet: &Subnet| attached.contains(&subnet.id);
    by_zone(subnets)
        .into_values()
        .filter_map(|candidates| {
            candidates.into_iter().min_by_key(|subnet| {
                (!is_attached(subnet), !subnet.is_default, !subnet.maps_public_address, &subnet.id)
            })
        })
        .collect()
}

fn instances<'a>(
    stack: &Stack,
    observed: &'a Observed,
    vpc: &str,
    errors: &mut Vec<PlanError>,
) -> BTreeMap<&'a str, &'a Instance> {
    let selector = &stack.instances;
    for id in observed.missing_instances.intersection(&selector.ids) {
        errors.push(PlanError::UnknownInstance { id: id.clone(), region: observed.region.clone() });
    }
    let group = selector.auto_scaling_group.as_ref();
    let is_known = |name: &&String| observed.auto_scaling_groups.iter().any(|found| found.name == **name);
    if let Some(name) = group.filter(|name| !is_known(name)) {
        let (name, region) = (name.clone(), observed.region.clone());
        errors.push(PlanError::UnknownAutoScalingGroup { name, region });
    }
    let groups = &observed.auto_scaling_groups;
    let selected = observed.instances.iter().filter(|instance| selector.selects(instance, groups));
    let mut chosen = BTreeMap::new();
    for instance in selected {
        match &instance.vpc {
            Some(found) if found != vpc => errors.push(PlanError::InstanceInOtherVpc {
                id: instance.id.clone(),
                found: found.clone(),
                vpc: vpc.to_owned(),
            }),
            Some(_) | None => {
                chosen.insert(instance.id.as_str(), instance);
            }
        }
    }
    chosen
}
