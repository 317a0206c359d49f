//! Route 53's records: hosted zones, what is in them, and the changes that were made. It has no regions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Tags;

/// Route 53.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Route53 {
    /// Hosted zones by id.
    pub(crate) zones: BTreeMap<String, HostedZone>,
    /// When changes were submitted, by id.
    #[serde(with = "times")]
    pub(crate) changes: BTreeMap<String, OffsetDateTime>,
}

impl Route53 {
    /// The record set that answers for a name and type. Public zones only; of weighted ones the nth gets its
    /// turn, those without weight only where no other has any.
    pub(crate) fn resolve(&self, name: &str, kind: &str, nth: u64) -> Option<&RecordSet> {
        let name = normal(name);
        let within = |zone: &&HostedZone| name == zone.name || name.ends_with(&format!(".{}", zone.name));
        let zones = self.zones.values().filter(|zone| zone.vpc.is_none()).filter(within);
        let zone = zones.max_by_key(|zone| zone.name.len())?;
        let mut records: Vec<&RecordSet> =
            zone.records.iter().filter(|record| record.name == name && record.kind == kind).collect();
        records.sort_by_key(|record| &record.set_identifier);
        let all_zero = records.iter().all(|record| record.weight.unwrap_or(1) == 0);
        let weight = |record: &RecordSet| if all_zero { 1 } else { u64::from(record.weight.unwrap_or(1)) };
        let total = records.iter().map(|record| weight(record)).sum::<u64>();
        let mut turn = nth.checked_rem(total)?;
        records.into_iter().find(|record| {
            let weight = weight(record);
            let hit = turn < weight;
            turn = turn.saturating_sub(weight);
            hit
        })
    }
}

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostedZone {
    pub(crate) id: String,
    /// In lower case, with the dot at its end.
    pub(crate) name: String,
    pub(crate) caller_reference: String,
    pub(crate) comment: Option<String>,
    /// Region and id of the VPC of a private zone.
    pub(crate) vpc: Option<(String, String)>,
    /// In no order.
    pub(crate) records: Vec<RecordSet>,
    pub(crate) tags: Tags,
}

/// A record set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordSet {
    /// In lower case, with the dot at its end; `*` is `\052`.
    pub(crate) name: String,
    /// `A`, `AAAA` or the like.
    pub(crate) kind: String,
    /// What tells it from the other weighted ones of its name and type.
    pub(crate) set_identifier: Option<String>,
    pub(crate) weight: Option<u8>,
    pub(crate) content: Content,
}

/// What a record set says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Content {
    /// Values, for so many seconds.
    Values { ttl: u32, values: Vec<String> },
    /// What another name says.
    Alias {
        /// The id of the other name's zone.
        zone: String,
        /// The other name, in the form of names.
        name: String,
        evaluate_health: bool,
    },
}

impl RecordSet {
    /// Whether it has the name, type and identifier of another; a zone has each once.
    pub(crate) fn same_key(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind && self.set_identifier == other.set_identifier
    }
}

/// A name as Route 53 keeps it.
pub(crate) fn normal(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('*', "\\052");
    if name.ends_with('.') { name } else { format!("{name}.") }
}

/// What names are sorted by: their labels from the last to the first.
pub(crate) fn order(name: &str) -> String {
    let labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').collect();
    labels.join(".") + "."
}

mod times {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};
    use time::OffsetDateTime;

    /// Seconds since 1970 by id.
    pub(super) fn serialize<S: Serializer>(
        times: &BTreeMap<String, OffsetDateTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let seconds: BTreeMap<&String, i64> =
            times.iter().map(|(id, at)| (id, at.unix_timestamp())).collect();
        seconds.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, OffsetDateTime>, D::Error> {
        let seconds = BTreeMap::<String, i64>::deserialize(deserializer)?;
        let time = |(id, seconds)| {
            Ok((id, OffsetDateTime::from_unix_timestamp(seconds).map_err(serde::de::Error::custom)?))
        };
        seconds.into_iter().map(time).collect()
    }
}
