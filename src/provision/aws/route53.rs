//! Route 53: the hosted zones of a domain and the alias records that lead to a load balancer.

use aws_sdk_route53::error::SdkError;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecordSet, RrType,
};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{AwsError, Clients, Failure, Service, error};
use crate::provision::resource::v2::{Record, Zone};

/// A change was refused: a record to delete is not there as it was named, or one to create is.
pub(crate) const INVALID_CHANGE: &str = "InvalidChangeBatch";
/// There is no such zone.
pub(crate) const NO_SUCH_ZONE: &str = "NoSuchHostedZone";

const CHANGE: &str = "ChangeResourceRecordSets";

/// An alias record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AliasRecord {
    /// The whole name.
    pub(crate) name: String,
    /// `A` or `AAAA`.
    pub(crate) kind: String,
    /// The DNS name of the load balancer.
    pub(crate) target: String,
    /// The zone that this DNS name is part of.
    pub(crate) target_zone: String,
    /// Its weight, where several records share the name.
    pub(crate) weight: Option<u8>,
    /// What tells it from the others of its name.
    pub(crate) set_identifier: Option<String>,
}

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::Route53, operation)
}

/// Reads the hosted zones of `domain`, public and private, sorted by id.
pub(crate) async fn zones(clients: &Clients, domain: &str) -> Result<Vec<Zone>, AwsError> {
    let mut zones = Vec::new();
    let (mut name, mut id) = (domain.to_owned(), None);
    loop {
        let page = clients
            .route53()
            .list_hosted_zones_by_name()
            .dns_name(&name)
            .set_hosted_zone_id(id)
            .send()
            .await
            .map_err(failed("ListHostedZonesByName"))?;
        // They come in the order of their names, beginning with the one asked for.
        let (here, beyond): (Vec<_>, Vec<_>) =
            page.hosted_zones.into_iter().partition(|zone| same_name(&zone.name, domain));
        zones.extend(here.into_iter().map(|zone| Zone {
            id: zone.id.rsplit('/').next().unwrap_or_default().to_owned(),
            domain: undotted(&zone.name),
            private: zone.config.is_some_and(|config| config.private_zone),
        }));
        match (page.is_truncated && beyond.is_empty(), page.next_dns_name) {
            (true, Some(next)) => (name, id) = (next, page.next_hosted_zone_id),
            _ => break,
        }
    }
    zones.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(zones)
}

/// Reads the record sets of a zone that are `wanted`: a call for every 300 that it has.
pub(crate) async fn records(
    clients: &Clients,
    zone: &str,
    wanted: impl Fn(&Record) -> bool,
) -> Result<Vec<Record>, AwsError> {
    let sets = record_sets(clients, zone, None).await?;
    let records = sets.into_iter().map(|found| record_from(zone, found));
    Ok(records.filter(wanted).collect())
}

/// Reads the record sets of one name, or of the whole zone.
async fn record_sets(
    clients: &Clients,
    zone: &str,
    name: Option<&str>,
) -> Result<Vec<ResourceRecordSet>, AwsError> {
    let mut found = Vec::new();
    let (mut start, mut kind, mut identifier) = (name.map(str::to_owned), None, None);
    loop {
        let page = clients
            .route53()
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_start_record_name(start)
            .set_start_record_type(kind)
            .set_start_record_identifier(identifier)
            .max_items(300)
            .send()
            .await
            .map_err(failed("ListResourceRecordSets"))?;
        let is_wanted = |set: &ResourceRecordSet| name.is_none_or(|name| same_name(&set.name, name));
        let (here, beyond): (Vec<_>, Vec<_>) = page.resource_record_sets.into_iter().partition(is_wanted);
        found.extend(here);
        if !page.is_truncated || !beyond.is_empty() || page.next_record_name.is_none() {
            return Ok(found);
        }
        (start, kind, identifier) =
            (page.next_record_name, page.next_record_type, page.next_record_identifier);
    }
}

/// Writes records of a zone, all of them or none, and returns the id by which the change is asked after. Each is
/// created, or takes the place of the one of its name, type and identifier; those that they replace go in the same
/// change, as long as they are as they were seen.
pub(crate) async fn upsert_records(
    clients: &Clients,
    zone: &str,
    records: &[AliasRecord],
    replaces: &[Record],
) -> Result<String, AwsError> {
    let mut old = Vec::new();
    for record in replaces {
        let sets = record_sets(clients, zone, Some(&record.name)).await?;
        old.extend(sets.into_iter().find(|set| record_from(zone, set.clone()) == *record));
    }
    let old = old
        .into_iter()
        .map(|set| Change::builder().action(ChangeAction::Delete).resource_record_set(set).build());
    let new = records.iter().map(|record| {
        Change::builder().action(ChangeAction::Upsert).resource_record_set(record_to(record)?).build()
    });
    let changes = old
        .chain(new)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|changes| ChangeBatch::builder().set_changes(Some(changes)).build())
        .map_err(|error| malformed(CHANGE, error.to_string()))?;
    send(clients, zone, changes).await
}

