//! Connections to instances that carry one request after the other, and how many requests each instance has.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::body::RequestBody;
use crate::local::data_plane::backend;
use crate::local::data_plane::route::{Route, Target};

/// How many idle connections an instance keeps at most.
const MOST_IDLE: usize = 64;

/// The instances of one listener, by id.
#[derive(Clone, Debug, Default)]
pub(in crate::local::data_plane) struct Pool(Arc<Mutex<BTreeMap<String, Lot>>>);

#[derive(Debug, Default)]
struct Lot {
    outstanding: usize,
    /// Where the connections lead; an instance's address never changes, but its port may.
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    target: Target,
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection for one exchange, counted as outstanding until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Pool,
    target: Target,
    sender: Option<SendRequest<RequestBody>>,
}

/// A connection, and whether it was used before.
pub(super) struct Leased {
    pub(super) lease: Lease,
    pub(super) reused: bool,
}

impl Pool {
    /// The one with the fewest outstanding requests; the first of several.
    pub(super) fn least_outstanding<'a>(&self, targets: &[&'a Target]) -> Option<&'a Target> {
        let lots = self.lock();
        let outstanding = |target: &&&Target| lots.get(&target.instance).map_or(0, |lot| lot.outstanding);
        targets.iter().min_by_key(outstanding).copied()
    }

    /// An idle connection to an instance, or a new one.
    pub(super) async fn lease(&self, route: &Route, target: &Target) -> io::Result<Leased> {
        let mut lease = Lease { pool: self.clone(), target: target.clone(), sender: None };
        lease.sender = {
            let mut lots = self.lock();
            let lot = lots.entry(target.instance.clone()).or_default();
            lot.outstanding += 1;
            lot.take(target, route.idle_timeout)
        };
        let reused = lease.sender.is_some();
        if !reused {
            lease.sender = Some(connect(route, target).await?);
        }
        Ok(Leased { lease, reused })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Lot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lot {
    fn take(&mut self, target: &Target, idle_timeout: Duration) -> Option<SendRequest<RequestBody>> {
        self.idle.retain(|idle| {
            idle.target == *target && idle.sender.is_ready() && idle.since.elapsed() < idle_timeout
        });
        self.idle.pop().map(|idle| idle.sender)
    }
}

async fn connect(route: &Route, target: &Target) -> io::Result<SendRequest<RequestBody>> {
    let link = backend::connect(route, target).await?;
    let (sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .title_case_headers(true)
        .handshake(TokioIo::new(link))
        .await
        .map_err(io::Error::other)?;
    // Ends when the sender is dropped, with the lease or the pool that has it.
    tokio::spawn(connection);
    Ok(sender)
}

impl Lease {
    pub(super) fn sender(&mut self) -> Option<&mut SendRequest<RequestBody>> {
        self.sender.as_mut()
    }

    /// Keeps the connection for the next request; the response has ended.
    pub(super) fn give_back(mut self) {
        let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed()) else { return };
        let mut lots = self.pool.lock();
        if let Some(lot) = lots.get_mut(&self.target.instance)
            && lot.idle.len() < MOST_IDLE
        {
            lot.idle.push(Idle { target: self.target.clone(), sender, since: Instant::now() });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut lots = self.pool.lock();
        if let Some(lot) = lots.get_mut(&self.target.instance) {
            lot.outstanding = lot.outstanding.saturating_sub(1);
        }
    }
}
