//! The addresses that a text names.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// Returns the addresses that a text names. Of a JSON object that has some at its top, these alone: what lies
/// deeper, such as a history, may be of others.
pub(super) fn addresses_in(text: &str) -> Vec<IpAddr> {
    if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
        let top: Vec<IpAddr> = fields.values().filter_map(Value::as_str).filter_map(address).collect();
        if !top.is_empty() {
            return top;
        }
    }
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')));
    let mut found: Vec<IpAddr> = words.filter_map(address).collect();
    found.dedup();
    found
}

fn address(word: &str) -> Option<IpAddr> {
    // `::` alone is punctuation more often than an address.
    let word = word.trim().trim_end_matches(['.', ':']);
    let address = word.parse().ok().or_else(|| word.parse().ok().map(|at: SocketAddr| at.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_texts_and_at_the_top_of_objects() {
        for (text, expected) in [
            (
                r#"{"address":"192.0.2.7","at":"2026-01-02T03:04:05.678Z","history":[{"address":"192.0.2.9"}]}"#,
                "192.0.2.7",
            ),
            (r#"{"you":{"ip":"2001:db8::7"}}"#, "2001:db8::7"),
            (r#"{"from":"[::1]:4711"}"#, "::1"),
            ("hello 203.0.113.9, it is 12:30:05.", "203.0.113.9"),
            ("you are ::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711 and 192.0.2.2.", "192.0.2.1 192.0.2.2"),
            ("version 1.2.3, std::net", ""),
            ("", ""),
        ] {
            let found: Vec<String> = addresses_in(text).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
