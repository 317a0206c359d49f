//! What became of a command on its instances: `GetCommandInvocation` and `ListCommandInvocations`.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::list::{Wish, page, position};
use super::{DOCUMENT, PLUGIN, check_instance_id, command_id, is_visible, seconds};
use crate::local::api::Context;
use crate::local::api::input::{boolean, missing, required_text, text};
use crate::local::state::ssm::{Command, Invocation, Status};
use crate::local::wire::error::ApiError;

/// What a client gets of a script's output, in characters, and how the agent ends what it cuts.
/// <https://github.com/aws/amazon-ssm-agent/blob/mainline/agent/appconfig/constants.go>
const OUTPUT: (usize, &str) = (24_000, "\n---Output truncated---");
const ERRORS: (usize, &str) = (8_000, "\n---Error truncated----");
/// In a list it is less, of both together.
const LISTED: (usize, &str) = (2_500, "\n---Output truncated---");

/// `GetCommandInvocation`.
pub(super) fn get(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let id = command_id(input)?.ok_or_else(|| missing("CommandId"))?;
    let instance = required_text(input, "InstanceId")?;
    check_instance_id(instance)?;
    if text(input, "PluginName")?.is_some_and(|name| name != PLUGIN) {
        return Err(ApiError::bad_request("InvalidPluginName", "The plugin name is not valid."));
    }
    context.here();
    let region = context.state.regions.get(context.region);
    let command =
        region.and_then(|region| region.ssm.command(id)).filter(|command| is_visible(context, command));
    let found = command.and_then(|command| {
        let mut invocations = command.invocations.iter();
        Some((command, invocations.find(|invocation| invocation.instance_id == instance)?))
    });
    // As in AWS, this says nothing more.
    let (command, invocation) = found.ok_or_else(|| ApiError::bad_request("InvocationDoesNotExist", ""))?;
    let time = |time: Option<OffsetDateTime>| time.map(timestamp).unwrap_or_default();
    Ok(json!({
        "CommandId": command.id,
        "InstanceId": instance,
        "Comment": command.comment,
        "DocumentName": DOCUMENT,
        "DocumentVersion": command.document_version,
        "PluginName": PLUGIN,
        "ResponseCode": invocation.response_code,
        "ExecutionStartDateTime": time(invocation.started_at),
        "ExecutionElapsedTime": elapsed(invocation),
        "ExecutionEndDateTime": time(invocation.ended_at),
        "Status": invocation.status.name(),
        "StatusDetails": invocation.status.details(),
        "StandardOutputContent": cut(&invocation.output, OUTPUT),
        "StandardOutputUrl": "",
        "StandardErrorContent": cut(&invocation.errors, ERRORS),
        "StandardErrorUrl": "",
        "CloudWatchOutputConfig": { "CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false },
    }))
}

/// `ListCommandInvocations`.
pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let wish = Wish::read(context, input)?;
    let details = boolean(input, "Details")?.unwrap_or_default();
    let region = context.state.regions.get(context.region);
    let commands = region.map(|region| region.ssm.commands.as_slice()).unwrap_or_default();
    let mut listed = Vec::new();
    for command in commands.iter().filter(|command| is_visible(context, command)) {
        let invocations = command.invocations.iter();
        let wanted = invocations
            .filter(|one| wish.instance.is_none_or(|instance| instance == one.instance_id))
            .filter(|one| wish.admits(command, one.status));
        listed.extend(
            wanted.map(|one| (position(command, &one.instance_id), described(command, one, details))),
        );
    }
    page(input, [1, 50], listed, "CommandInvocations")
}

fn described(command: &Command, invocation: &Invocation, details: bool) -> Value {
    let mut described = json!({
        "CommandId": command.id,
        "InstanceId": invocation.instance_id,
        "InstanceName": invocation.instance_name,
        "Comment": command.comment,
        "DocumentName": DOCUMENT,
        "DocumentVersion": command.document_version,
        "RequestedDateTime": seconds(command.requested_at),
        "Status": invocation.status.name(),
        "StatusDetails": invocation.status.details(),
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": [],
        "ServiceRole": "",
        "NotificationConfig": { "NotificationArn": "", "NotificationEvents": [], "NotificationType": "" },
        "CloudWatchOutputConfig": { "CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false },
    });
    if details {
        described["CommandPlugins"] = json!([plugin(invocation)]);
    }
    described
}

fn plugin(invocation: &Invocation) -> Value {
    // A step is never on its way to be cancelled.
    let status = if invocation.status == Status::Cancelling { Status::InProgress } else { invocation.status };
    let mut plugin = json!({
        "Name": PLUGIN,
        "Status": status.name(),
        "StatusDetails": status.details(),
        "ResponseCode": invocation.response_code,
        "Output": cut(&both(invocation), LISTED),
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "",
    });
    if let Some(at) = invocation.started_at {
        plugin["ResponseStartDateTime"] = json!(seconds(at));
    }
    if let Some(at) = invocation.ended_at {
        plugin["ResponseFinishDateTime"] = json!(seconds(at));
    }
    plugin
}

/// Output and errors as the agent puts them together.
fn both(invocation: &Invocation) -> String {
    if invocation.errors.is_empty() {
        return invocation.output.clone();
    }
    format!("{}\n----------ERROR-------\n{}", invocation.output, invocation.errors)
}

/// At most so many characters, the mark at the end of what was cut among them.
fn cut(text: &str, (most, mark): (usize, &str)) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - mark.chars().count()).collect();
    kept + mark
}

fn timestamp(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let time = time.replace_millisecond(time.millisecond()).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

/// As ISO 8601 writes a span.
fn elapsed(invocation: &Invocation) -> String {
    let Some((start, end)) = invocation.started_at.zip(invocation.ended_at) else { return String::new() };
    let milliseconds = (end - start).whole_milliseconds().max(0);
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!("PT{seconds}.{rest:03}S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_ends_in_the_mark() {
        let cut_output = cut(&"é".repeat(24_001), OUTPUT);
        assert_eq!(cut_output.chars().count(), 24_000);
        assert!(cut_output.ends_with("é\n---Output truncated---"), "{cut_output}");
        assert_eq!(cut(&"e".repeat(8000), ERRORS), "e".repeat(8000));
    }

    #[test]
    fn times_are_written_as_the_agent_writes_them() {
        let mut invocation = Invocation::new("i-1".to_owned(), String::new());
        assert_eq!(elapsed(&invocation), "");
        let start = OffsetDateTime::UNIX_EPOCH;
        invocation.started_at = Some(start);
        invocation.ended_at = Some(start + time::Duration::milliseconds(61_005));
        assert_eq!(elapsed(&invocation), "PT61.005S");
        assert_eq!(timestamp(start), "1970-01-01T00:00:00Z");
    }
}
