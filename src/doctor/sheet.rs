//! Where checks write what came of them.

use super::{Check, Finding, Name, Outcome, Severity};

/// What mends whatever differs from the spec.
pub(super) const APPLY: &str = "`elbws apply SPEC`";

/// The checks so far.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) checks: Vec<Check>,
}

impl Sheet {
    pub(super) fn right(&mut self, name: Name, subject: impl Into<String>, found: impl Into<String>) {
        self.push(name, subject.into(), Outcome::Right(found.into()));
    }

    pub(super) fn unchecked(&mut self, name: Name, subject: impl Into<String>, reason: impl Into<String>) {
        self.push(name, subject.into(), Outcome::Unchecked(reason.into()));
    }

    pub(super) fn wrong(&mut self, name: Name, subject: impl Into<String>, finding: Finding) {
        self.push(name, subject.into(), Outcome::Wrong(finding));
    }

    fn push(&mut self, name: Name, subject: String, outcome: Outcome) {
        self.checks.push(Check { name, subject, outcome });
    }
}

/// A finding of which the severity, the problem, the reason and the fix are said in this order.
pub(super) fn finding(
    severity: Severity,
    problem: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding { severity, problem: problem.into(), why: why.into(), fix: fix.into() }
}

/// Joins what is named with commas.
pub(super) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Writes `port 80` or `ports 80, 8081`.
pub(super) fn ports<'a>(ports: impl IntoIterator<Item = &'a u16>) -> String {
    let ports: Vec<&u16> = ports.into_iter().collect();
    let noun = if ports.len() == 1 { "port" } else { "ports" };
    format!("{noun} {}", list(ports))
}
