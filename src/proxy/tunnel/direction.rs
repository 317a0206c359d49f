//! One direction of a tunnel: what is read on one side goes out on the other, or waits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::{Deserialize, Serialize};

use super::frames::Frames;
use super::pings::Pongs;
use crate::proxy::splice::{self, Spliced};
use crate::proxy::stream::{SCRATCH, Transport, poll_read_with, poll_write_some};

/// How many reads of a direction one wake-up may do before other tasks get their turn.
const READS_A_WAKE: u32 = 8;
/// From how many bytes of a message on they are not copied to user space.
const LONG: u64 = 64 * 1024;
/// Close, 1001 going away (RFC 6455, section 7.4.1).
pub(super) const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DirectionState {
    bytes: u64,
    ended: bool,
    /// The sender ended, and the receiver was not told yet.
    #[serde(default)]
    ending: bool,
    frames: Frames,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// Bytes that the receiver did not take yet; the sender is not read until they are gone.
    pending: Vec<u8>,
    at: usize,
    pub(super) bytes: u64,
    pub(super) flow: Flow,
    pub(super) frames: Frames,
    /// Only once the proxy has sent pings of its own.
    pongs: Option<Box<Pongs>>,
    pub(super) ponged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Flow {
    #[default]
    Open,
    /// The sender ended: flush, then pass the end on.
    Ending,
    /// Our Close is the last that the receiver gets: flush, end, then wait for the sender's end.
    Goodbye,
    /// What the sender still says is read and dropped, so that closing does not reset its connection.
    Discarding,
    /// The end was passed on.
    Ended,
    /// The receiver is gone.
    Broken,
}

/// What one call moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    Some,
    /// The turn is used up and more can be moved at once.
    More,
    SenderClosed,
    SenderReset,
    ReceiverReset,
}

impl Direction {
    pub(super) fn beginning(first: Vec<u8>) -> Self {
        // What the head left of a buffer is not kept for as long as the tunnel lives.
        let first = if first.is_empty() { Vec::new() } else { first };
        let mut direction = Self { bytes: first.len() as u64, pending: first, ..Self::default() };
        direction.frames.observe(&direction.pending);
        direction
    }

    /// Goes on where [`Self::stop`] stopped.
    pub(super) fn resume(state: DirectionState, pending: Vec<u8>) -> Self {
        let flow = match (state.ended, state.ending) {
            (true, _) => Flow::Ended,
            (false, true) => Flow::Ending,
            (false, false) => Flow::Open,
        };
        Self { pending, bytes: state.bytes, flow, frames: state.frames, ..Self::default() }
    }

    /// What another process must know to go on, and the bytes that were read but not written yet.
    pub(super) fn stop(mut self) -> (DirectionState, Vec<u8>) {
        self.stop_filtering();
        let (ended, ending) = (self.flow == Flow::Ended, self.flow == Flow::Ending);
        let state = DirectionState { bytes: self.bytes, ended, ending, frames: self.frames };
        self.pending.drain(..self.at);
        (state, self.pending)
    }

    /// Memory taken for what the receiver did not read yet.
    pub(super) fn held(&self) -> usize {
        self.pending.capacity()
    }

    /// Whether another process can go on; not in the midst of a goodbye of this one's own.
    pub(super) fn may_move(&self) -> bool {
        match self.flow {
            Flow::Open | Flow::Ending | Flow::Ended => true,
            Flow::Goodbye | Flow::Discarding | Flow::Broken => false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.flow, Flow::Ended | Flow::Broken)
    }

