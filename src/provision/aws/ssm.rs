//! Systems Manager: which instances it manages, and commands that it runs on them.

use std::time::Duration;

use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::types::{CommandInvocation, CommandInvocationStatus, InstanceInformationStringFilter};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::{AwsError, Clients, Failure, Service, error};

/// There is no such invocation, or not yet: it shows some time after the command was sent.
pub(crate) const NO_INVOCATION: &str = "InvocationDoesNotExist";
/// How many instances a command is sent to at most.
const AT_ONCE: usize = 50;
/// Seconds in which an agent must take the command up.
const DELIVERED_WITHIN: i32 = 120;
/// How long answers are waited for beyond a script's own time.
const ANSWERED_WITHIN: Duration = Duration::from_mins(3);
const DOCUMENT: &str = "AWS-RunShellScript";

/// An instance whose agent has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Managed {
    pub(crate) instance: String,
    /// `Online`, `ConnectionLost` or `Inactive`.
    pub(crate) ping: String,
}

impl Managed {
    pub(crate) fn is_online(&self) -> bool {
        self.ping == "Online"
    }
}

/// A shell script to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script<'a> {
    pub(crate) text: &'a str,
    /// What the console shows it as.
    pub(crate) comment: &'a str,
    /// Seconds until it is killed.
    pub(crate) seconds: u32,
}

/// How a command goes on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) instance: String,
    /// In detail: `Success`, `Failed`, `ExecutionTimedOut`, `Undeliverable` …
    pub(crate) status: String,
    pub(crate) state: InvocationState,
    /// The exit code; none where the script did not end by itself.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Whether more is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvocationState {
    Running,
    Succeeded,
    Failed,
}

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::Ssm, operation)
}

