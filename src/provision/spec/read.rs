//! A tree read by its shape: every unknown field, wrong type and value out of range is reported, and what is
//! sound goes on to the sections.

use super::item::{Item, Value};
use super::problem::{Place, Problems, Refusal};
use super::scalar::{found_scalar, is_of_kind, read_scalar};
use super::shape::{Kind, Need, Object, Variants};
use super::suggest::{unknown_field, unknown_value, usable};
use super::text::shown;
use super::yaml::{Content, Entry, Node};

/// Reads `node` as `kind`; what does not fit is reported and becomes [`Value::Invalid`].
pub(super) fn read(node: &Node, kind: &Kind, path: &str, problems: &mut Problems) -> Item {
    let value = read_value(node, kind, path, problems);
    Item { path: path.to_owned(), place: node.place, value }
}

fn read_value(node: &Node, kind: &Kind, path: &str, problems: &mut Problems) -> Value {
    if let Content::Refused { reason, hint } = node.content {
        problems.add(node.place, path, Refusal::new(reason).hint(hint));
        return Value::Invalid;
    }
    match (kind, &node.content) {
        (Kind::OneOf { what, forms }, content) => {
            let mut fitting = forms.iter().filter(|form| fits(form, content));
            let form = match content {
                Content::Scalar { text, plain } => fitting.find(|form| is_of_kind(text, *plain, form)),
                Content::Null | Content::Sequence(_) | Content::Mapping(_) | Content::Refused { .. } => {
                    fitting.next()
                }
            };
            if let Some(form) = form {
                return read_value(node, form, path, problems);
            }
            problems.add(node.place, path, mismatch(what, content));
            Value::Invalid
        }
        (Kind::Elsewhere(reason), _) => {
            problems.add(node.place, path, Refusal::new(*reason).hint("remove the field"));
            Value::Invalid
        }
        (Kind::List { of, min, max }, Content::Sequence(nodes)) => {
            if let Err(refusal) = within(nodes.len(), *min, *max, "entries") {
                problems.add(node.place, path, refusal);
            }
            let items = nodes.iter().enumerate();
            Value::List(items.map(|(at, node)| read(node, of, &format!("{path}[{at}]"), problems)).collect())
        }
        (Kind::Map { key, value, min, max }, Content::Mapping(entries)) => {
            if let Err(refusal) = within(entries.len(), *min, *max, "entries") {
                problems.add(node.place, path, refusal);
            }
            let keys = unique_keys(entries, path, problems);
            let mut items = Vec::new();
            for (name, entry) in keys {
                let path = join(path, name);
                if let Err(refusal) = (key.check)(name) {
                    problems.add(entry.key.place, &path, refusal);
                }
                items.push((name.to_owned(), read(&entry.value, value, &path, problems)));
            }
            Value::Map(items)
        }
        (Kind::Object(object), Content::Mapping(entries)) => {
            read_object(node, object, entries, path, problems)
        }
        (Kind::Variants(variants), Content::Mapping(entries)) => match variant(variants, entries) {
            Ok(object) => read_object(node, object, entries, path, problems),
            Err(None) => {
                let refusal = Refusal::new(format!("{} is missing", variants.tag)).hint(variants.hint);
                problems.add(node.place, path, refusal);
                Value::Invalid
            }
            Err(Some((place, refusal))) => {
                problems.add(place, &join(path, variants.tag), refusal);
                Value::Invalid
            }
        },
        (_, Content::Scalar { text, plain }) => match read_scalar(text, *plain, kind) {
            Ok(value) => value,
            Err(refusal) => {
                problems.add(node.place, path, refusal);
                Value::Invalid
            }
        },
        (_, content) => {
            problems.add(node.place, path, mismatch(&expected(kind), content));
            Value::Invalid
        }
    }
}

fn read_object(
    node: &Node,
    object: &'static Object,
    entries: &[Entry],
    path: &str,
    problems: &mut Problems,
) -> Value {
    let mut items = Vec::new();
    for (name, entry) in unique_keys(entries, path, problems) {
        let path = join(path, name);
        if let Some(field) = object.fields.iter().find(|field| field.name == name) {
            items.push((name.to_owned(), read(&entry.value, &field.kind, &path, problems)));
        } else {
            problems.add(entry.key.place, &path, unknown_field(name, object));
        }
    }
    check_need(node, object, entries, path, problems);
    for field in object.fields.iter().filter(|field| field.required && !is_given(entries, field.name)) {
        let refusal = Refusal::new(format!("{} is missing", field.name)).hint(plain(field.doc));
        problems.add(node.place, path, refusal);
    }
    Value::Map(items)
}

/// Finds the object that the tag asks for; without it nothing can be said about the other fields.
fn variant(
    variants: &'static Variants,
    entries: &[Entry],
) -> Result<&'static Object, Option<(Place, Refusal)>> {
    let tag = entries
        .iter()
        .find(|entry| matches!(&entry.key.content, Content::Scalar { text, .. } if text == variants.tag));
    let value = &tag.ok_or(None)?.value;
    let Content::Scalar { text, .. } = &value.content else {
        return Err(Some((value.place, mismatch(&expected(&Kind::Choice(variants.words)), &value.content))));
    };
    let mut cases = variants.cases();
    let found = cases.find(|(word, _)| word == text);
    found.map(|(_, object)| object).ok_or_else(|| Some((value.place, unknown_value(text, variants.words))))
}

