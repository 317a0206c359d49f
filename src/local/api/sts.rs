//! STS, 2011-06-15.

use super::Context;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Runs an operation.
pub(crate) fn handle(
    _context: &mut Context<'_>,
    action: &str,
    _params: &Params,
) -> Result<Members, ApiError> {
    Err(ApiError::invalid_action(action, "2011-06-15"))
}
