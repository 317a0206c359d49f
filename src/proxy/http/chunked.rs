//! Chunked bodies: decoded as they arrive and written anew, so that what is sent on has one reading only.

use std::ops::Range;

use super::field;

/// The longest chunk-size line, extension included.
const MAX_SIZE_LINE: usize = 256;
/// The longest trailer section.
const MAX_TRAILERS: usize = 8 * 1024;

/// Why a body is not chunked as RFC 9112, section 7.1 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body: {0}")]
pub struct ChunkError(&'static str);

/// A decoder that keeps only a partial line between calls.
#[derive(Debug, Clone, Default)]
pub struct Chunked {
    state: State,
    line: Vec<u8>,
    trailer_bytes: usize,
    /// The trailer fields, each with its CRLF, that may be forwarded.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd {
        carriage_return: bool,
    },
    Trailers,
    Done,
}

/// What one call to [`Chunked::decode`] made of its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes were framing; nothing to forward.
    Framing(usize),
    /// These bytes of the input are data; all up to their end is used up.
    Data(Range<usize>),
    /// The body ended after so many bytes.
    End(usize),
}

impl Chunked {
    /// Takes the next piece of `input`; call again with what is left until all of it is used up.
    pub fn decode(&mut self, input: &[u8]) -> Result<Progress, ChunkError> {
        let mut used = 0;
        loop {
            let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty() || self.state == State::Done)
            else {
                return Ok(Progress::Framing(used));
            };
            match self.state {
                State::Done => return Ok(Progress::End(used)),
                State::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - here as u64;
                    self.state =
                        if left == 0 { State::DataEnd { carriage_return: false } } else { State::Data(left) };
                    return Ok(Progress::Data(used..used + here));
                }
                State::DataEnd { carriage_return } => {
                    self.state = match (carriage_return, rest.first()) {
                        (false, Some(b'\r')) => State::DataEnd { carriage_return: true },
                        (true, Some(b'\n')) => State::Size,
                        _ => return Err(ChunkError("data that is longer than its chunk")),
                    };
                    used += 1;
                }
                State::Size | State::Trailers => used += self.line(rest)?,
            }
        }
    }

    /// The trailer fields that may be forwarded, each with its CRLF; complete after [`Progress::End`].
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Takes bytes up to the end of a line, and the line if its end is there.
    fn line(&mut self, rest: &[u8]) -> Result<usize, ChunkError> {
        let line_feed = memchr::memchr(b'\n', rest);
        let taken = line_feed.map_or(rest.len(), |at| at + 1);
        let limit = if self.state == State::Size { MAX_SIZE_LINE } else { MAX_TRAILERS };
        if self.line.len() + taken > limit {
            return Err(ChunkError("a line that is too long"));
        }
        self.line.extend_from_slice(rest.get(..taken).unwrap_or_default());
        if line_feed.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r\n").ok_or(ChunkError("a bare line feed"))?;
            if self.state == State::Size { self.size(line)? } else { self.trailer(line)? }
        }
        Ok(taken)
    }

    fn size(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        // Extensions are dropped, but one that hides a control character is a smuggler's.
        let clean = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7F);
        let separated = extension.is_empty() || extension.first() == Some(&b';');
        if size.is_empty() || size.len() > 15 || !separated || !extension.iter().all(clean) {
            return Err(ChunkError("a chunk size that is not hexadecimal"));
        }
        let text = std::str::from_utf8(size).unwrap_or_default();
        let size = u64::from_str_radix(text, 16).map_err(|_| ChunkError("a chunk size out of range"))?;
        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
        Ok(())
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        if line.is_empty() {
            self.state = State::Done;
            return Ok(());
        }
        self.trailer_bytes += line.len() + 2;
        if self.trailer_bytes > MAX_TRAILERS {
            return Err(ChunkError("trailers that are too long"));
        }
        let field = field::field(line).map_err(|_| ChunkError("a malformed trailer"))?;
        if may_be_trailer(&field) {
            self.trailers.extend_from_slice(field.name);
            self.trailers.extend_from_slice(b": ");
            self.trailers.extend_from_slice(field.value);
            self.trailers.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

/// Fields about framing, routing, authentication or the client's address have no place in trailers
/// (RFC 9110, section 6.5.1); some backends would merge them into the head.
fn may_be_trailer(field: &field::Field<'_>) -> bool {
    const NEVER: [&str; 18] = [
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amzn-vpce-id",
        "x-real-ip",
    ];
    let name: Vec<u8> = field.name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    let forwarded = name.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(b"x-forwarded-"));
    !forwarded && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Whole = (Vec<u8>, Vec<u8>, usize);

    /// The data, the trailers and how many bytes the body took; `None` while it has not ended.
    fn decode_all(input: &[u8], step: usize) -> Result<Option<Whole>, ChunkError> {
        let mut decoder = Chunked::default();
        let mut data = Vec::new();
        let mut used = 0;
        for piece in input.chunks(step.max(1)) {
            let mut at = 0;
            while at < piece.len() {
                match decoder.decode(&piece[at..])? {
                    Progress::Framing(taken) => at += taken,
                    Progress::Data(range) => {
                        data.extend_from_slice(&piece[at + range.start..at + range.end]);
                        at += range.end;
                    }
                    Progress::End(taken) => {
                        return Ok(Some((data, decoder.trailers().to_vec(), used + at + taken)));
                    }
                }
                if at == piece.len() && decoder.state == State::Done {
                    return Ok(Some((data, decoder.trailers().to_vec(), used + at)));
                }
            }
            used += piece.len();
        }
        Ok(None)
    }

    #[test]
    fn data_and_trailers_are_read_at_every_step_size() {
        let body =
            b"5;a=\"b\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nX-Amzn-Vpce-Id: v\r\n\r\nGET";
        for step in 1..=body.len() {
            let (data, trailers, used) = decode_all(body, step).unwrap().unwrap();
            assert_eq!(data, b"hello0123456789");
            assert_eq!(trailers, b"X-Sum: 1\r\n");
            assert_eq!(used, body.len() - 3);
        }
    }

    #[test]
    fn anything_looser_is_refused() {
        for body in [
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello!\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "-1\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "g\r\n\r\n",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
            "ffffffffffffffff1\r\nx",
            "0\r\nA : b\r\n\r\n",
            "0\r\n folded\r\n\r\n",
            "0\r\nA: b\n\r\n",
        ] {
            assert!(decode_all(body.as_bytes(), 1000).is_err(), "{body:?}");
            assert!(decode_all(body.as_bytes(), 1).is_err(), "{body:?} a byte at a time");
        }
    }

    #[test]
    fn endless_lines_are_refused() {
        assert!(decode_all(&[b'0'; 300], 7).is_err());
        let trailers = format!("0\r\n{}", "A: bcdefgh\r\n".repeat(1000));
        assert!(decode_all(trailers.as_bytes(), 100).is_err());
    }

    proptest! {
        #[test]
        fn any_step_gives_what_one_gives(input in prop::collection::vec(
            prop::sample::select(&b"0123aA\r\n;x: "[..]), 0..60), step in 1usize..10) {
            prop_assert_eq!(decode_all(&input, step), decode_all(&input, 1000));
        }
    }
}