/// Deletes a record exactly as it is there now, whatever its time to live and its health check; none where it is
/// gone, or leads elsewhere than it was seen to.
pub(crate) async fn delete_record(clients: &Clients, record: &Record) -> Result<Option<String>, AwsError> {
    let sets = record_sets(clients, &record.zone, Some(&record.name)).await?;
    let found = sets.into_iter().find(|set| record_from(&record.zone, set.clone()) == *record);
    let Some(found) = found else { return Ok(None) };
    let batch = Change::builder()
        .action(ChangeAction::Delete)
        .resource_record_set(found)
        .build()
        .and_then(|change| ChangeBatch::builder().changes(change).build())
        .map_err(|error| malformed(CHANGE, error.to_string()))?;
    send(clients, &record.zone, batch).await.map(Some)
}

async fn send(clients: &Clients, zone: &str, batch: ChangeBatch) -> Result<String, AwsError> {
    let call = clients.route53().change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    let output = call.send().await.map_err(failed(CHANGE))?;
    let change =
        output.change_info.ok_or_else(|| malformed(CHANGE, "the answer names no change".to_owned()))?;
    Ok(change.id.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Says whether every server of Route 53 has a change.
pub(crate) async fn is_in_sync(clients: &Clients, change: &str) -> Result<bool, AwsError> {
    let output = clients.route53().get_change().id(change).send().await.map_err(failed("GetChange"))?;
    Ok(output.change_info.is_none_or(|change| change.status == ChangeStatus::Insync))
}

fn record_to(record: &AliasRecord) -> Result<ResourceRecordSet, aws_sdk_route53::error::BuildError> {
    let alias = AliasTarget::builder()
        .hosted_zone_id(&record.target_zone)
        .dns_name(&record.target)
        // A load balancer answers for the health of its targets itself; and where it has none that is healthy, a
        // record that is withheld helps no visitor.
        .evaluate_target_health(false)
        .build()?;
    ResourceRecordSet::builder()
        .name(&record.name)
        .r#type(RrType::from(record.kind.as_str()))
        .alias_target(alias)
        .set_weight(record.weight.map(i64::from))
        .set_set_identifier(record.set_identifier.clone())
        .build()
}

fn record_from(zone: &str, found: ResourceRecordSet) -> Record {
    let (alias, alias_zone) = match found.alias_target {
        Some(target) => {
            let name = undotted(&target.dns_name).to_ascii_lowercase();
            let name = name.strip_prefix("dualstack.").map_or(name.clone(), str::to_owned);
            (Some(name), Some(target.hosted_zone_id))
        }
        None => (None, None),
    };
    Record {
        zone: zone.to_owned(),
        name: unescaped(&undotted(&found.name)),
        kind: found.r#type.as_str().to_owned(),
        alias,
        alias_zone,
        weight: found.weight.and_then(|weight| u8::try_from(weight).ok()),
        set_identifier: found.set_identifier,
    }
}

fn undotted(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// Says whether two names are the same, whatever their case, their escapes and a dot at the end.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    unescaped(&undotted(a)).eq_ignore_ascii_case(&undotted(b))
}

/// Returns a name without Route 53's escapes: it writes what is no letter, digit, hyphen, underscore or dot as a
/// backslash and three octal digits, so `*` as `\052`.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| after.get(..3)).flatten();
        let code = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            bytes.push(code);
            rest = &after[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn malformed(operation: &'static str, text: String) -> AwsError {
    AwsError { service: Service::Route53, operation, failure: Failure::Malformed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_dot_and_escapes() {
        for (a, b, same) in [
            ("chat.example.com.", "chat.example.com", true),
            ("Chat.example.com.", "chat.Example.com", true),
            ("\\052.example.com.", "*.example.com", true),
            ("a.chat.example.com.", "chat.example.com", false),
            ("\\05", "\\05", true),
        ] {
            assert_eq!(same_name(a, b), same, "{a} and {b}");
        }
    }

    #[test]
    fn an_alias_reads_back_as_it_was_written() {
        let written = record_to(&AliasRecord {
            name: "chat.example.com".to_owned(),
            kind: "AAAA".to_owned(),
            target: "dualstack.WS-1.us-east-1.elb.amazonaws.com".to_owned(),
            target_zone: "Z1".to_owned(),
            weight: Some(0),
            set_identifier: Some("ws".to_owned()),
        });
        let read = record_from("Z2", written.unwrap());
        let expected = Record {
            zone: "Z2".to_owned(),
            name: "chat.example.com".to_owned(),
            kind: "AAAA".to_owned(),
            alias: Some("ws-1.us-east-1.elb.amazonaws.com".to_owned()),
            alias_zone: Some("Z1".to_owned()),
            weight: Some(0),
            set_identifier: Some("ws".to_owned()),
        };
        assert_eq!(read, expected);
    }
}
