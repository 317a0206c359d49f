//! The relay itself: one future for both directions.

use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::{Deserialize, Serialize};

use super::control::{Ask, Registration};
use super::direction::{Direction, DirectionState, Flow, GOING_AWAY, Moved, close_frame};
use crate::proxy::stream::Transport;

/// One end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The end that opened the tunnel.
    Client,
    /// The end that it was opened to.
    Backend,
    /// Neither: the proxy ended it.
    Proxy,
}

impl Side {
    /// The side's name for the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Backend => "backend",
            Self::Proxy => "proxy",
        }
    }
}

/// How a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Who sent the first Close frame, or ended first without one.
    pub by: Side,
    /// In which way, as a word for the log: `closed`, `reset`, `idle`, `drain` or `cut`; `handover` when
    /// [`Relay::into_parts`] has what another process needs to go on.
    pub how: &'static str,
    /// Bytes relayed from the client to the backend.
    pub up: u64,
    /// Bytes relayed from the backend to the client.
    pub down: u64,
    /// The code of the first Close frame, where it had one.
    pub close_code: Option<u16>,
}

/// Relays bytes between two transports until both directions have ended.
///
/// Half-closes and resets are passed on as such. Memory is taken only while a peer does not read.
#[derive(Debug)]
pub struct Relay<A, B> {
    client: A,
    backend: B,
    up: Direction,
    down: Direction,
    first: Option<(Side, &'static str)>,
    /// Who sent the first Close frame: the other end answers it, and may well be the first to hang up.
    closer: Option<Side>,
    registration: Registration,
}

impl<A: Transport, B: Transport> Relay<A, B> {
    /// Joins two transports; `to_backend` and `to_client` are frames that were read before and go first.
    #[must_use]
    pub fn new(
        client: A,
        backend: B,
        to_backend: Vec<u8>,
        to_client: Vec<u8>,
        registration: Registration,
    ) -> Self {
        let (up, down) = (Direction::beginning(to_backend), Direction::beginning(to_client));
        Self { client, backend, up, down, first: None, closer: None, registration }
    }

    /// Goes on where [`Self::into_parts`] stopped.
    #[must_use]
    pub fn resume(parts: Parts<A, B>, registration: Registration) -> Self {
        let Parts { client, backend, state, pending: [to_backend, to_client] } = parts;
        let up = Direction::resume(state.up, to_backend);
        let down = Direction::resume(state.down, to_client);
        Self { client, backend, up, down, first: None, closer: None, registration }
    }

    /// The transports and what is known of their streams; only after the relay ended with `handover`.
    #[must_use]
    pub fn into_parts(self) -> Parts<A, B> {
        let ((up, to_backend), (down, to_client)) = (self.up.stop(), self.down.stop());
        let (state, pending) = (State { up, down }, [to_backend, to_client]);
        Parts { client: self.client, backend: self.backend, state, pending }
    }

    /// Bytes of memory that both directions take for what a peer did not read yet; none while both read.
    #[must_use]
    pub fn held(&self) -> usize {
        self.up.held() + self.down.held()
    }

    fn ended(&mut self, by: Side, how: &'static str) -> Ended {
        let (by, how) = *self.first.get_or_insert((by, how));
        let by = self.closer.filter(|_| how == "closed").unwrap_or(by);
        let close = match self.closer {
            Some(Side::Client) => self.up.frames.close(),
            Some(Side::Backend) => self.down.frames.close(),
            Some(Side::Proxy) | None => None,
        };
        let close_code = close.and_then(|close| close.code);
        Ended { by, how, up: self.up.bytes, down: self.down.bytes, close_code }
    }

    /// Sends pings where a frame may stand between the others.
    fn ping(&mut self) {
        self.down.insert_ping(&mut self.up, false);
        if self.registration.pings_backend() {
            self.up.insert_ping(&mut self.down, true);
        }
    }

    fn abort(&self) {
        self.client.abort();
        self.backend.abort();
    }

