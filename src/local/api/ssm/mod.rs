//! Systems Manager, by JSON 1.1: Run Command with `AWS-RunShellScript`, and which instances it reaches. Every
//! refusal has HTTP status 400. What runs on an instance, and when, is not decided here.

mod cancel;
mod invocations;
mod list;
mod managed;
mod send;

use serde_json::Value;
use time::OffsetDateTime;

use super::Context;
use super::input::{text, validation};
use crate::local::state::ssm::Command;
use crate::local::wire::error::ApiError;

/// The one document that is there.
const DOCUMENT: &str = "AWS-RunShellScript";
/// Its one step.
const PLUGIN: &str = "aws:runShellScript";
/// How long a command is remembered.
const REMEMBERED: time::Duration = time::Duration::days(30);

/// Runs an operation.
pub(crate) fn handle(context: &mut Context<'_>, operation: &str, input: &Value) -> Result<Value, ApiError> {
    let now = context.now;
    context.here().ssm.commands.retain(|command| now - command.requested_at <= REMEMBERED);
    match operation {
        "CancelCommand" => cancel::cancel(context, input),
        "DescribeInstanceInformation" => managed::describe(context, input),
        "GetCommandInvocation" => invocations::get(context, input),
        "ListCommandInvocations" => invocations::list(context, input),
        "ListCommands" => list::commands(context, input),
        "SendCommand" => send::send(context, input),
        _ => Err(ApiError::unknown_operation(operation)),
    }
}

/// The id of a command, of the right length.
fn command_id(input: &Value) -> Result<Option<&str>, ApiError> {
    let id = text(input, "CommandId")?;
    match id {
        Some(id) if id.len() != 36 => {
            Err(validation(Some(id), "commandId", "Member must have length between 36 and 36"))
        }
        id => Ok(id),
    }
}

/// Refuses what cannot be the id of an instance.
fn check_instance_id(id: &str) -> Result<(), ApiError> {
    let digits = id.strip_prefix("i-").unwrap_or_default();
    let hybrid = id.strip_prefix("mi-").is_some_and(|digits| digits.len() == 17);
    if hybrid || matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let pattern = r"Member must satisfy regular expression pattern: (^i-(\w{8}|\w{17})$)|(^mi-\w{17}$)";
    Err(validation(Some(id), "instanceId", pattern))
}

fn unknown_command(id: &str) -> ApiError {
    ApiError::bad_request("InvalidCommandId", format!("Command with id {id} does not exist"))
}

/// A time as JSON 1.1 has it, to the millisecond.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit into 53 bits for as long as it matters"
)]
fn seconds(time: OffsetDateTime) -> f64 {
    (time.unix_timestamp_nanos() / 1_000_000) as f64 / 1000.0
}

/// Whether clients see a command's invocations by now: in AWS that takes a while.
fn is_visible(context: &Context<'_>, command: &Command) -> bool {
    context.now >= command.requested_at + context.settings.command_visibility_delay
}
