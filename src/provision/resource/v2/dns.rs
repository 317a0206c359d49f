//! The Route 53 records that lead visitors to a load balancer.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::provision::resource::{Tags, sha256_of};

/// Begins the tags by which a load balancer says which records were written for it.
const RECORD_TAG: &str = "elbws:record:";
/// The longest value of a tag.
const VALUE: usize = 256;

/// The alias records of a stack as they are desired: `A`, and `AAAA` where the load balancer has IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRecord {
    /// The zone's domain, `example.com`.
    pub zone: String,
    /// The whole name without the dot at its end, `chat.example.com`.
    pub name: String,
    /// 0–255, where several records share the name; none for the only one.
    pub weight: Option<u8>,
    /// Tells this record from the others of its name; `Some` exactly where there is a weight.
    pub set_identifier: Option<String>,
}

/// A hosted zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its id, without `/hostedzone/`.
    pub id: String,
    /// Its domain without the dot at its end.
    pub domain: String,
    /// Whether only VPCs see it.
    pub private: bool,
}

/// A record set as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record {
    /// The id of its zone.
    pub zone: String,
    /// The whole name without the dot at its end.
    pub name: String,
    /// `A`, `AAAA`, `CNAME` …
    pub kind: String,
    /// The DNS name that it is an alias of, without the dot at its end and a leading `dualstack.`; none where it
    /// is no alias.
    pub alias: Option<String>,
    /// The zone of the alias's target.
    pub alias_zone: Option<String>,
    /// Its weight, where it has one.
    pub weight: Option<u8>,
    /// What tells it from the others of its name.
    pub set_identifier: Option<String>,
}

impl Record {
    /// Says whether a load balancer with these tags had this record written for it.
    #[must_use]
    pub fn is_noted_in(&self, tags: &Tags) -> bool {
        tags.0.contains_key(&note_key(&self.zone, &self.name, self.set_identifier.as_deref()))
    }
}

impl DesiredRecord {
    /// Returns the tag by which a load balancer says that this record was written for it: a record has no tags of
    /// its own. The key tells records apart, the value is for readers and begins with the zone's id.
    #[must_use]
    pub fn note(&self, zone: &Zone) -> (String, String) {
        let mut value = format!("{}/{}", zone.id, self.name.replace('*', "="));
        value.truncate(VALUE);
        (note_key(&zone.id, &self.name, self.set_identifier.as_deref()), value)
    }
}

/// Says whether a tag is one that notes a record.
#[must_use]
pub fn is_note(key: &str) -> bool {
    key.starts_with(RECORD_TAG)
}

/// Returns the ids of the zones of the records that a load balancer with these tags had written for it.
#[must_use]
pub fn noted_zones(tags: &Tags) -> BTreeSet<&str> {
    let notes = tags.0.iter().filter(|(key, _)| is_note(key));
    notes.filter_map(|(_, value)| value.split_once('/')).map(|(zone, _)| zone).collect()
}

fn note_key(zone: &str, name: &str, set_identifier: Option<&str>) -> String {
    let text = format!("{zone} {} {set_identifier:?}", name.to_ascii_lowercase());
    format!("{RECORD_TAG}{:.12}", sha256_of(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_one_record_in_what_a_tag_may_hold() {
        let desired = |name: &str, identifier: Option<&str>| DesiredRecord {
            zone: "example.com".into(),
            name: name.into(),
            weight: identifier.map(|_| 1),
            set_identifier: identifier.map(str::to_owned),
        };
        let zone = Zone { id: "Z1".into(), domain: "example.com".into(), private: false };
        let found = |name: &str, identifier: Option<&str>| Record {
            zone: "Z1".into(),
            name: name.into(),
            kind: "A".into(),
            alias: None,
            alias_zone: None,
            weight: identifier.map(|_| 1),
            set_identifier: identifier.map(str::to_owned),
        };
        let tags: Tags = [desired("*.example.com", None), desired("chat.example.com", Some("a b!"))]
            .iter()
            .map(|record| record.note(&zone))
            .collect();
        assert!(found("*.Example.com", None).is_noted_in(&tags));
        assert!(found("chat.example.com", Some("a b!")).is_noted_in(&tags));
        assert!(!found("chat.example.com", Some("other")).is_noted_in(&tags));
        assert!(!found("chat.example.com", None).is_noted_in(&tags));
        let elsewhere = Record { zone: "Z2".into(), ..found("*.example.com", None) };
        assert!(!elsewhere.is_noted_in(&tags));
        assert_eq!(noted_zones(&tags), BTreeSet::from(["Z1"]));
        assert!(tags.0.values().any(|value| value == "Z1/=.example.com"), "{tags:?}");
        let allowed = |sign: char| sign.is_ascii_alphanumeric() || " +-=._:/@".contains(sign);
        assert!(tags.0.iter().all(|(key, value)| (key.clone() + value).chars().all(allowed)), "{tags:?}");
        let long = desired(&"a.".repeat(126), None).note(&zone);
        assert!(long.1.len() <= VALUE, "{long:?}");
    }
}
