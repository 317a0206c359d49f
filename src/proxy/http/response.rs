//! An answer's head, as a backend sends it; what is malformed here becomes a 502.

use super::request::{content_length, is_chunked, parse_version};
use super::{BodyLength, Fields, HeadError, Method, Version};

/// An answer's head that passed every check.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The status, from 100 to 999.
    pub status: u16,
    /// The text after the status, perhaps empty.
    pub reason: &'a [u8],
    /// The version.
    pub version: Version,
    /// The fields.
    pub fields: Fields<'a>,
}

impl<'a> Response<'a> {
    /// Parses a whole head, its empty line included.
    pub fn parse(head: &'a [u8]) -> Result<Self, HeadError> {
        let end = memchr::memchr(b'\n', head).ok_or(HeadError::Malformed("no status line"))?;
        let (line, lines) = head.split_at(end + 1);
        let line = line.strip_suffix(b"\r\n").ok_or(HeadError::Malformed("a bare line feed"))?;
        let malformed = HeadError::Malformed("a malformed status line");
        let (version, rest) = line.split_at_checked(8).ok_or(malformed)?;
        let version = parse_version(version)?;
        let [b' ', digits @ ..] = rest else { return Err(malformed) };
        let (digits, reason) = digits.split_first_chunk::<3>().ok_or(malformed)?;
        let reason = match reason {
            [] => reason,
            [b' ', text @ ..] => text,
            _ => return Err(malformed),
        };
        if digits[0] == b'0' || !digits.iter().all(u8::is_ascii_digit) {
            return Err(malformed);
        }
        if reason.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(malformed);
        }
        let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        Ok(Self { status, reason, version, fields: Fields::parse(lines)? })
    }

    /// Where the body of this answer to a request of that method ends.
    pub fn body(&self, method: Method) -> Result<BodyLength, HeadError> {
        let chunked = is_chunked(&self.fields)?;
        let length = content_length(&self.fields)?;
        if chunked && length.is_some() {
            return Err(HeadError::Malformed("both Transfer-Encoding and Content-Length"));
        }
        if chunked && self.version == Version::Http10 {
            return Err(HeadError::Malformed("Transfer-Encoding in HTTP/1.0"));
        }
        if method == Method::Head || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(BodyLength::Exact(0));
        }
        Ok(match length {
            Some(length) => BodyLength::Exact(length),
            None if chunked => BodyLength::Chunked,
            None => BodyLength::UntilClose,
        })
    }

    /// Whether the backend keeps the connection open.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        let close = self.fields.lists("connection", "close");
        match self.version {
            Version::Http11 => !close,
            Version::Http10 => !close && self.fields.lists("connection", "keep-alive"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn body(head: &str, method: Method, expected: Result<BodyLength, u16>) {
        let body = Response::parse(head.as_bytes()).and_then(|response| response.body(method));
        assert_eq!(body.map_err(HeadError::status), expected, "{head:?}");
    }

    #[test]
    fn the_body_ends_where_status_method_and_fields_say() {
        body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Get, Ok(BodyLength::Exact(5)));
        body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head, Ok(BodyLength::Exact(0)));
        body("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::Get, Ok(BodyLength::Exact(0)));
        body("HTTP/1.1 204\r\n\r\n", Method::Get, Ok(BodyLength::Exact(0)));
        body("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", Method::Get, Ok(BodyLength::Chunked));
        body("HTTP/1.0 200 OK\r\n\r\n", Method::Get, Ok(BodyLength::UntilClose));
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 200 O\rK\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
        ] {
            body(head, Method::Get, Err(400));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Response::parse(&head);
        }
    }
}
