//! How a spec's promises stand: a line each, and the causes of those that are broken.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::probe::{elapsed, milliseconds};
use crate::promise::{Check, Name, Outcome, Report};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Returns a promise for people, with the causes where it is broken.
pub(crate) fn check(check: &Check) -> String {
    let name = format!("{} {}", title(check.name), check.subject);
    let name = name.trim_end();
    let time = elapsed(check.elapsed);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match &check.outcome {
        Outcome::Kept(found) => writeln!(text, "{GOOD}✓{GOOD:#} {name:<22} {time:>9}  {found}"),
        Outcome::Untested(reason) => writeln!(text, "{FAINT}- {name:<22} {:>9}  {reason}{FAINT:#}", ""),
        Outcome::Broken { error, causes } => {
            let _ = writeln!(text, "{BAD}✗ {name:<22} {time:>9}  {error}{BAD:#}");
            for cause in causes {
                let _ = writeln!(text, "  likely: {}\n    mend: {}", cause.cause, cause.mend);
            }
            Ok(())
        }
    };
    text
}

/// Returns the end of the text, after the promises.
pub(crate) fn verdict(report: &Report) -> String {
    let broken = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::Broken { .. })).count();
    let Report { stack, load_balancer, dns_name, host, .. } = report;
    let subject = format!("stack {stack} (load balancer {load_balancer} at {dns_name}, asked for {host})");
    match broken {
        0 => format!("{subject} keeps what the spec promises\n"),
        1 => format!("{subject} breaks 1 promise\n"),
        many => format!("{subject} breaks {many} promises\n"),
    }
}

/// Returns the report for programs: one line.
pub(crate) fn json(report: &Report) -> String {
    let promises: Vec<Value> = report.checks.iter().map(check_json).collect();
    let value = json!({
        "format": 1,
        "stack": report.stack,
        "load_balancer": { "name": report.load_balancer, "type": report.kind, "dns_name": report.dns_name },
        "host": report.host,
        "kept": report.kept(),
        "promises": promises,
    });
    format!("{value}\n")
}

fn check_json(check: &Check) -> Value {
    let mut value = json!({
        "promise": check.name,
        "subject": check.subject,
        "ms": milliseconds(check.elapsed),
    });
    let more = match &check.outcome {
        Outcome::Kept(found) => json!({ "outcome": "kept", "found": found }),
        Outcome::Untested(reason) => json!({ "outcome": "untested", "reason": reason }),
        Outcome::Broken { error, causes } => json!({ "outcome": "broken", "error": error, "likely": causes }),
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn title(name: Name) -> &'static str {
    match name {
        Name::Stack => "stack",
        Name::Targets => "targets",
        Name::Record => "record",
        Name::Listener => "listener",
        Name::TlsVersion => "TLS version",
        Name::Certificate => "certificate",
        Name::Redirect => "redirect",
        Name::Route => "route",
        Name::Websocket => "WebSocket",
        Name::ClientAddress => "client address",
        Name::IdleTimeout => "idle timeout",
    }
}
