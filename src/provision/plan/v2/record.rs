//! The DNS records that lead visitors to the load balancer.
//!
//! Route 53 has no tags on records. A record is the stack's if it leads to one of the stack's load balancers and one of
//! them has a tag that notes it; so the tag is set before the record is written and removed after it is deleted, and
//! the record is written after its load balancer and deleted before it. The record that the spec names is the stack's
//! without a tag, too. Other records that lead to the load balancer are somebody else's.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operation::{AliasTarget, NewRecord};
use super::{V2Operation, healthy_key, resolvers_key};
use crate::provision::plan::failure::PlanError;
use crate::provision::plan::fields::{KNOWN_AFTER_APPLY, changed};
use crate::provision::plan::former::Former;
use crate::provision::plan::order::{After, Draft, DraftStep, gone, made};
use crate::provision::plan::{Action, Adoption, Disruption, Operation, TagChange};
use crate::provision::resource::v2::{AddressType, DesiredRecord, Record, Zone, is_note};
use crate::provision::resource::{Kind, Observed, ResourceKey, Scheme, Stack, Tags};

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

/// Returns the DNS names and the tags of the stack's load balancers.
fn balancers<'a>(stack: &'a Stack, observed: &'a Observed) -> impl Iterator<Item = (&'a str, &'a Tags)> {
    let classic = observed.load_balancers.iter().map(|found| (found.dns_name.as_str(), &found.tags));
    let v2 = observed.v2_load_balancers.iter().map(|found| (found.dns_name.as_str(), &found.tags));
    classic.chain(v2).filter(|(_, tags)| tags.are_of(&stack.name))
}

fn leads_to(record: &Record, dns_name: &str) -> bool {
    record.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(dns_name))
}

/// Says whether a record is the stack's.
fn is_ours(stack: &Stack, observed: &Observed, record: &Record) -> bool {
    let is_noted = || balancers(stack, observed).any(|(_, tags)| record.is_noted_in(tags));
    let is_desired = || {
        let desired = stack.dns.as_ref().filter(|desired| collides(desired, record));
        desired.is_some_and(|desired| {
            let zone = zone(desired, stack.load_balancer.scheme(), observed);
            record.name.eq_ignore_ascii_case(&desired.name) && zone.is_ok_and(|zone| zone.id == record.zone)
        })
    };
    balancers(stack, observed).any(|(name, _)| leads_to(record, name)) && (is_noted() || is_desired())
}

/// Returns the tag by which the load balancer notes the desired record.
pub(in crate::provision::plan) fn note(stack: &Stack, observed: &Observed) -> Option<(String, String)> {
    let desired = stack.dns.as_ref()?;
    let zone = zone(desired, stack.load_balancer.scheme(), observed).ok()?;
    Some(desired.note(zone))
}

/// Stands for the moment when the load balancer notes the records that are written for it.
fn noted_key() -> ResourceKey {
    ResourceKey::new(Kind::DnsRecord, "noted")
}

/// Plans the change of a load balancer's tags, of which those that note records are set before these are written and
/// removed after these are deleted.
pub(in crate::provision::plan) fn plan_tags(
    change: TagChange,
    key: &ResourceKey,
    operation: impl Fn(TagChange) -> Operation,
    draft: &mut Draft,
) {
    let (now, later) = change.split(is_note);
    if let Some(tags) = now {
        draft.step(DraftStep::new(operation(tags), key).completes(&noted_key()));
    }
    if let Some(tags) = later {
        let after = [After::EveryGone(Kind::DnsRecord), After::EveryMade(Kind::DnsRecord)];
        draft.step(DraftStep::new(operation(tags), key).after(after));
    }
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
    /// What the one of its name answers at that has to make way for it.
    pub(in crate::provision::plan) replaced: Option<&'a str>,
    pub(in crate::provision::plan) target: AliasTarget,
}

impl Destination<'_> {
    fn is_of(&self, record: &Record) -> bool {
        self.dns_name.is_some_and(|name| leads_to(record, name))
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
        let deleted = delete_others(&destination, &BTreeSet::new(), formers, draft);
        warn_of_others(&destination, formers, draft);
        if let Some(name) = deleted.first() {
            await_resolvers(name, formers, draft);
        }
        return false;
    };
    let kinds = kinds(destination.address_type);
    let (own, others): (Vec<&Record>, Vec<&Record>) = of_name(record, zone, observed)
        .filter(|found| collides(record, found))
        .partition(|found| kinds.contains(&found.kind) && found.set_identifier == record.set_identifier);
    delete_others(&destination, &own.iter().chain(&others).copied().collect(), formers, draft);
    warn_of_others(&destination, formers, draft);
    let is_right = |found: &&Record| destination.is_of(found) && found.weight == record.weight;
    let moves = !own.iter().all(|found| destination.is_of(found));
    if own.len() == kinds.len() && own.iter().all(is_right) && others.is_empty() {
        await_resolvers(&record.name, formers, draft);
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
    if destination.replaced.is_some() {
        // Nothing would say whose the record is once its load balancer is gone.
        for old in own.into_iter().chain(&replaces) {
            draft.step(delete(&key, old).removes());
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
        made(&noted_key()),
        made(&healthy_key()),
        After::EveryMade(Kind::LoadBalancer),
        After::EveryMade(Kind::Listener),
        After::EveryMade(Kind::Rule),
        After::EveryMade(Kind::Target),
    ]));
    await_resolvers(&record.name, formers, draft);
    moves
}

