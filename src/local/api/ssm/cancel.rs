//! `CancelCommand`.

use serde_json::{Value, json};

use super::{check_instance_id, command_id, unknown_command};
use crate::local::api::Context;
use crate::local::api::input::{missing, texts};
use crate::local::state::ssm::Status;
use crate::local::wire::error::ApiError;

/// What waits is cancelled at once; what runs is cut off next. What is over stays as it is.
pub(super) fn cancel(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let id = command_id(input)?.ok_or_else(|| missing("CommandId"))?;
    let instances = texts(input, "InstanceIds")?.unwrap_or_default();
    for instance in &instances {
        check_instance_id(instance)?;
    }
    let now = context.now;
    let mut commands = context.here().ssm.commands.iter_mut();
    let command = commands.find(|command| command.id == id).ok_or_else(|| unknown_command(id))?;
    let has = |id: &str| command.invocations.iter().any(|invocation| invocation.instance_id == id);
    if let Some(unknown) = instances.iter().find(|id| !has(id)) {
        let message = format!("The command was not sent to {unknown}");
        return Err(ApiError::bad_request("InvalidInstanceId", message));
    }
    for invocation in &mut command.invocations {
        if !instances.is_empty() && !instances.contains(&invocation.instance_id.as_str()) {
            continue;
        }
        match invocation.status {
            Status::Pending => invocation.end(Status::Cancelled, -1, now),
            Status::InProgress => invocation.status = Status::Cancelling,
            _ => {}
        }
    }
    Ok(json!({}))
}
