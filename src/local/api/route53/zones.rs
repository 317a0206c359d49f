//! Hosted zones: creating, finding and deleting them.

use super::{Context, invalid_input, max_items, named, submitted};
use crate::local::state::Tags;
use crate::local::state::route53::{Content, HostedZone, RecordSet, normal, order};
use crate::local::wire::error::ApiError;
use crate::local::wire::rest::Request;
use crate::local::wire::routing::RestOutput;
use crate::local::wire::xml::Members;

/// The default quota of hosted zones, and the largest page.
const MOST: usize = 500;
const PAGE: usize = 100;

const NAME_SERVERS: [&str; 4] =
    ["ns-1.awsdns-01.org", "ns-2.awsdns-02.co.uk", "ns-3.awsdns-03.com", "ns-4.awsdns-04.net"];

/// `CreateHostedZone`: with its NS and SOA records. A caller reference serves once.
pub(super) fn create(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let body = request.body.as_ref().ok_or_else(|| invalid_input("Invalid XML ; the body is empty"))?;
    let name = body.text("Name").unwrap_or_default();
    if !is_domain(name) {
        let message = format!("The domain name '{name}' is not valid");
        return Err(ApiError::bad_request("InvalidDomainName", message));
    }
    let name = normal(name);
    let caller_reference = body.text("CallerReference").filter(|reference| !reference.is_empty());
    let caller_reference = caller_reference.ok_or_else(|| invalid_input("CallerReference is missing"))?;
    let zones = &context.state.route53.zones;
    if zones.values().any(|zone| zone.caller_reference == caller_reference) {
        let message = "A hosted zone has already been created with the specified caller reference.";
        return Err(ApiError::conflict("HostedZoneAlreadyExists", message));
    }
    if zones.len() >= MOST {
        return Err(ApiError::bad_request(
            "TooManyHostedZones",
            "Limits Exceeded: MAX_HOSTED_ZONES_BY_ACCOUNT",
        ));
    }
    let vpc = match body.child("VPC") {
        None => None,
        Some(vpc) => {
            let text = |name| vpc.text(name).unwrap_or_default().to_owned();
            let (region, id) = (text("VPCRegion"), text("VPCId"));
            let exists =
                context.state.regions.get(&region).is_some_and(|region| region.ec2.vpcs.contains_key(&id));
            if !exists {
                let message = format!(
                    "The VPC: {id} in region {region} you provided is not authorized to make the association."
                );
                return Err(ApiError::bad_request("InvalidVPCId", message));
            }
            Some((region, id))
        }
    };
    let comment = body.child("HostedZoneConfig").and_then(|config| config.text("Comment"));
    let zone = HostedZone {
        id: format!("Z{}", &context.ids.uuid().replace('-', "").to_uppercase()[12..]),
        records: required(&name),
        name,
        caller_reference: caller_reference.to_owned(),
        comment: comment.map(str::to_owned),
        vpc,
        tags: Tags::new(),
    };
    let info = submitted(context, None);
    let members = Members::new().structure("HostedZone", members(&zone)).structure("ChangeInfo", info);
    let members = match vpc_members(&zone) {
        Some(vpc) => members.structure("VPC", vpc),
        None => members.structure("DelegationSet", delegation_set()),
    };
    let location = format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{}", zone.id);
    context.state.route53.zones.insert(zone.id.clone(), zone);
    Ok(RestOutput { status: 201, location: Some(location), members })
}

/// The records that every zone has.
fn required(name: &str) -> Vec<RecordSet> {
    let record = |kind: &str, ttl, values| RecordSet {
        name: name.to_owned(),
        kind: kind.to_owned(),
        set_identifier: None,
        weight: None,
        content: Content::Values { ttl, values },
    };
    let authority = format!("{}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", NAME_SERVERS[0]);
    let servers = NAME_SERVERS.iter().map(|server| format!("{server}.")).collect();
    vec![record("NS", 172_800, servers), record("SOA", 900, vec![authority])]
}