/// Reads which of the instances have an agent that has registered, sorted: a call for every 50.
pub(crate) async fn managed(clients: &Clients, instances: &[&str]) -> Result<Vec<Managed>, AwsError> {
    const OPERATION: &str = "DescribeInstanceInformation";
    let mut found = Vec::new();
    for some in instances.chunks(AT_ONCE) {
        let filter = InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .set_values(Some(some.iter().map(|id| (*id).to_owned()).collect()))
            .build()
            .map_err(|error| malformed(OPERATION, error.to_string()))?;
        let mut token: Option<String> = None;
        loop {
            let page = clients
                .ssm()
                .describe_instance_information()
                .filters(filter.clone())
                .max_results(50)
                .set_next_token(token)
                .send()
                .await
                .map_err(failed(OPERATION))?;
            for information in page.instance_information_list.unwrap_or_default() {
                found.push(Managed {
                    instance: information.instance_id.unwrap_or_default(),
                    ping: information
                        .ping_status
                        .map_or_else(|| "Inactive".to_owned(), |ping| ping.as_str().to_owned()),
                });
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
    }
    found.sort_by(|a, b| a.instance.cmp(&b.instance));
    Ok(found)
}

/// Sends a script to instances and returns the command's id for every 50 of them.
pub(crate) async fn send(
    clients: &Clients,
    instances: &[&str],
    script: Script<'_>,
) -> Result<Vec<String>, AwsError> {
    const OPERATION: &str = "SendCommand";
    let mut commands = Vec::new();
    for some in instances.chunks(AT_ONCE) {
        let output = clients
            .ssm()
            .send_command()
            .document_name(DOCUMENT)
            .set_instance_ids(Some(some.iter().map(|id| (*id).to_owned()).collect()))
            .comment(script.comment)
            .timeout_seconds(DELIVERED_WITHIN)
            .parameters("commands", vec![script.text.to_owned()])
            .parameters("executionTimeout", vec![script.seconds.to_string()])
            .send()
            .await
            .map_err(failed(OPERATION))?;
        let id = output.command.and_then(|command| command.command_id);
        commands.push(id.ok_or_else(|| malformed(OPERATION, "the answer names no command".to_owned()))?);
    }
    Ok(commands)
}

/// Runs a script on instances, and gives up on those that do not answer: what it returns of them may be missing, or still
/// running.
pub(crate) async fn run(
    clients: &Clients,
    instances: &[&str],
    script: Script<'_>,
) -> Result<Vec<Invocation>, AwsError> {
    let limit = ANSWERED_WITHIN + Duration::from_secs(script.seconds.into());
    let commands = send(clients, instances, script).await?;
    let start = Instant::now();
    let mut pause = clients.pace().first;
    loop {
        let reads = commands.iter().map(|command| invocations(clients, command));
        let answers: Vec<Invocation> = try_join_all(reads).await?.into_iter().flatten().collect();
        let ended = answers.iter().filter(|answer| answer.state != InvocationState::Running).count();
        if ended >= instances.len() || start.elapsed() > limit {
            return Ok(answers);
        }
        sleep(pause).await;
        pause = (pause * 2).min(clients.pace().longest);
    }
}

/// Reads how a command goes on every instance that shows already; of what it wrote, the beginning.
pub(crate) async fn invocations(clients: &Clients, command: &str) -> Result<Vec<Invocation>, AwsError> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = clients
            .ssm()
            .list_command_invocations()
            .command_id(command)
            .details(true)
            .max_results(50)
            .set_next_token(token)
            .send()
            .await
            .map_err(failed("ListCommandInvocations"))?;
        found.extend(page.command_invocations.unwrap_or_default().into_iter().map(invocation_from));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    found.sort_by(|a, b| a.instance.cmp(&b.instance));
    Ok(found)
}

/// Reads how a command goes on one instance, with all of what it wrote that SSM keeps.
pub(crate) async fn invocation(
    clients: &Clients,
    command: &str,
    instance: &str,
) -> Result<Invocation, AwsError> {
    let found = clients
        .ssm()
        .get_command_invocation()
        .command_id(command)
        .instance_id(instance)
        .send()
        .await
        .map_err(failed("GetCommandInvocation"))?;
    Ok(Invocation {
        instance: instance.to_owned(),
        state: state_of(found.status.as_ref()),
        status: status_of(found.status_details, found.status.as_ref()),
        exit: Some(found.response_code).filter(|code| *code >= 0),
        stdout: found.standard_output_content.unwrap_or_default(),
        stderr: found.standard_error_content.unwrap_or_default(),
    })
}

fn invocation_from(found: CommandInvocation) -> Invocation {
    let plugin = found.command_plugins.unwrap_or_default().into_iter().next();
    let exit = plugin.as_ref().map(|plugin| plugin.response_code).filter(|code| *code >= 0);
    Invocation {
        instance: found.instance_id.unwrap_or_default(),
        state: state_of(found.status.as_ref()),
        status: status_of(found.status_details, found.status.as_ref()),
        exit,
        stdout: plugin.and_then(|plugin| plugin.output).unwrap_or_default(),
        stderr: String::new(),
    }
}

fn state_of(status: Option<&CommandInvocationStatus>) -> InvocationState {
    match status {
        Some(CommandInvocationStatus::Success) => InvocationState::Succeeded,
        Some(
            CommandInvocationStatus::Failed
            | CommandInvocationStatus::TimedOut
            | CommandInvocationStatus::Cancelled,
        ) => InvocationState::Failed,
        // The SDK's enum grows; what is not known to have ended has not.
        _ => InvocationState::Running,
    }
}

fn status_of(details: Option<String>, status: Option<&CommandInvocationStatus>) -> String {
    let details = details.filter(|details| !details.is_empty());
    details.unwrap_or_else(|| status.map_or_else(String::new, |status| status.as_str().to_owned()))
}

fn malformed(operation: &'static str, text: String) -> AwsError {
    AwsError { service: Service::Ssm, operation, failure: Failure::Malformed(text) }
}
