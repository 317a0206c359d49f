//! The `elbws-proxy` program: its arguments, signals, limits and what it tells systemd.

mod giving;
mod handover;
mod heir;
pub(crate) mod inherited;
mod signals;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::sync::oneshot;

use super::config::{Config, ConfigError};
use super::serve::{Listeners, Proxy};

/// Exit code for wrong usage and invalid configurations, as `elbws` has it.
const USAGE: u8 = 64;

/// Serves HTTP and WebSockets behind AWS load balancers.
#[derive(Debug, Parser)]
#[command(name = "elbws-proxy", version)]
struct Arguments {
    /// The configuration (YAML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
}

/// Runs the program to its end.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // A closed pipe leaves nobody to tell.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let config = match Config::read(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            say(&explain(&arguments.config, &error));
            return ExitCode::from(USAGE);
        }
    };
    warn(&config);
    if arguments.check {
        say(&format!("{} is valid", arguments.config.display()));
        return ExitCode::SUCCESS;
    }
    match serve(&arguments, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn warn(config: &Config) {
    for warning in config.warnings() {
        say(&format!("warning: {warning}"));
    }
}

fn serve(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    raise_descriptor_limit(&config);
    // Read now: once the file is replaced, the kernel names the old one "(deleted)".
    // Where there is no /proc, as in an empty root directory, it is what this process was called by.
    let program = std::env::current_exe()
        .or_else(|error| std::env::args_os().next().map(PathBuf::from).ok_or(error))?;
    let (estate, listeners) = match handover::Estate::open()? {
        Some((estate, listeners)) => (Some(estate), listeners),
        None => (None, listeners(&config)?),
    };
    let copies = listeners.try_clone()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before `ready`, so that whoever waits for it may send signals.
        let signals = signals::Signals::listen()?;
        let proxy = Arc::new(Proxy::start(config, listeners)?);
        say("ready");
        if estate.is_none() {
            // After a handover the process before says so, which is still the one that systemd listens to.
            notify(&[NotifyState::Ready]);
        }
        let mut taking = None;
        if let Some(estate) = estate {
            let proxy = Arc::clone(&proxy);
            let (tell, told) = oneshot::channel();
            taking = Some(told);
            std::thread::Builder::new().name("estate".to_owned()).spawn(move || {
                if let Err(error) = estate.take(&proxy) {
                    say(&format!("the process before stopped handing over: {error}"));
                }
                // Nobody listens once this process has ended.
                let _ = tell.send(());
            })?;
        }
        signals.obey(proxy, &arguments.config, &program, copies, taking).await;
        Ok(())
    })
}

/// The listeners that systemd passed in, or new ones.
fn listeners(config: &Config) -> anyhow::Result<Listeners> {
    let passed = inherited::listeners()?;
    if passed.is_empty() { Ok(Listeners::bind(config)?) } else { Ok(Listeners::adopt(config, passed)?) }
}

/// A proxy needs two descriptors a connection; the soft limit is often 1024.
fn raise_descriptor_limit(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        say(&format!("the limit of open files stays at {soft}"));
    }
    let needed = (config.limits.max_connections as u64).saturating_mul(2);
    if hard < needed {
        say(&format!("max_connections may need {needed} open files, and {hard} are allowed"));
    }
}

/// Tells systemd, where it asked to be told.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        say(&format!("systemd could not be notified: {error}"));
    }
}

fn say(text: &str) {
    // Standard error may be closed; there is nobody else to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The error with its place and hint, as `elbws` shows those of specs.
fn explain(path: &std::path::Path, error: &ConfigError) -> String {
    let path = path.display();
    let place = error.place().map(|(line, column)| format!("  --> {path}:{line}:{column}\n"));
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let hint = error.hint().map(|hint| format!("\n  hint: {hint}"));
    let [place, cause, hint] = [place, cause, hint].map(Option::unwrap_or_default);
    format!("error: invalid configuration {path}\n{place}  {error}{cause}{hint}")
}