fn is_given(entries: &[Entry], name: &str) -> bool {
    entries.iter().any(|entry| matches!(&entry.key.content, Content::Scalar { text, .. } if text == name))
}

fn check_need(node: &Node, object: &Object, entries: &[Entry], path: &str, problems: &mut Problems) {
    let given = |names: &[&'static str]| -> Vec<&str> {
        names.iter().copied().filter(|name| is_given(entries, name)).collect()
    };
    match object.need {
        Need::ExactlyOne(names, hint) => {
            let given = given(names);
            if given.len() != 1 {
                let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
                let reason = format!("exactly one of {} is needed, found {found}", names.join(", "));
                problems.add(node.place, path, Refusal::new(reason).hint(hint));
            }
        }
        Need::AtLeastOne(names, hint) => {
            if given(names).is_empty() {
                let reason = format!("at least one of {} is needed", names.join(", "));
                problems.add(node.place, path, Refusal::new(reason).hint(hint));
            }
        }
        Need::Nothing => {}
    }
}

/// A field's sentence as a hint: no Markdown, no capital, no full stop.
fn plain(doc: &str) -> String {
    let text = doc.replace('`', "");
    let text = text.strip_suffix('.').unwrap_or(&text);
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|c| if text[1..].starts_with(|c: char| c.is_lowercase()) { c.to_ascii_lowercase() } else { c });
    first.into_iter().chain(letters).collect()
}

/// Yields the entries with a usable key, each key once.
fn unique_keys<'a>(entries: &'a [Entry], path: &str, problems: &mut Problems) -> Vec<(&'a str, &'a Entry)> {
    let mut seen: Vec<(&str, &Entry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Content::Scalar { text, plain } = &entry.key.content else {
            problems.add(entry.key.place, path, Refusal::new("a key must be text"));
            continue;
        };
        if *plain && text == "<<" {
            let refusal = Refusal::new("merge keys (`<<`) are not supported")
                .hint("an alias may stand for a whole value: `tags: *tags`");
            problems.add(entry.key.place, path, refusal);
            continue;
        }
        if let Some((_, first)) = seen.iter().find(|(name, _)| name == text) {
            let Place { line, column } = first.key.place;
            let refusal = Refusal::new(format!(
                "{} is given twice, first at {line}:{column}",
                shown(text).trim_matches('"')
            ))
            .hint("keep one of the two");
            problems.add(entry.key.place, &join(path, text), refusal);
            continue;
        }
        seen.push((text, entry));
    }
    seen
}

fn fits(kind: &Kind, content: &Content) -> bool {
    match (kind, content) {
        (Kind::List { .. }, Content::Sequence(_))
        | (Kind::Map { .. } | Kind::Object(_) | Kind::Variants(_), Content::Mapping(_))
        | (
            Kind::Boolean | Kind::Integer { .. } | Kind::Duration { .. } | Kind::Text(_) | Kind::Choice(_),
            Content::Scalar { .. },
        ) => true,
        (Kind::OneOf { forms, .. }, _) => forms.iter().any(|form| fits(form, content)),
        _ => false,
    }
}

fn within(count: usize, min: usize, max: usize, what: &str) -> Result<(), Refusal> {
    if count < min {
        Err(Refusal::new(if min == 1 {
            "this is empty".to_owned()
        } else {
            format!("at least {min} {what} are needed")
        }))
    } else if count > max {
        Err(Refusal::new(format!("this has {count} {what}, at most {max} are allowed")))
    } else {
        Ok(())
    }
}

pub(super) fn mismatch(expected: &str, content: &Content) -> Refusal {
    let refusal = Refusal::new(format!("expected {expected}, found {}", found(content)));
    match content {
        Content::Null => refusal.hint("give it a value, or remove the field for the default"),
        Content::Scalar { .. } | Content::Sequence(_) | Content::Mapping(_) | Content::Refused { .. } => {
            refusal
        }
    }
}

/// What a message says was expected.
pub(super) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Boolean => "true or false".to_owned(),
        Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Duration { .. } => "a duration such as 30s, 5m or 1h".to_owned(),
        Kind::Text(rule) => rule.what.to_owned(),
        Kind::Choice(choice) => format!("one of {}", choice.values.join(", ")),
        Kind::List { .. } => "a list".to_owned(),
        Kind::Map { .. } => "a mapping".to_owned(),
        Kind::Variants(variants) => format!("a mapping with {}", variants.tag),
        Kind::Object(object) => {
            let names: Vec<_> = usable(object).map(|field| field.name).collect();
            format!("a mapping with {}", names.join(", "))
        }
        Kind::OneOf { what, .. } => (*what).to_owned(),
        Kind::Elsewhere(_) => "nothing".to_owned(),
    }
}

fn found(content: &Content) -> String {
    match content {
        Content::Null => "nothing".to_owned(),
        Content::Scalar { text, plain } => found_scalar(text, *plain),
        Content::Sequence(_) => "a list".to_owned(),
        Content::Mapping(_) => "a mapping".to_owned(),
        Content::Refused { .. } => "a tagged value".to_owned(),
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
