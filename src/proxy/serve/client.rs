//! A client's connection: what was read of it and how long it is waited for; knows nothing of requests.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::patience::Patience;
use super::state::Worker;
use crate::proxy::http::HeadError;
use crate::proxy::stream::{SCRATCH, Stream, poll_read_with};

/// How long a client may take to hang up after an answer that ends the connection.
const LINGER: Duration = Duration::from_secs(2);
/// How much it may still send meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// Why no further request is read.
pub(super) enum NoHead {
    /// The client ended, or was silent for too long between requests.
    Over,
    /// The proxy drains or hands over, and no byte of a request has come.
    Ending,
    /// The head stopped midway.
    TimedOut,
    /// The head is malformed or too large.
    Refused(HeadError),
}

/// A client's connection and what was read from it but not used yet.
pub(super) struct ClientIo {
    pub(super) stream: Stream,
    pub(super) input: Vec<u8>,
    pub(super) patience: Patience,
    /// Whether there was a request on it.
    pub(super) served: bool,
}

impl ClientIo {
    pub(super) fn new(stream: Stream, served: bool) -> Self {
        Self { stream, input: Vec::new(), patience: Patience::default(), served }
    }

    /// Reads once if something is there.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, input, .. } = self;
        poll_read_with(stream, context, SCRATCH, |_, bytes| {
            input.extend_from_slice(bytes);
            bytes.len()
        })
    }

    /// Reads once, 0 is the end; `None` when nothing came in time.
    pub(super) async fn fill_before(&mut self, deadline: Instant) -> Option<io::Result<usize>> {
        poll_fn(|context| match self.poll_fill(context) {
            Poll::Ready(filled) => Poll::Ready(Some(filled)),
            Poll::Pending => self.patience.poll(context, deadline).map(|()| None),
        })
        .await
    }

    /// Waits for the next request's first bytes.
    pub(super) async fn begin(&mut self, worker: &Worker, limit: Duration) -> Result<(), NoHead> {
        if !self.served {
            // The PROXY header came alone.
            self.stream.acknowledge();
        }
        let deadline = Instant::now() + limit;
        poll_fn(|context| match self.poll_fill(context) {
            Poll::Ready(Ok(1..)) => Poll::Ready(Ok(())),
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(NoHead::Over)),
            Poll::Pending if self.patience.poll_leaving(context, worker).is_ready() => {
                Poll::Ready(Err(NoHead::Ending))
            }
            Poll::Pending => self.patience.poll(context, deadline).map(|()| Err(NoHead::Over)),
        })
        .await
    }

    /// Ends the connection so that the client can still read what was sent before.
    pub(super) async fn linger(&mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let (deadline, mut dropped) = (Instant::now() + LINGER, 0);
        while dropped < LINGER_BYTES {
            match self.fill_before(deadline).await {
                None | Some(Ok(0) | Err(_)) => break,
                Some(Ok(count)) => dropped += count,
            }
            self.input.clear();
        }
    }
}
