//! Sends a backend's answer on: its head as the client may see it, then both bodies, or the tunnel it opens.

use std::future::poll_fn;
use std::task::Poll;

use super::super::client::ClientIo;
use super::super::forward::{self, Answer, Asked};
use super::super::patience::Watchdog;
use super::super::pump::Pump;
use super::super::upgraded::Upgraded;
use super::{Backend, Exchange, Outcome, Sent};
use crate::proxy::http::{HeadError, Response};
use crate::proxy::observe::Counter;
use crate::proxy::stream::Transport as _;
use crate::proxy::upstream::Connected;

/// An answer that may be sent on.
pub(super) enum Judged {
    /// Head and body for the client.
    Answer(Answer),
    /// The 101 for the client.
    Tunnel(Vec<u8>),
}

impl Exchange<'_> {
    /// Sends the answer on, or opens the tunnel.
    pub(super) async fn relay(
        mut self,
        mut backend: Backend,
        mut request: Pump,
        sent: Sent,
        answer: Judged,
    ) -> Outcome {
        backend.in_use.upstream().succeeded();
        self.worker.metrics.upstream_latency(self.started.elapsed());
        if let Some(entry) = &mut self.forward.entry {
            entry.upstream = Some(backend.in_use.upstream().address.to_string());
        }
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
            && !self.forward.own_connection
        {
            let Backend { stream, generation, in_use, .. } = backend;
            self.worker.pool.put(in_use.upstream(), Connected { stream, generation });
        }
        match sent {
            Sent::Whole if answer.client_keeps => Outcome::Again,
            Sent::Whole | Sent::No | Sent::Partly => Outcome::Linger,
        }
    }

    /// What the client may see of an answer that came with `ready` bytes.
    pub(super) fn judge(&self, response: &Response<'_>, ready: usize) -> Result<Judged, HeadError> {
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
            hsts: self.forward.live.config.hsts.as_deref().filter(|_| self.forward.secure),
            room: ready + 128,
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
        let mut hurried = false;
        let mut silent = Watchdog::new(self.limits.tunnel_idle.max(self.limits.request_timeout));
        poll_fn(|context| {
            let ClientIo { stream, input, patience, .. } = &mut *self.client;
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
            if !backend.reused && !std::mem::replace(&mut hurried, true) {
                backend.stream.acknowledge();
            }
            // A backend may think for long in the midst of its answer (an event stream), a client that
            // does not read may not.
            let progress = request.written + response.written + response.taken;
            let over = if response.waits_for_source() {
                silent.poll(context, patience, progress)
            } else {
                stalled.poll(context, patience, progress)
            };
            over.map(|()| false)
        })
        .await
    }
}
