//! `ListCommands`, and how commands are described, filtered and paged.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{DOCUMENT, check_instance_id, command_id, seconds, unknown_command};
use crate::local::api::Context;
use crate::local::api::input::{integer, list, required_text, text, validation};
use crate::local::state::ssm::{Command, Share, Status};
use crate::local::wire::error::ApiError;

/// What every token begins with.
const TOKEN: &str = "after:";

/// Which commands, and which of their invocations, are asked for.
pub(super) struct Wish<'a> {
    pub(super) command: Option<&'a str>,
    pub(super) instance: Option<&'a str>,
    after: Option<OffsetDateTime>,
    before: Option<OffsetDateTime>,
    status: Option<&'a str>,
    stage: Option<&'a str>,
    document: Option<&'a str>,
}

impl<'a> Wish<'a> {
    pub(super) fn read(context: &mut Context<'_>, input: &'a Value) -> Result<Self, ApiError> {
        let command = command_id(input)?;
        if let Some(id) = command.filter(|id| context.here().ssm.command(id).is_none()) {
            return Err(unknown_command(id));
        }
        let instance = text(input, "InstanceId")?;
        if let Some(id) = instance {
            check_instance_id(id)?;
        }
        let mut wish =
            Self { command, instance, after: None, before: None, status: None, stage: None, document: None };
        for filter in list(input, "Filters")?.unwrap_or_default() {
            let value = required_text(filter, "value")?;
            let moment = || {
                OffsetDateTime::parse(value, &Rfc3339).map_err(|_| {
                    let message = format!("{value} is not a time like 2021-07-07T00:00:00Z");
                    ApiError::bad_request("ValidationException", message)
                })
            };
            match required_text(filter, "key")? {
                "InvokedAfter" => wish.after = Some(moment()?),
                "InvokedBefore" => wish.before = Some(moment()?),
                "Status" => wish.status = Some(value),
                "ExecutionStage" => wish.stage = Some(value),
                "DocumentName" => wish.document = Some(value),
                key => {
                    let message = format!("The filter key {key} is not valid");
                    return Err(ApiError::bad_request("InvalidFilterKey", message));
                }
            }
        }
        Ok(wish)
    }

    /// Whether a command is asked for; `status` is its own, or that of one of its invocations.
    pub(super) fn admits(&self, command: &Command, status: Status) -> bool {
        let stage = if status.is_final() { "Complete" } else { "Executing" };
        self.command.is_none_or(|id| id == command.id)
            && self.after.is_none_or(|after| command.requested_at > after)
            && self.before.is_none_or(|before| command.requested_at < before)
            && self.status.is_none_or(|wanted| wanted == status.name() || wanted == status.details())
            && self.stage.is_none_or(|wanted| wanted == stage)
            && self.document.is_none_or(|wanted| wanted == DOCUMENT)
    }
}

/// The newest come first.
pub(super) fn commands(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let wish = Wish::read(context, input)?;
    let commands = context.here().ssm.commands.iter().enumerate().rev();
    let listed = commands
        .filter(|(_, command)| wish.admits(command, command.status()))
        .filter(|(_, command)| {
            let on = |id: &str| command.invocations.iter().any(|one| one.instance_id == id);
            wish.instance.is_none_or(on)
        })
        .map(|(_, command)| (position(command, ""), described(command)));
    page(input, [1, 50], listed.collect(), "Commands")
}

/// Where a command or one of its invocations stands among the others: the newest first.
pub(super) fn position(command: &Command, instance: &str) -> String {
    let age = u64::MAX - u64::try_from(command.requested_at.unix_timestamp_nanos()).unwrap_or_default();
    format!("{age:020}/{}/{instance}", command.id)
}

/// A command's description.
pub(super) fn described(command: &Command) -> Value {
    let status = command.status();
    let count = |wanted: fn(Status) -> bool| {
        command.invocations.iter().filter(|invocation| wanted(invocation.status)).count()
    };
    let targets = command.targets.iter();
    let targets: Vec<Value> =
        targets.map(|target| json!({ "Key": target.key, "Values": target.values })).collect();
    json!({
        "CommandId": command.id,
        "DocumentName": DOCUMENT,
        "DocumentVersion": command.document_version,
        "Comment": command.comment,
        "ExpiresAfter": seconds(command.expires_at()),
        "Parameters": command.parameters,
        "InstanceIds": command.instance_ids,
        "Targets": targets,
        "RequestedDateTime": seconds(command.requested_at),
        "Status": status.name(),
        "StatusDetails": status.details(),
        "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "",
        "MaxConcurrency": written(command.max_concurrency),
        "MaxErrors": written(command.max_errors),
        "TargetCount": command.invocations.len(),
        "CompletedCount": count(Status::is_final),
        "ErrorCount": count(Status::is_error),
        "DeliveryTimedOutCount": count(|status| status == Status::DeliveryTimedOut),
        "ServiceRole": "",
        "NotificationConfig": { "NotificationArn": "", "NotificationEvents": [], "NotificationType": "" },
        "CloudWatchOutputConfig": { "CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false },
        "TimeoutSeconds": command.timeout,
    })
}

fn written(share: Share) -> String {
    match share {
        Share::Number(number) => number.to_string(),
        Share::Percent(percent) => format!("{percent}%"),
    }
}

/// Cuts a page out of what stands at positions, in the order of these.
pub(super) fn page(
    input: &Value,
    sizes: [i64; 2],
    mut all: Vec<(String, Value)>,
    name: &str,
) -> Result<Value, ApiError> {
    let [least, most] = sizes;
    let size = integer(input, "MaxResults")?.unwrap_or(most);
    if !(least..=most).contains(&size) {
        let constraint = format!("Member must have value between {least} and {most}");
        return Err(validation(Some(&size.to_string()), "maxResults", &constraint));
    }
    if let Some(token) = text(input, "NextToken")? {
        let after = token
            .strip_prefix(TOKEN)
            .ok_or_else(|| ApiError::bad_request("InvalidNextToken", "The specified token is not valid."))?;
        all.retain(|(position, _)| position.as_str() > after);
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = all.len() > size;
    all.truncate(size);
    let next = all.last().filter(|_| more).map(|(position, _)| format!("{TOKEN}{position}"));
    let items: Vec<Value> = all.into_iter().map(|(_, item)| item).collect();
    let mut answer = json!({ name: items });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}
