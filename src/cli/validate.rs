//! `elbws validate`: every problem of a spec at once, without asking AWS.

use clap::Args;
use serde_json::json;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::spec_file;
use crate::provision::spec::{
    self, Action, ApplicationListener, ClassicListener, LoadBalancer, NetworkListener, Spec,
};
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
    let (kind, listeners): (_, Vec<String>) = match &spec.load_balancer {
        LoadBalancer::Classic(balancer) => {
            let line = |l: &ClassicListener| {
                format!("{} {} → {} {}", l.port, l.protocol, l.instance_port, l.instance_protocol)
            };
            ("classic", balancer.listeners.iter().map(line).collect())
        }
        LoadBalancer::Application(balancer) => {
            let line = |l: &ApplicationListener| {
                let rules = match l.rules.len() {
                    0 => String::new(),
                    1 => " (and 1 rule)".to_owned(),
                    several => format!(" (and {several} rules)"),
                };
                format!("{} {} → {}{rules}", l.port, l.protocol, action(&l.default_action))
            };
            ("application", balancer.listeners.iter().map(line).collect())
        }
        LoadBalancer::Network(balancer) => {
            let line = |l: &NetworkListener| format!("{} {} → {}", l.port, l.protocol, l.target_group);
            ("network", balancer.listeners.iter().map(line).collect())
        }
    };
    let name = spec.load_balancer.name();
    format!("stack {}, {kind} load balancer {name} with {}", spec.stack, listeners.join(", "))
}

fn action(action: &Action) -> String {
    match action {
        Action::Forward(forward) => {
            forward.groups.keys().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        }
        Action::Redirect(redirect) if redirect.protocol == "HTTPS" => "redirect to https".to_owned(),
        Action::Redirect(_) => "redirect".to_owned(),
        Action::FixedResponse { status, .. } => status.to_string(),
    }
}
