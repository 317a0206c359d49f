//! Where a head ends, found as its bytes arrive.

use super::HeadError;

/// Looks for the empty line that ends a head, over each byte once however the head is split.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scanner {
    scanned: usize,
    line_start: usize,
}

impl Scanner {
    /// Looks at what `input` has more than last time; `Some` is the head's length, its empty line included.
    ///
    /// A bare line feed is an error at once: some parsers end a line there and some do not.
    pub fn scan(&mut self, input: &[u8], limit: usize) -> Result<Option<usize>, HeadError> {
        while let Some(offset) = memchr::memchr(b'\n', input.get(self.scanned..).unwrap_or_default()) {
            let line_feed = self.scanned + offset;
            let line = input.get(self.line_start..line_feed).unwrap_or_default();
            if line.last() != Some(&b'\r') {
                return Err(HeadError::Malformed("a bare line feed"));
            }
            self.scanned = line_feed + 1;
            self.line_start = self.scanned;
            if self.scanned > limit {
                return Err(HeadError::TooLarge);
            }
            if line.len() == 1 {
                return Ok(Some(self.scanned));
            }
        }
        self.scanned = input.len();
        if input.len() >= limit { Err(HeadError::TooLarge) } else { Ok(None) }
    }
}

/// The head's length if all of it is in `input`.
pub fn end_of_head(input: &[u8], limit: usize) -> Result<Option<usize>, HeadError> {
    Scanner::default().scan(input, limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody", 99), Ok(Some(24)));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nA: b\r\n\r", 99), Ok(None));
        assert!(end_of_head(b"GET / HTTP/1.1\n", 99).is_err());
        assert_eq!(end_of_head(&[b'a'; 99], 99), Err(HeadError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_split_finds_the_same_end(text in "([a-z ]{0,9}\r\n){0,5}\r\n[a-z]{0,5}", cut in 0usize..60) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let mut scanner = Scanner::default();
            let early = scanner.scan(&bytes[..cut], 1000).unwrap();
            let whole = end_of_head(bytes, 1000).unwrap();
            prop_assert_eq!(early.or_else(|| scanner.scan(bytes, 1000).unwrap()), whole);
        }
    }
}
