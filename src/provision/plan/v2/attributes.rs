//! Attributes: AWS's keys in the words of the spec, and what a change of one does to connections.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::provision::plan::{Disruption, FieldChange};

/// AWS's key, the spec's word, and what a change does to connections.
const WORDS: &[(&str, &str, Disruption)] = &[
    ("access_logs.s3.enabled", "access_logs.enabled", Disruption::None),
    ("access_logs.s3.bucket", "access_logs.bucket", Disruption::None),
    ("access_logs.s3.prefix", "access_logs.prefix", Disruption::None),
    ("connection_logs.s3.enabled", "connection_logs.enabled", Disruption::None),
    ("connection_logs.s3.bucket", "connection_logs.bucket", Disruption::None),
    ("connection_logs.s3.prefix", "connection_logs.prefix", Disruption::None),
    ("deletion_protection.enabled", "deletion_protection", Disruption::None),
    ("idle_timeout.timeout_seconds", "idle_timeout", Disruption::NewConnections),
    ("client_keep_alive.seconds", "client_keep_alive", Disruption::NewConnections),
    ("load_balancing.cross_zone.enabled", "cross_zone", Disruption::NewConnections),
    ("routing.http2.enabled", "http2", Disruption::NewConnections),
    ("routing.http.desync_mitigation_mode", "desync_mitigation_mode", Disruption::NewConnections),
    (
        "routing.http.drop_invalid_header_fields.enabled",
        "drop_invalid_header_fields",
        Disruption::NewConnections,
    ),
    ("routing.http.preserve_host_header.enabled", "preserve_host_header", Disruption::NewConnections),
    ("routing.http.xff_header_processing.mode", "xff_header_processing_mode", Disruption::NewConnections),
    ("routing.http.xff_client_port.enabled", "xff_client_port", Disruption::NewConnections),
    ("routing.http.response.strict_transport_security.header_value", "hsts", Disruption::NewConnections),
    ("tcp.idle_timeout.seconds", "idle_timeout", Disruption::NewConnections),
    ("deregistration_delay.timeout_seconds", "deregistration_delay", Disruption::None),
    ("deregistration_delay.connection_termination.enabled", "connection_termination", Disruption::None),
    ("load_balancing.algorithm.type", "algorithm", Disruption::NewConnections),
    ("slow_start.duration_seconds", "slow_start", Disruption::None),
    ("stickiness.enabled", "stickiness.enabled", Disruption::NewConnections),
    ("stickiness.type", "stickiness.type", Disruption::NewConnections),
    ("stickiness.lb_cookie.duration_seconds", "stickiness.duration", Disruption::NewConnections),
    ("stickiness.app_cookie.duration_seconds", "stickiness.app_duration", Disruption::NewConnections),
    ("stickiness.app_cookie.cookie_name", "stickiness.cookie", Disruption::NewConnections),
    ("preserve_client_ip.enabled", "preserve_client_ip", Disruption::NewConnections),
    ("proxy_protocol_v2.enabled", "proxy_protocol", Disruption::NewConnections),
    (
        "target_health_state.unhealthy.connection_termination.enabled",
        "unhealthy_connection_termination",
        Disruption::None,
    ),
];

/// What differs between the attributes that there are and those that are desired.
pub(super) struct Difference {
    /// What to set, by AWS's keys.
    pub(super) set: BTreeMap<String, String>,
    /// The same in the words of the spec.
    pub(super) fields: Vec<FieldChange>,
    pub(super) disruption: Disruption,
}

/// Compares attributes. What is not desired is left alone; values compare without case (`True`, `true`).
pub(super) fn difference(
    current: Option<&BTreeMap<String, String>>,
    desired: &BTreeMap<String, String>,
) -> Difference {
    let mut found = Difference { set: BTreeMap::new(), fields: Vec::new(), disruption: Disruption::None };
    for (key, to) in desired {
        let from = current.and_then(|current| current.get(key));
        if from.is_some_and(|from| from.eq_ignore_ascii_case(to)) || (to.is_empty() && from.is_none()) {
            continue;
        }
        let (path, disruption) = word(key);
        found.disruption = found.disruption.max(disruption);
        found.fields.push(FieldChange {
            path: path.to_owned(),
            from: from.map_or(Value::Null, |from| shown(from)),
            to: shown(to),
        });
        found.set.insert(key.clone(), to.clone());
    }
    found.fields.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn word(key: &str) -> (&str, Disruption) {
    let found = WORDS.iter().find(|(known, _, _)| *known == key);
    found.map_or((key, Disruption::NewConnections), |(_, word, disruption)| (word, *disruption))
}

/// Numbers and truth values are shown as what they are; nothing is shown for an empty text.
fn shown(value: &str) -> Value {
    match value {
        "" => Value::Null,
        "true" | "True" => true.into(),
        "false" | "False" => false.into(),
        text => text.parse::<u64>().map_or_else(|_| text.into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_is_desired_and_differs_is_set_and_it_is_said_in_the_words_of_the_spec() {
        let current = map(&[("idle_timeout.timeout_seconds", "60"), ("waf.fail_open.enabled", "true")]);
        let desired = map(&[("idle_timeout.timeout_seconds", "3600"), ("routing.http2.enabled", "true")]);
        let found = difference(Some(&current), &desired);
        assert_eq!(found.set, desired);
        let paths: Vec<_> = found.fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["http2", "idle_timeout"]);
        assert_eq!((&found.fields[1].from, &found.fields[1].to), (&60.into(), &3600.into()));
        assert_eq!(found.disruption, Disruption::NewConnections);
    }

    #[test]
    fn the_case_of_a_value_and_an_empty_text_make_no_difference() {
        let current = map(&[("proxy_protocol_v2.enabled", "True")]);
        let desired = map(&[("proxy_protocol_v2.enabled", "true"), ("access_logs.s3.prefix", "")]);
        assert!(difference(Some(&current), &desired).set.is_empty());
    }
}
