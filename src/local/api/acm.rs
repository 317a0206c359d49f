//! ACM, by JSON 1.1.

use serde_json::Value;

use super::Context;
use crate::local::wire::error::ApiError;

/// Runs an operation.
pub(crate) fn handle(_context: &mut Context<'_>, operation: &str, _input: &Value) -> Result<Value, ApiError> {
    Err(ApiError::unknown_operation(operation))
}
