//! One request and its answer: which backend gets it, retries where nothing was said yet, answers in its place.

mod answer;
mod relay;

use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::client::ClientIo;
use super::plan::Forward;
use super::pump::Pump;
use super::reply::Reply;
use super::state::Worker;
use super::upgraded::Upgraded;
use crate::proxy::config::Limits;
use crate::proxy::http::{BodyLength, Method};
use crate::proxy::observe::{Counter, Reject};
use crate::proxy::stream::Stream;
use crate::proxy::upstream::{ConnectError, Connected, InUse, Upstream, connect};
use answer::Event;

/// What the client's connection does next.
pub(super) enum Outcome {
    /// Read the next request.
    Again,
    /// Close at once.
    Close,
    /// Close once the client has read the answer.
    Linger,
    /// Become a tunnel.
    Tunnel(Box<Upgraded>),
}

/// A connection to a backend while a request is on it.
struct Backend {
    stream: Stream,
    /// Which answer about the backend's name the connection follows.
    generation: u32,
    input: Vec<u8>,
    reused: bool,
    in_use: InUse,
}

impl Backend {
    fn new(connected: Connected, reused: bool, in_use: InUse) -> Self {
        let Connected { stream, generation } = connected;
        Self { stream, generation, input: Vec::new(), reused, in_use }
    }
}

/// One request's state.
struct Exchange<'a> {
    client: &'a mut ClientIo,
    worker: &'a Worker,
    forward: Forward,
    limits: Limits,
    started: Instant,
}

pub(super) async fn run(
    client: &mut ClientIo,
    worker: &Worker,
    forward: Forward,
    started: Instant,
) -> Outcome {
    let limits = forward.live.config.limits;
    let mut exchange = Exchange { client, worker, forward, limits, started };
    if exchange.forward.websocket.is_some()
        && limits.max_tunnels.is_some_and(|most| worker.open_tunnels() >= most)
    {
        return exchange.fail(Reject::TunnelLimit, 503, "tunnel_limit", "too many tunnels").await;
    }
    exchange.run().await
}

