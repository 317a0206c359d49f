//! Waits for a backend's answer while the request goes out; neither retries nor sends the answer on.

use std::future::poll_fn;
use std::task::Poll;

use super::super::client::ClientIo;
use super::super::forward;
use super::super::patience::Watchdog;
use super::super::pump::{Pump, PumpError};
use super::relay::Judged;
use super::{Backend, Exchange, Sent};
use crate::proxy::http::{HeadError, Response, Scanner, Version};
use crate::proxy::stream::{SCRATCH, poll_read_with};

/// What ended the wait for an answer.
pub(super) enum Event {
    /// The answer.
    Answer(Judged),
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
    /// Sends the request and waits for an answer's head, passing interim ones (100, 103) on.
    pub(super) async fn answer(
        &mut self,
        backend: &mut Backend,
        request: &mut Pump,
        sent: &mut Sent,
    ) -> Event {
        loop {
            let length = match self.next_head(backend, request, sent).await {
                Ok(length) => length,
                Err(event) => return event,
            };
            let head = backend.input.get(..length).unwrap_or_default();
            let response = match Response::parse(head) {
                Ok(response) => response,
                Err(error) => return Event::BadHead(error),
            };
            if response.status >= 200 || response.status == 101 {
                return match self.judge(&response, backend.input.len()) {
                    Ok(answer) => {
                        backend.input.drain(..length);
                        Event::Answer(answer)
                    }
                    Err(error) => Event::BadHead(error),
                };
            }
            let interim = forward::interim(&response, false);
            backend.input.drain(..length);
            // HTTP/1.0 knows no interim answers (RFC 9110, section 15.2).
            if self.forward.version == Version::Http11 && !self.write_client(&interim).await {
                return Event::ClientGone;
            }
        }
    }

    /// Waits for the next head and returns its length.
    async fn next_head(
        &mut self,
        backend: &mut Backend,
        request: &mut Pump,
        sent: &mut Sent,
    ) -> Result<usize, Event> {
        let mut watchdog = Watchdog::new(self.limits.request_timeout);
        let mut scanner = Scanner::default();
        let mut watch_client = true;
        poll_fn(|context| {
            if *sent == Sent::No {
                let ClientIo { stream, input, .. } = &mut *self.client;
                match request.poll(context, stream, input, &mut backend.stream) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => *sent = Sent::Whole,
                    // The backend may have answered before it hung up.
                    Poll::Ready(Err(PumpError::Sink)) => *sent = Sent::Partly,
                    Poll::Ready(Err(PumpError::Source)) => return Poll::Ready(Err(Event::ClientGone)),
                    Poll::Ready(Err(PumpError::Malformed)) => return Poll::Ready(Err(Event::BadBody)),
                }
            }
            if *sent != Sent::No && watch_client && self.client.input.is_empty() {
                match self.client.stream.poll_peek(context) {
                    Poll::Pending => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Event::ClientGone)),
                    // Its next request, or the end of its sending: it still waits for this answer.
                    Poll::Ready(Ok(_)) => watch_client = false,
                }
            }
            loop {
                if !backend.input.is_empty() {
                    match scanner.scan(&backend.input, self.limits.max_head) {
                        Ok(Some(length)) => return Poll::Ready(Ok(length)),
                        Ok(None) => backend.stream.acknowledge(),
                        Err(error) => return Poll::Ready(Err(Event::BadHead(error))),
                    }
                }
                let Backend { stream, input, .. } = &mut *backend;
                let read = poll_read_with(stream, context, SCRATCH, |_, bytes| {
                    input.extend_from_slice(bytes);
                    bytes.len()
                });
                match read {
                    Poll::Pending => break,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Event::Hangup)),
                    Poll::Ready(Ok(_)) => {}
                }
            }
            match watchdog.poll(context, &mut self.client.patience, request.written + request.taken) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) if *sent == Sent::No && request.waits_for_source() => {
                    Poll::Ready(Err(Event::ClientSlow))
                }
                Poll::Ready(()) => Poll::Ready(Err(Event::BackendSlow)),
            }
        })
        .await
    }
}
