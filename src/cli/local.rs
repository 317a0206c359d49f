//! `elbws local`: the local AWS in the foreground.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::failure::{Exit, Failure};
use super::globals::Globals;
use super::local_instance;
use crate::local::server::ServerError;
use crate::local::{Bound, Config, bind};
use crate::report;

/// Serve a local AWS: any AWS client may talk to it
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArguments,
}

/// What is done with a local AWS that runs already.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Run something on an instance of the local AWS that is running, or list them
    #[command(subcommand)]
    Instance(local_instance::Verb),
}

/// How to serve.
#[derive(Debug, Args)]
struct ServerArguments {
    /// Port of 127.0.0.1 to serve on; 0 takes any free one
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// Added to a port of a load balancer or an instance to get the one on this machine
    #[arg(long, value_name = "N", default_value_t = 8000)]
    port_offset: u16,
    /// Keep the state in this directory; without it, the state ends with the server
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Count running instances with nothing behind them as healthy
    #[arg(long)]
    assume_healthy: bool,
    /// Domain of a certificate that ACM holds, issued, in every region from the start; may be given several
    /// times
    #[arg(long = "issue", value_name = "DOMAIN", default_value = "chat.example.com")]
    issued: Vec<String>,
    /// Start with an empty ACM
    #[arg(long, conflicts_with = "issued")]
    issue_none: bool,
    /// Let traffic and health checks pass without a security group's rule
    #[arg(long)]
    no_enforce_security_groups: bool,
}

/// Serves until Ctrl-C or SIGTERM, or does what the verb says with one that serves.
pub(crate) fn run(globals: &Globals, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.verb {
        Some(Verb::Instance(verb)) => local_instance::run(globals, verb),
        None => run_server(arguments.server),
    }
}

fn run_server(arguments: ServerArguments) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: ServerArguments) -> Result<Exit, Failure> {
    let (messages, mut told) = mpsc::unbounded_channel();
    let config = Config {
        port: arguments.port,
        port_offset: arguments.port_offset,
        state_dir: arguments.state,
        assume_healthy: arguments.assume_healthy,
        issued: if arguments.issue_none { Vec::new() } else { arguments.issued },
        ignore_security_groups: arguments.no_enforce_security_groups,
        // Without it no instance runs scripts, which is said where one is to.
        agent: std::env::current_exe().ok(),
        messages: Some(messages),
        ..Config::default()
    };
    // Before `ready` is printed: who reads it may send a signal at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let bound = bind(config).await.map_err(explain)?;
    report::message(&greeting(&bound));

    let (stop, stopped) = oneshot::channel::<()>();
    let signals = async move {
        let exit = tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Done,
        };
        // The server listens for it until it has ended.
        let _ = stop.send(());
        exit
    };
    let server = bound.serve(async {
        let _ = stopped.await;
    });
    // Ends with the server, which holds the other end.
    let printer = async move {
        while let Some(message) = told.recv().await {
            report::message(&message);
        }
    };
    let (exit, (), ()) = tokio::join!(signals, server, printer);
    Ok(exit)
}

fn greeting(bound: &Bound) -> String {
    let endpoint = bound.endpoint_url();
    let authority = bound
        .authority_path()
        .map(|path| format!("\nwhat ACM issues is signed by the authority in {}", path.display()))
        .unwrap_or_default();
    format!(
        "ready: the local AWS serves on {endpoint}\n\
         use it by `elbws … --local`, or from any AWS client:\n\
         \x20 export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1{authority}"
    )
}

fn explain(error: ServerError) -> Failure {
    let hint = match &error {
        ServerError::PortInUse { .. } => {
            Some("end what listens there (another `elbws local`?), or take another port by --port".to_owned())
        }
        ServerError::State(_) => {
            Some("give another directory by --state, end the local AWS that has this one, or move an old state away to start empty".to_owned())
        }
        ServerError::Listen { .. } | ServerError::Authority(_) => None,
    };
    Failure { error: error.into(), hint, exit: Exit::Failed }
}
