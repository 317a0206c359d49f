//! The proxy onto the instances: the program into the bucket, the script onto an instance, and the load balancer's
//! word on it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::aftermath::Aftermath;
use super::failure::{ExecuteError, Unhealthy};
use super::header::{Awaited, from_now};
use super::in_service::{HEALTHY, IN_SERVICE};
use super::operation::Run;
use crate::provision::aws::s3::Place;
use crate::provision::aws::ssm::{self, Invocation, InvocationState, Script};
use crate::provision::aws::{elb, elbv2, s3};
use crate::provision::install::{Program, script_of};
use crate::provision::plan::{Gate, ProxyOperation};
use crate::provision::resource::{Installation, ProgramFile, object_key};

/// How long the URL is good that an instance fetches the program from: its agent may take the script up late.
const LENT_FOR: Duration = Duration::from_hours(1);
/// Seconds until the script is killed: a slow download, and waits of a minute for the new and the former version.
const SCRIPT_SECONDS: u32 = 900;
/// What an agent may take to take the script up, and some.
const TAKEN_UP_WITHIN: Duration = Duration::from_mins(3);
/// What a target group says of a target that no listener leads to: nobody has an opinion.
const UNUSED: &str = "unused";
/// How much of the script's output an error shows.
const SHOWN_LINES: usize = 40;

