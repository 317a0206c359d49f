//! Whether a client's connection has requests under way, or since when it has none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The requests of one connection.
#[derive(Clone, Debug)]
pub(in crate::local::data_plane) struct Occupancy(Arc<Mutex<(usize, Instant)>>);

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(in crate::local::data_plane) struct Busy(Occupancy);

impl Occupancy {
    pub(in crate::local::data_plane) fn new() -> Self {
        Self(Arc::new(Mutex::new((0, Instant::now()))))
    }

    /// Notes that a request is under way.
    pub(in crate::local::data_plane) fn enter(&self) -> Busy {
        self.lock().0 += 1;
        Busy(self.clone())
    }

    /// Since when there is none.
    pub(in crate::local::data_plane) fn idle_since(&self) -> Option<Instant> {
        let (requests, since) = *self.lock();
        (requests == 0).then_some(since)
    }

    fn lock(&self) -> MutexGuard<'_, (usize, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut requests = self.0.lock();
        *requests = (requests.0.saturating_sub(1), Instant::now());
    }
}
