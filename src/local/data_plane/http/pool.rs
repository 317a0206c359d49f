//! Connections to instances that carry one request after the other, and how many requests each instance has.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::body::RequestBody;
use crate::local::data_plane::backend::{self, Target, Way};

/// How many idle connections a target keeps at most.
const MOST_IDLE: usize = 64;

/// The targets of one listener.
#[derive(Clone, Debug, Default)]
pub(in crate::local::data_plane) struct Pool(Arc<Mutex<BTreeMap<Target, Lot>>>);

#[derive(Debug, Default)]
struct Lot {
    outstanding: usize,
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    way: Way,
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection for one exchange, counted as outstanding until it is dropped.
#[derive(Debug)]
pub(in crate::local::data_plane) struct Lease {
    pool: Pool,
    target: Target,
    way: Way,
    sender: Option<SendRequest<RequestBody>>,
}

/// A connection, and whether it was used before.
pub(in crate::local::data_plane) struct Leased {
    pub(in crate::local::data_plane) lease: Lease,
    pub(in crate::local::data_plane) reused: bool,
}

impl Pool {
    /// The one with the fewest outstanding requests; the first of several.
    pub(in crate::local::data_plane) fn least_outstanding<'a>(
        &self,
        targets: &[&'a Target],
    ) -> Option<&'a Target> {
        let lots = self.lock();
        let outstanding = |target: &&&Target| lots.get(*target).map_or(0, |lot| lot.outstanding);
        targets.iter().min_by_key(outstanding).copied()
    }

    /// An idle connection to an instance, or a new one.
    pub(in crate::local::data_plane) async fn lease(
        &self,
        way: Way,
        idle_timeout: Duration,
        target: &Target,
    ) -> io::Result<Leased> {
        let mut lease = Lease { pool: self.clone(), target: target.clone(), way, sender: None };
        lease.sender = {
            let mut lots = self.lock();
            let lot = lots.entry(target.clone()).or_default();
            lot.outstanding += 1;
            lot.take(way, idle_timeout)
        };
        let reused = lease.sender.is_some();
        if !reused {
            lease.sender = Some(connect(way, target).await?);
        }
        Ok(Leased { lease, reused })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Target, Lot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lot {
    fn take(&mut self, way: Way, idle_timeout: Duration) -> Option<SendRequest<RequestBody>> {
        self.idle
            .retain(|idle| idle.way == way && idle.sender.is_ready() && idle.since.elapsed() < idle_timeout);
        self.idle.pop().map(|idle| idle.sender)
    }
}

async fn connect(way: Way, target: &Target) -> io::Result<SendRequest<RequestBody>> {
    let link = backend::connect(way, target).await?;
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
    pub(in crate::local::data_plane) fn sender(&mut self) -> Option<&mut SendRequest<RequestBody>> {
        self.sender.as_mut()
    }

    /// Keeps the connection for the next request; the response has ended.
    pub(in crate::local::data_plane) fn give_back(mut self) {
        let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed()) else { return };
        let mut lots = self.pool.lock();
        if let Some(lot) = lots.get_mut(&self.target)
            && lot.idle.len() < MOST_IDLE
        {
            lot.idle.push(Idle { way: self.way, sender, since: Instant::now() });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut lots = self.pool.lock();
        if let Some(lot) = lots.get_mut(&self.target) {
            lot.outstanding = lot.outstanding.saturating_sub(1);
        }
    }
}
