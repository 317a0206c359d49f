//! Connections to instances that carry one request after the other, and how many requests each instance has.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::Instant;

use super::body::RequestBody;
use crate::local::data_plane::backend::{self, Protocol, Target, Way};

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
    sender: Sender,
    since: Instant,
}

/// A connection, by its version of HTTP. One of HTTP/2 carries one request at a time, too.
#[derive(Debug)]
pub(in crate::local::data_plane) enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

/// A connection for one exchange, counted as outstanding until it is dropped.
#[derive(Debug)]
pub(in crate::local::data_plane) struct Lease {
    pool: Pool,
    target: Target,
    way: Way,
    sender: Option<Sender>,
    /// Whether no other request may follow on it.
    expires: bool,
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
        let mut lease =
            Lease { pool: self.clone(), target: target.clone(), way, sender: None, expires: false };
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
    fn take(&mut self, way: Way, idle_timeout: Duration) -> Option<Sender> {
        self.idle
            .retain(|idle| idle.way == way && idle.sender.is_ready() && idle.since.elapsed() < idle_timeout);
        self.idle.pop().map(|idle| idle.sender)
    }
}

async fn connect(way: Way, target: &Target) -> io::Result<Sender> {
    let link = TokioIo::new(backend::connect(way, target).await?);
    // Connections end when their senders are dropped, with the lease or the pool that has it.
    match way.protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            let builder = builder.preserve_header_case(true).title_case_headers(true);
            let (sender, connection) = builder.handshake(link).await.map_err(io::Error::other)?;
            tokio::spawn(connection.with_upgrades());
            Ok(Sender::Http1(sender))
        }
        Protocol::Http2 => {
            let builder = http2::Builder::new(TokioExecutor::new());
            let (sender, connection) = builder.handshake(link).await.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Ok(Sender::Http2(sender))
        }
    }
}

impl Sender {
    /// Sends a request, which comes back where nothing of it went out.
    pub(in crate::local::data_plane) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        }
    }

    fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_ready(),
            Self::Http2(sender) => sender.is_ready(),
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

impl Lease {
    pub(in crate::local::data_plane) fn sender(&mut self) -> Option<&mut Sender> {
        self.sender.as_mut()
    }

    /// Has the connection end with its response.
    pub(in crate::local::data_plane) fn expire(&mut self) {
        self.expires = true;
    }

    /// Keeps the connection for the next request; the response has ended.
    pub(in crate::local::data_plane) fn give_back(mut self) {
        let Some(sender) = self.sender.take().filter(|sender| !self.expires && !sender.is_closed()) else {
            return;
        };
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
