//! Record sets: reading them from requests, and listing them.

use super::{Context, invalid_input, max_items, named};
use crate::local::state::route53::{Content, RecordSet, normal, order};
use crate::local::wire::document::Node;
use crate::local::wire::error::ApiError;
use crate::local::wire::rest::Request;
use crate::local::wire::routing::RestOutput;
use crate::local::wire::xml::Members;

const PAGE: usize = 300;

const TYPES: [&str; 17] = [
    "SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA",
    "SSHFP", "SVCB", "HTTPS",
];

/// Ways of routing that are not served.
const NOT_SERVED: [&str; 7] = [
    "Region",
    "GeoLocation",
    "Failover",
    "MultiValueAnswer",
    "TrafficPolicyInstanceId",
    "CidrRoutingConfig",
    "GeoProximityLocation",
];

/// Reads a record set; `action` is for the words of a refusal.
pub(super) fn parse(node: &Node, action: &str) -> Result<RecordSet, ApiError> {
    let text = |name| node.text(name).filter(|text| !text.is_empty());
    let (name, kind, set_identifier) = (text("Name"), text("Type"), text("SetIdentifier"));
    let place = format!(
        "in Change with [Action={action}, Name={}, Type={}, SetIdentifier={}]",
        name.unwrap_or("null"),
        kind.unwrap_or("null"),
        set_identifier.unwrap_or("null")
    );
    let invalid = |what: String| invalid_input(format!("Invalid request: {what} {place}"));
    let name = name.ok_or_else(|| invalid("Missing field 'Name'".to_owned()))?;
    let kind = kind.filter(|kind| TYPES.contains(kind));
    let kind = kind.ok_or_else(|| invalid("Expected a type of record".to_owned()))?;
    if let Some(other) = NOT_SERVED.iter().find(|name| node.child(name).is_some()) {
        return Err(invalid(format!("the local AWS does not serve '{other}'")));
    }
    if let Some(id) = text("HealthCheckId") {
        let message = format!("No health check exists with the specified ID: {id}");
        return Err(ApiError::not_found("NoSuchHealthCheck", message));
    }
    let weight = match text("Weight") {
        None => None,
        Some(weight) => {
            let number = weight.parse::<u8>();
            Some(number.map_err(|_| invalid(format!("the weight '{weight}' is not between 0 and 255")))?)
        }
    };
    match (weight, set_identifier) {
        (Some(_), None) => return Err(invalid("Missing field 'SetIdentifier'".to_owned())),
        (None, Some(_)) => {
            return Err(invalid(
                "Expected exactly one of [Weight, Region, Failover, GeoLocation, or MultiValueAnswer], but found none"
                    .to_owned(),
            ));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let values: Vec<String> = node
        .list("ResourceRecords", "ResourceRecord")
        .filter_map(|record| record.text("Value").map(str::to_owned))
        .collect();
    let content = match (node.child("AliasTarget"), text("TTL"), values.is_empty()) {
        (Some(alias), None, true) => {
            let text = |name: &str| alias.text(name).filter(|text| !text.is_empty());
            let (Some(zone), Some(name)) = (text("HostedZoneId"), text("DNSName")) else {
                return Err(invalid("Missing field of 'AliasTarget'".to_owned()));
            };
            Content::Alias {
                zone: zone.to_owned(),
                name: normal(name),
                evaluate_health: text("EvaluateTargetHealth") == Some("true"),
            }
        }
        (None, Some(ttl), false) => {
            let ttl = ttl.parse::<u32>().ok().filter(|ttl| i32::try_from(*ttl).is_ok());
            let ttl = ttl.ok_or_else(|| invalid("Expected a TTL from 0 to 2147483647".to_owned()))?;
            Content::Values { ttl, values }
        }
        (alias, ttl, is_empty) => {
            let given =
                [alias.is_some(), ttl.is_some() || !is_empty].into_iter().filter(|given| *given).count();
            let found = if given > 1 { "more than one" } else { "none" };
            return Err(invalid(format!(
                "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found {found}"
            )));
        }
    };
    Ok(RecordSet {
        name: normal(name),
        kind: kind.to_owned(),
        set_identifier: set_identifier.map(str::to_owned),
        weight,
        content,
    })
}

/// `ListResourceRecordSets`: by name from the last label on, then by type and identifier.
pub(super) fn list(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let most = max_items(request, PAGE)?;
    let text = |name| request.params.get(name).filter(|text| !text.is_empty());
    let (name, kind, identifier) = (text("name"), text("type"), text("identifier"));
    if (kind.is_some() && name.is_none()) || (identifier.is_some() && kind.is_none()) {
        return Err(invalid_input("A type needs a name, and an identifier needs a type"));
    }
    let first = (
        name.map(|name| order(&normal(name))).unwrap_or_default(),
        kind.unwrap_or_default().to_owned(),
        identifier.unwrap_or_default().to_owned(),
    );
    let key = |record: &RecordSet| {
        (order(&record.name), record.kind.clone(), record.set_identifier.clone().unwrap_or_default())
    };
    let mut sorted: Vec<&RecordSet> = named(context, request)?.records.iter().collect();
    sorted.sort_by_cached_key(|record| key(record));
    let mut rest = sorted.into_iter().filter(|record| key(record) >= first);
    let page: Vec<Members> = rest.by_ref().take(most).map(members).collect();
    let next = rest.next();
    Ok(RestOutput::ok(
        Members::new()
            .structures("ResourceRecordSets", "ResourceRecordSet", page)
            .text("IsTruncated", next.is_some())
            .text("MaxItems", most)
            .optional("NextRecordName", next.map(|record| &record.name))
            .optional("NextRecordType", next.map(|record| &record.kind))
            .optional("NextRecordIdentifier", next.and_then(|record| record.set_identifier.as_ref())),
    ))
}

fn members(record: &RecordSet) -> Members {
    let members = Members::new()
        .text("Name", &record.name)
        .text("Type", &record.kind)
        .optional("SetIdentifier", record.set_identifier.as_ref())
        .optional("Weight", record.weight);
    match &record.content {
        Content::Values { ttl, values } => {
            let values = values.iter().map(|value| Members::new().text("Value", value));
            members.text("TTL", ttl).structures("ResourceRecords", "ResourceRecord", values)
        }
        Content::Alias { zone, name, evaluate_health } => {
            let alias = Members::new()
                .text("HostedZoneId", zone)
                .text("DNSName", name)
                .text("EvaluateTargetHealth", evaluate_health);
            members.structure("AliasTarget", alias)
        }
    }
}
