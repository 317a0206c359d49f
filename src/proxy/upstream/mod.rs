//! Backends: which one a request goes to, how it is connected to, and connections kept for the next request.
//!
//! Knows nothing of HTTP; whether a connection may be used again is the caller's to say.

mod connect;
mod name;
mod pool;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use connect::{ConnectError, Connected, cap_kernel_buffers, connect};
pub use pool::Pool;

use super::config::{Balance, UpstreamAddress};

/// Failures in a row after which a backend is left out for a while.
const FAILURES_TO_EJECT: u32 = 3;
/// For how long.
const EJECTED_FOR: Duration = Duration::from_secs(10);

/// One backend, shared by every route that names it.
#[derive(Debug)]
pub struct Upstream {
    /// Where it is.
    pub address: UpstreamAddress,
    resolved: Mutex<name::Resolved>,
    active: AtomicUsize,
    failures: AtomicU32,
    ejected_until: Mutex<Option<Instant>>,
}

impl Upstream {
    /// A backend that nothing is known about yet.
    #[must_use]
    pub fn new(address: UpstreamAddress) -> Self {
        Self {
            address,
            resolved: Mutex::default(),
            active: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            ejected_until: Mutex::new(None),
        }
    }

    /// Connections in use now.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether it is left out because it failed.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES_TO_EJECT
            && self.until().is_some_and(|until| Instant::now() < until)
    }

    /// Notes that it answered.
    pub fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Notes that it could not be reached, or hung up before it answered.
    pub fn failed(&self) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_TO_EJECT {
            *self.ejected_until.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Instant::now() + EJECTED_FOR);
        }
    }

    fn until(&self) -> Option<Instant> {
        *self.ejected_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's share in [`Upstream::active`].
#[derive(Debug)]
pub struct InUse(Arc<Upstream>);

impl InUse {
    /// Counts one connection more.
    #[must_use]
    pub fn new(upstream: &Arc<Upstream>) -> Self {
        upstream.active.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(upstream))
    }

    /// The backend.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The backends of one route.
#[derive(Debug)]
pub struct Group {
    members: Vec<Arc<Upstream>>,
    balance: Balance,
    turn: AtomicUsize,
}

impl Group {
    /// A group of at least one backend.
    #[must_use]
    pub fn new(members: Vec<Arc<Upstream>>, balance: Balance) -> Self {
        Self { members, balance, turn: AtomicUsize::new(0) }
    }

    /// The backends.
    #[must_use]
    pub fn members(&self) -> &[Arc<Upstream>] {
        &self.members
    }

    /// The backend to try next, leaving out those tried; ejected ones only when no other is left.
    #[must_use]
    pub fn choose(&self, tried: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
        if let ([only], []) = (self.members.as_slice(), tried) {
            return Some(Arc::clone(only));
        }
        let untried = |one: &&Arc<Upstream>| !tried.iter().any(|other| Arc::ptr_eq(other, one));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.members.len().max(1);
        let (before, after) = self.members.split_at(turn.min(self.members.len()));
        let in_turn = || after.iter().chain(before).filter(untried);
        let healthy = in_turn().filter(|one| !one.is_ejected());
        let chosen = match self.balance {
            Balance::RoundRobin => healthy.into_iter().next(),
            Balance::LeastConnections => healthy.min_by_key(|one| one.active()),
        };
        chosen.or_else(|| in_turn().next()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(balance: Balance) -> Group {
        let members = (1..=3_u16)
            .map(|port| Arc::new(Upstream::new(UpstreamAddress::Ip(([127, 0, 0, 1], port).into()))));
        Group::new(members.collect(), balance)
    }

    fn names(chosen: &[Arc<Upstream>]) -> Vec<String> {
        chosen.iter().map(|one| one.address.to_string().split_off(10)).collect()
    }

    #[test]
    fn round_robin_takes_each_in_turn_and_skips_the_ejected() {
        let group = group(Balance::RoundRobin);
        let chosen: Vec<_> = (0..4).filter_map(|_| group.choose(&[])).collect();
        assert_eq!(names(&chosen), ["1", "2", "3", "1"]);
        (0..FAILURES_TO_EJECT).for_each(|_| group.members[1].failed());
        let chosen: Vec<_> = (0..3).filter_map(|_| group.choose(&[])).collect();
        assert_eq!(names(&chosen), ["3", "3", "1"]);
    }

    #[test]
    fn least_connections_takes_the_idlest() {
        let group = group(Balance::LeastConnections);
        let _busy = [InUse::new(&group.members[0]), InUse::new(&group.members[2])];
        assert_eq!(names(&[group.choose(&[]).unwrap()]), ["2"]);
    }

    #[test]
    fn an_ejected_backend_is_better_than_none() {
        let group = group(Balance::RoundRobin);
        for member in group.members() {
            (0..FAILURES_TO_EJECT).for_each(|_| member.failed());
        }
        let mut tried = Vec::new();
        while let Some(next) = group.choose(&tried) {
            tried.push(next);
        }
        assert_eq!(tried.len(), 3);
    }
}