/// Waits after no record leads any more to a load balancer that goes: even if nothing is left to change, a run that
/// was killed may have changed it a moment ago.
fn await_resolvers(name: &str, formers: &[Former<'_>], draft: &mut Draft) {
    if formers.iter().all(Former::stays) {
        return;
    }
    let key = record_key(name);
    let operation = V2Operation::AwaitResolvers { name: name.to_owned(), seconds: TIME_TO_LIVE };
    draft.step(DraftStep::new(Operation::V2(operation), &key).completes(&resolvers_key()).after([
        made(&key),
        After::EveryGone(Kind::DnsRecord),
        made(&healthy_key()),
    ]));
}

/// Says which records of somebody else lead to a load balancer of the stack that goes.
fn warn_of_others(destination: &Destination<'_>, formers: &[Former<'_>], draft: &mut Draft) {
    let going = formers.iter().filter(|former| !former.stays()).map(Former::dns_name);
    let replaced = destination.replaced;
    warn_of_those_to(destination.stack, destination.observed, going.chain(replaced), draft);
}

fn warn_of_those_to<'a>(
    stack: &Stack,
    observed: &Observed,
    going: impl Iterator<Item = &'a str>,
    draft: &mut Draft,
) {
    for dns_name in going {
        let records = observed.records.iter().filter(|record| leads_to(record, dns_name));
        let names: BTreeSet<&String> =
            records.filter(|record| !is_ours(stack, observed, record)).map(|record| &record.name).collect();
        for name in names {
            draft.warn(format!(
                "the record {name} leads to {dns_name}, which goes: it is not the stack's, stays, and leads nowhere then"
            ));
        }
    }
}

/// Deletes the records of the stack that are not desired, once the desired one is there, and returns their names.
/// Those that lead to a load balancer that stays for now stay with it; those that lead to one that has to make way go
/// before it.
fn delete_others(
    destination: &Destination<'_>,
    desired: &BTreeSet<&Record>,
    formers: &[Former<'_>],
    draft: &mut Draft,
) -> BTreeSet<String> {
    let (stack, observed) = (destination.stack, destination.observed);
    let stays = |record: &Record| {
        let mut staying = formers.iter().filter(|former| former.stays());
        staying.any(|former| leads_to(record, former.dns_name()))
    };
    let old =
        |record: &&Record| is_ours(stack, observed, record) && !desired.contains(*record) && !stays(record);
    let mut deleted = BTreeSet::new();
    for record in observed.records.iter().filter(old) {
        let makes_way = destination.replaced.is_some_and(|replaced| leads_to(record, replaced));
        let mut after = Vec::new();
        if !makes_way {
            after.push(made(&healthy_key()));
            after.extend(stack.dns.as_ref().map(|desired| made(&record_key(&desired.name))));
        }
        plan_deletion(record, after, draft);
        deleted.insert(record.name.clone());
    }
    deleted
}

/// Plans the deletion of every record of the stack.
pub(super) fn plan_deletions(stack: &Stack, observed: &Observed, draft: &mut Draft) {
    let going = balancers(stack, observed).map(|(name, _)| name);
    warn_of_those_to(stack, observed, going, draft);
    for record in &observed.records {
        if is_ours(stack, observed, record) {
            plan_deletion(record, [], draft);
        }
    }
}

fn plan_deletion(record: &Record, after: impl IntoIterator<Item = After>, draft: &mut Draft) {
    let key = match &record.set_identifier {
        // Another one of its name may be written.
        Some(identifier) => record_key(&format!("{} ({identifier})", record.name)),
        None => record_key(&record.name),
    };
    let fields = if draft.has_change(&key) {
        Vec::new()
    } else {
        changed(Some(&observed_form(&[record])), None::<&()>)
    };
    draft.change(Action::Delete, &key, fields, Disruption::NewConnections);
    // What is written under the same name does not wait for it.
    let gone = ResourceKey::new(Kind::DnsRecord, format!("{} {:?}", record.name, record.set_identifier));
    draft.step(delete(&key, record).clears(&gone).after(after));
}

fn delete(key: &ResourceKey, record: &Record) -> DraftStep {
    let operation = V2Operation::DeleteRecord { record: record.clone() };
    DraftStep::new(Operation::V2(operation), key)
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
