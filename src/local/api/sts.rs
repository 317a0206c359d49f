//! STS, 2011-06-15: who is calling. Credentials are not checked, so it is always the same user.

use super::Context;
use crate::local::ACCOUNT_ID;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Runs an operation.
pub(crate) fn handle(_: &mut Context<'_>, action: &str, _: &Params) -> Result<Members, ApiError> {
    match action {
        "GetCallerIdentity" => Ok(Members::new()
            .text("Arn", format!("arn:aws:iam::{ACCOUNT_ID}:user/local"))
            .text("UserId", "AIDALOCALAWSUSER00000")
            .text("Account", ACCOUNT_ID)),
        _ => Err(ApiError::invalid_action(action, "2011-06-15")),
    }
}
