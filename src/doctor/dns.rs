//! The DNS record of the spec: whether it leads to this load balancer.

use super::facts::Facts;
use super::live::Live;
use super::sheet::{APPLY, Sheet, finding, list};
use super::{Name, Severity};
use crate::probe::likely::DNS;
use crate::provision::plan::PlanError;
use crate::provision::resource::v2::Record;
use crate::provision::spec::{Dns, Spec};

pub(super) fn check(spec: &Spec, live: &Live, facts: &Facts, sheet: &mut Sheet) {
    let Some(dns) = &spec.dns else {
        let reason = format!("the spec has no dns; what visitors ask for must lead to {}", live.dns_name);
        return sheet.unchecked(Name::Dns, "dns", reason);
    };
    if facts.observed.zones.is_empty() {
        let problem = format!("there is no hosted zone {}", dns.zone);
        let fix = format!(
            "`aws route53 create-hosted-zone --name {} --caller-reference {}`, or remove dns",
            dns.zone, dns.name
        );
        return sheet.wrong(Name::Dns, &dns.name, finding(Severity::Error, problem, DNS.cause, fix));
    }
    let kinds: &[&str] = if live.dualstack { &["A", "AAAA"] } else { &["A"] };
    for kind in kinds {
        record(dns, kind, live, facts, sheet);
    }
}

fn record(dns: &Dns, kind: &str, live: &Live, facts: &Facts, sheet: &mut Sheet) {
    let subject = format!("{} {kind}", dns.name);
    let of_name = |record: &&Record| record.name.eq_ignore_ascii_case(&dns.name) && record.kind == kind;
    let all: Vec<&Record> = facts.observed.records.iter().filter(of_name).collect();
    let own = all.iter().find(|record| record.set_identifier == dns.set_identifier);
    let leads_here = |record: &Record| {
        record.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(&live.dns_name))
    };
    let why = "visitors do not find the load balancer, or find another one";
    let found = own.or_else(|| all.first());
    match found {
        None => {
            let problem = format!("there is no {kind} record {}", dns.name);
            sheet.wrong(Name::Dns, subject, finding(Severity::Error, problem, why, APPLY));
        }
        Some(record) if !leads_here(record) => {
            let to = record.alias.as_deref().unwrap_or("values of its own");
            let problem = format!("the record leads to {to}, the load balancer is {}", live.dns_name);
            let taken = facts.drift.as_ref().is_err_and(|errors| {
                errors.iter().any(|error| matches!(error, PlanError::RecordTaken { .. }))
            });
            let fix =
                if taken { "`elbws apply SPEC --adopt` overwrites it, or another dns.name" } else { APPLY };
            sheet.wrong(Name::Dns, subject, finding(Severity::Error, problem, why, fix));
        }
        Some(record) if record.weight == Some(0) => {
            let problem = "the record's weight is 0: nobody is sent here while others of its name have more";
            let fix = "dns.weight: 100 or so";
            sheet.wrong(Name::Dns, subject, finding(Severity::Warning, problem, why, fix));
        }
        Some(record) => {
            let weight = record.weight.map(|weight| format!(", weight {weight}")).unwrap_or_default();
            let others = match list(
                all.iter().filter(|other| !leads_here(other)).filter_map(|other| other.alias.as_ref()),
            ) {
                others if others.is_empty() => String::new(),
                others => format!("; others of its name lead to {others}"),
            };
            sheet.right(Name::Dns, subject, format!("leads to {}{weight}{others}", live.dns_name));
        }
    }
}
