//! Connections to backends that wait for the next request; one pool a worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Connected, Upstream};

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
    idle: Vec<(Instant, Connected)>,
}

impl Pool {
    /// A connection to where the backend is now, which it has not closed, as far as is known; the last used first.
    pub fn take(&self, upstream: &Arc<Upstream>) -> Option<Connected> {
        let generation = upstream.generation();
        let mut backends = self.lock();
        let kept = backends.iter_mut().find(|kept| Arc::ptr_eq(&kept.upstream, upstream))?;
        while let Some((_, connected)) = kept.idle.pop() {
            if is_good(&connected, generation) {
                return Some(connected);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub fn put(&self, upstream: &Arc<Upstream>, connected: Connected) {
        let mut backends = self.lock();
        let at = backends.iter().position(|kept| Arc::ptr_eq(&kept.upstream, upstream));
        let at = at.unwrap_or_else(|| {
            backends.push(Kept { upstream: Arc::clone(upstream), idle: Vec::new() });
            backends.len() - 1
        });
        if let Some(kept) = backends.get_mut(at).filter(|kept| kept.idle.len() < KEPT) {
            kept.idle.push((Instant::now(), connected));
        }
    }

    /// Closes connections that the backend closed, that waited too long or that lead to where it was before, and
    /// forgets backends without any.
    pub fn sweep(&self) {
        let mut backends = self.lock();
        for kept in backends.iter_mut() {
            let generation = kept.upstream.generation();
            kept.idle.retain(|(since, connected)| since.elapsed() < IDLE && is_good(connected, generation));
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

/// News on an idle connection is its end, or bytes that nobody asked for.
fn is_good(connected: &Connected, generation: u32) -> bool {
    connected.generation == generation && !connected.stream.has_news()
}
