//! Connections to backends that wait for the next request; one pool a worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Upstream;
use crate::proxy::stream::Stream;

/// Idle connections kept for one backend by one worker.
const KEPT: usize = 256;
/// How long one may wait; shorter than the keep-alive of common backends would drop on us.
const IDLE: Duration = Duration::from_mins(1);

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub struct Pool {
    backends: Mutex<Vec<Kept>>,
}

/// The idle connections to one backend, the last used at the end.
#[derive(Debug)]
struct Kept {
    upstream: Arc<Upstream>,
    idle: Vec<(Instant, Stream)>,
}

impl Pool {
    /// A connection that the backend has not closed, as far as is known; the last used first.
    pub fn take(&self, upstream: &Arc<Upstream>) -> Option<Stream> {
        let mut backends = self.lock();
        let kept = backends.iter_mut().find(|kept| Arc::ptr_eq(&kept.upstream, upstream))?;
        while let Some((_, stream)) = kept.idle.pop() {
            // News on an idle connection is its end, or bytes that nobody asked for.
            if !stream.has_news() {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub fn put(&self, upstream: &Arc<Upstream>, stream: Stream) {
        let mut backends = self.lock();
        let at = backends.iter().position(|kept| Arc::ptr_eq(&kept.upstream, upstream));
        let at = at.unwrap_or_else(|| {
            backends.push(Kept { upstream: Arc::clone(upstream), idle: Vec::new() });
            backends.len() - 1
        });
        if let Some(kept) = backends.get_mut(at).filter(|kept| kept.idle.len() < KEPT) {
            kept.idle.push((Instant::now(), stream));
        }
    }

    /// Closes connections that the backend closed or that waited too long, and forgets backends without any.
    pub fn sweep(&self) {
        let mut backends = self.lock();
        for kept in backends.iter_mut() {
            kept.idle.retain(|(since, stream)| since.elapsed() < IDLE && !stream.has_news());
        }
        backends.retain(|kept| !kept.idle.is_empty());
    }

    /// Closes all of them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
