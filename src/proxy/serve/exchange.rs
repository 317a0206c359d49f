//! One request and its answer: a backend is found, both bodies stream, retries where nothing was said yet.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::connection::ClientIo;
use super::forward::{self, Answer, Asked};
use super::plan::Forward;
use super::pump::{Pump, PumpError};
use super::reply::Reply;
use super::state::Worker;
use super::upgraded::Upgraded;
use super::watchdog::Watchdog;
use crate::proxy::config::Limits;
use crate::proxy::http::{BodyLength, HeadError, Method, Response, Scanner, Version};
use crate::proxy::observe::{Counter, Reject};
use crate::proxy::stream::{SCRATCH, Stream, Transport as _, poll_read_with};
use crate::proxy::upstream::{ConnectError, InUse, Upstream, connect};

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
    input: Vec<u8>,
    reused: bool,
    in_use: InUse,
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
    let limits = worker.shared.live().config.limits;
    let mut exchange = Exchange { client, worker, forward, limits, started };
    if exchange.forward.websocket.is_some()
        && limits.max_tunnels.is_some_and(|most| worker.open_tunnels() >= most)
    {
        return exchange.fail(Reject::TunnelLimit, 503, "tunnel_limit", "too many tunnels").await;
    }
    exchange.run().await
}

/// What ended the wait for an answer.
enum Event {
    /// The answer's head, of that length.
    Head(usize),
    /// The backend hung up.
    Hangup,
    /// The answer's head is malformed.
    BadHead(HeadError),
    /// The client is gone.
    ClientGone,
    /// The client's body is malformed.
    BadBody,
    /// The client stopped sending its body.
    ClientSlow,
    /// The backend is silent.
    BackendSlow,
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
            let mut head = Vec::new();
            if let Some(preface) = &self.forward.preface {
                head.extend_from_slice(preface);
            }
            head.extend_from_slice(&self.forward.head);
            let mut request = Pump::new(head, self.forward.body, false);
            let mut sent = Sent::No;
            match self.answer(&mut backend, &mut request, &mut sent).await {
                Event::Head(length) => return self.relay(backend, request, sent, length).await,
                // A kept connection that the backend closed meanwhile: nothing was done with the request.
                Event::Hangup if backend.reused && backend.input.is_empty() && self.may_repeat(&request) => {
                    self.worker.metrics.add(Counter::Retries, 1);
                    fresh_only = true;
                }
                Event::Hangup => {
                    backend.in_use.upstream().failed();
                    let detail = format!("{} hung up before it answered", backend.in_use.upstream().address);
                    return self.fail(Reject::UpstreamBroken, 502, "upstream_hung_up", detail).await;
                }
                Event::BadHead(error) => {
                    let detail = format!("{}: {error}", backend.in_use.upstream().address);
                    return self.fail(Reject::UpstreamBroken, 502, "upstream_malformed", detail).await;
                }
                Event::BackendSlow => {
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
            let in_use = InUse::new(&upstream);
            let own_only = self.forward.preface.is_some() || self.forward.websocket.is_some();
            if !fresh_only
                && !own_only
                && let Some(stream) = self.worker.pool.take(&upstream)
            {
                self.worker.metrics.add(Counter::UpstreamReused, 1);
                return Ok(Backend { stream, input: Vec::new(), reused: true, in_use });
            }
            match connect(&upstream, self.limits.connect_timeout).await {
                Ok(stream) => {
                    self.worker.metrics.add(Counter::UpstreamConnections, 1);
                    return Ok(Backend { stream, input: Vec::new(), reused: false, in_use });
                }
                Err(error) => {
                    // Nothing was sent, so any request may go to the next one.
                    upstream.failed();
                    self.worker.metrics.add(Counter::Retries, 1);
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

    /// Sends the request and waits for an answer's head, passing interim ones (100, 103) on.
    async fn answer(&mut self, backend: &mut Backend, request: &mut Pump, sent: &mut Sent) -> Event {
        loop {
            let event = self.next_head(backend, request, sent).await;
            let Event::Head(length) = event else { return event };
            let head = backend.input.get(..length).unwrap_or_default();
            let response = match Response::parse(head) {
                Ok(response) => response,
                Err(error) => return Event::BadHead(error),
            };
            if response.status >= 200 || response.status == 101 {
                return event;
            }
            let interim = forward::interim(&response, false);
            backend.input.drain(..length);
            // HTTP/1.0 knows no interim answers (RFC 9110, section 15.2).
            if self.forward.version == Version::Http11 && !self.write_client(&interim).await {
                return Event::ClientGone;
            }
        }
    }

    async fn next_head(&mut self, backend: &mut Backend, request: &mut Pump, sent: &mut Sent) -> Event {
        let mut watchdog = Watchdog::new(self.limits.request_timeout);
        let mut scanner = Scanner::default();
        let mut watch_client = true;
        poll_fn(|context| {
            if *sent == Sent::No {
                let ClientIo { stream, input } = &mut *self.client;
                match request.poll(context, stream, input, &mut backend.stream) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => *sent = Sent::Whole,
                    // The backend may have answered before it hung up.
                    Poll::Ready(Err(PumpError::Sink)) => *sent = Sent::Partly,
                    Poll::Ready(Err(PumpError::Source)) => return Poll::Ready(Event::ClientGone),
                    Poll::Ready(Err(PumpError::Malformed)) => return Poll::Ready(Event::BadBody),
                }
            }
            if *sent != Sent::No && watch_client && self.client.input.is_empty() {
                match self.client.stream.poll_peek(context) {
                    Poll::Pending => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Event::ClientGone),
                    // Its next request, or the end of its sending: it still waits for this answer.
                    Poll::Ready(Ok(_)) => watch_client = false,
                }
            }
            loop {
                if !backend.input.is_empty() {
                    match scanner.scan(&backend.input, self.limits.max_head) {
                        Ok(Some(length)) => return Poll::Ready(Event::Head(length)),
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Event::BadHead(error)),
                    }
                }
                let Backend { stream, input, .. } = &mut *backend;
                let read = poll_read_with(stream, context, SCRATCH, |_, bytes| {
                    input.extend_from_slice(bytes);
                    bytes.len()
                });
                match read {
                    Poll::Pending => break,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::Hangup),
                    Poll::Ready(Ok(_)) => {}
                }
            }
            match watchdog.poll(context, request.written + request.taken) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) if *sent == Sent::No && request.waits_for_source() => {
                    Poll::Ready(Event::ClientSlow)
                }
                Poll::Ready(()) => Poll::Ready(Event::BackendSlow),
            }
        })
        .await
    }

    /// Sends the answer on, or opens the tunnel.
    async fn relay(mut self, mut backend: Backend, mut request: Pump, sent: Sent, length: usize) -> Outcome {
        backend.in_use.upstream().succeeded();
        self.worker.metrics.upstream_latency(self.started.elapsed());
        if let Some(entry) = &mut self.forward.entry {
            entry.upstream = Some(backend.in_use.upstream().address.to_string());
        }
        let head = backend.input.get(..length).unwrap_or_default();
        let answer = Response::parse(head).and_then(|response| self.judge(&response));
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let detail = format!("{}: {error}", backend.in_use.upstream().address);
                return self.fail(Reject::UpstreamBroken, 502, "upstream_malformed", detail).await;
            }
        };
        backend.input.drain(..length);
        let answer = match answer {
            Judged::Tunnel(head) => return self.open_tunnel(backend, &head).await,
            Judged::Answer(answer) => answer,
        };
        if self.forward.websocket.is_some() {
            self.worker.metrics.add(Counter::HandshakesRefused, 1);
        }
        let mut response = Pump::new(answer.head, answer.body, answer.unchunk);
        let mut sent = sent;
        let whole = self.bodies(&mut backend, &mut request, &mut sent, &mut response).await;
        self.worker.metrics.answered(answer.status);
        self.worker.metrics.add(Counter::BytesUp, request.taken);
        self.worker.metrics.add(Counter::BytesDown, response.taken);
        self.log(answer.status, response.taken, request.taken);
        if !whole {
            // The client must not take a part for the whole.
            self.client.stream.abort();
            return Outcome::Close;
        }
        if sent == Sent::Whole
            && answer.upstream_keeps
            && backend.input.is_empty()
            && self.forward.preface.is_none()
        {
            self.worker.pool.put(backend.in_use.upstream(), backend.stream);
        }
        match sent {
            Sent::Whole if answer.client_keeps => Outcome::Again,
            Sent::Whole | Sent::No | Sent::Partly => Outcome::Linger,
        }
    }

    fn judge(&self, response: &Response<'_>) -> Result<Judged, HeadError> {
        if response.status == 101 {
            let fields = &response.fields;
            let accepted = fields.only("sec-websocket-accept")?;
            let expected = self.forward.websocket.as_deref();
            let upgraded = fields.lists("upgrade", "websocket") && fields.lists("connection", "upgrade");
            return if expected.is_some() && upgraded && accepted == expected.map(str::as_bytes) {
                Ok(Judged::Tunnel(forward::interim(response, true)))
            } else {
                Err(HeadError::Malformed("a 101 that does not answer the handshake"))
            };
        }
        let asked = Asked {
            method: self.forward.method,
            version: self.forward.version,
            keep_alive: self.forward.keep_alive && !self.worker.shared.is_draining(),
            hsts: self.forward.hsts.as_deref(),
        };
        forward::answer(response, asked).map(Judged::Answer)
    }

    async fn open_tunnel(mut self, backend: Backend, head: &[u8]) -> Outcome {
        if !self.write_client(head).await {
            self.log(499, 0, 0);
            return Outcome::Close;
        }
        self.worker.metrics.answered(101);
        Outcome::Tunnel(Box::new(Upgraded {
            upstream: backend.stream,
            first: backend.input,
            in_use: backend.in_use,
            entry: self.forward.entry,
            started: self.started,
        }))
    }

    /// Streams the rest of the request and the answer at the same time; whether the answer went out whole.
    async fn bodies(
        &mut self,
        backend: &mut Backend,
        request: &mut Pump,
        sent: &mut Sent,
        response: &mut Pump,
    ) -> bool {
        let mut stalled = Watchdog::new(self.limits.request_timeout);
        let mut silent = Watchdog::new(self.limits.tunnel_idle.max(self.limits.request_timeout));
        poll_fn(|context| {
            let ClientIo { stream, input } = &mut *self.client;
            if *sent == Sent::No {
                match request.poll(context, stream, input, &mut backend.stream) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => *sent = Sent::Whole,
                    Poll::Ready(Err(_)) => *sent = Sent::Partly,
                }
            }
            match response.poll(context, &mut backend.stream, &mut backend.input, stream) {
                Poll::Ready(outcome) => return Poll::Ready(outcome.is_ok()),
                Poll::Pending => {}
            }
            // A backend may think for long in the midst of its answer (an event stream), a client that
            // does not read may not.
            let progress = request.written + response.written + response.taken;
            let over = if response.waits_for_source() {
                silent.poll(context, progress)
            } else {
                stalled.poll(context, progress)
            };
            over.map(|()| false)
        })
        .await
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
        let reason_header = self.worker.shared.live().config.reason_header;
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

enum Judged {
    Answer(Answer),
    /// The 101 for the client.
    Tunnel(Vec<u8>),
}

/// How much of the request went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    No,
    Whole,
    /// One side failed midway.
    Partly,
}
