//! How many connections may be open at a time; a reload may ask for fewer than there are.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// The permits of all workers.
#[derive(Debug)]
pub(super) struct Permits {
    free: Semaphore,
    /// Permits that are given up as connections end, since there are more than the limit allows by now.
    excess: Mutex<usize>,
}

/// One open connection's permit, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

impl Permits {
    pub(super) fn new(limit: usize) -> Self {
        Self { free: Semaphore::new(bounded(limit)), excess: Mutex::default() }
    }

    /// Waits until one more connection may be open.
    pub(super) async fn take(self: &Arc<Self>) -> Permit {
        // It fails only on a closed semaphore, and nobody closes this one.
        if let Ok(permit) = self.free.acquire().await {
            permit.forget();
        }
        Permit(Arc::clone(self))
    }

    /// A permit if one is free.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Permit> {
        self.free.try_acquire().ok()?.forget();
        Some(Permit(Arc::clone(self)))
    }

    /// Follows the limit: a higher one holds at once, a lower one as soon as enough connections have ended.
    pub(super) fn resize(&self, before: usize, after: usize) {
        let (before, after) = (bounded(before), bounded(after));
        let mut excess = self.excess.lock().unwrap_or_else(PoisonError::into_inner);
        if after < before {
            let fewer = before - after;
            *excess += fewer - self.free.forget_permits(fewer);
        } else {
            let more = after - before;
            let kept = more.min(*excess);
            *excess -= kept;
            self.free.add_permits(more - kept);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut excess = self.0.excess.lock().unwrap_or_else(PoisonError::into_inner);
        match excess.checked_sub(1) {
            Some(left) => *excess = left,
            None => self.0.free.add_permits(1),
        }
    }
}

fn bounded(limit: usize) -> usize {
    limit.min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(permits: &Arc<Permits>) -> Vec<Permit> {
        std::iter::from_fn(|| permits.try_take()).collect()
    }

    #[test]
    fn a_limit_below_what_is_open_holds_once_enough_has_ended() {
        let permits = Arc::new(Permits::new(4));
        let mut open = taken(&permits);
        assert_eq!(open.len(), 4);
        permits.resize(4, 2);
        open.truncate(2);
        assert!(permits.try_take().is_none(), "two are open, and two are allowed");
        open.clear();
        assert_eq!(taken(&permits).len(), 2);
    }

    #[test]
    fn a_limit_that_rises_again_is_what_it_says() {
        let permits = Arc::new(Permits::new(4));
        let open = taken(&permits);
        permits.resize(4, 1);
        permits.resize(1, 3);
        assert!(permits.try_take().is_none());
        drop(open);
        assert_eq!(taken(&permits).len(), 3);
        permits.resize(3, 5);
        assert_eq!(taken(&permits).len(), 5);
    }
}
