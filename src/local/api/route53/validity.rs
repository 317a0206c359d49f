//! What Route 53 refuses in a batch, in its words.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::local::api::alias_zone;
use crate::local::state::State;
use crate::local::state::elbv2::Kind;
use crate::local::state::route53::{Content, HostedZone, RecordSet};

/// A record set as messages name it.
pub(super) fn described(record: &RecordSet) -> String {
    let RecordSet { name, kind, .. } = record;
    match &record.set_identifier {
        None => format!("[name='{name}', type='{kind}']"),
        Some(identifier) => format!("[name='{name}', type='{kind}', set-identifier='{identifier}']"),
    }
}

/// What is wrong with the values of a record set.
pub(super) fn check_value(record: &RecordSet) -> Vec<String> {
    let Content::Values { values, .. } = &record.content else { return Vec::new() };
    let problem = |value: &String| {
        let (wrong, problem) = match record.kind.as_str() {
            "A" => (
                value.parse::<Ipv4Addr>().is_err(),
                "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)",
            ),
            "AAAA" => (
                value.parse::<Ipv6Addr>().is_err(),
                "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)",
            ),
            "TXT" | "SPF" => (
                !(value.len() >= 2 && value.starts_with('"') && value.ends_with('"')),
                "InvalidCharacterString (Value should be enclosed in quotation marks)",
            ),
            _ => return None,
        };
        wrong.then(|| format!("Invalid Resource Record: FATAL problem: {problem} encountered with '{value}'"))
    };
    let mut problems: Vec<String> = values.iter().filter_map(problem).collect();
    if record.kind == "CNAME" && values.len() > 1 {
        problems.push("Invalid Resource Record: FATAL problem: CNAMERRSetTooManyRecords".to_owned());
    }
    problems
}

/// Why a record set cannot be in a zone beside the others.
pub(super) fn in_zone(state: &State, zone: &HostedZone, record: &RecordSet) -> Vec<String> {
    let (name, kind) = (&record.name, &record.kind);
    let mut problems = Vec::new();
    if *name != zone.name && !name.ends_with(&format!(".{}", zone.name)) {
        problems.push(format!("RRSet with DNS name {name} is not permitted in zone {}", zone.name));
    }
    if kind == "CNAME" && *name == zone.name {
        problems.push(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {}",
            zone.name
        ));
    }
    let mut others = zone.records.iter().filter(|other| other.name == *name);
    if kind == "CNAME" {
        if others.clone().any(|other| other.kind != "CNAME") {
            problems.push(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in zone {}",
                zone.name
            ));
        }
    } else if others.clone().any(|other| other.kind == "CNAME") {
        problems.push(format!(
            "RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone {}",
            zone.name
        ));
    }
    let mixed = others.any(|other| other.kind == *kind && other.weight.is_some() != record.weight.is_some());
    if mixed {
        let identifier = record.set_identifier.as_deref().unwrap_or("null");
        problems.push(format!(
            "RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier} cannot be created because a non-matching RRSet exists with the same name and type."
        ));
    }
    problems.extend(alias_problem(state, zone, record));
    problems
}

/// Why an alias leads nowhere: into a zone that is none, or to a name that the zone does not have.
fn alias_problem(state: &State, zone: &HostedZone, record: &RecordSet) -> Option<String> {
    let Content::Alias { zone: target_zone, name, .. } = &record.content else { return None };
    let what = format!(
        "Tried to create an alias that targets {name}, type {} in zone {target_zone}, but",
        record.kind
    );
    if *target_zone == zone.id {
        let there = zone.records.iter().any(|other| other.name == *name && other.kind == record.kind);
        return (!there).then(|| format!("{what} that target was not found"));
    }
    let dns_name = name.strip_prefix("dualstack.").unwrap_or(name).trim_end_matches('.');
    let Some((region, "elb.localhost")) = region_of(dns_name) else {
        return Some(format!("{what} the alias target name does not lie within the target zone"));
    };
    let (application, network) = (alias_zone::of_application(region), alias_zone::of_network(region));
    let v2 = state.regions.get(region).into_iter().flat_map(|held| held.elbv2.load_balancers.values());
    let kind = v2.into_iter().find(|balancer| balancer.dns_name == dns_name).map(|balancer| balancer.kind);
    // One that is gone may have been of either type.
    let right = match kind {
        Some(Kind::Network) => target_zone == network,
        Some(Kind::Application) => target_zone == application,
        None => [application, network].contains(&target_zone.as_str()),
    };
    (!right).then(|| format!("{what} the alias target name does not lie within the target zone"))
}

/// `NAME.REGION.elb.localhost` taken apart.
fn region_of(dns_name: &str) -> Option<(&str, &str)> {
    dns_name.split_once('.')?.1.split_once('.')
}

/// What every zone must have.
pub(super) fn of_zone(zone: &HostedZone) -> Vec<String> {
    let has = |kind: &str| zone.records.iter().any(|record| record.name == zone.name && record.kind == kind);
    let mut problems = Vec::new();
    if !has("SOA") {
        problems.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if !has("NS") {
        problems.push("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
    }
    problems
}
