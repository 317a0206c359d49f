//! `elbws schema`: the JSON Schema of the spec.

use super::failure::Exit;
use crate::provision::spec;
use crate::report;

/// Prints the schema.
pub(crate) fn run() -> Exit {
    report::json(&spec::json_schema());
    Exit::Done
}
