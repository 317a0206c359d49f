//! The JSON Schema against a validator that is not ours: Python's jsonschema, where it is installed.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use elbws::provision::spec;
use serde_json::{Value, json};

use crate::specs::yaml_files;

/// What the fields may hold; the schema knows no more than that. One bad spec of each kind of rule.
const BEYOND_FIELDS: [&str; 9] = [
    "certificate-region",
    "port-twice",
    "proxy-protocol-disagree",
    "health-check-timeout",
    "route-twice",
    "application-port-twice",
    "application-rule-never-asked",
    "network-accept",
    "network-proxy-mixed",
];
const REFUSED: [&str; 27] = [
    "not-a-mapping",
    "nothing-required",
    "unknown-field",
    "unknown-field-deep",
    "wrong-version",
    "number-for-text",
    "text-for-mapping",
    "quoted-boolean",
    "quoted-number",
    "stack-upper-case",
    "tags-too-many",
    "vpc-id",
    "instances-nobody",
    "certificate-two-forms",
    "type-alias",
    "application-classic-fields",
    "application-two-actions",
    "application-six-groups",
    "network-protocols",
    "network-addresses-form",
    "group-name",
    "dns-form",
    "port-range",
    "idle-timeout-zero",
    "health-check-target",
    "route-path",
    "deploy-via",
];

const PROGRAM: &str = "
import json, sys
from jsonschema import Draft202012Validator
case = json.load(sys.stdin)
Draft202012Validator.check_schema(case['schema'])
validator = Draft202012Validator(case['schema'])
json.dump([[error.message for error in validator.iter_errors(d)] for d in case['documents']], sys.stdout)
";

/// The validator's errors for each document, or nothing where it is not installed.
fn validate(documents: &[Value]) -> Option<Vec<Vec<String>>> {
    let python = |arguments: &[&str]| {
        let mut command = Command::new("python3");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let installed = python(&["-c", "import jsonschema"]).status().is_ok_and(|status| status.success());
    if !installed {
        assert!(std::env::var_os("ELBWS_REQUIRE_PEERS").is_none(), "Python's jsonschema is not installed");
        let _ = writeln!(std::io::stdout(), "skipped: Python's jsonschema is not installed");
        return None;
    }
    let mut child = python(&["-c", PROGRAM]).spawn().unwrap();
    let case = json!({ "schema": spec::json_schema(), "documents": documents });
    child.stdin.take().unwrap().write_all(case.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn document(path: &std::path::Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn bad(name: &str) -> Value {
    let ending = format!("-{name}.yaml");
    let files = yaml_files("tests/stack/bad_specs");
    let mut found = files.iter().filter(|path| path.to_str().unwrap().ends_with(&ending));
    let path = found.next().unwrap_or_else(|| panic!("no bad spec is called {name}"));
    document(path)
}

#[test]
fn every_example_fits_the_schema() {
    let files: Vec<_> = ["specs", "tests/stack/good_specs"].into_iter().flat_map(yaml_files).collect();
    assert!(files.len() >= 14);
    let documents: Vec<_> = files.iter().map(|path| document(path)).collect();
    for (errors, path) in validate(&documents).unwrap_or_default().iter().zip(&files) {
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

#[test]
fn fields_that_are_wrong_do_not_fit_it() {
    let documents: Vec<_> = REFUSED.iter().map(|name| bad(name)).collect();
    for (errors, name) in validate(&documents).unwrap_or_default().iter().zip(REFUSED) {
        assert!(!errors.is_empty(), "{name} fits the schema");
    }
}

#[test]
fn what_holds_between_fields_is_the_parsers() {
    let documents: Vec<_> = BEYOND_FIELDS.iter().map(|name| bad(name)).collect();
    for (errors, name) in validate(&documents).unwrap_or_default().iter().zip(BEYOND_FIELDS) {
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}
