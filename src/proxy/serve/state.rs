//! What the threads of one proxy share, and what one worker owns.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::handover::Passed;
use super::loaded::Loaded;
use super::permits::Permits;
use crate::proxy::config::{Config, Route, UpstreamAddress};
use crate::proxy::observe::{AccessLogger, Diagnostics, Metrics, Reject, Totals};
use crate::proxy::tunnel::Registry;
use crate::proxy::upstream::{Group, Pool, Upstream};

/// Where a proxy is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// No new connections; open ones may end in their time.
    Draining(Instant),
    /// As draining, but another process has the listeners and takes the tunnels.
    HandingOver(Instant),
    /// Everything is cut.
    Stopped,
}

/// What can change while the proxy runs.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) config: Config,
    pub(super) loaded: Loaded,
    /// The longest path first, and those with a host before those without.
    routes: Vec<LiveRoute>,
}

#[derive(Debug)]
pub(super) struct LiveRoute {
    pub(super) route: Route,
    pub(super) group: Arc<Group>,
}

impl Live {
    /// Keeps what is known about backends that the configuration before named as well.
    pub(super) fn new(config: Config, before: Option<&Self>, totals: &Totals) -> Self {
        let mut known: Vec<Arc<Upstream>> = before
            .iter()
            .flat_map(|live| &live.routes)
            .flat_map(|route| route.group.members().iter().cloned())
            .collect();
        let mut find = |address: &UpstreamAddress| {
            if let Some(upstream) = known.iter().find(|one| one.address == *address) {
                return Arc::clone(upstream);
            }
            let upstream = Arc::new(Upstream::new(address.clone()));
            known.push(Arc::clone(&upstream));
            upstream
        };
        let mut routes: Vec<LiveRoute> = config
            .routes
            .iter()
            .map(|route| LiveRoute {
                group: Arc::new(Group::new(route.upstreams.iter().map(&mut find).collect(), route.balance)),
                route: route.clone(),
            })
            .collect();
        routes.sort_by_key(|live| (std::cmp::Reverse(live.route.path.len()), live.route.host.is_none()));
        let loaded = Loaded::now(&config, totals);
        Self { config, loaded, routes }
    }

    /// The route with the longest path that fits.
    pub(super) fn route(&self, path: &str, host: Option<&str>) -> Option<&LiveRoute> {
        self.routes.iter().find(|live| {
            let named = live.route.host.as_deref();
            let host_fits =
                named.is_none_or(|named| host.is_some_and(|host| host.eq_ignore_ascii_case(named)));
            host_fits && path_fits(&live.route.path, path)
        })
    }

    /// Every backend once.
    pub(super) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        let mut all: Vec<Arc<Upstream>> = Vec::new();
        for upstream in self.routes.iter().flat_map(|route| route.group.members()) {
            if !all.iter().any(|one| Arc::ptr_eq(one, upstream)) {
                all.push(Arc::clone(upstream));
            }
        }
        all
    }
}

/// A prefix with a trailing slash fits every path that begins with it, one without whole segments only.
fn path_fits(prefix: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')
}

/// What all threads of one proxy share.
#[derive(Debug)]
pub(super) struct Shared {
    live: RwLock<Arc<Live>>,
    pub(super) phase: watch::Sender<Phase>,
    /// Whether connections are closed after their request: in a drain, not while another process takes them.
    draining: AtomicBool,
    /// Those of `max_connections`.
    pub(super) permits: Arc<Permits>,
    clients: Mutex<HashMap<IpAddr, u32>>,
    pub(super) metrics: Vec<Arc<Metrics>>,
    pub(super) diagnostics: Diagnostics,
    pub(super) access_log: AccessLogger,
    /// Where tunnels and idle connections go when another process takes over.
    heir: Mutex<Option<Sender<Passed>>>,
    /// Where each worker gets what a process before had open.
    bequests: Vec<UnboundedSender<Passed>>,
    unclaimed: Mutex<Vec<Option<UnboundedReceiver<Passed>>>>,
    next_worker: AtomicUsize,
    /// What was inherited and is on its way to a worker, which does not end meanwhile.
    on_their_way: AtomicUsize,
}

impl Shared {
    pub(super) fn new(config: Config, workers: usize, access_log: AccessLogger) -> Self {
        let (bequests, unclaimed) =
            (0..workers).map(|_| unbounded_channel()).map(|(to, from)| (to, Some(from))).unzip();
        let permits = Arc::new(Permits::new(config.limits.max_connections));
        let metrics: Vec<_> = (0..workers).map(|_| Arc::default()).collect();
        Self {
            live: RwLock::new(Arc::new(Live::new(config, None, &Totals::of(&metrics)))),
            phase: watch::Sender::new(Phase::Serving),
            draining: AtomicBool::new(false),
            permits,
            clients: Mutex::default(),
            metrics,
            diagnostics: Diagnostics::default(),
            access_log,
            heir: Mutex::new(None),
            bequests,
            unclaimed: Mutex::new(unclaimed),
            next_worker: AtomicUsize::new(0),
            on_their_way: AtomicUsize::new(0),
        }
    }

