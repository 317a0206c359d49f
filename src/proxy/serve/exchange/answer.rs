//! Waits for a backend's answer while the request goes out; neither retries nor sends the answer on.

use std::future::poll_fn;
use std::task::Poll;

use super::super::connection::ClientIo;
use super::super::forward;
use super::super::pump::{Pump, PumpError};
use super::super::watchdog::Watchdog;
use super::{Backend, Exchange, Sent};
use crate::proxy::http::{HeadError, Response, Scanner, Version};
use crate::proxy::stream::{SCRATCH, poll_read_with};

/// What ended the wait for an answer.
pub(super) enum Event {
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
    /// Sends the request and waits for an answer's head, passing interim ones (100, 103) on.
    pub(super) async fn answer(
        &mut self,
        backend: &mut Backend,
        request: &mut Pump,
        sent: &mut Sent,
    ) -> Event {
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
                let ClientIo { stream, input, .. } = &mut *self.client;
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
}
