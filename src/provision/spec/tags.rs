//! Tags: those that are put on what is created, and those that select what exists.

use super::shape::{Field, Kind, Need, Object};
use super::text;

/// AWS takes 50 tags on a resource, and two of them are ours.
const MAX_OWN: usize = 48;

/// Tags that are put on what is created.
pub(super) const OWN: Kind =
    Kind::Map { key: &text::TAG_KEY, value: &Kind::Text(&text::TAG_VALUE), min: 0, max: MAX_OWN };

/// Tags that select what exists, which may be anyone's.
pub(super) const FILTER: Kind =
    Kind::Map { key: &text::TAG_FILTER_KEY, value: &Kind::Text(&text::TAG_FILTER_VALUE), min: 1, max: 50 };

/// `{ tags: {…} }`.
pub(super) static SELECTOR: Object = Object {
    name: "tag_selector",
    need: Need::Nothing,

    fields: &[Field::new("tags", FILTER, "All of these tags, key and value.").required()],
};
