//! What Route 53 has for the name that visitors ask for; pure.

use crate::promise::Outcome;
use crate::promise::cause::Cause;
use crate::provision::resource::v2::{DesiredRecord, Record};

/// Whether the desired record leads to the load balancer.
pub(super) fn check(desired: &DesiredRecord, records: &[Record], dns_name: &str) -> Outcome {
    let of_name = records.iter().filter(|record| record.name.eq_ignore_ascii_case(&desired.name));
    let mut addresses = of_name.filter(|record| matches!(record.kind.as_str(), "A" | "CNAME"));
    let found = addresses.find(|record| record.set_identifier == desired.set_identifier);
    let DesiredRecord { name, zone, .. } = desired;
    match found {
        Some(Record { alias: Some(alias), .. }) if alias.eq_ignore_ascii_case(dns_name) => {
            let weight = desired.weight.map(|weight| format!(", with weight {weight}")).unwrap_or_default();
            Outcome::Kept(format!("an alias of {dns_name}{weight}"))
        }
        Some(elsewhere) => {
            let to = elsewhere.alias.as_deref().unwrap_or("addresses of its own");
            Outcome::Broken {
                error: format!("{name} leads to {to}, and not to {dns_name}"),
                causes: vec![Cause::new(
                    "the record was changed, or belongs to something else",
                    "`elbws apply SPEC`, with --adopt where the record is not the stack's; or dns.name",
                )],
            }
        }
        None => Outcome::Broken {
            error: format!("zone {zone} has no record {name}"),
            causes: vec![Cause::new(
                "it was deleted, or not applied since dns is in the spec",
                "`elbws apply SPEC`",
            )],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, alias: Option<&str>, set_identifier: Option<&str>) -> Record {
        Record {
            zone: "Z1".to_owned(),
            name: "chat.example.com".to_owned(),
            kind: kind.to_owned(),
            alias: alias.map(str::to_owned),
            alias_zone: None,
            weight: None,
            set_identifier: set_identifier.map(str::to_owned),
        }
    }

    #[test]
    fn the_record_of_the_spec_decides() {
        let desired = DesiredRecord {
            zone: "example.com".to_owned(),
            name: "chat.example.com".to_owned(),
            weight: None,
            set_identifier: None,
        };
        let checked = |records: &[Record]| check(&desired, records, "lb.elb.amazonaws.com");
        let kept = |outcome: &Outcome| matches!(outcome, Outcome::Kept(_));
        assert!(kept(&checked(&[record("A", Some("LB.elb.amazonaws.com"), None)])));
        for records in [
            vec![],
            vec![record("A", None, None)],
            vec![record("CNAME", None, None)],
            vec![record("A", Some("other.elb.amazonaws.com"), None)],
            vec![record("A", Some("lb.elb.amazonaws.com"), Some("another"))],
            vec![record("TXT", None, None)],
        ] {
            assert!(!kept(&checked(&records)), "{records:?}");
        }
    }
}
