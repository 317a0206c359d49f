//! What is wrong with a spec: every problem with its place, its reason and what to do about it.

use serde::Serialize;

/// A position in the spec's text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// The first character of the text.
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The field, such as `load_balancer.listeners[1].port`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Everything that is wrong with a spec, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid spec {source_name}")]
pub struct SpecErrors {
    /// The file's name as the user gave it.
    pub source_name: String,
    /// The problems, by position; not empty.
    pub problems: Vec<Problem>,
}

/// A reason and a hint that have no place yet: what a rule about one value answers.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, place: Place, path: &str, refusal: Refusal) {
        self.0.push(Problem {
            line: place.line,
            column: place.column,
            path: path.to_owned(),
            reason: refusal.reason,
            hint: refusal.hint,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them in the order of the text. An alias may name one place under two paths; both stay.
    pub(super) fn into_errors(self, source_name: &str) -> SpecErrors {
        let mut problems = self.0;
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        SpecErrors { source_name: source_name.to_owned(), problems }
    }
}
