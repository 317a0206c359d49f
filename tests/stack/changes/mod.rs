//! The table of changes: what is edited in a spec, and exactly what the plan then shows.

mod balancer;
mod listeners;
mod surroundings;

use crate::stacks::FULL;

/// An edit of a spec, and the changes that it must lead to: nothing more, nothing less.
pub(crate) struct Change {
    pub(crate) field: &'static str,
    pub(crate) base: &'static str,
    pub(crate) edits: &'static [(&'static str, &'static str)],
    pub(crate) expected: &'static [&'static str],
}

const fn change(
    field: &'static str,
    edits: &'static [(&'static str, &'static str)],
    expected: &'static [&'static str],
) -> Change {
    Change { field, base: FULL, edits, expected }
}

const fn change_of(
    base: &'static str,
    field: &'static str,
    edits: &'static [(&'static str, &'static str)],
    expected: &'static [&'static str],
) -> Change {
    Change { field, base, edits, expected }
}

/// The whole table.
pub(crate) fn changes() -> Vec<&'static Change> {
    [surroundings::CHANGES, balancer::CHANGES, listeners::CHANGES].into_iter().flatten().collect()
}