    /// Names who gets what is open, or with `None` that nobody does any more.
    pub(super) fn set_heir(&self, heir: Option<Sender<Passed>>) {
        *self.heir.lock().unwrap_or_else(PoisonError::into_inner) = heir;
    }

    /// Whether there is somebody to [`Self::bequeath`] to.
    pub(super) fn has_heir(&self) -> bool {
        self.heir.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Gives a connection away, or back where there is nobody to take it.
    pub(super) fn bequeath(&self, passed: Passed) -> Result<(), Passed> {
        let heir = self.heir.lock().unwrap_or_else(PoisonError::into_inner);
        match heir.as_ref() {
            Some(heir) => heir.send(passed).map_err(|refused| refused.0),
            None => Err(passed),
        }
    }

    /// Gives what the process before had open to one of the workers.
    pub(super) fn inherit(&self, passed: Passed) {
        let turn = self.next_worker.fetch_add(1, Ordering::Relaxed) % self.bequests.len().max(1);
        let mut passed = passed;
        self.on_their_way.fetch_add(1, Ordering::AcqRel);
        // In a drain some workers may have ended already.
        for worker in self.bequests.iter().cycle().skip(turn).take(self.bequests.len()) {
            match worker.send(passed) {
                Ok(()) => return,
                Err(refused) => passed = refused.0,
            }
        }
        self.has_arrived();
    }

    /// One of the inherited connections is counted among a worker's own, or lost.
    pub(super) fn has_arrived(&self) {
        self.on_their_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether no inherited connection is on its way to a worker.
    pub(super) fn all_arrived(&self) -> bool {
        self.on_their_way.load(Ordering::Acquire) == 0
    }

    /// What that worker inherits; once.
    pub(super) fn claim(&self, worker: usize) -> Option<UnboundedReceiver<Passed>> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner).get_mut(worker)?.take()
    }

    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace(&self, config: Config) {
        let mut slot = self.live.write().unwrap_or_else(PoisonError::into_inner);
        self.permits.resize(slot.config.limits.max_connections, config.limits.max_connections);
        *slot = Arc::new(Live::new(config, Some(&slot), &Totals::of(&self.metrics)));
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            // Nothing leads back, and a drain that runs keeps its beginning.
            let forward = matches!(
                (*now, phase),
                (Phase::Serving, _) | (Phase::Draining(_) | Phase::HandingOver(_), Phase::Stopped)
            );
            if forward {
                *now = phase;
                let closing = matches!(phase, Phase::Draining(_) | Phase::Stopped);
                self.draining.store(closing, Ordering::Relaxed);
            }
            forward
        });
    }

    /// A place among the connections of one client address, if there is one left.
    pub(super) fn admit_client(self: &Arc<Self>, address: IpAddr, limit: u32) -> Option<ClientPlace> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(address).or_insert(0);
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(ClientPlace { shared: Arc::clone(self), address })
    }
}

/// A connection's place among those of its client address.
#[derive(Debug)]
pub(super) struct ClientPlace {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl ClientPlace {
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.address);
            }
        }
    }
}

/// What one worker thread owns.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pool: Pool,
    pub(super) tunnels: Arc<Registry>,
}

impl Worker {
    pub(super) fn reject(&self, cause: Reject, peer: impl std::fmt::Display, detail: impl std::fmt::Display) {
        self.metrics.reject(cause);
        self.shared.diagnostics.reject(cause, peer, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_wins_and_segments_are_whole() {
        let yaml = "listen: 0\nroutes:\n  - { path: /, upstream: \"a:1\" }\n  - { path: /ws/, upstream: \"b:1\" }\n  \
                    - { path: /api, upstream: \"c:1\" }\n  - { path: /api, host: X.example, upstream: \"d:1\" }\n";
        let live = Live::new(Config::parse(yaml).unwrap(), None, &Totals::of(&[]));
        let to = |path, host| {
            live.route(path, host).map(|live| live.route.upstreams[0].to_string().remove(0)).unwrap()
        };
        assert_eq!(
            (to("/", None), to("/ws", None), to("/ws/", None), to("/ws/x", None)),
            ('a', 'a', 'b', 'b')
        );
        assert_eq!((to("/api", None), to("/api/x", None), to("/apix", None)), ('c', 'c', 'a'));
        assert_eq!((to("/api", Some("x.EXAMPLE")), to("/api", Some("y"))), ('d', 'c'));
    }
}
