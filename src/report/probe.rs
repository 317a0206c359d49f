//! What a probe found: a line a step, and what a failure most likely means.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::probe::{Finding, Outcome, Report, Step, StepName, likely};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();
/// Below so many days a certificate's end is near: ACM renews 60 days before it.
const FEW_DAYS: i64 = 30;

/// Returns a step for people, with the likely causes of its failure.
pub(crate) fn step(step: &Step) -> String {
    let name = title(step.name);
    let time = elapsed(step.elapsed);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match &step.outcome {
        Outcome::Passed(finding) => {
            writeln!(text, "{GOOD}✓{GOOD:#} {name:<8} {time:>9}  {}", finding_text(finding))
        }
        Outcome::Skipped(reason) => writeln!(text, "{FAINT}- {name:<8} {:>9}  {reason}{FAINT:#}", ""),
        Outcome::Failed(problem) => {
            let _ = writeln!(text, "{BAD}✗ {name:<8} {time:>9}  {problem}{BAD:#}");
            for likely in likely(problem) {
                let _ = writeln!(text, "  likely: {}\n    mend: {}", likely.cause, likely.mend);
            }
            Ok(())
        }
    };
    text
}

/// Returns the end of the text, after the steps.
pub(crate) fn verdict(report: &Report) -> String {
    match report.failure() {
        None => format!("{} works\n", report.url),
        Some(_) => format!("{} does not work\n", report.url),
    }
}

/// Returns a report for programs: one line.
pub(crate) fn json(report: &Report) -> String {
    let steps: Vec<Value> = report.steps.iter().map(step_json).collect();
    let passed = report.passed();
    format!("{}\n", json!({ "format": 1, "url": report.url, "passed": passed, "steps": steps }))
}

fn step_json(step: &Step) -> Value {
    let milliseconds = milliseconds(step.elapsed);
    match &step.outcome {
        Outcome::Passed(finding) => {
            json!({ "step": step.name, "outcome": "passed", "ms": milliseconds, "found": finding })
        }
        Outcome::Failed(problem) => json!({
            "step": step.name,
            "outcome": "failed",
            "ms": milliseconds,
            "error": problem.to_string(),
            "likely": likely(problem),
        }),
        Outcome::Skipped(reason) => json!({ "step": step.name, "outcome": "skipped", "reason": reason }),
    }
}

/// Returns a time for people.
pub(crate) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

/// Returns a time for programs.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

fn title(name: StepName) -> &'static str {
    match name {
        StepName::Dns => "DNS",
        StepName::Tcp => "TCP",
        StepName::Tls => "TLS",
        StepName::Redirect => "redirect",
        StepName::Upgrade => "upgrade",
        StepName::Frame => "frame",
        StepName::Hold => "hold",
        StepName::Close => "close",
    }
}

fn finding_text(finding: &Finding) -> String {
    match finding {
        Finding::Dns { host, addresses, overridden } => {
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let note = if *overridden { " (as told by --resolve)" } else { "" };
            format!("{host} is {}{note}", list.join(", "))
        }
        Finding::Tcp { address } => format!("connected to {address}"),
        Finding::Tls { version, cipher, names, issuer, expires, days_left, .. } => {
            let soon = if *days_left < FEW_DAYS { " – renew it" } else { "" };
            format!(
                "{version}, {cipher}; certificate for {} by {issuer}, until {} ({days_left} days left{soon})",
                names.join(", "),
                expires.date()
            )
        }
        Finding::Redirect { status, location } => format!("{status} to {location}"),
        Finding::Upgrade { status, server } => {
            let server = server.as_ref().map(|server| format!(" by {server}")).unwrap_or_default();
            format!("{status}{server}, Sec-WebSocket-Accept is right")
        }
        Finding::Frame { kind: "pong", .. } => {
            "a ping was answered; the server says nothing first".to_owned()
        }
        Finding::Frame { kind: "echo", bytes, .. } => format!("{bytes} bytes came back as they were sent"),
        Finding::Frame { kind, bytes, addresses, names_client } => {
            let names = match names_client {
                Some(true) => "; it names this client's address".to_owned(),
                Some(false) => {
                    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                    format!("; it names {}, not this client's address", list.join(", "))
                }
                None => String::new(),
            };
            format!("the server's first: {kind}, {bytes} bytes{names}")
        }
        Finding::Hold { seconds, frames: 0 } => format!("{seconds} s without a byte, and still open"),
        Finding::Hold { seconds, frames } => {
            format!("{seconds} s, and still open; the server sent {frames} frames, so it was not idle")
        }
        Finding::Close { code: Some(code) } => format!("closed with code {code}"),
        Finding::Close { code: None } => "closed without a code".to_owned(),
    }
}
