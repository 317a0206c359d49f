//! Limits on silence that cost no timer per byte.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

/// A limit on silence whose timer is armed once and looked at again only when it fires.
pub(super) struct Watchdog {
    sleep: Option<Pin<Box<Sleep>>>,
    limit: Duration,
    seen: u64,
}

impl Watchdog {
    pub(super) fn new(limit: Duration) -> Self {
        Self { sleep: None, limit, seen: 0 }
    }

    /// Ready when nothing moved for the limit (at most twice as long); `progress` grows as things move.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, progress: u64) -> Poll<()> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        loop {
            ready!(sleep.as_mut().poll(context));
            if self.seen == progress {
                return Poll::Ready(());
            }
            self.seen = progress;
            sleep.as_mut().reset(tokio::time::Instant::now() + limit);
        }
    }
}
