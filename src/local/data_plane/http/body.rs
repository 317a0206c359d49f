//! Bodies on their way through: they tell when they last moved, and hold what must last as long as they do.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::pool::Lease;
use crate::local::data_plane::access_log::Record;

/// When a request's body last moved, and how much of it did.
#[derive(Clone, Debug)]
pub(in crate::local::data_plane) struct Activity(Arc<Mutex<(Instant, u64)>>);

impl Activity {
    pub(in crate::local::data_plane) fn now() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), 0))))
    }

    pub(in crate::local::data_plane) fn last(&self) -> Instant {
        self.lock().0
    }

    fn bytes(&self) -> u64 {
        self.lock().1
    }

    fn moved(&self, bytes: u64) {
        let mut moved = self.lock();
        *moved = (Instant::now(), moved.1 + bytes);
    }

    fn lock(&self) -> MutexGuard<'_, (Instant, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

/// A request's body.
pub(in crate::local::data_plane) struct RequestBody {
    incoming: Incoming,
    activity: Activity,
}

impl RequestBody {
    pub(in crate::local::data_plane) fn new(incoming: Incoming, activity: Activity) -> Self {
        Self { incoming, activity }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        if let Poll::Ready(moved) = &polled {
            let bytes = moved.as_ref().and_then(|moved| moved.as_ref().ok()).map_or(0, length);
            self.activity.moved(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Why a response's body ends early.
#[derive(Debug, thiserror::Error)]
pub(in crate::local::data_plane) enum BodyError {
    /// The instance's connection failed.
    #[error("the instance's response was cut short")]
    Instance(#[from] hyper::Error),
    /// Nothing came for the idle timeout.
    #[error("the instance's response stood still for the idle timeout")]
    Idle,
}

/// What a response carries: an instance's body, or nothing.
pub(in crate::local::data_plane) enum Carried {
    /// The load balancer's own answer.
    Nothing,
    /// An instance's.
    Body {
        incoming: Incoming,
        idle: Duration,
        timer: Pin<Box<Sleep>>,
        /// Given back when the body has ended.
        lease: Option<Lease>,
    },
}

impl Carried {
    pub(in crate::local::data_plane) fn new(incoming: Incoming, idle: Duration, lease: Lease) -> Self {
        let timer = Box::pin(tokio::time::sleep(idle));
        let mut lease = Some(lease);
        if incoming.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
        Self::Body { incoming, idle, timer, lease }
    }
}

impl Body for Carried {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Body { incoming, idle, timer, lease } = self.get_mut() else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut *incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                timer.as_mut().reset(Instant::now() + *idle);
                // Whoever knows the length does not ask for the end.
                if incoming.is_end_stream()
                    && let Some(lease) = lease.take()
                {
                    lease.give_back();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                if let Some(lease) = lease.take() {
                    lease.give_back();
                }
                Poll::Ready(None)
            }
            Poll::Pending => timer.as_mut().poll(context).map(|()| Some(Err(BodyError::Idle))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Body { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Body { incoming, .. } => incoming.size_hint(),
        }
    }
}

/// A response's body, with the record that is complete when it has ended.
pub(in crate::local::data_plane) struct ResponseBody {
    carried: Carried,
    request: Activity,
    record: Record,
}

impl ResponseBody {
    pub(in crate::local::data_plane) fn new(carried: Carried, request: Activity, mut record: Record) -> Self {
        if record.times.answered.is_some() {
            record.times.returned = Some(Instant::now());
        }
        Self { carried, request, record }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // Its own drop comes next, and writes it.
        self.record.received = self.request.bytes();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.carried).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.record.sent += length(frame);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.carried.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.carried.size_hint()
    }
}
