//! `elbws probe SPEC`: what a spec promises, held against what a visitor meets.

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::local_instance::client;
use super::rollout::complete_for_comparison;
use super::session;
use super::spec_file::{self, Files};
use crate::promise::{Options, PromiseError, check};
use crate::report;

impl From<PromiseError> for Failure {
    fn from(error: PromiseError) -> Self {
        match error {
            PromiseError::Aws(error) => error.into(),
            PromiseError::Local(error) => error.into(),
            PromiseError::Trust(error) => error.into(),
            PromiseError::NoLoadBalancer { .. } => {
                let hint = Some("build it with `elbws apply`".to_owned());
                Self { error: error.into(), hint, exit: Exit::Failed }
            }
            PromiseError::Dns { .. } => {
                let hint = Some(
                    "a new load balancer's name takes a minute; --resolve IP does without it".to_owned(),
                );
                Self { error: error.into(), hint, exit: Exit::Failed }
            }
        }
    }
}

/// Tests every promise, and says how each stands.
pub(crate) fn run(globals: &Globals, path: &str, mut options: Options) -> Result<Exit, Failure> {
    let output = globals.text_or_json()?;
    let text = spec_file::read_text(path).map_err(|mut failure| {
        if failure.exit == Exit::Usage && path.contains('.') && !path.ends_with("yaml") {
            failure.hint =
                Some("a URL begins with wss:// or ws://; anything else is the path of a spec".to_owned());
        }
        failure
    })?;
    let spec = spec_file::parse(path, &text)?;
    let mut stack = spec_file::stack(&spec, Files::Needed)?;
    complete_for_comparison(&mut stack);
    // An endpoint elsewhere is no local AWS.
    options.local = client(globals).ok();
    let (spec, stack, options) = (&spec, &stack, &options);
    session::run(globals, spec.region.as_deref(), |session| async move {
        let mut tell = |check: &crate::promise::Check| {
            if output != Output::Json {
                report::result(&report::promise::check(check));
            }
        };
        let checking = Box::pin(check(&session.clients, spec, stack, options, &mut tell));
        let found = tokio::select! {
            found = checking => found?,
            () = session.cancel.cancelled() => return Ok(Exit::Interrupted),
        };
        match output {
            Output::Json => report::result(&report::promise::json(&found)),
            Output::Text | Output::Markdown => report::result(&report::promise::verdict(&found)),
        }
        Ok(if found.kept() { Exit::Done } else { Exit::Failed })
    })
}
