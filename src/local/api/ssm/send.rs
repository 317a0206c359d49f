//! `SendCommand`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::list::described;
use super::managed::takes_commands;
use super::{DOCUMENT, check_instance_id};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::api::input::{integer, list, mistyped, required_text, text, texts, validation};
use crate::local::state::ec2::Instance;
use crate::local::state::ssm::{Command, Invocation, Share, Target};
use crate::local::wire::error::ApiError;

/// How long a script may take unless it says otherwise: the document's default.
const EXECUTION_TIMEOUT: u32 = 3600;
/// The most that the document admits.
const LONGEST_EXECUTION: u32 = 172_800;

/// What `Parameters` says.
struct Parameters {
    given: BTreeMap<String, Vec<String>>,
    execution_timeout: u32,
}

/// Checks all there is to a command, and puts it into the queues of its instances.
pub(super) fn send(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let document_version = document(input)?;
    refuse_elsewhere(input)?;
    let timeout = bounded(input, "TimeoutSeconds", [30, 2_592_000])?.unwrap_or(3600);
    let comment = at_most(input, "Comment", 100)?;
    let max_concurrency = share(input, "MaxConcurrency", "50")?;
    if matches!(max_concurrency, Share::Number(0) | Share::Percent(0)) {
        let given = text(input, "MaxConcurrency")?;
        return Err(validation(given, "maxConcurrency", "Member must be at least 1 or 1%"));
    }
    let max_errors = share(input, "MaxErrors", "0")?;
    let parameters = Parameters::read(input)?;
    let instance_ids = instance_ids(input)?;
    let targets = targets(input)?;
    let invocations = choose(context, &instance_ids, &targets)?;

    let command = Command {
        id: context.ids.uuid(),
        document_version,
        comment,
        parameters: parameters.given,
        instance_ids,
        targets,
        requested_at: context.now,
        timeout,
        execution_timeout: parameters.execution_timeout,
        max_concurrency,
        max_errors,
        invocations,
    };
    let answer = json!({ "Command": described(&command) });
    context.here().ssm.commands.push(command);
    Ok(answer)
}

/// The version of the document, which must be the one that there is.
fn document(input: &Value) -> Result<String, ApiError> {
    let name = required_text(input, "DocumentName")?;
    let known = name == DOCUMENT
        || name
            .strip_prefix("arn:aws:ssm:")
            .is_some_and(|rest| rest.ends_with(&format!(":document/{DOCUMENT}")));
    if !known {
        let message = format!("Document with name {name} does not exist.");
        return Err(ApiError::bad_request("InvalidDocument", message));
    }
    let version = text(input, "DocumentVersion")?.unwrap_or("$DEFAULT");
    if ["$DEFAULT", "$LATEST", "1"].contains(&version) {
        return Ok(version.to_owned());
    }
    let message = format!("Document version {version} of {DOCUMENT} does not exist.");
    Err(ApiError::bad_request("InvalidDocumentVersion", message))
}

/// Output goes nowhere but into the invocation here, and nobody is notified.
fn refuse_elsewhere(input: &Value) -> Result<(), ApiError> {
    let refuse = |code: &str, what: &str| {
        Err(ApiError::bad_request(code, format!("{what} is not served by the local AWS")))
    };
    if text(input, "OutputS3BucketName")?.is_some() {
        return refuse("InvalidOutputFolder", "output to S3");
    }
    if input["CloudWatchOutputConfig"]["CloudWatchOutputEnabled"] == true {
        return refuse("ValidationException", "output to CloudWatch");
    }
    if !input["NotificationConfig"]["NotificationArn"].is_null() {
        return refuse("InvalidNotificationConfig", "notification");
    }
    if !input["AlarmConfiguration"].is_null() {
        return refuse("ValidationException", "an alarm");
    }
    Ok(())
}

impl Parameters {
    fn read(input: &Value) -> Result<Self, ApiError> {
        let refused = |message: String| ApiError::bad_request("InvalidParameters", message);
        let given = match &input["Parameters"] {
            Value::Null => BTreeMap::new(),
            Value::Object(members) => {
                let read = members.keys().map(|name| {
                    let values = texts(&input["Parameters"], name)?.unwrap_or_default();
                    Ok((name.clone(), values.into_iter().map(str::to_owned).collect()))
                });
                read.collect::<Result<BTreeMap<String, Vec<String>>, ApiError>>()?
            }
            _ => return Err(mistyped("Parameters", "a map")),
        };
        let known = ["commands", "executionTimeout", "workingDirectory"];
        if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(refused(format!("Parameter {unknown} is not defined in the document {DOCUMENT}.")));
        }
        if given.get("commands").is_none_or(Vec::is_empty) {
            return Err(refused(format!("Parameter commands is required by the document {DOCUMENT}.")));
        }
        let one = |name: &str| match given.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([value]) => Ok(Some(value.as_str())),
            Some(_) => Err(refused(format!("Parameter {name} takes one value."))),
        };
        one("workingDirectory")?;
        let execution_timeout = match one("executionTimeout")? {
            None => EXECUTION_TIMEOUT,
            Some(value) => match value.parse() {
                Ok(seconds @ 1..=LONGEST_EXECUTION) if !value.starts_with(['0', '+']) => seconds,
                Ok(_) | Err(_) => {
                    return Err(refused(format!(
                        "Parameter executionTimeout must be 1 to {LONGEST_EXECUTION}, not {value}."
                    )));
                }
            },
        };
        Ok(Self { given, execution_timeout })
    }
}

