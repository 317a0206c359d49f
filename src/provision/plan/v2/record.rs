//! The DNS records that lead visitors to the load balancer.
//!
//! Route 53 has no tags on records. A record is the stack's if it is an alias of one of the stack's load balancers;
//! so it is written after its load balancer and deleted before it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operation::{AliasTarget, NewRecord};
use super::{V2Operation, healthy_key, resolvers_key};
use crate::provision::plan::failure::PlanError;
use crate::provision::plan::fields::{KNOWN_AFTER_APPLY, changed};
use crate::provision::plan::former::Former;
use crate::provision::plan::order::{After, Draft, DraftStep, gone, made};
use crate::provision::plan::{Action, Adoption, Disruption, Operation};
use crate::provision::resource::v2::{AddressType, DesiredRecord, Record, Zone};
use crate::provision::resource::{Kind, Observed, ResourceKey, Scheme, Stack};

/// How long an alias of a load balancer lives in resolvers.
const TIME_TO_LIVE: u32 = 60;

fn record_key(name: &str) -> ResourceKey {
    ResourceKey::new(Kind::DnsRecord, name)
}

/// Returns the zone of the desired record: an internet-facing load balancer's is public, an internal one's private
/// where there is such a zone.
fn zone<'a>(record: &DesiredRecord, scheme: Scheme, observed: &'a Observed) -> Result<&'a Zone, PlanError> {
    let of = |private: bool| -> Vec<&Zone> {
        let zones = observed.zones.iter();
        zones
            .filter(|zone| zone.private == private && zone.domain.eq_ignore_ascii_case(&record.zone))
            .collect()
    };
    let zones = match scheme {
        Scheme::InternetFacing => of(false),
        Scheme::Internal => Some(of(true)).filter(|found| !found.is_empty()).unwrap_or_else(|| of(false)),
    };
    match zones.as_slice() {
        [zone] => Ok(zone),
        [] => {
            let private = scheme == Scheme::Internal;
            Err(PlanError::NoZone { zone: record.zone.clone(), private })
        }
        _ => Err(PlanError::SeveralZones {
            zone: record.zone.clone(),
            ids: zones.iter().map(|zone| zone.id.clone()).collect(),
        }),
    }
}

/// Says whether a record leads to a load balancer of the stack.
fn is_ours(stack: &Stack, observed: &Observed, record: &Record) -> bool {
    let classic = observed.load_balancers.iter().map(|found| (&found.dns_name, &found.tags));
    let v2 = observed.v2_load_balancers.iter().map(|found| (&found.dns_name, &found.tags));
    let leads_to =
        |name: &String| record.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(name));
    classic.chain(v2).any(|(name, tags)| tags.are_of(&stack.name) && leads_to(name))
}

fn of_name<'a>(
    record: &'a DesiredRecord,
    zone: &'a Zone,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a Record> {
    observed.records.iter().filter(move |found| {
        found.zone == zone.id
            && found.name.eq_ignore_ascii_case(&record.name)
            && ["A", "AAAA", "CNAME"].contains(&found.kind.as_str())
    })
}

/// Says whether a record of the same name stands in the way of the desired one: it would be overwritten, or may not
/// stand beside it.
fn collides(record: &DesiredRecord, found: &Record) -> bool {
    match (&record.set_identifier, &found.set_identifier) {
        (Some(wanted), Some(found)) => wanted == found,
        (None, _) | (_, None) => true,
    }
}

/// Checks that the desired record has a zone and is in nobody's way.
pub(in crate::provision::plan) fn check(
    stack: &Stack,
    scheme: Scheme,
    observed: &Observed,
    adoption: Adoption,
    errors: &mut Vec<PlanError>,
) {
    let Some(record) = &stack.dns else { return };
    let zone = match zone(record, scheme, observed) {
        Ok(zone) => zone,
        Err(error) => {
            errors.push(error);
            return;
        }
    };
    if adoption == Adoption::Adopt {
        return;
    }
    for found in of_name(record, zone, observed) {
        if collides(record, found) && !is_ours(stack, observed, found) {
            errors.push(PlanError::RecordTaken {
                name: record.name.clone(),
                kind: found.kind.clone(),
                target: found.alias.clone(),
            });
        }
    }
}

fn kinds(address_type: AddressType) -> BTreeSet<String> {
    let kinds: &[&str] = match address_type {
        AddressType::Ipv4 => &["A"],
        AddressType::Dualstack => &["A", "AAAA"],
    };
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

/// The load balancer that records are to lead to, of any type.
pub(in crate::provision::plan) struct Destination<'a> {
    pub(in crate::provision::plan) stack: &'a Stack,
    pub(in crate::provision::plan) observed: &'a Observed,
    pub(in crate::provision::plan) scheme: Scheme,
    pub(in crate::provision::plan) address_type: AddressType,
    /// What it answers at, where it stays as it is.
    pub(in crate::provision::plan) dns_name: Option<&'a str>,
    /// Whether one of its name has to make way for it.
    pub(in crate::provision::plan) replaces: bool,
    pub(in crate::provision::plan) target: AliasTarget,
}

impl Destination<'_> {
    fn is_of(&self, record: &Record) -> bool {
        let alias = record.alias.as_deref();
        alias.is_some_and(|alias| self.dns_name.is_some_and(|name| alias.eq_ignore_ascii_case(name)))
    }
}

