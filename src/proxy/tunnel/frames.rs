//! Where WebSocket frames begin and end in a byte stream (RFC 6455, section 5.2); payloads are not kept.

use serde::{Deserialize, Serialize};

/// Follows one direction of a tunnel from header to header.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Frames {
    header: [u8; 14],
    have: u8,
    control: [u8; 2],
    control_have: u8,
    opcode: u8,
    remaining: u64,
    mask: Option<[u8; 4]>,
    count: u64,
    close: Option<CloseSeen>,
    lost: bool,
}

/// A Close frame that went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseSeen {
    /// Its code, where it had one.
    pub code: Option<u16>,
}

const CLOSE: u8 = 0x8;

impl Frames {
    /// Follows `bytes`.
    pub fn observe(&mut self, bytes: &[u8]) {
        self.follow(bytes, false);
    }

    /// Follows `bytes` only up to the first place where a frame may be inserted, and says how far that is.
    pub fn observe_to_boundary(&mut self, bytes: &[u8]) -> usize {
        self.follow(bytes, true)
    }

    fn follow(&mut self, mut bytes: &[u8], stop_at_boundary: bool) -> usize {
        let whole = bytes.len();
        while !bytes.is_empty() && !self.lost {
            if stop_at_boundary && self.at_boundary() {
                break;
            }
            bytes = self.step(bytes);
        }
        if self.lost { whole } else { whole - bytes.len() }
    }

    /// Follows up to the end of the header or payload that it is in; returns what is left.
    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.lost {
            return &[];
        }
        if self.remaining > 0 { self.payload(bytes) } else { self.header(bytes) }
    }

    /// Follows bytes of a payload that nobody looked at, fewer than remain of it.
    pub(super) fn skip(&mut self, count: usize) {
        self.remaining = self.remaining.saturating_sub(count as u64);
    }

    /// How many bytes may be passed on unseen: those of a data frame's payload but the last.
    pub(super) fn unseen(&self) -> u64 {
        if self.lost || self.opcode >= CLOSE { 0 } else { self.remaining.saturating_sub(1) }
    }

    pub(super) fn in_payload(&self) -> bool {
        self.remaining > 0
    }

    pub(super) fn in_header(&self) -> bool {
        self.have > 0
    }

    pub(super) fn opcode(&self) -> u8 {
        self.opcode
    }

    pub(super) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Whether the last byte seen ended a frame, so that another may be inserted after it.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        !self.lost && self.remaining == 0 && self.have == 0
    }

    /// How many frames ended so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether a Close frame went by, and the code in it.
    #[must_use]
    pub fn close(&self) -> Option<CloseSeen> {
        self.close
    }

    fn header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if let Some(slot) = self.header.get_mut(usize::from(self.have)) {
                *slot = byte;
            }
            self.have += 1;
            rest = after;
            if self.have >= 2 && self.have == self.header_length() {
                self.begin_payload();
                break;
            }
        }
        rest
    }

    fn header_length(&self) -> u8 {
        let [_, second, ..] = self.header;
        let extended = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + if second & 0x80 == 0 { 0 } else { 4 }
    }

    fn begin_payload(&mut self) {
        let [first, second, extended @ ..] = self.header;
        let medium = extended.first_chunk::<2>().copied().unwrap_or_default();
        let long = extended.first_chunk::<8>().copied().unwrap_or_default();
        let (length, mask_at) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(medium)), 4),
            127 => (u64::from_be_bytes(long), 10),
            short => (u64::from(short), 2),
        };
        self.opcode = first & 0x0F;
        // Bits no peer may set: this is no WebSocket stream, so nothing is ever inserted into it.
        self.lost = length > u64::MAX / 2 || (self.opcode >= CLOSE && length > 125);
        let mask = self.header.get(mask_at..mask_at + 4).and_then(|mask| mask.try_into().ok());
        self.mask = mask.filter(|_| second & 0x80 != 0);
        self.remaining = length;
        self.have = 0;
        self.control_have = 0;
        if length == 0 {
            self.end_frame();
        }
    }

    fn payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let here = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len());
        let (payload, rest) = bytes.split_at(here);
        if self.opcode == CLOSE {
            for byte in payload.iter().take(2_usize.saturating_sub(usize::from(self.control_have))) {
                let at = usize::from(self.control_have);
                let key = self.mask.and_then(|mask| mask.get(at).copied()).unwrap_or(0);
                if let Some(slot) = self.control.get_mut(at) {
                    *slot = byte ^ key;
                }
                self.control_have += 1;
            }
        }
        self.remaining -= here as u64;
        if self.remaining == 0 {
            self.end_frame();
        }
        rest
    }

    fn end_frame(&mut self) {
        self.count += 1;
        if self.opcode == CLOSE && self.close.is_none() {
            let code = (self.control_have == 2).then(|| u16::from_be_bytes(self.control));
            self.close = Some(CloseSeen { code });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with `length` payload bytes, masked or not.
    fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        let bit = if mask.is_some() { 0x80 } else { 0 };
        match payload.len() {
            length @ 0..126 => bytes.push(bit | u8::try_from(length).unwrap()),
            length @ 126..65536 => {
                bytes.push(bit | 0x7E);
                bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(bit | 0x7F);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let key = mask.unwrap_or([0; 4]);
        if mask.is_some() {
            bytes.extend_from_slice(&key);
        }
        bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    #[test]
    fn the_close_code_is_read_through_the_mask() {
        for mask in [None, Some([1, 2, 3, 4])] {
            let bytes = frame(CLOSE, &[0x03, 0xE9, b'b', b'y', b'e'], mask);
            let mut frames = Frames::default();
            for byte in &bytes {
                frames.observe(std::slice::from_ref(byte));
            }
            assert_eq!(frames.close(), Some(CloseSeen { code: Some(1001) }));
        }
        let mut frames = Frames::default();
        frames.observe(&frame(CLOSE, &[], None));
        assert_eq!(frames.close(), Some(CloseSeen { code: None }));
    }

    proptest! {
        #[test]
        fn boundaries_are_where_frames_end(
            lengths in prop::collection::vec(prop_oneof![0usize..10, 120usize..130, 65530usize..65540], 1..5),
            masked: bool,
            step in 1usize..70000,
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for length in &lengths {
                bytes.extend(frame(2, &vec![7; *length], masked.then_some([9, 8, 7, 6])));
                ends.push(bytes.len());
            }
            let mut frames = Frames::default();
            let mut at = 0;
            for piece in bytes.chunks(step) {
                frames.observe(piece);
                at += piece.len();
                prop_assert_eq!(frames.at_boundary(), ends.contains(&at));
            }
            prop_assert_eq!(frames.count(), lengths.len() as u64);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            Frames::default().observe(&bytes);
        }
    }
}
