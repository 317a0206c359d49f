//! Run Command's records: commands, and what became of each on its instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// Systems Manager in one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Region {
    /// In the order of their arrival.
    pub(crate) commands: Vec<Command>,
}

/// A command: one script for some instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) id: String,
    pub(crate) document_version: String,
    pub(crate) comment: String,
    /// As they were given.
    pub(crate) parameters: BTreeMap<String, Vec<String>>,
    /// The instances that were named one by one.
    pub(crate) instance_ids: Vec<String>,
    pub(crate) targets: Vec<Target>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) requested_at: OffsetDateTime,
    /// Seconds in which it must have begun.
    pub(crate) timeout: u32,
    /// Seconds in which it must have ended once it has begun.
    pub(crate) execution_timeout: u32,
    pub(crate) max_concurrency: Share,
    pub(crate) max_errors: Share,
    /// One for each instance.
    pub(crate) invocations: Vec<Invocation>,
}

/// By what instances were chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

/// A number of instances, or so many in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Share {
    Number(u32),
    Percent(u32),
}

/// A command on one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Invocation {
    pub(crate) instance_id: String,
    /// The instance's name at the time.
    pub(crate) instance_name: String,
    pub(crate) status: Status,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) ended_at: Option<OffsetDateTime>,
    /// Of the script; -1 before it has ended.
    pub(crate) response_code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Where an invocation, or a whole command, stands.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Pending,
    InProgress,
    /// It is to end, and has not yet.
    Cancelling,
    Success,
    Failed,
    /// It took longer than its execution may.
    ExecutionTimedOut,
    /// It could not begin in time.
    DeliveryTimedOut,
    Cancelled,
    /// Its instance went away.
    Undeliverable,
    /// Too many others had failed.
    Terminated,
    /// Of a command: some failed, but no more than may.
    Incomplete,
    /// Of a command: nothing was chosen.
    NoInstancesInTag,
}

impl Status {
    /// `Status` on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Cancelling => "Cancelling",
            Self::Success | Self::NoInstancesInTag => "Success",
            Self::Failed | Self::Undeliverable | Self::Incomplete => "Failed",
            Self::ExecutionTimedOut | Self::DeliveryTimedOut => "TimedOut",
            Self::Cancelled | Self::Terminated => "Cancelled",
        }
    }

    /// `StatusDetails` on the wire.
    pub(crate) fn details(self) -> &'static str {
        match self {
            Self::ExecutionTimedOut => "ExecutionTimedOut",
            Self::DeliveryTimedOut => "DeliveryTimedOut",
            Self::Undeliverable => "Undeliverable",
            Self::Terminated => "Terminated",
            Self::Incomplete => "Incomplete",
            Self::NoInstancesInTag => "NoInstancesInTag",
            Self::Pending
            | Self::InProgress
            | Self::Cancelling
            | Self::Success
            | Self::Failed
            | Self::Cancelled => self.name(),
        }
    }

    /// Whether nothing more is to come.
    pub(crate) fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Cancelling)
    }

    /// Whether it counts against `MaxErrors`; deliveries that time out do not.
    pub(crate) fn is_error(self) -> bool {
        matches!(self, Self::Failed | Self::ExecutionTimedOut | Self::Undeliverable)
    }
}

impl Share {
    /// How many of `all` it is.
    pub(crate) fn of(self, all: usize) -> usize {
        match self {
            Self::Number(number) => usize::try_from(number).unwrap_or(usize::MAX),
            Self::Percent(percent) => all * usize::try_from(percent).unwrap_or(100) / 100,
        }
    }
}

impl Command {
    /// Until when it may begin.
    pub(crate) fn deadline(&self) -> OffsetDateTime {
        self.requested_at + Duration::seconds(self.timeout.into())
    }

    /// Until when all of it must be over.
    pub(crate) fn expires_at(&self) -> OffsetDateTime {
        self.deadline() + Duration::seconds(self.execution_timeout.into())
    }

    /// Invocations that count against `MaxErrors`.
    pub(crate) fn errors(&self) -> usize {
        self.invocations.iter().filter(|invocation| invocation.status.is_error()).count()
    }

