//! Keep-alive pings of the proxy's own, and the pongs that answer them and must not be passed on.

use std::hash::{BuildHasher as _, RandomState};

use super::frames::Frames;

const PONG: u8 = 0xA;
/// Bytes of a ping's payload.
const PAYLOAD: usize = 8;

/// Takes the pongs that answer our pings out of what a peer sends; everything else goes through unchanged.
#[derive(Debug)]
pub(super) struct Pongs {
    payload: [u8; PAYLOAD],
    /// Pings that were not answered yet.
    awaited: u32,
    /// A header, or a pong, of which not all is there.
    held: Vec<u8>,
    holds_pong: bool,
}

impl Pongs {
    /// With a payload of its own, so that no pong of the peer's own making is taken for ours.
    pub(super) fn new() -> Self {
        let payload = RandomState::new().hash_one(PAYLOAD).to_be_bytes();
        Self { payload, awaited: 0, held: Vec::new(), holds_pong: false }
    }

    /// The next ping, masked with a key where a client would send it; its pong is awaited from now on.
    pub(super) fn ping(&mut self, masked: bool) -> Vec<u8> {
        self.awaited += 1;
        if !masked {
            return [&[0x89, 0x08][..], &self.payload].concat();
        }
        let key = RandomState::new().hash_one(self.awaited).to_be_bytes();
        let key: Vec<u8> = key.into_iter().take(4).collect();
        let payload: Vec<u8> = unmask(&key, &self.payload).collect();
        [&[0x89, 0x88][..], &key, &payload].concat()
    }

    /// Whether nothing is awaited and nothing held, so that bytes need not pass through here.
    pub(super) fn is_idle(&self) -> bool {
        self.awaited == 0 && self.held.is_empty()
    }

    /// What is held back, once nothing more will come.
    pub(super) fn release(&mut self) -> Vec<u8> {
        self.holds_pong = false;
        self.awaited = 0;
        std::mem::take(&mut self.held)
    }

    /// Appends `bytes` to `out` without our pongs; whether one was taken out.
    pub(super) fn filter(&mut self, frames: &mut Frames, mut bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let mut taken = false;
        while !bytes.is_empty() {
            let in_payload = frames.in_payload();
            let rest = frames.step(bytes);
            let (piece, after) = bytes.split_at(bytes.len() - rest.len());
            bytes = after;
            if in_payload && !self.holds_pong {
                out.extend_from_slice(piece);
                continue;
            }
            self.held.extend_from_slice(piece);
            if frames.in_header() {
                continue;
            }
            let candidate = frames.opcode() == PONG && frames.remaining() == PAYLOAD as u64;
            if !in_payload && candidate && self.awaited > 0 {
                self.holds_pong = true;
            } else if !(self.holds_pong && frames.in_payload()) {
                if self.holds_pong && self.is_ours() {
                    self.awaited -= 1;
                    taken = true;
                    self.held.clear();
                }
                self.holds_pong = false;
                out.append(&mut self.held);
            }
        }
        taken
    }

    fn is_ours(&self) -> bool {
        let Some(start) = self.held.len().checked_sub(PAYLOAD) else { return false };
        let (header, payload) = self.held.split_at(start);
        let key = header.get(2..6).unwrap_or(&[0]);
        unmask(key, payload).eq(self.payload)
    }
}

fn unmask<'a>(key: &'a [u8], payload: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
    payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pong that answers a ping, as the other end would send it.
    fn pong(ping: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let payload = &ping[2..];
        match mask {
            None => [&[0x8A, 0x08][..], payload].concat(),
            Some(key) => [&[0x8A, 0x88][..], &key, &unmask(&key, payload).collect::<Vec<_>>()].concat(),
        }
    }

    proptest! {
        #[test]
        fn only_our_pong_is_taken_out_at_any_split(
            before in prop::collection::vec(any::<u8>(), 0..140),
            step in 1usize..50,
            mask: Option<[u8; 4]>,
        ) {
            let mut pongs = Pongs::new();
            let ours = pong(&pongs.ping(false), mask);
            let text = [&[0x82, 0x7E, 0, u8::try_from(before.len()).unwrap()][..], &before].concat();
            let theirs = pong(&[0x89, 0x08, 1, 2, 3, 4, 5, 6, 7, 8], mask);
            let sent = [&text[..], &theirs, &ours, &text].concat();
            let (mut frames, mut out, mut taken) = (Frames::default(), Vec::new(), 0);
            for piece in sent.chunks(step) {
                taken += u32::from(pongs.filter(&mut frames, piece, &mut out));
            }
            prop_assert_eq!(out, [&text[..], &theirs, &text].concat());
            prop_assert_eq!(taken, 1);
            prop_assert!(pongs.is_idle());
        }

        #[test]
        fn no_byte_is_lost_of_a_stream_that_is_no_websocket(
            bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..50
        ) {
            let mut pongs = Pongs::new();
            pongs.ping(true);
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(step) {
                pongs.filter(&mut frames, piece, &mut out);
            }
            out.append(&mut pongs.release());
            prop_assert_eq!(out, bytes);
        }
    }
}
