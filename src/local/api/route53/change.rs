//! Changes of record sets: a batch is done as a whole or not at all.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::validity::{self, check_value, described};
use super::{Context, invalid_input, named, record, submitted};
use crate::local::state::route53::{HostedZone, RecordSet};
use crate::local::wire::error::ApiError;
use crate::local::wire::rest::Request;
use crate::local::wire::routing::RestOutput;
use crate::local::wire::xml::Members;

/// The most record sets in a batch.
const MOST: usize = 1000;

/// `ChangeResourceRecordSets`.
pub(super) fn change(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let mut zone = named(context, request)?.clone();
    let body = request.body.as_ref().ok_or_else(|| invalid_input("Invalid XML ; the body is empty"))?;
    let batch = body.child("ChangeBatch").ok_or_else(|| invalid_input("Missing field 'ChangeBatch'"))?;
    let mut changes = Vec::new();
    for change in batch.list("Changes", "Change") {
        let action = change.text("Action").unwrap_or_default();
        let node = change
            .child("ResourceRecordSet")
            .ok_or_else(|| invalid_input("Missing field 'ResourceRecordSet'"))?;
        changes.push((action, record::parse(node, action)?));
    }
    if changes.is_empty() || changes.len() > MOST {
        return Err(invalid_input(format!("A change batch must have 1 to {MOST} changes")));
    }
    let mut messages = Vec::new();
    for (action, record) in &changes {
        match *action {
            "CREATE" | "UPSERT" => put(context, &mut zone, record, *action == "CREATE", &mut messages),
            "DELETE" => delete(&mut zone, record, &mut messages),
            other => {
                return Err(invalid_input(format!("The action '{other}' must be CREATE, UPSERT or DELETE")));
            }
        }
    }
    if messages.is_empty() {
        messages.extend(validity::of_zone(&zone));
    }
    if !messages.is_empty() {
        return Err(ApiError::bad_request("InvalidChangeBatch", format!("[{}]", messages.join(", "))));
    }
    *named(context, request)? = zone;
    let info = submitted(context, batch.text("Comment"));
    Ok(RestOutput::ok(Members::new().structure("ChangeInfo", info)))
}

fn put(
    context: &Context<'_>,
    zone: &mut HostedZone,
    record: &RecordSet,
    is_create: bool,
    messages: &mut Vec<String>,
) {
    let before = messages.len();
    messages.extend(check_value(record));
    messages.extend(validity::in_zone(context.state, zone, record));
    let present = zone.records.iter().position(|present| present.same_key(record));
    if is_create && present.is_some() {
        let what = described(record);
        messages.push(format!("Tried to create resource record set {what} but it already exists"));
    }
    if messages.len() > before {
        return;
    }
    match present {
        Some(index) => zone.records[index] = record.clone(),
        None => zone.records.push(record.clone()),
    }
}

fn delete(zone: &mut HostedZone, record: &RecordSet, messages: &mut Vec<String>) {
    let what = described(record);
    match zone.records.iter().position(|present| present.same_key(record)) {
        None => messages.push(format!("Tried to delete resource record set {what} but it was not found")),
        Some(index) if zone.records[index] != *record => messages.push(format!(
            "Tried to delete resource record set {what} but the values provided do not match the current values"
        )),
        Some(index) => {
            zone.records.remove(index);
        }
    }
}

/// `GetChange`: what was submitted is everywhere by now.
pub(super) fn get(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let id = request.params.get("Id").unwrap_or_default();
    let Some(at) = context.state.route53.changes.get(id) else {
        let message = format!("Could not find resource with ID: {id}");
        return Err(ApiError::not_found("NoSuchChange", message));
    };
    Ok(RestOutput::ok(Members::new().structure("ChangeInfo", info(id, "INSYNC", *at, None))))
}

/// A change as it is described.
pub(super) fn info(id: &str, status: &str, at: OffsetDateTime, comment: Option<&str>) -> Members {
    let at = at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default();
    Members::new()
        .text("Id", format!("/change/{id}"))
        .text("Status", status)
        .text("SubmittedAt", at)
        .optional("Comment", comment)
}
