//! One body on its way from one side to the other, framed anew, with backpressure.

use std::io;
use std::task::{Context, Poll};

use crate::proxy::http::{BodyLength, ChunkError, Chunked, Progress};
use crate::proxy::stream::{SCRATCH, Stream, poll_read_with, poll_write_some};

/// How many reads one wake-up may do before other tasks get their turn.
const READS_A_WAKE: u32 = 16;
/// Bytes read before that are sent together with the head.
const JOINED: usize = 16 * 1024;
/// Memory that stays while more of a body is waited for.
const KEPT: usize = 4 * 1024;

/// A head followed by a body.
#[derive(Debug)]
pub(super) struct Pump {
    framing: Framing,
    unchunk: bool,
    /// What is written, from `at` on; a head stays until there is more to write, in case it is sent again.
    pending: Vec<u8>,
    at: usize,
    /// Body bytes taken from the source.
    pub(super) taken: u64,
    /// Everything that was ever written, to notice progress.
    pub(super) written: u64,
    source_done: bool,
}

#[derive(Debug)]
enum Framing {
    Exact(u64),
    Chunked(Box<Chunked>),
    UntilClose,
}

/// Which side failed.
#[derive(Debug)]
pub(super) enum PumpError {
    /// The source ended or failed before the body's end.
    Source,
    /// The receiver is gone.
    Sink,
    /// The body is not chunked as it must be.
    Malformed,
}

impl Pump {
    /// Sends `head` and then a body framed as `body`; `unchunk` sends chunked data bare.
    pub(super) fn new(head: Vec<u8>, body: BodyLength, unchunk: bool) -> Self {
        let (framing, source_done) = match body {
            BodyLength::Exact(length) => (Framing::Exact(length), length == 0),
            BodyLength::Chunked => (Framing::Chunked(Box::default()), false),
            BodyLength::UntilClose => (Framing::UntilClose, false),
        };
        Self { framing, unchunk, pending: head, at: 0, taken: 0, written: 0, source_done }
    }

    /// Whether it is the source that is waited for, not the receiver.
    pub(super) fn waits_for_source(&self) -> bool {
        self.rest().is_empty() && !self.source_done
    }

    /// The head, to be sent once more; only while no byte of the body was taken.
    pub(super) fn into_head(self) -> Vec<u8> {
        self.pending
    }

    fn rest(&self) -> &[u8] {
        self.pending.get(self.at..).unwrap_or_default()
    }

    /// Forgets what was written, so that more can be put behind the rest.
    fn make_room(&mut self) {
        if self.at == self.pending.len() {
            if self.pending.capacity() > KEPT {
                self.pending = Vec::new();
            }
            self.pending.clear();
            self.at = 0;
        }
    }

    /// Moves what can be moved; ready when all of the body is written.
    ///
    /// `early` holds bytes of the source that were read before; what follows the body is left in it.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &mut Stream,
        early: &mut Vec<u8>,
        sink: &mut Stream,
    ) -> Poll<Result<(), PumpError>> {
        for _ in 0..READS_A_WAKE {
            if !early.is_empty() && !self.source_done && self.rest().len() < JOINED {
                let used = self.feed(early).map_err(|_| PumpError::Malformed)?;
                early.drain(..used);
                if early.is_empty() {
                    // Its room would be held for as long as the receiver does not read.
                    *early = Vec::new();
                }
            }
            match self.flush(context, sink) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(_) => return Poll::Ready(Err(PumpError::Sink)),
            }
            if self.source_done {
                return Poll::Ready(Ok(()));
            }
            if !early.is_empty() {
                continue;
            }
            // Room for one byte more than there can be: a read that does not fill it tells that nothing else waits.
            let most = match self.framing {
                Framing::Exact(left) => usize::try_from(left).map_or(SCRATCH, |left| SCRATCH.min(left + 1)),
                Framing::Chunked(_) | Framing::UntilClose => SCRATCH,
            };
            let read = poll_read_with(source, context, most, |context, bytes| {
                self.take(context, bytes, early, sink)
            });
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(outcome)) => outcome?,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(PumpError::Source)),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Handles what one read brought; nothing is the source's end.
    fn take(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        early: &mut Vec<u8>,
        sink: &mut Stream,
    ) -> Result<(), PumpError> {
        if bytes.is_empty() {
            if matches!(self.framing, Framing::UntilClose) {
                self.source_done = true;
                return Ok(());
            }
            return Err(PumpError::Source);
        }
        if let Framing::Chunked(_) = self.framing {
            let used = self.feed(bytes).map_err(|_| PumpError::Malformed)?;
            early.extend_from_slice(bytes.get(used..).unwrap_or_default());
            return Ok(());
        }
        let bytes = match self.framing {
            Framing::Exact(left) => {
                let body = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let (body, beyond) = bytes.split_at(body);
                early.extend_from_slice(beyond);
                body
            }
            Framing::Chunked(_) | Framing::UntilClose => bytes,
        };
        // Straight from the thread's buffer; only what the receiver does not take is copied.
        self.account(bytes.len());
        self.make_room();
        let sent = poll_write_some(sink, context, bytes).map_err(|_| PumpError::Sink)?;
        self.written += sent as u64;
        if let Some(left) = bytes.get(sent..).filter(|left| !left.is_empty()) {
            self.pending.extend_from_slice(left);
        }
        Ok(())
    }

    fn account(&mut self, count: usize) {
        self.taken += count as u64;
        if let Framing::Exact(left) = &mut self.framing {
            *left = left.saturating_sub(count as u64);
            self.source_done = *left == 0;
        }
    }

    /// Takes body bytes from `input` into `pending`; returns how many were the body's.
    fn feed(&mut self, input: &[u8]) -> Result<usize, ChunkError> {
        self.make_room();
        let decoder = match &mut self.framing {
            Framing::Exact(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                self.pending.extend_from_slice(input.get(..count).unwrap_or_default());
                self.account(count);
                return Ok(count);
            }
            Framing::UntilClose => {
                self.pending.extend_from_slice(input);
                self.account(input.len());
                return Ok(input.len());
            }
            Framing::Chunked(decoder) => decoder,
        };
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            match decoder.decode(rest)? {
                Progress::Framing(count) => return Ok(used + count),
                Progress::Data(range) => {
                    let data = rest.get(range.clone()).unwrap_or_default();
                    self.taken += data.len() as u64;
                    if self.unchunk {
                        self.pending.extend_from_slice(data);
                    } else {
                        self.pending.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                        self.pending.extend_from_slice(data);
                        self.pending.extend_from_slice(b"\r\n");
                    }
                    used += range.end;
                }
                Progress::End(count) => {
                    if !self.unchunk {
                        self.pending.extend_from_slice(b"0\r\n");
                        self.pending.extend_from_slice(decoder.trailers());
                        self.pending.extend_from_slice(b"\r\n");
                    }
                    self.source_done = true;
                    return Ok(used + count);
                }
            }
        }
    }

    fn flush(&mut self, context: &mut Context<'_>, sink: &mut Stream) -> io::Result<bool> {
        if self.rest().is_empty() {
            return Ok(true);
        }
        let sent = poll_write_some(sink, context, self.rest())?;
        self.written += sent as u64;
        self.at += sent;
        if self.at < self.pending.len() {
            return Ok(false);
        }
        if self.taken > 0 {
            self.make_room();
        }
        Ok(true)
    }
}
