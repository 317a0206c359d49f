//! `aws-chunked`, in which S3's clients send objects: `SIZE[;chunk-signature=…]`, the bytes, and trailers behind the
//! chunk of size 0.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

/// The longest line before a chunk; those of AWS's clients have about a hundred bytes.
const LONGEST_LINE: usize = 1024;

/// A body that is being taken apart, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    at: At,
}

#[derive(Debug)]
enum At {
    /// In the line before a chunk.
    Line(Vec<u8>),
    /// In a chunk of which so many bytes are to come.
    Chunk(usize),
    /// Behind a chunk, with so much of the line's end to come.
    Behind(&'static [u8]),
    /// Behind the last chunk.
    End,
}

impl Default for At {
    fn default() -> Self {
        Self::Line(Vec::new())
    }
}

/// The body is not what it says that it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Chunks {
    /// Takes the next piece of the body, and returns the next piece of the object in it and how much of the body that
    /// used up: less than all of it where there may be more.
    pub(crate) fn next<'a>(&mut self, piece: &'a [u8]) -> Result<(&'a [u8], usize), Malformed> {
        let mut used = 0;
        while let Some(byte) = piece.get(used) {
            match &mut self.at {
                At::End => return Ok((&[], piece.len())),
                At::Chunk(left) => {
                    let end = piece.len().min(used.saturating_add(*left));
                    let content = piece.get(used..end).unwrap_or_default();
                    *left -= content.len();
                    if *left == 0 {
                        self.at = At::Behind(b"\r\n");
                    }
                    return Ok((content, end));
                }
                At::Behind(rest) => {
                    let (expected, rest) = rest.split_first().ok_or(Malformed)?;
                    if byte != expected {
                        return Err(Malformed);
                    }
                    self.at = if rest.is_empty() { At::default() } else { At::Behind(rest) };
                }
                At::Line(line) => {
                    line.push(*byte);
                    if line.ends_with(b"\r\n") {
                        self.at = match size(line).ok_or(Malformed)? {
                            0 => At::End,
                            size => At::Chunk(size),
                        };
                    } else if line.len() > LONGEST_LINE {
                        return Err(Malformed);
                    }
                }
            }
            used += 1;
        }
        Ok((&[], used))
    }

    /// Whether the last chunk has come.
    pub(crate) fn ended(&self) -> bool {
        matches!(self.at, At::End)
    }
}

fn size(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is in a body that comes in pieces of `step` bytes; none where it is cut short.
    fn object(body: &[u8], step: usize) -> Result<Option<Vec<u8>>, Malformed> {
        let (mut chunks, mut object) = (Chunks::default(), Vec::new());
        for mut piece in body.chunks(step) {
            while !piece.is_empty() {
                let (content, used) = chunks.next(piece)?;
                object.extend_from_slice(content);
                piece = &piece[used..];
            }
        }
        Ok(chunks.ended().then_some(object))
    }

    #[test]
    fn chunks_are_put_together() {
        let body = b"5;chunk-signature=00\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        for step in 1..body.len() {
            assert_eq!(object(body, step), Ok(Some(b"hello!".to_vec())), "in pieces of {step}");
        }
        for cut in 0..body.len() - 30 {
            assert_eq!(object(&body[..cut], body.len()), Ok(None), "cut at {cut}");
        }
        assert_eq!(object(b"ffffffffffffffff\r\nx", 9), Ok(None));
        for malformed in [&b"x\r\n"[..], b"1\r\nab\r\n", b"-1\r\n", b"1ffffffffffffffff\r\n", &[b'1'; 2000]] {
            assert_eq!(object(malformed, 7), Err(Malformed), "{malformed:?}");
        }
    }

    proptest! {
        #[test]
        fn every_object_comes_back(parts in prop::collection::vec(any::<Vec<u8>>(), 0..4), step in 1..64usize) {
            let mut body = Vec::new();
            for part in parts.iter().filter(|part| !part.is_empty()) {
                body.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                body.extend_from_slice(part);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(object(&body, step), Ok(Some(parts.concat())));
        }

        #[test]
        fn no_body_makes_it_panic(body in any::<Vec<u8>>(), step in 1..9usize) {
            let _ = object(&body, step);
        }
    }
}