    /// Moves what can be moved. Once the other direction has ended, so that this is the `last`, closing a socket tells
    /// its end.
    pub(super) fn poll<F: Transport, T: Transport>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        close: Option<&[u8]>,
        last: bool,
    ) -> Moved {
        let mut moved = Moved::Some;
        let mut reads_left = READS_A_WAKE;
        loop {
            if close.is_some() {
                self.stop_filtering();
            }
            if let Some(close) = close.filter(|_| self.may_insert()) {
                self.pending.extend_from_slice(close);
                self.flow = Flow::Goodbye;
            }
            match self.flush(context, to) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return self.broken(),
                Poll::Pending => return moved,
            }
            let discarding = match self.flow {
                Flow::Ended | Flow::Broken => return moved,
                Flow::Ending if last && to.socket().is_some() => {
                    self.flow = Flow::Ended;
                    return moved;
                }
                Flow::Ending | Flow::Goodbye => match Pin::new(&mut *to).poll_shutdown(context) {
                    Poll::Pending => return moved,
                    Poll::Ready(Err(_)) => return self.broken(),
                    Poll::Ready(Ok(())) if self.flow == Flow::Goodbye => {
                        self.flow = Flow::Discarding;
                        true
                    }
                    Poll::Ready(Ok(())) => {
                        self.flow = Flow::Ended;
                        return moved;
                    }
                },
                Flow::Discarding => true,
                Flow::Open => false,
            };
            // Only here: an end that came with the last read is passed on in this turn, as nothing would wake the next.
            let Some(left) = reads_left.checked_sub(1) else { return Moved::More };
            reads_left = left;
            let looked_at =
                discarding || close.is_some() || self.pongs.as_ref().is_some_and(|pongs| !pongs.is_idle());
            if !looked_at && self.frames.unseen() >= LONG {
                match self.splice(context, from, to) {
                    Spliced::Moved(..) => continue,
                    Spliced::Nothing => return moved,
                    Spliced::Broken => return self.broken(),
                    Spliced::Not => {}
                }
            }
            let read = poll_read_with(from, context, SCRATCH, |context, bytes| {
                if discarding || bytes.is_empty() {
                    return Ok(bytes.is_empty());
                }
                self.pass_on(context, bytes, to, close.is_some()).map(|()| false)
            });
            match read {
                Poll::Pending => return moved,
                Poll::Ready(Err(_)) => return Moved::SenderReset,
                Poll::Ready(Ok(Err(_))) => return self.broken(),
                Poll::Ready(Ok(Ok(false))) => {}
                Poll::Ready(Ok(Ok(true))) => {
                    moved = Moved::SenderClosed;
                    self.stop_filtering();
                    self.flow = if discarding { Flow::Ended } else { Flow::Ending };
                }
            }
        }
    }

    /// Passes on a part of a long message that nobody looks at.
    fn splice<F: Transport, T: Transport>(&mut self, context: &mut Context<'_>, from: &F, to: &T) -> Spliced {
        let Some((from, to)) = from.socket().zip(to.socket()) else { return Spliced::Not };
        loop {
            match from.poll_read_ready(context) {
                Poll::Pending => return Spliced::Nothing,
                Poll::Ready(Err(_)) => return Spliced::Not,
                Poll::Ready(Ok(())) => {}
            }
            match splice::move_some(from, to, self.frames.unseen()) {
                // The next look at the sender's readiness leaves word to be woken.
                Spliced::Nothing => {}
                Spliced::Moved(count, rest) => {
                    self.frames.skip(count);
                    self.bytes += count as u64;
                    self.pending = rest;
                    return Spliced::Moved(count, Vec::new());
                }
                other => return other,
            }
        }
    }

    /// Sends on what was read; what the receiver does not take now is kept.
    pub(super) fn pass_on<T: Transport>(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: &mut T,
        to_boundary: bool,
    ) -> io::Result<()> {
        let bytes = if to_boundary {
            let end = self.frames.observe_to_boundary(bytes);
            bytes.get(..end).unwrap_or(bytes)
        } else if let Some(pongs) = self.pongs.as_mut().filter(|pongs| !pongs.is_idle()) {
            let before = self.pending.len();
            self.ponged |= pongs.filter(&mut self.frames, bytes, &mut self.pending);
            self.bytes += (self.pending.len() - before) as u64;
            return Ok(());
        } else {
            self.frames.observe(bytes);
            bytes
        };
        self.bytes += bytes.len() as u64;
        let written = poll_write_some(to, context, bytes)?;
        self.pending.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    pub(super) fn flush<T: Transport>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut T,
    ) -> Poll<io::Result<()>> {
        if !self.pending.is_empty() {
            let rest = self.pending.get(self.at..).unwrap_or_default();
            self.at += poll_write_some(to, context, rest)?;
            if self.at < self.pending.len() {
                return Poll::Pending;
            }
            self.pending = Vec::new();
            self.at = 0;
        }
        // Nothing for a socket; TLS keeps records of its own that must go out.
        Pin::new(to).poll_flush(context)
    }

    /// The receiver is gone; the other direction may still bring what it sent before.
    pub(super) fn broken(&mut self) -> Moved {
        self.flow = Flow::Broken;
        self.pending = Vec::new();
        self.at = 0;
        Moved::ReceiverReset
    }

    /// Passes on what was held back as a pong that might be ours.
    pub(super) fn stop_filtering(&mut self) {
        if let Some(mut pongs) = self.pongs.take() {
            let held = pongs.release();
            self.bytes += held.len() as u64;
            self.pending.extend_from_slice(&held);
        }
    }

    /// Sends a ping this way, whose pong will come the `other` way.
    pub(super) fn insert_ping(&mut self, other: &mut Self, masked: bool) {
        let answerable = other.flow == Flow::Open && other.frames.at_boundary();
        // A receiver that does not read needs no ping on top.
        if self.may_insert() && self.pending.is_empty() && answerable {
            let pongs = other.pongs.get_or_insert_with(|| Box::new(Pongs::new()));
            self.pending.extend_from_slice(&pongs.ping(masked));
        }
    }

    pub(super) fn may_insert(&self) -> bool {
        self.flow == Flow::Open && self.frames.at_boundary() && self.frames.close().is_none()
    }
}

/// A Close frame with 1001, masked as a client must where a key is given.
pub(super) fn close_frame(key: Option<[u8; 4]>) -> Vec<u8> {
    let [high, low] = GOING_AWAY;
    match key {
        None => vec![0x88, 2, high, low],
        Some([a, b, c, d]) => vec![0x88, 0x82, a, b, c, d, high ^ a, low ^ b],
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    /// Says so many bytes, each in a read of its own, then ends; takes everything that it is told.
    #[derive(Default)]
    struct Scripted {
        says: u32,
        heard: u32,
        was_ended: bool,
    }

    impl AsyncRead for Scripted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.says > 0 {
                self.says -= 1;
                buffer.put_slice(b"x");
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Scripted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.heard += u32::try_from(bytes.len()).unwrap();
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.was_ended = true;
            Poll::Ready(Ok(()))
        }
    }

    impl Transport for Scripted {
        fn abort(&self) {}
    }

    #[test]
    fn an_end_is_passed_on_whichever_read_of_a_turn_it_comes_with() {
        let mut context = Context::from_waker(Waker::noop());
        for reads in 0..=READS_A_WAKE * 3 {
            let (mut from, mut to) = (Scripted { says: reads, ..Scripted::default() }, Scripted::default());
            let mut direction = Direction::default();
            // Nobody wakes it but itself: everything has come already.
            while direction.poll(&mut context, &mut from, &mut to, None, false) == Moved::More {}
            assert!(to.was_ended && direction.is_over(), "after {reads} reads");
            assert_eq!(to.heard, reads);
        }
    }
}
