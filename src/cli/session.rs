//! What the verbs that call AWS share: the runtime, the clients and the wish to stop.

use std::future::Future;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Exit, Failure};
use super::globals::Globals;
use crate::provision::aws::{AwsError, Cancel, ClientOptions, Clients, SetupError, cancellation};
use crate::provision::execute::ExecuteError;
use crate::provision::observe::observe;
use crate::provision::plan::PlanError;
use crate::provision::resource::{Observed, Stack};
use crate::report;

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        Self { hint: error.hint(), error: error.into(), exit: Exit::Failed }
    }
}

impl From<ExecuteError> for Failure {
    fn from(error: ExecuteError) -> Self {
        let exit = match error {
            ExecuteError::Interrupted => Exit::Interrupted,
            _ => Exit::Failed,
        };
        Self { hint: error.hint(), error: error.into(), exit }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self { hint: Some(error.hint().to_owned()), error: error.into(), exit: Exit::Usage }
    }
}

/// Reports all but the last of what stands in a plan's way, and returns the last.
pub(crate) fn unplannable(mut errors: Vec<PlanError>) -> Failure {
    let last = errors.pop();
    for error in errors {
        let hint = error.hint();
        report::failure(&error.into(), Some(&hint));
    }
    match last {
        Some(error) => Failure { hint: Some(error.hint()), error: error.into(), exit: Exit::Failed },
        None => anyhow::anyhow!("the stack cannot be planned").into(),
    }
}

/// The clients, and what tells that the user wants to stop.
pub(crate) struct Session {
    pub(crate) clients: Clients,
    pub(crate) cancel: Cancel,
}

/// Returns whom the options and the spec's `region` call.
pub(crate) fn client_options(globals: &Globals, region: Option<&str>) -> ClientOptions {
    ClientOptions {
        profile: globals.profile.clone(),
        region: globals.region.clone().or_else(|| region.map(str::to_owned)),
        endpoint_url: globals.endpoint_url.clone(),
        local: globals.local,
    }
}

/// Runs `work` with clients for the options and the spec's `region`.
///
/// The first SIGINT or SIGTERM asks it to stop; the second ends the process as it would without us.
pub(crate) fn run<W, F>(globals: &Globals, region: Option<&str>, work: W) -> Result<Exit, Failure>
where
    W: FnOnce(Session) -> F,
    F: Future<Output = Result<Exit, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let options = client_options(globals, region);
    runtime.block_on(async {
        let (canceller, cancel) = cancellation();
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
        let clients = Clients::new(options).await?;
        let session = Session { clients: clients.clone(), cancel };
        let work = work(session);
        tokio::pin!(work);
        let mut asked = false;
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
            if asked {
                break Err(Failure {
                    error: anyhow::anyhow!("interrupted twice: calls in flight were not awaited"),
                    hint: Some("run it again: it goes on from what was done".to_owned()),
                    exit: Exit::Interrupted,
                });
            }
            asked = true;
            canceller.cancel();
            report::message("interrupted: waiting for the calls in flight (again to end at once)");
        };
        if globals.verbose {
            report::calls(&clients.calls());
        }
        result
    })
}

impl Session {
    /// Reads what there is of a stack.
    pub(crate) async fn observe(&self, stack: &Stack) -> Result<Observed, Failure> {
        self.reading(Box::pin(observe(&self.clients, stack))).await
    }

    /// Reads from AWS until done or until the user wants to stop: reading changes nothing, so it is just left.
    pub(crate) async fn reading<T>(
        &self,
        read: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = read => Ok(result?),
            () = self.cancel.cancelled() => Err(Failure {
                error: anyhow::anyhow!("interrupted: nothing was changed"),
                hint: None,
                exit: Exit::Interrupted,
            }),
        }
    }
}
