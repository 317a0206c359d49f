//! How a command ends: its exit code, and for a failure the chain of causes and a hint.

use std::process::ExitCode;

use crate::report;

/// The exit codes of `elbws`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done.
    Done,
    /// Something failed.
    Failed,
    /// The command line or the spec is wrong.
    Usage,
    /// Changes are pending (`plan --detailed-exitcode`).
    Pending,
    /// The user interrupted it.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Pending => 2,
            Exit::Usage => 64,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command failed, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What failed, with its causes.
    pub(crate) error: anyhow::Error,
    /// What the user may do.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) exit: Exit,
}

impl Failure {
    /// Prints it: a spec's problems one by one, anything else with its causes and the hint.
    pub(crate) fn print(&self) {
        #[cfg(feature = "provision")]
        if let Some(errors) = self.error.downcast_ref::<crate::provision::spec::SpecErrors>() {
            let located = errors.problems.iter().map(|problem| report::problems::Located {
                source: &errors.source_name,
                line: problem.line,
                column: problem.column,
                path: &problem.path,
                reason: &problem.reason,
                hint: problem.hint.as_deref(),
            });
            return report::problems(&errors.to_string(), located);
        }
        report::failure(&self.error, self.hint.as_deref());
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, hint: None, exit: Exit::Failed }
    }
}
