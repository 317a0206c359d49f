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
    /// Who ended first.
    pub by: Side,
    /// In which way, as a word for the log: `closed`, `reset`, `idle`, `drain` or `cut`; `handover` when
    /// [`Relay::into_parts`] has what another process needs to go on.
    pub how: &'static str,
    /// Bytes relayed from the client to the backend.
    pub up: u64,
    /// Bytes relayed from the backend to the client.
    pub down: u64,
    /// The code of the first Close frame seen, where it had one.
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
        Self { client, backend, up, down, first: None, registration }
    }

    /// Goes on where [`Self::into_parts`] stopped.
    #[must_use]
    pub fn resume(parts: Parts<A, B>, registration: Registration) -> Self {
        let Parts { client, backend, state, pending: [to_backend, to_client] } = parts;
        let up = Direction::resume(state.up, to_backend);
        let down = Direction::resume(state.down, to_client);
        Self { client, backend, up, down, first: None, registration }
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
        let close_code = [&self.down, &self.up].into_iter().find_map(|one| one.frames.close()?.code);
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
        let down_close = goodbye.then(|| close_frame(None));
        let last = self.up.flow == Flow::Ended;
        let down = self.down.poll(context, &mut self.backend, &mut self.client, down_close.as_deref(), last);
        self.note(down, Side::Backend, Side::Client);
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
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::{Limits, Registry};
    use super::*;

    const LIMITS: Limits = Limits { idle: 10, ping: None, ping_backend: false };

    /// The far ends of a running tunnel, and what it returns.
    struct Ends {
        client: TcpStream,
        backend: TcpStream,
        registry: Arc<Registry>,
        ended: tokio::task::JoinHandle<Ended>,
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (far, near) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (far.unwrap(), near.unwrap().0)
    }

    async fn tunnel() -> Ends {
        let ((client, near_client), (backend, near_backend)) = (pair().await, pair().await);
        let registry = Arc::new(Registry::default());
        let relay = Relay::new(near_client, near_backend, Vec::new(), Vec::new(), registry.register());
        Ends { client, backend, registry, ended: tokio::spawn(relay) }
    }

    async fn within<T>(work: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(10), work).await.expect("within 10 s")
    }

    #[tokio::test]
    async fn half_close_is_relayed_and_the_other_half_still_works() {
        let mut ends = tunnel().await;
        ends.client.write_all(b"last words").await.unwrap();
        ends.client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        within(ends.backend.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"last words");
        ends.backend.write_all(b"answer").await.unwrap();
        drop(ends.backend);
        let mut answer = Vec::new();
        within(ends.client.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, b"answer");
        let ended = within(ends.ended).await.unwrap();
        assert_eq!((ended.by, ended.how, ended.up, ended.down), (Side::Client, "closed", 10, 6));
    }

    #[tokio::test]
    async fn rst_is_relayed_both_ways() {
        let mut ends = tunnel().await;
        ends.client.abort();
        drop(ends.client);
        let error = within(ends.backend.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(within(ends.ended).await.unwrap().by, Side::Client);
        let mut ends = tunnel().await;
        ends.backend.abort();
        drop(ends.backend);
        let error = within(ends.client.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn megabytes_pass_a_slow_reader_unchanged() {
        let Ends { mut client, mut backend, ended, .. } = tunnel().await;
        let sent: Vec<u8> =
            (0..4_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            backend.write_all(&sent).await.unwrap();
            backend.shutdown().await.unwrap();
            backend
        });
        let mut heard = Vec::new();
        let mut piece = [0; 1500];
        loop {
            let count = within(client.read(&mut piece)).await.unwrap();
            if count == 0 {
                break;
            }
            heard.extend_from_slice(&piece[..count]);
        }
        assert!(heard == expected);
        drop((client, within(writer).await.unwrap()));
        assert_eq!(within(ended).await.unwrap().down, 4_000_000);
    }

    #[tokio::test]
    async fn a_long_message_passes_a_stalling_reader_unchanged_and_its_end_is_known() {
        let Ends { mut client, mut backend, registry, ended } = tunnel().await;
        let payload: Vec<u8> =
            (0..3_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let header = [&[0x82, 127][..], &(payload.len() as u64).to_be_bytes()].concat();
        let expected = [&header[..], &payload, b"\x88\x02\x03\xE9"].concat();
        let message = [header, payload].concat();
        let writer = tokio::spawn(async move {
            backend.write_all(&message).await.unwrap();
            backend
        });
        let (mut heard, mut piece) = (Vec::new(), vec![0; 100_000]);
        while heard.len() < expected.len() - 4 {
            // Nobody reads for so long that everything between is full, again and again.
            tokio::task::yield_now().await;
            let count = within(client.read(&mut piece)).await.unwrap();
            assert!(count > 0, "the end came early");
            heard.extend_from_slice(&piece[..count]);
        }
        let backend = within(writer).await.unwrap();
        registry.go_away(1.0);
        within(client.read_to_end(&mut heard)).await.unwrap();
        assert!(heard == expected);
        drop((client, backend));
        assert_eq!(within(ended).await.unwrap().down, 3_000_010);
    }

    #[tokio::test]
    async fn goodbye_waits_for_the_frame_to_end() {
        let mut ends = tunnel().await;
        // A text frame of five bytes, of which two are still missing.
        ends.backend.write_all(b"\x81\x05hel").await.unwrap();
        let mut heard = [0; 5];
        within(ends.client.read_exact(&mut heard)).await.unwrap();
        ends.registry.go_away(1.0);
        let mut masked = [0; 8];
        within(ends.backend.read_exact(&mut masked)).await.unwrap();
        assert_eq!([masked[6] ^ masked[2], masked[7] ^ masked[3]], GOING_AWAY);
        ends.backend.write_all(b"lo\x81\x03abc").await.unwrap();
        drop(ends.backend);
        let mut rest = Vec::new();
        within(ends.client.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"lo\x88\x02\x03\xE9");
        drop(ends.client);
        let ended = within(ends.ended).await.unwrap();
        assert_eq!((ended.by, ended.how), (Side::Proxy, "drain"));
    }

    #[tokio::test]
    async fn a_silent_tunnel_is_ended_when_the_clock_passes_its_limit() {
        let mut ends = tunnel().await;
        ends.registry.advance(9, LIMITS);
        ends.client.write_all(b"x").await.unwrap();
        assert_eq!(within(ends.backend.read_u8()).await.unwrap(), b'x');
        ends.registry.advance(18, LIMITS);
        assert!(!ends.ended.is_finished());
        ends.registry.advance(19, LIMITS);
        assert_eq!(within(ends.ended).await.unwrap().how, "idle");
        assert!(ends.registry.is_empty());
    }

    #[tokio::test]
    async fn pings_keep_a_silent_tunnel_and_their_pongs_stay_here() {
        let mut ends = tunnel().await;
        let limits = Limits { idle: 10, ping: Some(4), ping_backend: true };
        ends.registry.advance(4, limits);
        let (mut ping, mut masked) = ([0; 10], [0; 14]);
        within(ends.client.read_exact(&mut ping)).await.unwrap();
        within(ends.backend.read_exact(&mut masked)).await.unwrap();
        assert_eq!((ping[..2].to_vec(), masked[..2].to_vec()), (vec![0x89, 0x08], vec![0x89, 0x88]));
        // The pong, masked with zeros, and a text frame right behind it; in three pieces.
        let answer = [&[0x8A, 0x88, 0, 0, 0, 0][..], &ping[2..], b"\x81\x82\0\0\0\0hi"].concat();
        for piece in answer.chunks(7) {
            ends.client.write_all(piece).await.unwrap();
        }
        let mut heard = [0; 8];
        within(ends.backend.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"\x81\x82\0\0\0\0hi");
        ends.registry.advance(13, limits);
        assert!(!ends.ended.is_finished());
        drop((ends.client, ends.backend));
        let ended = within(ends.ended).await.unwrap();
        assert_eq!((ended.up, ended.down), (8, 0));
    }
}
