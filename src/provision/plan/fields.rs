//! The fields that differ between two forms of a resource.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{FieldChange, Reference};

/// What a plan prints for a value that only AWS can choose.
pub const KNOWN_AFTER_APPLY: &str = "(known after apply)";

/// Returns the fields in which `from` and `to` differ, objects inside them spelled out with dots; both must
/// serialise to an object, and `None` is an object without fields.
pub(super) fn changed(from: Option<&impl Serialize>, to: Option<&impl Serialize>) -> Vec<FieldChange> {
    let from = flat(from);
    let to = flat(to);
    let paths: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    paths
        .into_iter()
        .map(|path| FieldChange {
            path: path.clone(),
            from: from.get(path).cloned().unwrap_or(Value::Null),
            to: to.get(path).cloned().unwrap_or(Value::Null),
        })
        .filter(|field| field.from != field.to)
        .collect()
}

/// Returns one field's change.
pub(super) fn field(path: impl Into<String>, from: impl Serialize, to: impl Serialize) -> FieldChange {
    FieldChange { path: path.into(), from: value(from), to: value(to) }
}

/// Returns how a plan prints an identifier that may not be known yet.
pub(super) fn shown(reference: &Reference) -> &str {
    match reference {
        Reference::Existing(id) => id,
        Reference::Planned(_) => KNOWN_AFTER_APPLY,
    }
}

fn value(of: impl Serialize) -> Value {
    // Plain data of this crate always serialises; if it ever did not, the field would show as null.
    serde_json::to_value(of).unwrap_or_default()
}

fn flat(form: Option<&impl Serialize>) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(form) = form {
        flatten_into("", value(form), &mut fields);
    }
    fields
}

fn flatten_into(prefix: &str, value: Value, fields: &mut Map<String, Value>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten_into(&path, value, fields);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            fields.insert(prefix.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_listed_and_nested_fields_have_paths() {
        let from = json!({"a": 1, "same": true, "logs": {"bucket": "x", "interval": 5}, "gone": "y"});
        let to = json!({"a": 2, "same": true, "logs": {"bucket": "z", "interval": 5}, "none": null});
        let fields = changed(Some(&from), Some(&to));
        let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["a", "gone", "logs.bucket"]);
        assert_eq!(fields[1].to, Value::Null);
    }

    #[test]
    fn a_resource_that_is_new_lists_every_field() {
        let fields = changed(None::<&Value>, Some(&json!({"a": 1, "b": [1]})));
        assert_eq!(fields.len(), 2);
        assert!(fields.iter().all(|field| field.from.is_null()));
    }
}
