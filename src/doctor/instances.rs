//! The instances: whether they are there, in the right place, and find their metadata.
//!
//! Sources: "Instance metadata service" of the EC2 guide (cloud-init and the SSM agent take user data and credentials
//! from it), "Registered instances" of the load balancers' guides.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::live::Live;
use super::sheet::{APPLY, Sheet, finding, list};
use super::{Name, Severity, place};
use crate::provision::resource::path::{Machine, Switch};
use crate::provision::resource::{Instance, InstanceState};
use crate::provision::spec::Spec;
use crate::provision::spec::proxy::Deploy;

/// Says whether the spec selects instances, and whether they run.
pub(super) fn selected(spec: &Spec, facts: &Facts, sheet: &mut Sheet) {
    for id in &facts.observed.missing_instances {
        let problem = format!("instances.ids names {id}, and there is no such instance");
        let why = "it serves nobody";
        let fix = format!("remove it from instances.ids, then {APPLY}");
        sheet.wrong(Name::Instance, id, finding(Severity::Error, problem, why, fix));
    }
    if facts.observed.instances.is_empty() && facts.observed.missing_instances.is_empty() {
        let tags = list(spec.instances.tags.iter().map(|(key, value)| format!("{key}: {value}")));
        let problem = format!("no running instance has the tags {tags}");
        let why = "there is nobody to serve: visitors are turned away";
        let fix = "an instance with these tags, or others in instances.tags or instances.ids";
        sheet.wrong(Name::Instance, "instances", finding(Severity::Error, problem, why, fix));
    }
}

pub(super) fn check(spec: &Spec, live: &Live, facts: &Facts, sheet: &mut Sheet) {
    let zones: BTreeSet<&str> =
        live.subnets.iter().filter_map(|id| facts.room(id)).map(|room| room.zone.as_str()).collect();
    for instance in &facts.observed.instances {
        standing(spec, live, instance, &zones, sheet);
        match (&facts.machines, facts.machine(&instance.id)) {
            (Err(reason), _) => sheet.unchecked(Name::Metadata, &instance.id, reason),
            (Ok(_), Some(machine)) => metadata(spec, machine, sheet),
            (Ok(_), None) => sheet.unchecked(Name::Metadata, &instance.id, "EC2 no longer describes it"),
        }
    }
    place::zones(live, facts, sheet);
}

fn standing(spec: &Spec, live: &Live, instance: &Instance, zones: &BTreeSet<&str>, sheet: &mut Sheet) {
    let id = &instance.id;
    if instance.state != InstanceState::Running {
        let problem = format!("it is {}", word(instance.state));
        let why = "the load balancer sends it nothing; the others carry its visitors";
        let fix = match instance.state {
            InstanceState::Stopped | InstanceState::Stopping => {
                format!("`aws ec2 start-instances --instance-ids {id}`")
            }
            InstanceState::Pending => "wait until it runs".to_owned(),
            InstanceState::ShuttingDown | InstanceState::Terminated | InstanceState::Running => {
                format!("another instance in instances, then {APPLY}")
            }
        };
        sheet.wrong(Name::Instance, id, finding(Severity::Error, problem, why, fix));
        return;
    }
    if live.vpc.is_some() && instance.vpc != live.vpc {
        let problem = format!(
            "it runs in {}, the load balancer stands in {}",
            instance.vpc.as_deref().unwrap_or("no VPC"),
            live.vpc.as_deref().unwrap_or_default()
        );
        let why = "a load balancer serves the instances of its own VPC only";
        let fix = "network.vpc, or other instances";
        sheet.wrong(Name::Instance, id, finding(Severity::Error, problem, why, fix));
        return;
    }
    if !zones.is_empty() && !zones.contains(instance.zone.as_str()) {
        let problem = format!(
            "it runs in {}, and the load balancer has no subnet there (it has {})",
            instance.zone,
            list(zones)
        );
        let why = "the load balancer sends nothing to zones that it is not in";
        let fix = match &spec.network.subnets {
            crate::provision::spec::SubnetSelector::All => {
                format!("a subnet in {}, then {APPLY}", instance.zone)
            }
            crate::provision::spec::SubnetSelector::Ids(_)
            | crate::provision::spec::SubnetSelector::Tags(_) => {
                format!("a subnet of {} in network.subnets, then {APPLY}", instance.zone)
            }
        };
        sheet.wrong(Name::Instance, id, finding(Severity::Error, problem, why, fix));
        return;
    }
    sheet.right(Name::Instance, id, format!("running in {}", instance.zone));
}

fn word(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "still being launched",
        InstanceState::Running => "running",
        InstanceState::ShuttingDown => "being terminated",
        InstanceState::Terminated => "terminated",
        InstanceState::Stopping => "being stopped",
        InstanceState::Stopped => "stopped",
    }
}

fn by_ssm(spec: &Spec) -> bool {
    match spec.proxy.as_ref().map(|proxy| &proxy.deploy) {
        Some(Deploy::Ssm { .. }) => true,
        Some(Deploy::None) | None => false,
    }
}

fn metadata(spec: &Spec, machine: &Machine, sheet: &mut Sheet) {
    let Some(metadata) = machine.metadata else {
        return sheet.unchecked(Name::Metadata, &machine.id, "EC2 says nothing of its metadata service");
    };
    match (metadata.endpoint, metadata.tokens) {
        (Switch::Off, _) => {
            let severity = if by_ssm(spec) { Severity::Error } else { Severity::Warning };
            let problem = "its metadata service is switched off";
            let why = "cloud-init finds no user data and the SSM agent no credentials: the proxy cannot be \
                       installed or updated";
            let fix = format!(
                "`aws ec2 modify-instance-metadata-options --instance-id {} --http-endpoint enabled --http-tokens \
                 required`",
                machine.id
            );
            sheet.wrong(Name::Metadata, &machine.id, finding(severity, problem, why, fix));
        }
        (Switch::On, tokens) => {
            let version = match tokens {
                Switch::On => "version 2 is required",
                Switch::Off => "versions 1 and 2",
            };
            let hops = metadata.hops;
            sheet.right(Name::Metadata, &machine.id, format!("answers, {version}, hop limit {hops}"));
        }
    }
}