    /// Moves what can be moved; `Some` when the tunnel is over.
    fn step(&mut self, context: &mut Context<'_>, goodbye: bool) -> Option<Ended> {
        let key = || RandomState::new().hash_one(GOING_AWAY).to_be_bytes().first_chunk::<4>().copied();
        let up_close = goodbye.then(|| close_frame(key()));
        let last = self.down.flow == Flow::Ended;
        let up = self.up.poll(context, &mut self.client, &mut self.backend, up_close.as_deref(), last);
        self.note(up, Side::Client, Side::Backend);
        if self.up.frames.close().is_some() {
            self.closer.get_or_insert(Side::Client);
        }
        let down_close = goodbye.then(|| close_frame(None));
        let last = self.up.flow == Flow::Ended;
        let down = self.down.poll(context, &mut self.backend, &mut self.client, down_close.as_deref(), last);
        self.note(down, Side::Backend, Side::Client);
        if self.down.frames.close().is_some() {
            self.closer.get_or_insert(Side::Backend);
        }
        if matches!((up, down), (Moved::SenderReset, _) | (_, Moved::SenderReset)) {
            self.abort();
            return Some(self.ended(Side::Proxy, "reset"));
        }
        if self.up.is_over() && self.down.is_over() {
            if self.up.flow == Flow::Broken || self.down.flow == Flow::Broken {
                self.abort();
            }
            return Some(self.ended(Side::Proxy, "closed"));
        }
        if matches!((up, down), (Moved::More, _) | (_, Moved::More)) {
            context.waker().wake_by_ref();
        }
        None
    }

    /// Remembers who ended first.
    fn note(&mut self, moved: Moved, from: Side, to: Side) {
        let event = match moved {
            Moved::Some | Moved::More => return,
            Moved::SenderClosed => (from, "closed"),
            Moved::SenderReset => (from, "reset"),
            Moved::ReceiverReset => (to, "reset"),
        };
        self.first.get_or_insert(event);
    }
}

impl<A: Transport, B: Transport> Future for Relay<A, B> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        this.registration.control().register(context.waker());
        let asked = this.registration.control().asked();
        let goodbye = match asked {
            Ask::Nothing => false,
            Ask::HandOver => {
                // The pong of a last ping reaches the other end unasked for, which RFC 6455 allows.
                this.up.stop_filtering();
                this.down.stop_filtering();
                false
            }
            Ask::GoAway => {
                this.first.get_or_insert((Side::Proxy, "drain"));
                true
            }
            Ask::Idle => return Poll::Ready(this.ended(Side::Proxy, "idle")),
            Ask::Cut => {
                this.abort();
                return Poll::Ready(this.ended(Side::Proxy, "cut"));
            }
        };
        if this.registration.control().take_ping() {
            this.ping();
        }
        let before = (this.up.bytes, this.down.bytes);
        let ended = this.step(context, goodbye);
        let ponged = std::mem::take(&mut this.up.ponged) | std::mem::take(&mut this.down.ponged);
        if ponged || before != (this.up.bytes, this.down.bytes) {
            this.registration.touch();
        }
        if ended.is_none() && asked == Ask::HandOver && this.up.may_move() && this.down.may_move() {
            // Whatever ended before, such as one half, is not what ends it here.
            this.first = None;
            return Poll::Ready(this.ended(Side::Proxy, "handover"));
        }
        ended.map_or(Poll::Pending, Poll::Ready)
    }
}

/// A tunnel between two processes: its transports, and what is known of their streams.
#[derive(Debug)]
pub struct Parts<A, B> {
    /// The end that opened the tunnel.
    pub client: A,
    /// The end that it was opened to.
    pub backend: B,
    /// What is known of both directions.
    pub state: State,
    /// What was read but not written yet, since a peer does not read: for the backend, for the client.
    pub pending: [Vec<u8>; 2],
}

/// What is known of both directions of a tunnel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    up: DirectionState,
    down: DirectionState,
}

#[cfg(test)]
mod tests;
