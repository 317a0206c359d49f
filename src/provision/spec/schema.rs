//! The tables as JSON Schema and as the reference in `docs/spec.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::decode::SPEC;
use super::seconds::Seconds;
use super::shape::{Kind, Need, Object, Variants};
use super::suggest::usable;

/// Returns the JSON Schema (2020-12) of a spec, for editors and other tools.
///
/// It says what a field may hold. What must hold between fields is `parse`'s alone.
#[must_use]
pub fn json_schema() -> Value {
    let mut defs = Map::new();
    let root = object(&SPEC, &mut defs);
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("elbws stack spec"));
    if let Value::Object(root) = root {
        schema.extend(root);
    }
    schema.insert("$defs".to_owned(), Value::Object(defs));
    Value::Object(schema)
}

fn object(object: &'static Object, defs: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in usable(object) {
        let mut schema = kind(&field.kind, defs);
        if let Value::Object(schema) = &mut schema {
            let default = match field.default {
                "" => String::new(),
                default => format!(" Default: {default}."),
            };
            schema.insert("description".to_owned(), json!(format!("{}{default}", field.doc)));
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<_> = usable(object).filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let each = |names: &[&str]| names.iter().map(|name| json!({ "required": [name] })).collect::<Value>();
    match object.need {
        Need::Nothing => {}
        Need::ExactlyOne(names, _) => schema["oneOf"] = each(names),
        Need::AtLeastOne(names, _) => schema["anyOf"] = each(names),
    }
    schema
}

fn kind(kind: &'static Kind, defs: &mut Map<String, Value>) -> Value {
    match kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Duration { min, max } => json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": "^[0-9]+[smhd]?$" },
        ] }),
        Kind::Text(rule) => json!({ "type": "string", "pattern": rule.pattern }),
        Kind::Choice(choice) => json!({ "enum": choice.values }),
        Kind::List { of, min, max } => {
            json!({ "type": "array", "items": self::kind(of, defs), "minItems": min, "maxItems": max })
        }
        Kind::Map { key, value, min, max } => json!({
            "type": "object",
            "propertyNames": { "pattern": key.pattern },
            "additionalProperties": self::kind(value, defs),
            "minProperties": min,
            "maxProperties": max,
        }),
        Kind::Object(inner) => kind_of_object(inner, defs),
        Kind::Variants(variants) => self::variants(variants, defs),
        Kind::OneOf { forms, .. } => {
            let forms: Vec<_> = forms.iter().map(|form| self::kind(form, defs)).collect();
            json!({ "anyOf": forms })
        }
        Kind::Elsewhere(_) => json!(false),
    }
}

/// Says the tag's words first, so that a wrong one is one error and not one for every variant.
fn variants(variants: &'static Variants, defs: &mut Map<String, Value>) -> Value {
    let mut cases = Vec::new();
    for (word, inner) in variants.cases() {
        let is_it = json!({ "properties": { variants.tag: { "const": word } }, "required": [variants.tag] });
        cases.push(json!({ "if": is_it, "then": kind_of_object(inner, defs) }));
    }
    let schema = json!({
        "type": "object",
        "properties": { variants.tag: { "enum": variants.words.values } },
        "required": [variants.tag],
        "allOf": cases,
    });
    defs.insert(variants.name.to_owned(), schema);
    json!({ "$ref": format!("#/$defs/{}", variants.name) })
}

fn kind_of_object(inner: &'static Object, defs: &mut Map<String, Value>) -> Value {
    if !defs.contains_key(inner.name) {
        let schema = object(inner, defs);
        defs.insert(inner.name.to_owned(), schema);
    }
    json!({ "$ref": format!("#/$defs/{}", inner.name) })
}

/// Returns the reference of all fields as Markdown tables, one for each mapping; `docs/spec.md` holds it.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    section(&SPEC, "", "", &mut text);
    text
}

/// Writes the table of `object`, and after it those of what stands in it; `when` says when it has this shape.
fn section(object: &'static Object, path: &str, when: &str, text: &mut String) {
    let title = if path.is_empty() { "The top level".to_owned() } else { format!("`{path}`{when}") };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "### {title}\n\n| field | value | default | |\n|---|---|---|---|");
    for field in usable(object) {
        let default = if field.required { "**required**" } else { field.default };
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", field.name, value(&field.kind), field.doc);
    }
    text.push('\n');
    for field in usable(object) {
        let path = super::read::join(path, field.name);
        objects(&field.kind, &path, when, text);
    }
}

fn objects(kind: &'static Kind, path: &str, when: &str, text: &mut String) {
    match kind {
        // `{ tags: {…} }` is said by the fields that take it.
        Kind::Object(object) if object.fields.len() > 1 => section(object, path, when, text),
        Kind::Variants(variants) => {
            for (word, object) in variants.cases() {
                section(object, path, &format!(", {word}"), text);
            }
        }
        Kind::List { of, .. } => objects(of, &format!("{path}[]"), when, text),
        Kind::Map { value, .. } => objects(value, &format!("{path}.NAME"), when, text),
        Kind::OneOf { forms, .. } => forms.iter().for_each(|form| objects(form, path, when, text)),
        Kind::Object(_)
        | Kind::Boolean
        | Kind::Integer { .. }
        | Kind::Duration { .. }
        | Kind::Text(_)
        | Kind::Choice(_)
        | Kind::Elsewhere(_) => {}
    }
}

/// What a field may hold, in a few words.
fn value(kind: &Kind) -> String {
    match kind {
        Kind::Boolean => "true, false".to_owned(),
        Kind::Integer { min, max } if min == max => min.to_string(),
        Kind::Integer { min, max } => format!("{min}–{max}"),
        Kind::Duration { min, max } => format!("{}–{}", Seconds(*min), Seconds(*max)),
        Kind::Text(rule) => rule.what.to_owned(),
        Kind::Choice(choice) => {
            choice.values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
        }
        Kind::List { of, max, .. } => format!("list of up to {max}: {}", value(of)),
        Kind::Map { key, value, max, .. } => {
            format!("mapping of up to {max}: {} to {}", key.what, self::value(value))
        }
        Kind::Object(_) | Kind::Variants(_) => "mapping".to_owned(),
        Kind::OneOf { what, .. } => (*what).to_owned(),
        Kind::Elsewhere(_) => String::new(),
    }
}
