//! `elbws demo`: the whole setup on this machine, until Ctrl-C.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use super::rollout;
use crate::demo::{Demo, DemoError, Milestone, Options, start};
use crate::provision::resource::LoadBalancerType;
use crate::report;

/// Run the whole setup on this machine until Ctrl-C: local AWS, load balancer, proxy and a chat to try it with
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Type of the load balancer
    #[arg(long = "type", value_enum, default_value = "classic", value_name = "TYPE")]
    kind: Kind,
    /// Added to every port of the load balancer and the instance to get the one on this machine
    #[arg(long, value_name = "N", default_value_t = 8000)]
    port_offset: u16,
}

/// The types of load balancers that the demo has.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A Classic load balancer: SSL to TCP with PROXY protocol
    Classic,
    /// An Application load balancer: HTTPS to HTTP with X-Forwarded-For
    Application,
    /// A Network load balancer: TLS to TCP with PROXY protocol version 2
    Network,
}

impl From<Kind> for LoadBalancerType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Classic => Self::Classic,
            Kind::Application => Self::Application,
            Kind::Network => Self::Network,
        }
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        let hint = match &error {
            DemoError::Offset | DemoError::PortInUse { .. } => {
                Some("end what listens there (another demo?), or move all ports by --port-offset")
            }
            DemoError::Chat { source, .. } if source.kind() == ErrorKind::AddrInUse => Some(
                "another demo's instance has one of them: end that demo, or move all ports by --port-offset",
            ),
            DemoError::Chat { .. } | DemoError::ProxyBind(_) => {
                Some("the instance's address is in 127.64.0.0/16: this machine must have all of 127.0.0.0/8")
            }
            _ => None,
        };
        Self { hint: hint.map(str::to_owned), error: error.into(), exit: Exit::Failed }
    }
}

/// Starts the demo, and keeps it up until Ctrl-C, SIGTERM or the end of its terminal.
pub(crate) fn run(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(globals, arguments))
}

async fn serve(globals: &Globals, arguments: &Arguments) -> Result<Exit, Failure> {
    let output = globals.text_or_json()?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    // A terminal that is closed ends it, unless it was told not to mind.
    let mut hangup = if ignores_hangup() {
        None
    } else {
        Some(signal(SignalKind::hangup()).context("cannot handle SIGHUP")?)
    };
    let mut ended = async || {
        tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Done,
            Some(()) = async { hangup.as_mut()?.recv().await } => Exit::Done,
        }
    };
    let (messages, mut told) = mpsc::unbounded_channel::<String>();
    let printer = tokio::spawn(async move {
        while let Some(message) = told.recv().await {
            report::message(&message);
        }
    });
    let begun = std::time::Instant::now();
    let mut tell = |reached: Milestone<'_>| milestone(&reached);
    let (give_up, surrender) = oneshot::channel::<()>();
    let interrupted = async {
        let _ = surrender.await;
    };
    let options = Options {
        kind: arguments.kind.into(),
        port_offset: arguments.port_offset,
        program: std::env::current_exe().ok(),
        // A large program takes a while to be hashed.
        proxy: tokio::task::spawn_blocking(|| {
            rollout::of_this_machine().map_err(|failure| DemoError::Program(failure.error.into()))
        }),
        messages,
    };
    let mut starting = Box::pin(start(options, &mut tell, interrupted));
    let demo = tokio::select! {
        started = &mut starting => started?,
        exit = ended() => {
            report::message("taking everything down");
            // The start waits for it until it has ended.
            let _ = give_up.send(());
            let down = async {
                // What it says is that it was interrupted, unless it was quicker.
                if let Ok(demo) = starting.await {
                    demo.stop().await;
                }
            };
            tokio::select! {
                () = down => {}
                // A second signal does not wait.
                _ = ended() => {}
            }
            return Ok(exit);
        }
    };
    match output {
        Output::Json => report::result(&json(&demo)),
        Output::Text | Output::Markdown => report::result(&text(&demo, begun.elapsed())),
    }
    let exit = ended().await;
    report::message("taking everything down");
    tokio::select! {
        () = demo.stop() => {}
        // A second signal does not wait.
        _ = ended() => return Ok(exit),
    }
    // The local AWS, which held the other end, is gone.
    let _ = printer.await;
    Ok(exit)
}

/// Says whether SIGHUP was set to be ignored by who started the process, as nohup does.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first of the signals.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Writes a milestone to stderr.
fn milestone(milestone: &Milestone<'_>) {
    match milestone {
        Milestone::LocalAws { endpoint } => report::message(&format!("✓ the local AWS serves on {endpoint}")),
        Milestone::Instance { id, address } => {
            report::message(&format!("✓ instance {id} at {address} runs ws-chat (ports 8000 and 9000)"));
        }
        Milestone::Proxy { deployed: true } => {
            report::message("✓ elbws-proxy is deployed on it, by Systems Manager (ports 80 and 8081)");
        }
        Milestone::Proxy { deployed: false } => {
            report::message(
                "- elbws-proxy runs in this process: instances cannot be isolated on this machine",
            );
        }
        Milestone::Applied { spec, steps } => {
            report::message(&format!("✓ {spec} is applied: {steps} steps"));
        }
        Milestone::InService => report::message("✓ the instance is in service"),
        Milestone::Probed(step) => report::message(report::probe::step(step).trim_end()),
    }
}

/// Returns how to try it, for people.
fn text(demo: &Demo, elapsed: Duration) -> String {
    let Demo { url, websocket, http_url, ca, endpoint, load_balancer, kind, spec, .. } = demo;
    let (ca, spec) = (ca.display(), spec.display());
    let breaking = match kind {
        LoadBalancerType::Classic => {
            format!("elbws disable-proxy-protocol --load-balancer {load_balancer} --port 80")
        }
        LoadBalancerType::Application | LoadBalancerType::Network => {
            format!("$EDITOR {spec} && elbws apply {spec}")
        }
    };
    format!(
        "\nready after {:.1} s: open it in two windows and chat through the {kind} load balancer {load_balancer}\n\n\
         \x20 page       {url}\n\
         \x20 WebSocket  {websocket}\n\
         \x20 over http  {http_url} (redirects)\n\
         \x20 CA         {ca}\n\n\
         The certificate is signed by the demo's own CA: accept the browser's warning, or trust the CA:\n\
         \x20 curl --cacert {ca} {url}\n\
         \x20 elbws probe '{websocket}' --ca {ca} --hold 90s\n\n\
         Look at what was built, change it or break it, from another terminal:\n\
         \x20 export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n\
         \x20 elbws status {spec}\n\
         \x20 elbws probe {spec}\n\
         \x20 {breaking}\n\n\
         Ctrl-C takes everything down.\n",
        elapsed.as_secs_f64()
    )
}

/// Returns the same for programs: one line.
fn json(demo: &Demo) -> String {
    let line = serde_json::json!({
        "url": demo.url,
        "websocket": demo.websocket,
        "http_url": demo.http_url,
        "ca": demo.ca,
        "load_balancer": demo.load_balancer,
        "type": demo.kind,
        "spec": demo.spec,
        "endpoint_url": demo.endpoint,
    });
    format!("{line}\n")
}
