//! config → bind → serve: the running proxy and the handle that drains, reloads and ends it.
//!
//! Owns threads and sockets. Nothing is global: several proxies can run in one process.

mod admin;
mod admit;
mod bind;
mod client;
mod connection;
mod exchange;
mod forward;
mod handover;
mod loaded;
mod patience;
mod permits;
mod plan;
mod pump;
mod reply;
mod state;
mod upgraded;
mod visitor;
mod worker;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::watch;

pub use bind::{BindError, Listeners};
pub use forward::rewrite_request;
pub use handover::{Passed, PassedIdle, PassedTunnel, Passport, Visit};

use self::state::{Phase, Shared, Worker};
use super::config::Config;
use super::observe::{AccessLogger, Totals};

/// How many workers a configuration asks for.
fn worker_count(config: &Config) -> usize {
    config.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// A proxy could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The access log could not be opened.
    #[error("the access log cannot be opened")]
    AccessLog(#[source] io::Error),
    /// A thread or its runtime could not be started.
    #[error("a worker cannot be started")]
    Thread(#[source] io::Error),
}

/// A configuration that a running proxy cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot change while the proxy runs")]
pub struct ReloadError(&'static str);

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    health: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
    ended: watch::Receiver<bool>,
}

impl Proxy {
    /// Starts serving on open listeners, with threads of its own.
    pub fn start(config: Config, listeners: Listeners) -> Result<Self, StartError> {
        let workers = worker_count(&config);
        let access_log = AccessLogger::open(&config.access_log, config.access_log_format);
        let access_log = access_log.map_err(StartError::AccessLog)?;
        let shared = Arc::new(Shared::new(config, workers, access_log));
        let addresses = listeners.addresses();
        let local = |listener: &Option<std::net::TcpListener>| listener.as_ref()?.local_addr().ok();
        let (health, metrics) = (local(&listeners.health), local(&listeners.metrics));
        let (ended_sender, ended) = watch::channel(false);
        // Each worker holds one; the last to end closes the channel.
        let (alive, mut all_ended) = tokio::sync::mpsc::channel::<()>(1);
        let mut threads = Vec::with_capacity(workers + 1);
        for index in 0..workers {
            let own = listeners.for_worker(index, workers).map_err(StartError::Thread)?;
            let (shared, alive) = (Arc::clone(&shared), alive.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                if let Err(error) = Worker::run(&shared, index, own) {
                    shared.diagnostics.line(format_args!("worker {index} ended: {error}"));
                }
                drop(alive);
            });
            threads.push(thread.map_err(StartError::Thread)?);
        }
        drop(alive);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Thread)?;
        let admin = Arc::clone(&shared);
        let Listeners { traffic, health: health_listener, metrics: metrics_listener } = listeners;
        // The workers have handles of their own.
        drop(traffic);
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = admin::serve(&admin, health_listener, metrics_listener) => {}
                    _ = all_ended.recv() => {}
                }
            });
            ended_sender.send_replace(true);
        });
        threads.push(thread.map_err(StartError::Thread)?);
        Ok(Self { shared, addresses, health, metrics, threads, ended })
    }

    /// Where it listens for traffic, with the ports that were given for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where health checks are answered.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health
    }

    /// Where metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// What was counted so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::of(&self.shared.metrics)
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.live().config.clone()
    }

    /// Accepts no more; what is open may end in the time that the configuration gives it.
    pub fn drain(&self) {
        self.shared.enter(Phase::Draining(Instant::now()));
    }

    /// Stops accepting, since another process has the same listeners, and gives every tunnel and idle connection
    /// to `heir`; requests under way are finished first.
    pub fn hand_over(&self, heir: Sender<Passed>) {
        self.shared.set_heir(Some(heir));
        self.shared.enter(Phase::HandingOver(Instant::now()));
    }

    /// Gives nothing more to the heir, whose receiver sees that; what is still open ends as in a drain.
    pub fn finish_hand_over(&self) {
        self.shared.set_heir(None);
    }

    /// Goes on with what the process before had open.
    pub fn inherit(&self, passed: Passed) {
        self.shared.inherit(passed);
    }

    /// Ends at once.
    pub fn stop(&self) {
        self.shared.enter(Phase::Stopped);
    }

    /// Takes another configuration for new requests and reopens the access log; no connection is lost.
    pub fn reload(&self, config: Config) -> Result<(), ReloadError> {
        let now = self.shared.live();
        let fixed = [
            ("listen", now.config.listen != config.listen),
            ("health", now.config.health != config.health),
            ("metrics", now.config.metrics != config.metrics),
            ("workers", now.config.workers != config.workers),
            ("access_log", now.config.access_log != config.access_log),
            ("access_log_format", now.config.access_log_format != config.access_log_format),
        ];
        if let Some((field, _)) = fixed.iter().find(|(_, changed)| *changed) {
            return Err(ReloadError(field));
        }
        self.shared.replace(config);
        self.shared.access_log.reopen();
        Ok(())
    }

    /// Waits until the last connection has ended after [`Self::drain`] or [`Self::stop`].
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // An error means that the thread is gone, which is an end as well.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Waits for the threads; blocks.
    pub fn join(self) {
        for thread in self.threads {
            // A worker that panicked has told so itself.
            let _ = thread.join();
        }
    }
}

/// Serves until `shutdown` is done, then drains; in-process use in one call.
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let proxy = Proxy::start(config, listeners)?;
    shutdown.await;
    proxy.drain();
    proxy.ended().await;
    Ok(())
}
