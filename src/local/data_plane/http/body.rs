//! Bodies on their way through: they tell when they last moved, and hold what must last as long as they do.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::pool::Lease;

/// When a request's body last moved.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<Instant>>);

impl Activity {
    pub(super) fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A request's body.
pub(super) struct RequestBody {
    incoming: Incoming,
    activity: Activity,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, activity: Activity) -> Self {
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
        if polled.is_ready() {
            self.activity.touch();
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
pub(super) enum BodyError {
    /// The instance's connection failed.
    #[error("the instance's response was cut short")]
    Instance(#[from] hyper::Error),
    /// Nothing came for the idle timeout.
    #[error("the instance's response stood still for the idle timeout")]
    Idle,
}

/// A response's body: an instance's, or none.
pub(super) enum ResponseBody {
    /// The load balancer's own answer.
    Empty,
    /// An instance's.
    Carried {
        incoming: Incoming,
        idle: Duration,
        timer: Pin<Box<Sleep>>,
        /// Given back when the body has ended.
        lease: Option<Lease>,
    },
}

impl ResponseBody {
    pub(super) fn carried(incoming: Incoming, idle: Duration, lease: Lease) -> Self {
        let timer = Box::pin(tokio::time::sleep(idle));
        let mut lease = Some(lease);
        if incoming.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
        Self::Carried { incoming, idle, timer, lease }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Carried { incoming, idle, timer, lease } = self.get_mut() else {
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
            Self::Empty => true,
            Self::Carried { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Carried { incoming, .. } => incoming.size_hint(),
        }
    }
}
