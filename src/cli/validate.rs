//! `elbws validate`: every problem of a spec at once, without asking AWS.

use clap::Args;
use serde_json::json;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::spec_file;
use crate::provision::spec::{self, LoadBalancer, Spec};
use crate::report;

/// Check a spec offline and show every problem at once
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec's file, or - for standard input
    spec: String,
}

/// Reads and checks the spec.
pub(crate) fn run(arguments: &Arguments, globals: &Globals) -> Result<Exit, Failure> {
    let output = globals.text_or_json()?;
    let path = arguments.spec.as_str();
    let (name, text) = (spec_file::name(path), spec_file::read_text(path)?);
    let parsed = spec::parse_with_files(name, &text, spec_file::folder(path));
    match (output, parsed) {
        (Output::Json, Ok(spec)) => {
            report::json(&json!({ "valid": true, "source": name, "problems": [], "spec": spec }));
            Ok(Exit::Done)
        }
        (Output::Json, Err(errors)) => {
            report::json(&json!({ "valid": false, "source": name, "problems": errors.problems }));
            Ok(Exit::Usage)
        }
        (Output::Text | Output::Markdown, parsed) => {
            let spec =
                parsed.map_err(|errors| Failure { error: errors.into(), hint: None, exit: Exit::Usage })?;
            report::result(&format!("{} is valid: {}\n", name, summary(&spec)));
            Ok(Exit::Done)
        }
    }
}

/// What the spec declares, in a line.
fn summary(spec: &Spec) -> String {
    let LoadBalancer::Classic(classic) = &spec.load_balancer;
    let listeners: Vec<_> = classic
        .listeners
        .iter()
        .map(|l| format!("{} {} → {} {}", l.port, l.protocol, l.instance_port, l.instance_protocol))
        .collect();
    format!("stack {}, classic load balancer {} with {}", spec.stack, classic.name, listeners.join(", "))
}
