//! `dns:`, the record in Route 53 that leads visitors to the load balancer.

use serde::Serialize;

use super::StackName;
use super::item::{Invalid, Item, Read};
use super::problem::{Problems, Refusal};
use super::shape::{Field, Kind, Need, Object, Text};
use super::text::{self, Checked, label, refuse, shown};

/// Alias records: `A`, and `AAAA` where the load balancer is dualstack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dns {
    /// The hosted zone's domain, in lower case, without the dot at its end.
    pub zone: String,
    /// The whole name, in the zone, in lower case, without the dot at its end.
    pub name: String,
    /// Its share among records of the same name: 0–255.
    pub weight: Option<u8>,
    /// What tells it from those; `Some` exactly where there is a weight.
    pub set_identifier: Option<String>,
}

static NAME: Text = Text {
    what: "a name in the zone",
    pattern: "^(\\*|[0-9A-Za-z_-]+)(\\.[0-9A-Za-z_-]+)*\\.?$",
    check: name,
};
static ZONE: Text = Text { what: "a domain", pattern: "^[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)+\\.?$", check: zone };
static SET_IDENTIFIER: Text =
    Text { what: "text of 1 to 128 characters", pattern: "^[ -~]{1,128}$", check: set_identifier };

pub(super) static DNS: Object = Object {
    name: "dns",
    need: Need::Nothing,
    fields: &[
        Field::new("zone", Kind::Text(&ZONE), "The domain of the hosted zone.").required(),
        Field::new(
            "name",
            Kind::Text(&NAME),
            "The record's name: `chat` or, the same, `chat.example.com` in the zone `example.com`.",
        )
        .default("the zone's own domain"),
        Field::new(
            "weight",
            Kind::Integer { min: 0, max: 255 },
            "Its share among several records of the same name.",
        )
        .default("none: the only record of its name"),
        Field::new(
            "set_identifier",
            Kind::Text(&SET_IDENTIFIER),
            "What tells it from the other records of its name; only with a weight.",
        )
        .default("the stack, where there is a weight"),
    ],
};

fn zone(text: &str) -> Checked {
    let bare = text.strip_suffix('.').unwrap_or(text);
    if let Some(domain) = bare.strip_prefix("*.") {
        return refuse(format!("{} is not a zone", shown(text)), format!("write {domain}"));
    }
    (text::DOMAIN.check)(bare)
}

fn name(text: &str) -> Checked {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let rest = bare.strip_prefix("*.").unwrap_or(if bare == "*" { "a" } else { bare });
    if text.len() <= 254 && rest.split('.').all(|part| label(&part.replace('_', "a"))) {
        return Ok(());
    }
    let reason = format!("{} is not a name in a zone", shown(text));
    if bare == "@" || bare.is_empty() {
        return refuse(reason, "remove it for the zone's own domain");
    }
    refuse(reason, "for example chat, or *")
}

fn set_identifier(text: &str) -> Checked {
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    Err(Refusal::new("a set identifier has 1 to 128 printable ASCII characters"))
}

pub(super) fn decode(
    item: Option<&Item>,
    stack: Read<&StackName>,
    problems: &mut Problems,
) -> Read<Option<Dns>> {
    let Some(item) = item else { return Ok(None) };
    let bare = |text: &str| text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let zone = bare(item.text("zone")?.ok_or(Invalid)?);
    let name = item.text("name")?.map(bare);
    let name = match name {
        None => zone.clone(),
        Some(name) if name == zone || name.ends_with(&format!(".{zone}")) => name,
        Some(name) => format!("{name}.{zone}"),
    };
    if name.len() > 253 {
        item.at("name").report(problems, Refusal::new("the whole name has more than 253 characters"));
    }
    let weight = item.number("weight")?;
    let given = item.text("set_identifier")?;
    if given.is_some() && weight.is_none() {
        let refusal = Refusal::new("a record without a weight is the only one of its name")
            .hint("remove it, or give a weight");
        item.at("set_identifier").report(problems, refusal);
    }
    let set_identifier = match weight {
        Some(_) => Some(given.unwrap_or(stack?.as_str()).to_owned()),
        None => None,
    };
    Ok(Some(Dns { zone, name, weight, set_identifier }))
}