    /// Whether more have failed than may.
    pub(crate) fn has_failed(&self) -> bool {
        self.errors() > self.max_errors.of(self.invocations.len())
    }

    /// Where the whole of it stands.
    pub(crate) fn status(&self) -> Status {
        let any = |status: Status| self.invocations.iter().any(|one| one.status == status);
        let all = |status: Status| self.invocations.iter().all(|one| one.status == status);
        if self.invocations.is_empty() {
            Status::NoInstancesInTag
        } else if any(Status::Cancelling) {
            Status::Cancelling
        } else if all(Status::Pending) {
            Status::Pending
        } else if any(Status::Pending) || any(Status::InProgress) {
            Status::InProgress
        } else if all(Status::Success) {
            Status::Success
        } else if any(Status::Cancelled) {
            Status::Cancelled
        } else if self.has_failed() {
            let timed_out =
                |one: &Invocation| !one.status.is_error() || one.status == Status::ExecutionTimedOut;
            if self.invocations.iter().all(timed_out) { Status::ExecutionTimedOut } else { Status::Failed }
        } else if any(Status::DeliveryTimedOut) {
            Status::DeliveryTimedOut
        } else {
            Status::Incomplete
        }
    }
}

impl Invocation {
    /// One that has yet to begin.
    pub(crate) fn new(instance_id: String, instance_name: String) -> Self {
        Self {
            instance_id,
            instance_name,
            status: Status::Pending,
            started_at: None,
            ended_at: None,
            response_code: -1,
            output: String::new(),
            errors: String::new(),
        }
    }

    /// It is over.
    pub(crate) fn end(&mut self, status: Status, response_code: i32, now: OffsetDateTime) {
        self.status = status;
        self.response_code = response_code;
        self.ended_at = Some(now);
    }
}

impl Region {
    /// The command of that id.
    pub(crate) fn command(&self, id: &str) -> Option<&Command> {
        self.commands.iter().find(|command| command.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(statuses: &[Status], max_errors: Share) -> Command {
        let invocation = |status: &Status| {
            let mut invocation = Invocation::new("i-1".to_owned(), String::new());
            invocation.status = *status;
            invocation
        };
        Command {
            id: "c".to_owned(),
            document_version: "$DEFAULT".to_owned(),
            comment: String::new(),
            parameters: BTreeMap::new(),
            instance_ids: Vec::new(),
            targets: Vec::new(),
            requested_at: OffsetDateTime::UNIX_EPOCH,
            timeout: 600,
            execution_timeout: 60,
            max_concurrency: Share::Percent(10),
            max_errors,
            invocations: statuses.iter().map(invocation).collect(),
        }
    }

    #[test]
    fn a_command_stands_where_its_invocations_do() {
        use Status::{
            Cancelled, Cancelling, DeliveryTimedOut, ExecutionTimedOut, Failed, InProgress, Incomplete,
            NoInstancesInTag, Pending, Success,
        };
        for (invocations, expected) in [
            (&[][..], NoInstancesInTag),
            (&[Pending, Pending], Pending),
            (&[Success, Pending], InProgress),
            (&[Failed, InProgress], InProgress),
            (&[Cancelling, InProgress], Cancelling),
            (&[Success, Success], Success),
            (&[Success, Cancelled], Cancelled),
            (&[Failed, Success], Incomplete),
            (&[Failed, Failed, Success], Failed),
            (&[ExecutionTimedOut, ExecutionTimedOut], ExecutionTimedOut),
            (&[ExecutionTimedOut, Failed], Failed),
            (&[DeliveryTimedOut, Success], DeliveryTimedOut),
        ] {
            assert_eq!(command(invocations, Share::Number(1)).status(), expected, "{invocations:?}");
        }
    }

    #[test]
    fn shares_are_of_all() {
        let command = command(&[Status::Failed; 4], Share::Percent(75));
        assert_eq!((command.max_errors.of(4), command.has_failed()), (3, true));
        assert_eq!(command.expires_at(), OffsetDateTime::UNIX_EPOCH + Duration::seconds(660));
    }
}
