//! The table of changes: what is edited in a spec. The plan that each leads to is in the snapshot.

mod application;
mod network;

/// An edit of a spec.
pub(super) struct Change {
    pub(super) field: &'static str,
    pub(super) base: &'static str,
    pub(super) edits: &'static [(&'static str, &'static str)],
}

const fn change(
    base: &'static str,
    field: &'static str,
    edits: &'static [(&'static str, &'static str)],
) -> Change {
    Change { field, base, edits }
}

/// Every change.
pub(super) fn changes() -> impl Iterator<Item = &'static Change> {
    application::CHANGES.iter().chain(network::CHANGES)
}
