//! Bodies on their way through: they tell when they last moved, and hold what must last as long as they do.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::occupancy::Busy;
use super::pool::Lease;
use crate::local::data_plane::access_log::Record;
use crate::local::data_plane::connections::Over;

/// When a request's body last moved, how much of it did, and whom it waits for.
#[derive(Clone, Debug)]
pub(in crate::local::data_plane) struct Activity(Arc<Mutex<Moved>>);

#[derive(Debug)]
struct Moved {
    last: Instant,
    bytes: u64,
    awaits_client: bool,
}

impl Activity {
    pub(in crate::local::data_plane) fn now() -> Self {
        Self(Arc::new(Mutex::new(Moved { last: Instant::now(), bytes: 0, awaits_client: false })))
    }

    pub(in crate::local::data_plane) fn last(&self) -> Instant {
        self.lock().last
    }

    /// Whether the target would take more of the body than the client has sent.
    pub(in crate::local::data_plane) fn awaits_client(&self) -> bool {
        self.lock().awaits_client
    }

    fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn moved(&self, bytes: u64) {
        let mut moved = self.lock();
        *moved = Moved { last: Instant::now(), bytes: moved.bytes + bytes, awaits_client: false };
    }

    fn waits(&self) {
        self.lock().awaits_client = true;
    }

    fn lock(&self) -> MutexGuard<'_, Moved> {
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
        match &polled {
            Poll::Ready(moved) => {
                let bytes = moved.as_ref().and_then(|moved| moved.as_ref().ok()).map_or(0, length);
                self.activity.moved(bytes);
            }
            Poll::Pending => self.activity.waits(),
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
    /// The target's connection failed.
    #[error("the target's response was cut short")]
    Instance(#[from] hyper::Error),
    /// Nothing came for the idle timeout.
    #[error("the target's response stood still for the idle timeout")]
    Idle,
    /// The target has left.
    #[error("the target left before its response had ended")]
    Over,
}

/// What a response carries: a target's body, or the load balancer's.
pub(in crate::local::data_plane) enum Carried {
    /// The load balancer's own answer, until it has gone.
    Own(Option<Bytes>),
    /// A target's.
    Body {
        incoming: Incoming,
        idle: Duration,
        timer: Pin<Box<Sleep>>,
        /// Ends it before its time.
        over: Option<Over>,
        /// Given back when the body has ended.
        lease: Option<Lease>,
    },
}

impl Carried {
    pub(in crate::local::data_plane) fn new(
        incoming: Incoming,
        idle: Duration,
        over: Option<Over>,
        lease: Lease,
    ) -> Self {
        let timer = Box::pin(tokio::time::sleep(idle));
        let mut lease = Some(lease);
        if incoming.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
        Self::Body { incoming, idle, timer, over, lease }
    }
}

impl Body for Carried {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (incoming, idle, timer, over, lease) = match self.get_mut() {
            Self::Own(body) => {
                let body = body.take().filter(|body| !body.is_empty());
                return Poll::Ready(body.map(|body| Ok(Frame::data(body))));
            }
            Self::Body { incoming, idle, timer, over, lease } => (incoming, idle, timer, over, lease),
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
            Poll::Pending => {
                if over.as_mut().is_some_and(|over| over.as_mut().poll(context).is_ready()) {
                    *over = None;
                    return Poll::Ready(Some(Err(BodyError::Over)));
                }
                timer.as_mut().poll(context).map(|()| Some(Err(BodyError::Idle)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Self::Body { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Self::Body { incoming, .. } => incoming.size_hint(),
        }
    }
}

/// A response's body, with the record that is complete when it has ended.
pub(in crate::local::data_plane) struct ResponseBody {
    carried: Carried,
    request: Activity,
    /// None where something else ends it.
    record: Option<Record>,
    /// The request is under way as long as its response.
    _busy: Option<Busy>,
}

impl ResponseBody {
    pub(in crate::local::data_plane) fn new(
        carried: Carried,
        request: Activity,
        mut record: Option<Record>,
        busy: Option<Busy>,
    ) -> Self {
        if let Some(record) = &mut record
            && record.times.answered.is_some()
        {
            record.times.returned = Some(Instant::now());
        }
        Self { carried, request, record, _busy: busy }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // Its own drop comes next, and writes it.
        if let Some(record) = &mut self.record {
            record.received += self.request.bytes();
        }
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
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(record) = &mut self.record
        {
            record.sent += length(frame);
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
