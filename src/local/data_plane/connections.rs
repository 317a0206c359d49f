//! The open byte connections by listener and target: idle ones are ended, those of targets that left too.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::backend::Target;
use super::front::Front;
use crate::proxy::tunnel::{Limits, Registration, Registry};

/// How finely time is measured: idle connections end up to two of these late, never early.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How long connections to a target may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenure {
    /// Without a byte.
    pub(super) idle: Duration,
    /// While their target is leaving, counted from when it began to; none if it stays.
    pub(super) leaving: Option<Duration>,
    /// Not if it began while this was so: whoever is expelled later is cut then.
    pub(super) expelled: bool,
}

/// The connections to one target by one listener.
#[derive(Debug, Default)]
struct Lot {
    registry: Arc<Registry>,
    /// Whether requests that the target has are to end.
    over: watch::Sender<bool>,
    /// When the target left, while connections to it drain.
    left: Option<u32>,
    /// Whether it was expelled when last seen.
    expelled: Option<bool>,
}

/// Ends when requests to a target are to end; never, where that does not come.
pub(super) type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Every open byte connection, and every request whose end may have to be brought about.
pub(super) struct Connections {
    started: Instant,
    now: AtomicU32,
    lots: Mutex<BTreeMap<(Front, Target), Lot>>,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), now: AtomicU32::new(0), lots: Mutex::default() }
    }

    /// Adds a connection, until the registration is dropped. `expelled` as in [`Tenure`], as of now.
    pub(super) fn register(&self, front: &Front, target: &Target, expelled: bool) -> Registration {
        let mut lots = self.lots.lock().unwrap_or_else(PoisonError::into_inner);
        let lot = lots.entry((front.clone(), target.clone())).or_default();
        lot.expelled.get_or_insert(expelled);
        // A new registry's clock stands at the beginning; nothing is in it that could be ended.
        let never = Limits { idle: u32::MAX, ping: None, ping_backend: false };
        lot.registry.advance(self.now.load(Ordering::Relaxed), never);
        lot.registry.register()
    }

    /// Tells when a request to a target has outlasted its target.
    pub(super) fn over(&self, front: &Front, target: &Target) -> Over {
        let mut lots = self.lots.lock().unwrap_or_else(PoisonError::into_inner);
        let lot = lots.entry((front.clone(), target.clone())).or_default();
        // Whoever gets a request is there, even if it had left when that was last looked at.
        lot.stay();
        let mut over = lot.over.subscribe();
        Box::pin(async move {
            if over.wait_for(|over| *over).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// Moves the clock on, and ends what is idle or drained by now. A load balancer's sockets close with it and
    /// take their connections along, so that nothing is to be said of those.
    pub(super) fn tick(&self, tenure: impl Fn(&Front, &Target) -> Option<Tenure>) {
        let now = ticks(self.started.elapsed());
        self.now.store(now, Ordering::Relaxed);
        let mut lots = self.lots.lock().unwrap_or_else(PoisonError::into_inner);
        lots.retain(|_, lot| !lot.registry.is_empty() || lot.over.receiver_count() > 0);
        for ((front, target), lot) in lots.iter_mut() {
            if let Some(tenure) = tenure(front, target) {
                // One more, since a tick may have begun long before the last byte.
                let idle = ticks(tenure.idle) + 1;
                lot.registry.advance(now, Limits { idle, ping: None, ping_backend: false });
                lot.drain(now, tenure.leaving);
                if lot.expelled.replace(tenure.expelled) == Some(false) && tenure.expelled {
                    lot.registry.cut();
                }
            }
        }
    }
}

impl Lot {
    fn stay(&mut self) {
        self.left = None;
        self.over.send_replace(false);
    }

    fn drain(&mut self, now: u32, leaving: Option<Duration>) {
        let Some(stays) = leaving else {
            self.stay();
            return;
        };
        let left = *self.left.get_or_insert(now);
        if now - left >= ticks(stays) {
            self.registry.cut();
            self.over.send_replace(true);
        }
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX - 1)
}