impl Exchange<'_> {
    async fn run(mut self) -> Outcome {
        let mut tried: Vec<Arc<Upstream>> = Vec::new();
        let mut fresh_only = false;
        loop {
            let mut backend = match self.backend(&mut tried, fresh_only).await {
                Ok(backend) => backend,
                Err(outcome) => return outcome,
            };
            let head = std::mem::take(&mut self.forward.head);
            let mut request = Pump::new(head, self.forward.body, false);
            let mut sent = Sent::No;
            match self.answer(&mut backend, &mut request, &mut sent).await {
                Event::Answer(answer) => return self.relay(backend, request, sent, answer).await,
                // A kept connection that the backend closed meanwhile: nothing was done with the request.
                Event::Hangup if backend.reused && backend.input.is_empty() && self.may_repeat(&request) => {
                    self.worker.metrics.add(Counter::Retries, 1);
                    self.forward.head = request.into_head();
                    fresh_only = true;
                }
                Event::Hangup => {
                    backend.in_use.upstream().failed();
                    let detail = format!("{} hung up before it answered", backend.in_use.upstream().address);
                    return self.fail(Reject::UpstreamBroken, 502, "upstream_hung_up", detail).await;
                }
                Event::BadHead(error) => {
                    backend.in_use.upstream().failed();
                    let detail = format!("{}: {error}", backend.in_use.upstream().address);
                    return self.fail(Reject::UpstreamBroken, 502, "upstream_malformed", detail).await;
                }
                Event::BackendSlow => {
                    backend.in_use.upstream().failed();
                    let detail = format!("{} did not answer", backend.in_use.upstream().address);
                    return self.fail(Reject::UpstreamTimeout, 504, "upstream_timeout", detail).await;
                }
                Event::BadBody => {
                    return self.fail(Reject::BadBody, 400, "bad_body", "a malformed chunked body").await;
                }
                Event::ClientSlow => {
                    return self
                        .fail(Reject::RequestTimeout, 408, "request_timeout", "a body that stopped")
                        .await;
                }
                Event::ClientGone => {
                    self.log(499, 0, request.taken);
                    return Outcome::Close;
                }
            }
        }
    }

    /// Whether the request can be sent again: it says the same twice, and no byte of its body is used up.
    fn may_repeat(&self, request: &Pump) -> bool {
        self.forward.method.is_idempotent() && request.taken == 0
    }

    /// A connection to a backend of the route: a kept one, or a new one to the first that can be reached.
    async fn backend(
        &mut self,
        tried: &mut Vec<Arc<Upstream>>,
        fresh_only: bool,
    ) -> Result<Backend, Outcome> {
        let mut last = None;
        while let Some(upstream) = self.forward.group.choose(tried) {
            if last.is_some() {
                self.worker.metrics.add(Counter::Retries, 1);
            }
            let in_use = InUse::new(&upstream);
            let own_only = self.forward.own_connection || self.forward.websocket.is_some();
            if !fresh_only
                && !own_only
                && let Some(kept) = self.worker.pool.take(&upstream)
            {
                self.worker.metrics.add(Counter::UpstreamReused, 1);
                return Ok(Backend::new(kept, true, in_use));
            }
            match connect(&upstream, self.limits.connect_timeout).await {
                Ok(fresh) => {
                    self.worker.metrics.add(Counter::UpstreamConnections, 1);
                    return Ok(Backend::new(fresh, false, in_use));
                }
                Err(error) => {
                    // Nothing was sent, so any request may go to the next one.
                    if !error.is_of_our_own() {
                        upstream.failed();
                    }
                    last = Some((upstream.address.to_string(), error));
                    tried.push(upstream);
                }
            }
        }
        let (address, error) = last.unwrap_or_else(|| (String::from("the route"), ConnectError::TimedOut));
        let status = if matches!(error, ConnectError::TimedOut) { 504 } else { 502 };
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let detail = format!("{address}: {error}{cause}");
        Err(self.fail(Reject::UpstreamUnreachable, status, "upstream_unreachable", detail).await)
    }

    async fn write_client(&mut self, bytes: &[u8]) -> bool {
        let written = timeout(self.limits.request_timeout, self.client.stream.write_all(bytes)).await;
        matches!(written, Ok(Ok(())))
    }

    /// Answers in the backend's place.
    async fn fail(
        &mut self,
        cause: Reject,
        status: u16,
        reason: &'static str,
        detail: impl std::fmt::Display,
    ) -> Outcome {
        self.worker.reject(cause, self.forward.client, detail);
        if self.forward.websocket.is_some() {
            self.worker.metrics.add(Counter::HandshakesRefused, 1);
        }
        let reason_header = self.forward.live.config.reason_header;
        // Without a body there is nothing left of the request, so the connection can go on.
        let keep = self.forward.keep_alive
            && self.forward.body == BodyLength::Exact(0)
            && !self.worker.shared.is_draining();
        let bytes =
            Reply::new(status, reason).render(keep, self.forward.method != Method::Head, reason_header);
        let written = self.write_client(&bytes).await;
        self.worker.metrics.answered(status);
        self.log(status, 0, 0);
        match (written, keep) {
            (false, _) => Outcome::Close,
            (true, true) => Outcome::Again,
            (true, false) => Outcome::Linger,
        }
    }

    fn log(&mut self, status: u16, bytes_sent: u64, bytes_received: u64) {
        let Some(mut entry) = self.forward.entry.take() else { return };
        (entry.status, entry.bytes_sent, entry.bytes_received) = (status, bytes_sent, bytes_received);
        entry.duration = self.started.elapsed();
        self.worker.log(&entry);
    }
}

/// How much of the request went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    No,
    Whole,
    /// One side failed midway.
    Partly,
}