/// `GetHostedZone`.
pub(super) fn get(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let zone = named(context, request)?;
    let answer = Members::new().structure("HostedZone", members(zone));
    Ok(RestOutput::ok(match vpc_members(zone) {
        Some(vpc) => answer.structures("VPCs", "VPC", [vpc]),
        None => answer.structure("DelegationSet", delegation_set()),
    }))
}

/// `GetHostedZoneCount`.
pub(super) fn count(context: &Context<'_>) -> RestOutput {
    RestOutput::ok(Members::new().text("HostedZoneCount", context.state.route53.zones.len()))
}

/// `DeleteHostedZone`: only the records that every zone has may be left in it.
pub(super) fn delete(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let zone = named(context, request)?;
    let is_required =
        |record: &RecordSet| record.name == zone.name && ["NS", "SOA"].contains(&record.kind.as_str());
    if !zone.records.iter().all(is_required) {
        let message =
            "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Err(ApiError::bad_request("HostedZoneNotEmpty", message));
    }
    let id = zone.id.clone();
    context.state.route53.zones.remove(&id);
    let info = submitted(context, None);
    Ok(RestOutput::ok(Members::new().structure("ChangeInfo", info)))
}

/// `ListHostedZones`: by id.
pub(super) fn list(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let most = max_items(request, PAGE)?;
    let marker = request.params.get("marker").unwrap_or_default();
    let mut rest = context.state.route53.zones.values().filter(|zone| zone.id.as_str() >= marker);
    let page: Vec<Members> = rest.by_ref().take(most).map(members).collect();
    let next = rest.next().map(|zone| &zone.id);
    Ok(RestOutput::ok(
        Members::new()
            .structures("HostedZones", "HostedZone", page)
            .text("Marker", marker)
            .text("IsTruncated", next.is_some())
            .optional("NextMarker", next)
            .text("MaxItems", most),
    ))
}

/// `ListHostedZonesByName`: by name from the last label on, beginning with the one asked for.
pub(super) fn list_by_name(context: &mut Context<'_>, request: &Request) -> Result<RestOutput, ApiError> {
    let most = max_items(request, PAGE)?;
    let text = |name| request.params.get(name).filter(|text| !text.is_empty());
    let (from, id) = (text("dnsname"), text("hostedzoneid"));
    if id.is_some() && from.is_none() {
        return Err(invalid_input("A DNS name must be given with a hosted zone ID"));
    }
    let first = (from.map(|name| order(&normal(name))).unwrap_or_default(), id.unwrap_or_default());
    let mut sorted: Vec<&HostedZone> = context.state.route53.zones.values().collect();
    sorted.sort_by_cached_key(|zone| (order(&zone.name), zone.id.clone()));
    let mut rest =
        sorted.into_iter().filter(|zone| (order(&zone.name), zone.id.as_str()) >= (first.0.clone(), first.1));
    let page: Vec<Members> = rest.by_ref().take(most).map(members).collect();
    let next = rest.next();
    Ok(RestOutput::ok(
        Members::new()
            .structures("HostedZones", "HostedZone", page)
            .optional("DNSName", from)
            .optional("HostedZoneId", id)
            .text("IsTruncated", next.is_some())
            .optional("NextDNSName", next.map(|zone| &zone.name))
            .optional("NextHostedZoneId", next.map(|zone| &zone.id))
            .text("MaxItems", most),
    ))
}

fn members(zone: &HostedZone) -> Members {
    let config =
        Members::new().optional("Comment", zone.comment.as_ref()).text("PrivateZone", zone.vpc.is_some());
    Members::new()
        .text("Id", format!("/hostedzone/{}", zone.id))
        .text("Name", &zone.name)
        .text("CallerReference", &zone.caller_reference)
        .structure("Config", config)
        .text("ResourceRecordSetCount", zone.records.len())
}

fn vpc_members(zone: &HostedZone) -> Option<Members> {
    let (region, id) = zone.vpc.as_ref()?;
    Some(Members::new().text("VPCRegion", region).text("VPCId", id))
}

fn delegation_set() -> Members {
    Members::new().texts("NameServers", "NameServer", NAME_SERVERS)
}

/// Labels of letters, digits, hyphens and underscores, 63 characters each and 255 together.
fn is_domain(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() < 255 && name.split('.').all(label)
}
