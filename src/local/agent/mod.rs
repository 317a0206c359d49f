//! Instances that run scripts for real, each inside a root of its own.
//!
//! Owns the processes that isolate instances, what goes between them and this machine, and the stand-in for systemd
//! inside; knows no API. Outside, [`Agents`] starts a process for an instance with the first script that is sent to
//! it. That process leaves the user's system behind ([`inside`]): it has namespaces, a root, an address and processes
//! of its own, and ends when the socket pair to this side closes. A script never runs anywhere else.

mod channel;
mod files;
mod follow;
pub(crate) mod inside;
mod message;
mod mirror;
mod ports;
mod running;
mod script;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::join_all;
use ipnet::Ipv4Net;
use tokio::sync::mpsc::UnboundedSender;

use self::files::Files;
pub(crate) use self::follow::follow;
use self::running::Running;
pub use self::script::{Ran, Script};

/// How instances are to be run.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The program of `elbws`, which isolates itself when it is asked to; without it nothing is run.
    pub program: Option<PathBuf>,
    /// Where the instances' files are kept, a directory for each; without it they end with the server.
    pub directory: Option<PathBuf>,
    /// Added to an instance's port to get the one on this machine.
    pub port_offset: u16,
    /// Where the local AWS serves, which instances reach at the same address.
    pub endpoint: Option<SocketAddr>,
    /// Where people are told what cannot be done.
    pub messages: Option<UnboundedSender<String>>,
}

/// An instance: who it is and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `i-…`.
    pub id: String,
    /// Its address on this machine, in 127.64.0.0/16.
    pub address: Ipv4Addr,
    /// Its VPC's block. Inside, the instance and whoever is in 127.64.0.0/15 are at addresses of it, which end as the
    /// ones on this machine do.
    pub network: Ipv4Net,
}

/// Why instances cannot be run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instances cannot be isolated here: {reason}")]
pub struct Unmanaged {
    reason: String,
}

/// Why a script did not run to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// Instances cannot be run here.
    #[error(transparent)]
    Unmanaged(#[from] Unmanaged),
    /// This instance could not be started.
    #[error("instance {id} could not be started: {reason}")]
    Start {
        /// The instance.
        id: String,
        /// Why.
        reason: String,
    },
    /// The script is longer than what can be handed in.
    #[error("the script has {length} bytes, at most {most} are taken", most = script::LONGEST)]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// The instance stopped while it ran.
    #[error("instance {id} stopped while the script ran")]
    Stopped {
        /// The instance.
        id: String,
    },
}

/// The instances that run, started with the first script that each is sent.
#[derive(Clone)]
pub struct Agents(Arc<Shared>);

struct Shared {
    terms: Terms,
    trial: OnceLock<Result<(), Unmanaged>>,
    files: OnceLock<Result<Files, String>>,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// The place of one instance: held while it starts or stops, so that there is never more than one.
type Slot = tokio::sync::Mutex<Option<Arc<Running>>>;

impl Agents {
    /// Nothing is started yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(Shared {
            terms,
            trial: OnceLock::new(),
            files: OnceLock::new(),
            slots: Mutex::default(),
        }))
    }

    /// Whether instances can be isolated here, which the first call finds out by isolating one: it may block for some
    /// tens of milliseconds.
    pub fn managed(&self) -> Result<(), Unmanaged> {
        self.0.trial.get_or_init(|| running::trial(&self.0.terms)).clone()
    }

    /// Runs a script on an instance, which is started if need be. What it leaves running goes on; dropping the future
    /// kills it with its process group, and so does its time limit.
    pub async fn run(&self, host: &Host, script: &Script) -> Result<Ran, AgentError> {
        if script.text.len() > script::LONGEST {
            return Err(AgentError::TooLong { length: script.text.len() });
        }
        let running = self.started(host).await?;
        script::run(&running, script).await.ok_or_else(|| AgentError::Stopped { id: host.id.clone() })
    }

    /// Starts an instance if it does not run yet: its enabled units come up.
    pub async fn start(&self, host: &Host) -> Result<(), AgentError> {
        self.started(host).await.map(drop)
    }

    /// Ends an instance with all that runs in it; returns once that is gone.
    pub async fn stop(&self, id: &str) {
        let slot = self.lock().get(id).cloned();
        let Some(slot) = slot else { return };
        // As with a start: what comes after it finds nothing left.
        let stopped = tokio::spawn(async move {
            let mut slot = slot.lock_owned().await;
            if let Some(running) = slot.take() {
                running.stop().await;
            }
        });
        // It ends with the runtime at the latest, and the instance with it.
        let _ = stopped.await;
    }

    /// Ends an instance for good, with its files.
    pub async fn terminate(&self, id: &str) {
        self.stop(id).await;
        self.lock().remove(id);
        if let Some(Ok(files)) = self.0.files.get() {
            files.remove(id);
        }
    }

    /// Ends all of them; returns once everything that ran in them is gone.
    pub async fn stop_all(&self) {
        let ids: Vec<String> = self.lock().keys().cloned().collect();
        join_all(ids.iter().map(|id| self.stop(id))).await;
    }

    /// The instances that have files.
    pub(crate) fn known(&self) -> Vec<String> {
        self.files().map(Files::ids).unwrap_or_default()
    }

    /// The instances that run.
    pub(crate) fn running(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    async fn started(&self, host: &Host) -> Result<Arc<Running>, AgentError> {
        let agents = self.clone();
        // The trial blocks.
        let managed = tokio::task::spawn_blocking(move || agents.managed()).await;
        managed.unwrap_or_else(|error| Err(Unmanaged { reason: error.to_string() }))?;
        let slot = Arc::clone(self.lock().entry(host.id.clone()).or_default());
        let (agents, its) = (self.clone(), host.clone());
        // Once begun it is brought to its end, whoever loses interest: a stop finds an instance or none, not half of one.
        let started = tokio::spawn(async move {
            let mut slot = slot.lock_owned().await;
            if let Some(running) = slot.as_ref().filter(|running| running.is_alive()) {
                return Ok(Arc::clone(running));
            }
            let files = agents.files().and_then(|files| files.open(&its.id))?;
            let running = Running::start(&agents.0.terms, &its, &files).await?;
            Ok(Arc::clone(slot.insert(Arc::new(running))))
        });
        let started = started.await.unwrap_or_else(|error| Err(error.to_string()));
        started.map_err(|reason| AgentError::Start { id: host.id.clone(), reason })
    }

    fn files(&self) -> Result<&Files, String> {
        let files = self.0.files.get_or_init(|| Files::new(self.0.terms.directory.as_deref()));
        files.as_ref().map_err(Clone::clone)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unmanaged {
    /// Why, without more words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
