//! `hsts:`, the `Strict-Transport-Security` header that the proxy or an Application load balancer adds.

use std::fmt;

use serde::Serialize;

use super::Seconds;
use super::item::{Invalid, Item, Read, Value};
use super::problem::{Problems, Refusal};
use super::shape::{Field, Kind, Need, Object};

/// What `Strict-Transport-Security` says (RFC 6797).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hsts {
    /// How long browsers remember it; 0 makes them forget.
    pub max_age: Seconds,
    /// Whether it holds for subdomains as well.
    pub include_subdomains: bool,
    /// Whether the domain asks to be in the browsers' preload list.
    pub preload: bool,
}

/// Writes the header's value.
impl fmt::Display for Hsts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max-age={}", self.max_age.get())?;
        f.write_str(if self.include_subdomains { "; includeSubDomains" } else { "" })?;
        f.write_str(if self.preload { "; preload" } else { "" })
    }
}

const MAX_AGE: Kind = Kind::Duration { min: 0, max: 10 * 365 * 86400 };

static HSTS: Object = Object {
    name: "hsts",
    need: Need::Nothing,
    fields: &[
        Field::new("max_age", MAX_AGE, "How long browsers remember to come over https.").required(),
        Field::new("include_subdomains", Kind::Boolean, "Whether it holds for subdomains as well.")
            .default("false"),
        Field::new("preload", Kind::Boolean, "Whether the domain asks to be in the browsers' preload list.")
            .default("false"),
    ],
};

/// A duration alone, or a mapping.
pub(super) const KIND: Kind =
    Kind::OneOf { what: "a duration or a mapping with max_age", forms: &[MAX_AGE, Kind::Object(&HSTS)] };

/// The least that the browsers' preload list takes: <https://hstspreload.org>.
const PRELOAD: Seconds = Seconds(365 * 86400);

pub(super) fn decode(item: Option<&Item>, problems: &mut Problems) -> Read<Option<Hsts>> {
    let Some(item) = item else { return Ok(None) };
    if let Value::Seconds(max_age) = item.value {
        return Ok(Some(Hsts { max_age, include_subdomains: false, preload: false }));
    }
    let max_age = item.get("max_age").ok_or(Invalid)?.as_seconds()?;
    let hsts = Hsts {
        max_age,
        include_subdomains: item.boolean("include_subdomains", false)?,
        preload: item.boolean("preload", false)?,
    };
    if hsts.preload && (max_age < PRELOAD || !hsts.include_subdomains) {
        let refusal = Refusal::new("the preload list takes no such header")
            .hint("write max_age: 365d or more, and include_subdomains: true");
        item.at("preload").report(problems, refusal);
    }
    Ok(Some(hsts))
}
