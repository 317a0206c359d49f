//! What is wrong with a spec, for people: each problem with its place, its reason and its hint.

use std::fmt::Write as _;

use super::{ERROR, HINT, PLACE};

/// A problem and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located<'a> {
    /// The file.
    pub(crate) source: &'a str,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column, from 1.
    pub(crate) column: usize,
    /// The field; empty for the whole document.
    pub(crate) path: &'a str,
    /// What is wrong.
    pub(crate) reason: &'a str,
    /// What to do about it.
    pub(crate) hint: Option<&'a str>,
}

/// Returns the problems under their title.
pub(crate) fn text<'a>(title: &str, problems: impl Iterator<Item = Located<'a>>) -> String {
    let mut text = format!("{ERROR}error:{ERROR:#} {title}\n");
    for Located { source, line, column, path, reason, hint } in problems {
        let gap = if path.is_empty() { "" } else { "  " };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {PLACE}-->{PLACE:#} {source}:{line}:{column}{gap}{path}\n  {reason}");
        if let Some(hint) = hint {
            let _ = writeln!(text, "  {HINT}hint:{HINT:#} {hint}");
        }
    }
    text
}