/// Plans the records of the load balancer and returns whether traffic moves with them.
pub(in crate::provision::plan) fn plan(
    destination: Destination<'_>,
    formers: &[Former<'_>],
    draft: &mut Draft,
) -> bool {
    let (stack, observed) = (destination.stack, destination.observed);
    let desired = stack.dns.as_ref().and_then(|record| {
        let zone = zone(record, destination.scheme, observed).ok()?;
        Some((record, zone))
    });
    let Some((record, zone)) = desired else {
        delete_others(&destination, &BTreeSet::new(), formers, draft);
        return false;
    };
    let kinds = kinds(destination.address_type);
    let (own, others): (Vec<&Record>, Vec<&Record>) = of_name(record, zone, observed)
        .filter(|found| collides(record, found))
        .partition(|found| kinds.contains(&found.kind) && found.set_identifier == record.set_identifier);
    delete_others(&destination, &own.iter().chain(&others).copied().collect(), formers, draft);
    let is_right = |found: &&Record| destination.is_of(found) && found.weight == record.weight;
    let moves = !own.iter().all(|found| destination.is_of(found));
    if own.len() == kinds.len() && own.iter().all(is_right) && others.is_empty() {
        await_resolvers(record, formers, draft);
        return false;
    }
    let key = record_key(&record.name);
    let before: Vec<&Record> = own.iter().chain(&others).copied().collect();
    let from = (!before.is_empty()).then(|| {
        let mut form = observed_form(&before);
        form["zone"] = json!(record.zone);
        form
    });
    let to = json!({
        "zone": record.zone,
        "types": kinds,
        "alias": destination.dns_name.unwrap_or(KNOWN_AFTER_APPLY),
        "weight": record.weight,
        "set_identifier": record.set_identifier,
    });
    let (action, disruption) = if before.is_empty() {
        (Action::Create, Disruption::None)
    } else {
        (Action::Update, Disruption::NewConnections)
    };
    draft.change(action, &key, changed(from.as_ref(), Some(&to)), disruption);
    let mut replaces: Vec<_> = others.into_iter().cloned().collect();
    if destination.replaces {
        // Nothing would say whose the record is once its load balancer is gone.
        for old in own.into_iter().chain(&replaces) {
            delete(&key, old, draft);
        }
        replaces = Vec::new();
    }
    let new = NewRecord {
        zone: zone.id.clone(),
        name: record.name.clone(),
        kinds,
        target: destination.target,
        weight: record.weight,
        set_identifier: record.set_identifier.clone(),
    };
    let operation = V2Operation::UpsertRecord { record: new, replaces };
    draft.step(DraftStep::new(Operation::V2(operation), &key).makes().after([
        gone(&key),
        made(&healthy_key()),
        After::EveryMade(Kind::LoadBalancer),
        After::EveryMade(Kind::Listener),
        After::EveryMade(Kind::Rule),
        After::EveryMade(Kind::Target),
    ]));
    await_resolvers(record, formers, draft);
    moves
}

/// Waits after the record leads to the load balancer, where another one goes that it may have led to before.
fn await_resolvers(record: &DesiredRecord, formers: &[Former<'_>], draft: &mut Draft) {
    if record.weight.is_some() || formers.iter().all(Former::stays) {
        return;
    }
    let key = record_key(&record.name);
    let operation = V2Operation::AwaitResolvers { name: record.name.clone(), seconds: TIME_TO_LIVE };
    draft.step(
        DraftStep::new(Operation::V2(operation), &key)
            .completes(&resolvers_key())
            .after([made(&key), made(&healthy_key())]),
    );
}

/// Deletes the records that lead to a load balancer of the stack and are not desired. Those that lead to one that
/// stays for now stay with it.
fn delete_others(
    destination: &Destination<'_>,
    desired: &BTreeSet<&Record>,
    formers: &[Former<'_>],
    draft: &mut Draft,
) {
    let (stack, observed) = (destination.stack, destination.observed);
    let stays = |record: &Record| {
        let mut staying = formers.iter().filter(|former| former.stays());
        staying.any(|former| {
            record.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(former.dns_name()))
        })
    };
    for record in &observed.records {
        if is_ours(stack, observed, record) && !desired.contains(record) && !stays(record) {
            plan_deletion(record, draft);
        }
    }
}

/// Plans the deletion of every record that leads to a load balancer of the stack.
pub(super) fn plan_deletions(stack: &Stack, observed: &Observed, draft: &mut Draft) {
    for record in &observed.records {
        if is_ours(stack, observed, record) {
            plan_deletion(record, draft);
        }
    }
}

fn plan_deletion(record: &Record, draft: &mut Draft) {
    let key = record_key(&record.name);
    let fields = if draft.has_change(&key) {
        Vec::new()
    } else {
        changed(Some(&observed_form(&[record])), None::<&()>)
    };
    draft.change(Action::Delete, &key, fields, Disruption::NewConnections);
    delete(&key, record, draft);
}

fn delete(key: &ResourceKey, record: &Record, draft: &mut Draft) {
    let operation = V2Operation::DeleteRecord { record: record.clone() };
    draft.step(DraftStep::new(Operation::V2(operation), key).removes());
}

fn observed_form(records: &[&Record]) -> Value {
    let kinds: BTreeSet<&String> = records.iter().map(|record| &record.kind).collect();
    let first = records.first();
    json!({
        "types": kinds,
        "alias": first.and_then(|record| record.alias.as_ref()),
        "weight": first.and_then(|record| record.weight),
        "set_identifier": first.and_then(|record| record.set_identifier.as_ref()),
    })
}
