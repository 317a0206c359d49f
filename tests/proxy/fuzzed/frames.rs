//! What must hold of the scanner that follows WebSocket frames, whatever the bytes.

use elbws::proxy::tunnel::{CloseSeen, Frames};

/// Up to here every split is tried, beyond only some.
const ALL_SPLITS: usize = 300;

/// What a scanner knows that others go by.
fn known(frames: &Frames) -> (bool, u64, Option<CloseSeen>) {
    (frames.at_boundary(), frames.count(), frames.close())
}

pub(crate) fn check(input: &[u8]) {
    let mut whole = Frames::default();
    whole.observe(input);
    let expected = walk(input);
    match &expected {
        Some(walked) => {
            assert_eq!(whole.count(), walked.ends.len() as u64);
            assert_eq!(whole.close(), walked.close);
            assert_eq!(whole.at_boundary(), walked.is_boundary(input.len()));
        }
        None => assert!(!whole.at_boundary(), "no frame is inserted into what is no WebSocket"),
    }
    for at in (0..=input.len()).filter(|at| *at <= ALL_SPLITS || at % 89 == 0) {
        let (before, after) = input.split_at(at);
        let mut frames = Frames::default();
        frames.observe(before);
        if let Some(walked) = &expected {
            assert_eq!(frames.at_boundary(), walked.is_boundary(at), "at {at}");
        }
        // As it goes to the next process in the midst of a frame.
        let text = serde_json::to_string(&frames).unwrap();
        let mut resumed: Frames = serde_json::from_str(&text).unwrap();
        resumed.observe(after);
        frames.observe(after);
        assert_eq!(known(&frames), known(&whole), "split at {at}");
        assert_eq!(known(&resumed), known(&whole), "handed over at {at}");
        stops_at_the_next_boundary(before, after, expected.as_ref());
    }
}

/// A goodbye is inserted at the first boundary and no byte before it is kept back.
fn stops_at_the_next_boundary(before: &[u8], after: &[u8], expected: Option<&Walked>) {
    let mut frames = Frames::default();
    frames.observe(before);
    let taken = frames.observe_to_boundary(after);
    assert!(taken <= after.len());
    assert!(taken == after.len() || frames.at_boundary());
    if let Some(walked) = expected {
        let next = walked.boundaries().find(|end| *end >= before.len());
        assert_eq!(taken, next.map_or(after.len(), |next| next - before.len()));
    }
}

/// Where frames end, told by a second reading that has all bytes at once.
struct Walked {
    ends: Vec<usize>,
    close: Option<CloseSeen>,
}

impl Walked {
    fn boundaries(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(0).chain(self.ends.iter().copied())
    }

    fn is_boundary(&self, at: usize) -> bool {
        self.boundaries().any(|end| end == at)
    }
}

/// `None` for bytes that cannot be a WebSocket's.
fn walk(input: &[u8]) -> Option<Walked> {
    let (mut ends, mut close, mut at) = (Vec::new(), None, 0);
    while let Some([first, second]) = input.get(at..at + 2) {
        let (extended, masked) = (usize::from(second & 0x7F), second & 0x80 != 0);
        let wide = match extended {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let start = at + 2 + wide + if masked { 4 } else { 0 };
        if start > input.len() {
            break;
        }
        let length =
            input[at + 2..at + 2 + wide].iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let length = if wide == 0 { extended as u64 } else { length };
        if length >> 63 != 0 || (first & 0x0F >= 8 && length > 125) {
            return None;
        }
        let Some(end) = usize::try_from(length).ok().and_then(|length| start.checked_add(length)) else {
            break;
        };
        let Some(payload) = input.get(start..end) else { break };
        if first & 0x0F == 8 && close.is_none() {
            let key = if masked { &input[start - 4..start] } else { &[0; 4] };
            let code = payload.get(..2).map(|code| u16::from_be_bytes([code[0] ^ key[0], code[1] ^ key[1]]));
            close = Some(CloseSeen { code });
        }
        ends.push(end);
        at = end;
    }
    Some(Walked { ends, close })
}
