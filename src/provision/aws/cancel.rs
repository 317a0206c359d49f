//! The wish to stop: nothing new is started and waits end early; a call that was sent is awaited.

use std::time::Duration;

use tokio::sync::watch;

/// Asks the other side to stop.
#[derive(Debug)]
pub struct Canceller(watch::Sender<bool>);

/// Tells whether it was asked to stop.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<bool>);

/// Makes the two ends of a cancellation. Dropping the [`Canceller`] cancels nothing.
#[must_use]
pub fn cancellation() -> (Canceller, Cancel) {
    let (sender, receiver) = watch::channel(false);
    (Canceller(sender), Cancel(receiver))
}

impl Canceller {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl Cancel {
    /// Returns one that is never asked to stop.
    #[must_use]
    pub fn never() -> Self {
        cancellation().1
    }

    /// Says whether it was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends once it is asked to stop; never, where nobody is left to ask.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sleeps, and says whether it did so to the end.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            () = self.cancelled() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}
