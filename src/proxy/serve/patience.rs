//! How long a connection waits: one timer for all of its limits, armed as rarely as can be.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::state::{Phase, Worker};

/// A connection's timer and its ear for the end of service; both are made at the first wait and then kept.
///
/// Arming a timer takes a lock and a place in the wheel, which a busy connection would pay for at each of its waits.
/// A later deadline leaves the timer as it is: when it fires too early it is armed again.
#[derive(Default)]
pub(super) struct Patience {
    sleep: Option<Pin<Box<Sleep>>>,
    leaving: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Patience {
    /// Ready once the deadline has passed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }

    /// Ready once the proxy no longer serves; not to be asked again after that.
    pub(super) fn poll_leaving(&mut self, context: &mut Context<'_>, worker: &Worker) -> Poll<()> {
        let leaving = self.leaving.get_or_insert_with(|| {
            let mut phase = worker.shared.phase.subscribe();
            Box::pin(async move {
                // A sender that is gone serves no longer either.
                let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
            })
        });
        leaving.as_mut().poll(context)
    }
}

/// A limit on silence that is looked at only when the connection's timer fires.
pub(super) struct Watchdog {
    limit: Duration,
    deadline: Option<Instant>,
    seen: u64,
}

impl Watchdog {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, deadline: None, seen: 0 }
    }

    /// Ready when nothing moved for the limit (at most twice as long); `progress` grows as things move.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        patience: &mut Patience,
        progress: u64,
    ) -> Poll<()> {
        loop {
            let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.limit);
            ready!(patience.poll(context, deadline));
            if self.seen == progress {
                return Poll::Ready(());
            }
            self.seen = progress;
            self.deadline = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn one_timer_keeps_every_deadline() {
        let (mut patience, began) = (Patience::default(), Instant::now());
        for waited in [50, 120, 60, 140].map(Duration::from_millis) {
            let deadline = Instant::now() + waited;
            // A wait that ends for another reason leaves the timer armed.
            let early = Duration::from_millis(5);
            let cut = tokio::time::timeout(early, poll_fn(|context| patience.poll(context, deadline))).await;
            assert!(cut.is_err() || Instant::now() >= deadline);
            poll_fn(|context| patience.poll(context, deadline)).await;
            assert!(Instant::now() >= deadline);
        }
        assert!(began.elapsed() >= Duration::from_millis(370));
    }

    #[tokio::test]
    async fn progress_puts_the_end_off() {
        let limit = Duration::from_millis(300);
        let (mut patience, mut watchdog) = (Patience::default(), Watchdog::new(limit));
        let began = Instant::now();
        let unmoved = poll_fn(|context| watchdog.poll(context, &mut patience, 0));
        assert!(tokio::time::timeout(limit / 10, unmoved).await.is_err());
        poll_fn(|context| watchdog.poll(context, &mut patience, 1)).await;
        assert!(began.elapsed() >= limit * 2);
    }
}
