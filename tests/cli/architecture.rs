//! Who imports whom: the table of docs/architecture.md, held against the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module and the modules of ours that it may name; whatever is absent is forbidden.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("spec", &[]),
    ("resource", &[]),
    ("event", &["resource"]),
    ("desired", &["spec", "resource", "install"]),
    ("install", &["spec", "resource"]),
    ("iam_policy", &["resource"]),
    ("plan", &["resource"]),
    ("aws", &["resource"]),
    ("observe", &["aws", "resource"]),
    ("execute", &["plan", "aws", "resource", "install", "event"]),
    ("proxy_protocol", &["aws", "resource"]),
    ("proxy", &[]),
    ("probe", &[]),
    ("local", &["proxy"]),
    (
        "demo",
        &[
            "local", "proxy", "probe", "spec", "resource", "desired", "install", "plan", "aws", "observe",
            "execute", "event",
        ],
    ),
    ("promise", &["local", "probe", "spec", "resource", "plan", "aws", "observe"]),
    ("doctor", &["probe", "spec", "resource", "install", "plan", "aws", "observe"]),
    (
        "report",
        &[
            "local",
            "promise",
            "doctor",
            "plan",
            "event",
            "probe",
            "resource",
            "spec",
            "proxy_protocol",
            "aws",
        ],
    ),
];

/// The wings under `src/` whose parts are modules of their own in the table.
const SPLIT: &[&str] = &["provision"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The path of a file's module: `src/provision/plan/mod.rs` is `provision::plan`.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|name| name == "mod") {
        parts.pop();
    }
    parts
}

/// The module of the table that a path lies in.
fn owner(path: &[String]) -> Option<&str> {
    match path {
        [wing, part, ..] if SPLIT.contains(&wing.as_str()) => Some(part),
        [wing, ..] if !SPLIT.contains(&wing.as_str()) => Some(wing),
        [..] => None,
    }
}

/// Every path in the code that starts at `crate` or `super`, resolved.
fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let tokens: Vec<&str> = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .filter(|token| token.starts_with("crate::") || token.starts_with("super::"))
        .collect();
    for token in tokens {
        let mut path: Vec<String> = module.to_vec();
        for part in token.split("::").filter(|part| !part.is_empty()) {
            match part {
                "crate" => path.clear(),
                "super" => {
                    path.pop();
                }
                name => path.push(name.to_owned()),
            }
        }
        found.push(path);
    }
    found
}

#[test]
fn nothing_is_imported_that_the_table_forbids() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = module(relative);
        let Some(importer) = owner(&module).map(str::to_owned) else { continue };
        let Some(allowed) = table.get(importer.as_str()) else { continue };
        seen.insert(importer.clone());
        let text = fs::read_to_string(&file).unwrap();
        let code: String = text
            .lines()
            .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
            .collect::<Vec<_>>()
            .join("\n");
        for path in paths(&code, &module) {
            let Some(target) = owner(&path) else { continue };
            if target != importer && table.contains_key(target) && !allowed.contains(&target) {
                wrong.push(format!("{}: {}", relative.display(), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden imports:\n{}", wrong.join("\n"));
    for module in ["spec", "resource", "plan", "aws", "observe", "execute", "local", "proxy", "report"] {
        assert!(seen.contains(module), "no file of {module} was read");
    }
}

#[test]
fn only_the_border_names_the_sdk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let border = root.join("provision/aws");
    let naming: Vec<_> = files
        .iter()
        .filter(|file| !file.starts_with(&border))
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            ["aws_sdk_", "aws_config::", "aws_smithy_", "aws_types::", "aws_credential_types::"]
                .iter()
                .any(|name| text.contains(name))
        })
        .collect();
    assert!(naming.is_empty(), "{naming:?} name the AWS SDK");
    assert!(files.iter().any(|file| file.starts_with(&border)));
}
