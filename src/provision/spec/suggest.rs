//! "Did you mean": what to say about a word that is not known.

use super::problem::Refusal;
use super::shape::{Choice, Field, Kind, Object};
use super::text::shown;

/// The fields of `object` that may be written.
pub(super) fn usable(object: &'static Object) -> impl Iterator<Item = &'static Field> {
    object.fields.iter().filter(|field| !matches!(field.kind, Kind::Elsewhere(_)))
}

pub(super) fn unknown_field(name: &str, object: &'static Object) -> Refusal {
    let names: Vec<_> = usable(object).map(|field| field.name).collect();
    let refusal = Refusal::new(format!("unknown field {}", shown(name)));
    if let Some(near) = nearest(name, &names) {
        return refusal.hint(format!("did you mean {near}?"));
    }
    match home_of(name, &super::SPEC, "") {
        Some(home) if home != object.name => refusal.hint(format!("{name} belongs in {home}")),
        Some(_) | None => refusal.hint(format!("the fields here are {}", names.join(", "))),
    }
}

pub(super) fn unknown_value(value: &str, choice: &Choice) -> Refusal {
    let refusal = Refusal::new(match choice.values {
        [only] => format!("expected {only}, found {}", shown(value)),
        several => format!("{} is not one of {}", shown(value), several.join(", ")),
    });
    let lower = value.to_ascii_lowercase();
    if let Some((_, hint)) = choice.hints.iter().find(|(word, _)| *word == lower) {
        return refusal.hint(*hint);
    }
    match nearest(value, choice.values) {
        Some(near) => refusal.hint(format!("did you mean {near}?")),
        None => refusal,
    }
}

/// The one of `names` that `name` is most likely a slip of.
pub(super) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', ' '], "_");
    // The distance costs the product of the lengths, and no name of ours is longer.
    if name.len() > 64 {
        return None;
    }
    let name = plain(name);
    names
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &plain(candidate)), *candidate))
        // A third of the letters may be wrong: `listner`, not `port` for `path`.
        .filter(|(distance, candidate)| distance * 3 <= candidate.len().max(name.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The path of the first object in the whole spec that has a field `name`.
fn home_of(name: &str, object: &'static Object, path: &str) -> Option<String> {
    if usable(object).any(|field| field.name == name) {
        return Some(if path.is_empty() { "the top level".to_owned() } else { path.to_owned() });
    }
    usable(object).find_map(|field| {
        let path = super::read::join(path, field.name);
        objects_of(&field.kind).find_map(|inner| home_of(name, inner, &path))
    })
}

fn objects_of(kind: &'static Kind) -> Box<dyn Iterator<Item = &'static Object>> {
    match kind {
        Kind::Object(object) => Box::new(std::iter::once(*object)),
        Kind::Variants(variants) => Box::new(variants.objects.iter().copied()),
        Kind::List { of: kind, .. } | Kind::Map { value: kind, .. } => objects_of(kind),
        Kind::OneOf { forms, .. } => Box::new(forms.iter().flat_map(objects_of)),
        Kind::Boolean
        | Kind::Integer { .. }
        | Kind::Duration { .. }
        | Kind::Text(_)
        | Kind::Choice(_)
        | Kind::Elsewhere(_) => Box::new(std::iter::empty()),
    }
}