impl Run<'_> {
    pub(super) async fn proxy(&self, operation: &ProxyOperation) -> Result<(), ExecuteError> {
        match operation {
            ProxyOperation::UploadProgram { program, bucket, .. } => {
                self.upload_program(program, bucket).await
            }
            ProxyOperation::Install {
                instance,
                bucket,
                sha256,
                installation,
                optional_for,
                gate,
                timeout,
            } => {
                let installation = match optional_for {
                    Some(seconds) => Cow::Owned(installation.until(&from_now(*seconds))),
                    None => Cow::Borrowed(installation),
                };
                self.install_proxy(instance, bucket, sha256, &installation).await?;
                self.await_gate(instance, gate, Duration::from_secs((*timeout).into())).await
            }
            ProxyOperation::ConfirmOptional { instances, status, accept } => {
                self.confirm_optional(instances, status, accept).await
            }
            ProxyOperation::AwaitHeader { instances, status, begins, ceases, timeout } => {
                let awaited = Awaited { status, begins: *begins, ceases: *ceases };
                self.await_header(instances, awaited, Duration::from_secs((*timeout).into())).await
            }
        }
    }

    async fn upload_program(&self, program: &ProgramFile, bucket: &str) -> Result<(), ExecuteError> {
        let path = &program.path;
        let key = object_key(&program.sha256);
        let place = Place { bucket, key: &key };
        if s3::has(self.clients, place).await? {
            return Ok(());
        }
        let content =
            s3::file(path).await.map_err(|source| ExecuteError::ReadFile { path: path.clone(), source })?;
        match s3::put(self.clients, place, content, &program.sha256).await {
            Err(error) if error.is(s3::BAD_DIGEST) => Err(ExecuteError::FileChanged { path: path.clone() }),
            put => Ok(put?),
        }
    }

    /// Runs the script on the instance, to its end: a cancellation does not leave it half done.
    async fn install_proxy(
        &self,
        instance: &str,
        bucket: &str,
        sha256: &str,
        installation: &Installation,
    ) -> Result<(), ExecuteError> {
        let key = object_key(sha256);
        let url = s3::lend(self.clients, Place { bucket, key: &key }, LENT_FOR).await?;
        let program = Program::at_url(&url, sha256)
            .map_err(|error| ExecuteError::Program { instance: instance.to_owned(), error })?;
        let text = script_of(installation, &program);
        let script = Script { text: &text, comment: "elbws: install elbws-proxy", seconds: SCRIPT_SECONDS };
        let ended = self.run_on(instance, script).await?;
        match ended.state {
            InvocationState::Succeeded => Ok(()),
            InvocationState::Failed | InvocationState::Running => {
                let output = format!("{}\n{}", ended.stdout, ended.stderr);
                Err(ExecuteError::NotInstalled {
                    instance: instance.to_owned(),
                    aftermath: Aftermath::read(&output),
                    status: ended.status,
                    output: shown(&output),
                })
            }
        }
    }

    /// Runs a script on one instance and waits for its end.
    pub(super) async fn run_on(
        &self,
        instance: &str,
        script: Script<'_>,
    ) -> Result<Invocation, ExecuteError> {
        let silent = |seconds| ExecuteError::NoAnswer { instance: instance.to_owned(), seconds };
        let limit = TAKEN_UP_WITHIN + Duration::from_secs(script.seconds.into());
        let commands = ssm::send(self.clients, &[instance], script).await?;
        let command = commands.first().ok_or_else(|| silent(0))?;
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let status = match ssm::invocation(self.clients, command, instance).await {
                Ok(found) if found.state == InvocationState::Running => found.status,
                Ok(found) => return Ok(found),
                Err(error) if error.is(ssm::NO_INVOCATION) => "Pending".to_owned(),
                Err(error) => return Err(error.into()),
            };
            if start.elapsed() > limit {
                return Err(silent(limit.as_secs()));
            }
            self.patience.wait_out(&mut pause, &format!("{instance}: {status}")).await;
        }
    }

    /// Waits until everyone who leads connections to the instance finds it healthy.
    async fn await_gate(&self, instance: &str, gate: &Gate, timeout: Duration) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let targets = match gate {
                Gate::Classic { load_balancer } => self.of_classic(load_balancer, instance).await?,
                Gate::TargetGroups { names } => self.of_groups(names, instance).await?,
            };
            let Some(first) = targets.first() else { return Ok(()) };
            if start.elapsed() > timeout {
                let (instance, seconds) = (instance.to_owned(), timeout.as_secs());
                return Err(ExecuteError::NotHealthy { instance, seconds, targets });
            }
            let why = first.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            if !self.patience.wait(&mut pause, &format!("{} is {}{why}", first.id, first.state)).await {
                return Err(ExecuteError::Interrupted);
            }
        }
    }

    /// Returns what a Classic load balancer has against the instance.
    async fn of_classic(&self, name: &str, instance: &str) -> Result<Vec<Unhealthy>, ExecuteError> {
        let health = match elb::instance_health(self.clients, name).await {
            Err(error) if error.is(elb::LOAD_BALANCER_NOT_FOUND) => return Ok(Vec::new()),
            health => health?,
        };
        let unhealthy = health.into_iter().filter(|found| found.id == instance && found.state != IN_SERVICE);
        Ok(unhealthy
            .map(|found| Unhealthy {
                group: None,
                id: found.id,
                state: found.state,
                reason: found.description,
            })
            .collect())
    }

    /// Returns what target groups have against the instance.
    async fn of_groups(
        &self,
        names: &BTreeSet<String>,
        instance: &str,
    ) -> Result<Vec<Unhealthy>, ExecuteError> {
        let mut unhealthy = Vec::new();
        for name in names {
            let Some(group) = elbv2::target_group(self.clients, name).await? else { continue };
            let health = match elbv2::target_health(self.clients, &group.arn).await {
                Err(error) if error.is(elbv2::TARGET_GROUP_NOT_FOUND) => continue,
                health => health?,
            };
            let against = health.into_iter().filter(|found| {
                found.target.id == instance
                    && found.is_registered()
                    && ![HEALTHY, UNUSED].contains(&found.state.as_str())
            });
            unhealthy.extend(
                against.map(|found| Unhealthy { group: Some(name.clone()), ..Unhealthy::from(found) }),
            );
        }
        Ok(unhealthy)
    }
}

/// The end of what a script on an instance wrote, without what would move a terminal's cursor.
fn shown(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    last.join("\n").chars().filter(|char| !char.is_control() || *char == '\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_shown_without_control_characters() {
        let output: String =
            (0..100).fold(String::new(), |text, line| text + &format!("\x1b[2Jline {line}\r\n\n"));
        let shown = shown(&output);
        assert_eq!(shown.lines().count(), SHOWN_LINES);
        assert!(shown.ends_with("[2Jline 99"), "{shown}");
    }
}
