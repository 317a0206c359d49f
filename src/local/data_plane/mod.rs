//! The traffic of load balancers: sockets that follow the account's state, and connections that follow its rules.
//!
//! [`run`] opens and closes sockets as listeners come and go. What a connection is to get (instances,
//! certificate, PROXY header) is read from the state when it arrives; so every call holds for the next
//! connection, and none disturbs those that are open. Health is decided elsewhere.

mod access_log;
mod application;
mod backend;
mod classic;
mod connections;
mod entrance;
mod front;
mod group;
mod http;
mod link;
mod listener;
mod network;
mod refusal;
mod tls;
mod turns;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use self::connections::{Connections, TICK};
use self::front::{Family, Front, Seat};
use self::listener::Shared;
use super::account::{Account, Inner};

/// How often a port that something else had is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Where the listeners of load balancers are open now.
#[derive(Debug, Default)]
pub(crate) struct Listening(BTreeMap<(String, u16), Vec<SocketAddr>>);

impl Listening {
    /// The addresses of a listener; the load balancer's own comes first.
    pub(crate) fn of(&self, dns_name: &str, port: u16) -> &[SocketAddr] {
        self.0.get(&(dns_name.to_owned(), port)).map_or(&[], Vec::as_slice)
    }
}

/// What all connections share.
struct Plane {
    account: Arc<Account>,
    connections: Connections,
    messages: Option<UnboundedSender<String>>,
    /// The directory in place of the buckets.
    access_logs: Option<PathBuf>,
    /// What was said since the last change of the account; a refusal is not repeated for every connection.
    said: Mutex<BTreeSet<String>>,
}

impl Plane {
    /// Tells people something, once until the account changes.
    fn say(&self, message: String) {
        let Some(messages) = &self.messages else { return };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(message.clone()) {
            // Nobody may be listening any more; then nobody wants to know.
            let _ = messages.send(message);
        }
    }

    /// Ends the connections whose time has come.
    fn tick(&self) {
        let inner = &*self.account.lock();
        self.connections.tick(|front, target| match front.family {
            Family::Classic { .. } => classic::tenure(inner, front, target),
            Family::Application { .. } => application::tenure(inner, front, target),
            Family::Network { .. } => network::tenure(inner, front, target),
        });
    }

    fn forget_what_was_said(&self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A socket that is open, and the task that serves it.
struct Open {
    seat: Seat,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries traffic until it is dropped, with every connection.
pub(crate) async fn run(
    account: Arc<Account>,
    messages: Option<UnboundedSender<String>>,
    access_logs: Option<PathBuf>,
) {
    let mut changes = account.changes();
    let plane = Arc::new(Plane {
        account,
        connections: Connections::new(),
        messages,
        access_logs,
        said: Mutex::default(),
    });
    let mut sockets = Sockets::default();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut retry = tokio::time::interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        sockets.reconcile(&plane).await;
        loop {
            tokio::select! {
                Ok(()) = changes.changed() => {
                    plane.forget_what_was_said();
                    break;
                }
                _ = retry.tick(), if !sockets.failed.is_empty() => break,
                _ = ticks.tick() => plane.tick(),
            }
        }
    }
}

/// The sockets of all load balancers.
#[derive(Default)]
struct Sockets {
    open: BTreeMap<SocketAddr, Open>,
    /// What connections of one listener share, whichever socket they came by.
    shared: BTreeMap<Front, Arc<Shared>>,
    /// Those that could not be opened, and were told of.
    failed: BTreeMap<SocketAddr, Seat>,
}

impl Sockets {
    /// Opens and closes sockets until they are those that the state calls for.
    async fn reconcile(&mut self, plane: &Arc<Plane>) {
        let held = self.open.iter().map(|(address, open)| (*address, open.seat.front.clone())).collect();
        let seats = {
            let inner = &*plane.account.lock();
            front::seats(&inner.state, inner.settings.port_offset, &held)
        };
        let gone: Vec<SocketAddr> = self
            .open
            .iter()
            .filter(|(address, open)| seats.get(address) != Some(&open.seat) || open.task.is_finished())
            .map(|(address, _)| *address)
            .collect();
        for address in gone {
            if let Some(mut open) = self.open.remove(&address) {
                open.task.abort();
                // The port is free only when the task has let go of it.
                let _ = (&mut open.task).await;
            }
        }
        self.shared.retain(|front, _| seats.values().any(|seat| seat.front == *front));
        self.failed.retain(|address, seat| seats.get(address) == Some(seat));
        for (address, seat) in seats {
            if !self.open.contains_key(&address) {
                self.open(plane, address, seat);
            }
        }
        self.publish(&mut plane.account.lock());
    }

    fn open(&mut self, plane: &Arc<Plane>, address: SocketAddr, seat: Seat) {
        match listener::bind(address) {
            Ok(listener) => {
                self.failed.remove(&address);
                let shared = Arc::clone(self.shared.entry(seat.front.clone()).or_default());
                let serving = listener::serve(listener, seat.front.clone(), shared, Arc::clone(plane));
                self.open.insert(address, Open { seat, task: tokio::spawn(serving) });
            }
            Err(error) => {
                // A machine without IPv6 lacks nothing.
                let missing = error.kind() == std::io::ErrorKind::AddrNotAvailable && address.is_ipv6();
                if self.failed.insert(address, seat.clone()).is_none() && !missing {
                    let Front { name, port, .. } = &seat.front;
                    plane.say(format!(
                        "cannot listen on {address} for port {port} of load balancer {name}: {error}"
                    ));
                }
            }
        }
    }

    /// Puts where the listeners are open where others see it.
    fn publish(&self, inner: &mut Inner) {
        inner.listening.0.clear();
        let mut open: Vec<(&SocketAddr, &Open)> = self.open.iter().collect();
        open.sort_by_key(|(_, open)| !open.seat.own);
        for (address, open) in open {
            let key = (open.seat.front.dns_name.clone(), open.seat.front.port);
            inner.listening.0.entry(key).or_default().push(*address);
        }
    }
}
