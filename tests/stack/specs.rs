//! Specs: those in `specs/` are valid, those in `bad_specs/` get exactly the messages beside them, and no text
//! whatever makes the parser panic.
//!
//! `UPDATE_EXPECT=1` writes the messages anew; read the difference before keeping it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use elbws::provision::desired::v2;
use elbws::provision::spec::{self, SpecErrors};
use proptest::prelude::*;

/// The specs of a folder of the package, in order.
pub(crate) fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    files.sort();
    files
}

fn message(errors: &SpecErrors) -> String {
    let mut text = format!("error: {errors}\n");
    for problem in &errors.problems {
        let place = format!("{}:{}:{}  {}", errors.source_name, problem.line, problem.column, problem.path);
        writeln!(text, "  --> {}\n  {}", place.trim_end(), problem.reason).unwrap();
        if let Some(hint) = &problem.hint {
            writeln!(text, "  hint: {hint}").unwrap();
        }
    }
    text
}

#[test]
fn every_example_is_valid() {
    let files = yaml_files("specs");
    assert!(files.len() >= 5, "found {} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        if let Err(errors) = spec::parse("spec.yaml", &text, file.parent().unwrap()) {
            panic!("{}: {}", file.display(), message(&errors));
        }
    }
}

#[test]
fn every_bad_spec_gets_its_message() {
    let files = yaml_files("tests/stack/bad_specs");
    assert!(files.len() >= 60, "found {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let found = match spec::parse(name, &text, Path::new("")) {
            Ok(_) => panic!("{name} is valid"),
            Err(errors) => message(&errors),
        };
        let expectation = file.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expectation, found).unwrap();
        } else if fs::read_to_string(&expectation).unwrap_or_default() != found {
            wrong.push(format!("{name} gives\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is read from a spec, defaults and all, and what it desires of AWS.
#[test]
fn every_good_spec_reads_as_before() {
    let files = yaml_files("tests/stack/good_specs");
    assert!(files.len() >= 6, "found {} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let spec = match spec::parse(name, &text, Path::new("")) {
            Ok(spec) => spec,
            Err(errors) => panic!("{}", message(&errors)),
        };
        let desired = match &spec.load_balancer {
            spec::LoadBalancer::Classic(_) => panic!("{name}: specs/ has enough of these"),
            spec::LoadBalancer::Application(balancer) => v2::application(balancer),
            spec::LoadBalancer::Network(balancer) => v2::network(balancer),
        };
        let record = spec.dns.as_ref().map(v2::record);
        let read = serde_json::json!({ "spec": spec, "desired": desired, "record": record });
        insta::with_settings!({ snapshot_path => "good_specs", prepend_module_to_snapshot => false }, {
            insta::assert_json_snapshot!(name.trim_end_matches(".yaml"), read);
        });
    }
}

/// Whole documents to change at random.
fn documents() -> Vec<String> {
    let files = ["specs", "tests/stack/good_specs", "tests/stack/bad_specs"].into_iter().flat_map(yaml_files);
    files.map(|file| fs::read_to_string(file).unwrap()).filter(|text| !text.is_empty()).collect()
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = spec::parse("x", &String::from_utf8_lossy(&bytes), Path::new(""));
    }

    #[test]
    fn text_of_yaml_characters_never_panics(text in "[-:,\\[\\]{}&*!|>'\"%@# \\n\\ta-c0-2<]{0,120}") {
        let _ = spec::parse("x", &text, Path::new(""));
    }
}

#[test]
fn changed_specs_never_panic() {
    let documents = documents();
    assert!(documents.len() >= 60);
    let change = (0..documents.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), ".{0,6}");
    proptest!(ProptestConfig::with_cases(2000), |((document, from, to, insert) in change)| {
        let document = &documents[document];
        let ends: Vec<usize> = document.char_indices().map(|(at, _)| at).collect();
        let (from, to) = (ends[from.index(ends.len())], ends[to.index(ends.len())]);
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 40).min(document.len()));
        let to = (from..=to).rev().find(|at| document.is_char_boundary(*at)).unwrap();
        let text = format!("{}{insert}{}", &document[..from], &document[to..]);
        let _ = spec::parse("x", &text, Path::new(""));
    });
}

#[test]
fn the_reference_is_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/spec.md");
    let text = fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- tables -->\n\n", "<!-- end of tables -->");
    let from = text.find(start).unwrap() + start.len();
    let to = text.find(end).unwrap();
    let reference = spec::reference();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, format!("{}{reference}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert!(text[from..to] == reference, "docs/spec.md is stale: UPDATE_EXPECT=1 renews it");
    }
}

/// The YAML of a document of `docs/` that is a whole spec is valid.
#[test]
fn the_documented_example_is_valid() {
    let text = include_str!("../../docs/spec.md");
    let examples: Vec<_> =
        text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        if let Err(errors) = spec::parse("docs/spec.md", example, Path::new("")) {
            panic!("{}", message(&errors));
        }
    }
}

#[test]
fn line_ends_and_a_byte_order_mark_change_nothing() {
    let text = fs::read_to_string(yaml_files("specs").first().unwrap()).unwrap();
    let plain = spec::parse("x", &text, Path::new("")).unwrap();
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(spec::parse("x", &windows, Path::new("")).unwrap(), plain);
}

/// EC2 holds tags with any characters, AWS's own and those of other stacks among them.
#[test]
fn tags_that_select_may_be_anyones() {
    let text = "stack: chat\n\
        instances: { tags: { \"aws:autoscaling:groupName\": \"web (blue); v*\", \"elbws:stack\": other } }\n\
        load_balancer: { type: classic }\n";
    let spec = spec::parse("x", text, Path::new("")).unwrap();
    assert_eq!(spec.instances.tags["aws:autoscaling:groupName"], "web (blue); v*");
}

/// An anchor stands for the whole value, wherever it is used.
#[test]
fn aliases_are_expanded() {
    let text = "stack: chat\ntags: &tags { App: chat }\ninstances: { tags: *tags }\nload_balancer: { type: classic }\n";
    let spec = spec::parse("x", text, Path::new("")).unwrap();
    assert_eq!(spec.instances.tags, spec.tags);
}

#[test]
fn without_a_certificate_port_80_alone_is_served() {
    let text = "stack: chat\ninstances: { ids: [i-01234567] }\nload_balancer: { type: classic }\n";
    let spec = spec::parse("x", text, Path::new("")).unwrap();
    let spec::LoadBalancer::Classic(classic) = spec.load_balancer else { panic!("not classic") };
    assert_eq!(classic.listeners.iter().map(|listener| listener.port).collect::<Vec<_>>(), [80]);
    assert!(!spec.proxy.unwrap().redirect_http);
}