fn instance_ids(input: &Value) -> Result<Vec<String>, ApiError> {
    let ids = texts(input, "InstanceIds")?.unwrap_or_default();
    if ids.len() > 50 {
        return Err(validation(None, "instanceIds", "Member must have length less than or equal to 50"));
    }
    for id in &ids {
        check_instance_id(id)?;
    }
    let distinct: BTreeSet<&&str> = ids.iter().collect();
    if distinct.len() < ids.len() {
        let message = "An instance is named more than once.";
        return Err(ApiError::bad_request("DuplicateInstanceId", message));
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

fn targets(input: &Value) -> Result<Vec<Target>, ApiError> {
    let given = list(input, "Targets")?.unwrap_or_default();
    if given.len() > 5 {
        return Err(validation(None, "targets", "Member must have length less than or equal to 5"));
    }
    let mut targets = Vec::new();
    for target in given {
        let key = required_text(target, "Key")?;
        let values = texts(target, "Values")?.unwrap_or_default();
        let known = key == "tag-key" || key.starts_with("tag:") || key.eq_ignore_ascii_case("InstanceIds");
        if !known || values.is_empty() || values.len() > 50 {
            let message = "targets are tag:KEY, tag-key or InstanceIds, each with 1 to 50 values";
            return Err(ApiError::bad_request("ValidationException", message));
        }
        let values = values.into_iter().map(str::to_owned).collect();
        targets.push(Target { key: key.to_owned(), values });
    }
    Ok(targets)
}

/// The instances that a command is for. One that is named must take commands; by targets those are chosen that do.
fn choose(
    context: &mut Context<'_>,
    ids: &[String],
    targets: &[Target],
) -> Result<Vec<Invocation>, ApiError> {
    if ids.is_empty() == targets.is_empty() {
        let message = "Specify either InstanceIds or Targets.";
        return Err(ApiError::bad_request("ValidationException", message));
    }
    context.here();
    let Some(region) = context.state.regions.get(context.region) else { return Ok(Vec::new()) };
    let instances = &region.ec2.instances;
    let takes = |id: &&String| instances.get(*id).is_some_and(|instance| takes_commands(context, instance));
    let refused: Vec<&str> = ids.iter().filter(|id| !takes(id)).map(String::as_str).collect();
    if !refused.is_empty() {
        let message =
            format!("Instances [[{}]] not in a valid state for account {ACCOUNT_ID}", refused.join(", "));
        return Err(ApiError::bad_request("InvalidInstanceId", message));
    }
    let chosen = instances.values().filter(|instance| {
        let named = ids.contains(&instance.id);
        let matched = !targets.is_empty() && targets.iter().all(|target| matches(target, instance));
        named || matched && takes_commands(context, instance)
    });
    let name = |instance: &Instance| instance.tags.get("Name").cloned().unwrap_or_default();
    Ok(chosen.map(|instance| Invocation::new(instance.id.clone(), name(instance))).collect())
}

fn matches(target: &Target, instance: &Instance) -> bool {
    if let Some(key) = target.key.strip_prefix("tag:") {
        return instance.tags.get(key).is_some_and(|value| target.values.contains(value));
    }
    if target.key == "tag-key" {
        return instance.tags.keys().any(|key| target.values.contains(key));
    }
    target.values.contains(&instance.id)
}

fn bounded(input: &Value, name: &str, bounds: [u32; 2]) -> Result<Option<u32>, ApiError> {
    let Some(value) = integer(input, name)? else { return Ok(None) };
    let [least, most] = bounds;
    match u32::try_from(value) {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        Ok(_) | Err(_) => {
            let constraint = format!("Member must have value between {least} and {most}");
            let member = crate::local::wire::query::member(name);
            Err(validation(Some(&value.to_string()), &member, &constraint))
        }
    }
}

fn at_most(input: &Value, name: &str, longest: usize) -> Result<String, ApiError> {
    let value = text(input, name)?.unwrap_or_default();
    if value.chars().count() <= longest {
        return Ok(value.to_owned());
    }
    let constraint = format!("Member must have length less than or equal to {longest}");
    Err(validation(Some(value), &crate::local::wire::query::member(name), &constraint))
}

/// A number, or so many in a hundred: `50` or `10%`.
fn share(input: &Value, name: &str, default: &str) -> Result<Share, ApiError> {
    let value = text(input, name)?.unwrap_or(default);
    let number = |digits: &str| {
        let plain = digits == "0" || digits.starts_with(|first: char| matches!(first, '1'..='9'));
        digits.parse().ok().filter(|_| plain && digits.len() <= 7)
    };
    let read = match value.strip_suffix('%') {
        Some(digits) => number(digits).filter(|percent| *percent <= 100).map(Share::Percent),
        None => number(value).map(Share::Number),
    };
    read.ok_or_else(|| {
        let member = crate::local::wire::query::member(name);
        validation(Some(value), &member, "Member must be a number or a percentage, 10 or 10%")
    })
}
