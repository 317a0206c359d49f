//! What a doctor found: a line a check, and for what is wrong why it matters and what mends it.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::doctor::{Check, Diagnosis, Finding, Name, Outcome, Severity};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// How wide the text is; a command is never broken.
const WIDTH: usize = 100;
/// Where the text of a check begins: mark, title, subject.
const TITLE: usize = 14;
const INDENT: usize = 4;

/// Returns a diagnosis for people.
pub(crate) fn text(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    let at = diagnosis.dns_name.as_ref().map(|name| format!("  {name}")).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{BOLD}{}{BOLD:#}  {}{at}\n", diagnosis.load_balancer, diagnosis.kind);
    for check in &diagnosis.checks {
        text.push_str(&line(check));
    }
    let _ = writeln!(text, "\n{}", verdict(diagnosis));
    text
}

fn line(check: &Check) -> String {
    let (style, mark, words) = match &check.outcome {
        Outcome::Right(found) => (GOOD, "✓", found.as_str()),
        Outcome::Unchecked(reason) => (FAINT, "–", reason.as_str()),
        Outcome::Wrong(finding) => {
            let (style, mark) = match finding.severity {
                Severity::Error => (BAD, "✗"),
                Severity::Warning => (WARN, "!"),
                Severity::Note => (FAINT, "i"),
            };
            (style, mark, finding.problem.as_str())
        }
    };
    let head = format!("{:<TITLE$}  {}: {words}", title(check.name), check.subject);
    let mut text = String::new();
    for (at, part) in wrapped(&head, WIDTH - 2, TITLE + 2).into_iter().enumerate() {
        let mark = if at == 0 { mark } else { " " };
        let _ = match &check.outcome {
            Outcome::Right(_) => writeln!(text, "{style}{mark}{style:#} {part}"),
            Outcome::Wrong(_) | Outcome::Unchecked(_) => writeln!(text, "{style}{mark} {part}{style:#}"),
        };
    }
    if let Outcome::Wrong(finding) = &check.outcome {
        for (label, words) in [("why:", &finding.why), ("fix:", &finding.fix)] {
            let parts = wrapped(&format!("{label} {words}"), WIDTH - INDENT, label.len() + 1);
            for part in parts {
                let _ = writeln!(text, "{:INDENT$}{part}", "");
            }
        }
    }
    text
}

/// Breaks a text into lines of at most `width`, the later ones indented; what stands in backticks stays whole.
fn wrapped(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        let length = line.chars().count();
        if !line.trim().is_empty() && length + word.chars().count() > width {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(indent) + word.trim_start();
        } else {
            line.push_str(word);
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Splits a text before its blanks, except within backticks.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut before) = (0, false, ' ');
    for (at, character) in text.char_indices() {
        if character == '`' {
            quoted = !quoted;
        }
        if character == ' ' && !quoted && before != ' ' {
            words.push(&text[start..at]);
            start = at;
        }
        before = character;
    }
    words.push(&text[start..]);
    words
}

fn verdict(diagnosis: &Diagnosis) -> String {
    let counted = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    };
    let right = diagnosis.checks.iter().filter(|check| matches!(check.outcome, Outcome::Right(_))).count();
    let unchecked =
        diagnosis.checks.iter().filter(|check| matches!(check.outcome, Outcome::Unchecked(_))).count();
    let (errors, warnings, notes) = (
        diagnosis.count(Severity::Error),
        diagnosis.count(Severity::Warning),
        diagnosis.count(Severity::Note),
    );
    let style = match (errors, warnings) {
        (0, 0) => GOOD,
        (0, _) => WARN,
        (_, _) => BAD,
    };
    format!(
        "{style}stack {}: {}, {}, {}{style:#}; {right} of {} right, {unchecked} not checked",
        diagnosis.stack,
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(notes, "note"),
        counted(diagnosis.checks.len(), "check"),
    )
}

/// Returns a diagnosis for programs.
pub(crate) fn json(diagnosis: &Diagnosis) -> Value {
    let checks: Vec<Value> = diagnosis.checks.iter().map(check_json).collect();
    json!({
        "format": 1,
        "stack": diagnosis.stack,
        "load_balancer": {
            "name": diagnosis.load_balancer,
            "type": diagnosis.kind,
            "dns_name": diagnosis.dns_name,
        },
        "sound": diagnosis.is_sound(),
        "errors": diagnosis.count(Severity::Error),
        "warnings": diagnosis.count(Severity::Warning),
        "notes": diagnosis.count(Severity::Note),
        "checks": checks,
    })
}

fn check_json(check: &Check) -> Value {
    let mut value = json!({ "check": check.name, "subject": check.subject });
    let more = match &check.outcome {
        Outcome::Right(found) => json!({ "outcome": "right", "found": found }),
        Outcome::Unchecked(reason) => json!({ "outcome": "unchecked", "reason": reason }),
        Outcome::Wrong(Finding { severity, problem, why, fix }) => json!({
            "outcome": "wrong", "severity": severity, "problem": problem, "why": why, "fix": fix,
        }),
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn title(name: Name) -> &'static str {
    match name {
        Name::LoadBalancer => "load balancer",
        Name::Spec => "spec",
        Name::Listener => "listener",
        Name::PingInterval => "pings",
        Name::IdleTimeout => "idle timeout",
        Name::TunnelIdle => "silent tunnels",
        Name::KeepAlive => "keep-alive",
        Name::RequestTimeout => "slow answers",
        Name::Draining => "draining",
        Name::HealthCheck => "health check",
        Name::ConnectionTracking => "tracking",
        Name::Ingress => "visitors in",
        Name::Egress => "way out",
        Name::Admission => "way in",
        Name::NetworkAcl => "network ACL",
        Name::FreeAddresses => "free addresses",
        Name::InternetRoute => "internet route",
        Name::ProxyHeader => "PROXY header",
        Name::CertificateName => "certificate",
        Name::CertificateExpiry => "in force",
        Name::Instance => "instance",
        Name::Metadata => "metadata",
        Name::SystemsManager => "SSM",
        Name::Zone => "zones",
        Name::Target => "target",
        Name::Dns => "DNS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_and_commands_are_not() {
        let command = format!("`{}`", ["aws"; 30].join(" "));
        let lines = wrapped(&format!("fix: {command}, or another way that takes a few words more"), 40, 5);
        assert_eq!(lines[0], "fix:");
        assert_eq!(lines[1].trim(), format!("{command},"));
        assert!(lines[2..].iter().all(|line| line.starts_with("     ") && line.len() <= 40), "{lines:?}");
        assert_eq!(wrapped("a b", 10, 2), ["a b"]);
        assert_eq!(wrapped("title     text", 30, 2), ["title     text"]);
    }
}
