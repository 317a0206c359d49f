//! A request head: parsed, and refused where two parsers could read it differently.

use super::{BodyLength, Field, Fields, HeadError, Version, is_token, target};

/// The request methods that the proxy treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: its answer has no body.
    Head,
    /// Another method that may be repeated: PUT, DELETE, OPTIONS, TRACE.
    Idempotent,
    /// Any other, such as POST: never sent twice.
    Other,
}

impl Method {
    /// Whether sending the request twice does what sending it once does (RFC 9110, section 9.2.2).
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Idempotent => true,
            Self::Other => false,
        }
    }
}

/// A request head that passed every check.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The method as it was sent.
    pub method_name: &'a str,
    /// What kind of method it is.
    pub method: Method,
    /// The target in origin form (or `*`).
    pub target: &'a str,
    /// The version.
    pub version: Version,
    /// The host that is asked for; only an HTTP/1.0 request may lack one.
    pub host: Option<&'a str>,
    /// The fields.
    pub fields: Fields<'a>,
    /// Where the body ends.
    pub body: BodyLength,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether the client may send another request on the connection.
    pub keep_alive: bool,
}

impl<'a> Request<'a> {
    /// Parses a whole head, its empty line included (as [`super::Scanner`] finds it).
    pub fn parse(head: &'a [u8]) -> Result<Self, HeadError> {
        // One empty line before a request is tolerated (RFC 9112, section 2.2).
        let head = head.strip_prefix(b"\r\n").unwrap_or(head);
        let end = memchr::memchr(b'\n', head).ok_or(HeadError::Malformed("no request line"))?;
        let (line, lines) = head.split_at(end + 1);
        let line = line.strip_suffix(b"\r\n").ok_or(HeadError::Malformed("a bare line feed"))?;
        let mut words = line.split(|byte| *byte == b' ');
        let (method, raw_target, version) = (words.next(), words.next(), words.next());
        let (Some(method), Some(raw_target), Some(version), None) =
            (method, raw_target, version, words.next())
        else {
            return Err(HeadError::Malformed("a request line that is not three words"));
        };
        if !is_token(method) || method.len() > 32 {
            return Err(HeadError::Malformed("a method that is not a token"));
        }
        let version = parse_version(version)?;
        let method_name = ascii(method)?;
        let method = match method_name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "PUT" | "DELETE" | "OPTIONS" => Method::Idempotent,
            "CONNECT" | "TRACE" => return Err(HeadError::Method),
            _ => Method::Other,
        };
        let (authority, origin) = target::split(raw_target, method_name == "OPTIONS")?;
        let fields = Fields::parse(lines)?;
        refuse_look_alikes(&fields)?;
        let host = host(&fields, authority, version)?;
        let body = body_length(&fields, version)?;
        let expects_continue = expects_continue(&fields, version)?;
        let keep_alive = match version {
            Version::Http11 => !fields.lists("connection", "close"),
            Version::Http10 => {
                fields.lists("connection", "keep-alive") && !fields.lists("connection", "close")
            }
        };
        let target = ascii(origin)?;
        Ok(Self { method_name, method, target, version, host, fields, body, expects_continue, keep_alive })
    }

    /// The path alone, which routes are chosen by; `*` counts as the root.
    #[must_use]
    pub fn path(&self) -> &'a str {
        if self.target == "*" {
            return "/";
        }
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// The host without its port.
    #[must_use]
    pub fn host_name(&self) -> Option<&'a str> {
        self.host.map(target::without_port)
    }
}

fn ascii(bytes: &[u8]) -> Result<&str, HeadError> {
    std::str::from_utf8(bytes).map_err(|_| HeadError::Malformed("not ASCII"))
}

pub(super) fn parse_version(version: &[u8]) -> Result<Version, HeadError> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(HeadError::Version)
        }
        _ => Err(HeadError::Malformed("a malformed version")),
    }
}

/// CGI-like backends (WSGI, PHP) read `Content_Length` as `Content-Length`: framing must not be said that way.
fn refuse_look_alikes(fields: &Fields<'_>) -> Result<(), HeadError> {
    let alike = |field: &Field<'_>| field.is("content_length") || field.is("transfer_encoding");
    if fields.iter().any(alike) {
        Err(HeadError::Malformed("a look-alike of a framing field"))
    } else {
        Ok(())
    }
}

fn host<'a>(
    fields: &Fields<'a>,
    authority: Option<&'a [u8]>,
    version: Version,
) -> Result<Option<&'a str>, HeadError> {
    let field = fields.only("host")?.map(target::check_host).transpose()?;
    let authority = authority.map(target::check_host).transpose()?;
    match (field, authority) {
        (Some(field), Some(authority)) if !field.eq_ignore_ascii_case(authority) => {
            Err(HeadError::Malformed("a Host that differs from the target's"))
        }
        (Some(host), _) => Ok(Some(host)),
        (None, _) if version == Version::Http11 => Err(HeadError::Malformed("no Host")),
        (None, authority) => Ok(authority),
    }
}

pub(super) fn content_length(fields: &Fields<'_>) -> Result<Option<u64>, HeadError> {
    let Some(value) = fields.only("content-length")? else { return Ok(None) };
    let digits = !value.is_empty() && value.len() <= 19 && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.map(Some).ok_or(HeadError::Malformed("a Content-Length that is not one number"))
}

/// Whether the body is chunked; any other coding is refused.
pub(super) fn is_chunked(fields: &Fields<'_>) -> Result<bool, HeadError> {
    match fields.only("transfer-encoding")? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"chunked") => Ok(true),
        Some(_) => Err(HeadError::Malformed("a Transfer-Encoding other than chunked")),
    }
}

fn body_length(fields: &Fields<'_>, version: Version) -> Result<BodyLength, HeadError> {
    let chunked = is_chunked(fields)?;
    let length = content_length(fields)?;
    match (chunked, length) {
        (true, Some(_)) => Err(HeadError::Malformed("both Transfer-Encoding and Content-Length")),
        (true, None) if version == Version::Http10 => {
            Err(HeadError::Malformed("Transfer-Encoding in HTTP/1.0"))
        }
        (true, None) => Ok(BodyLength::Chunked),
        (false, length) => Ok(BodyLength::Exact(length.unwrap_or(0))),
    }
}

fn expects_continue(fields: &Fields<'_>, version: Version) -> Result<bool, HeadError> {
    match fields.only("expect")? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(version == Version::Http11),
        Some(_) => Err(HeadError::Expectation),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(head: &str, status: u16) {
        let outcome = Request::parse(head.as_bytes());
        assert_eq!(outcome.map(|_| 0).map_err(HeadError::status), Err(status), "{head:?}");
    }

    #[test]
    fn a_plain_request_is_read() {
        let head = b"GET /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nX-A:  b c\t\r\n\r\n";
        let request = Request::parse(head).unwrap();
        assert_eq!((request.method, request.target, request.path()), (Method::Get, "/a?b=c", "/a"));
        assert_eq!((request.host, request.host_name()), (Some("example.com:8080"), Some("example.com")));
        assert_eq!(request.fields.only("x-a"), Ok(Some(&b"b c"[..])));
        assert_eq!((request.body, request.keep_alive), (BodyLength::Exact(0), true));
    }

    #[test]
    fn an_absolute_target_becomes_an_origin_one() {
        let request = Request::parse(b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!((request.target, request.host), ("/b", Some("a")));
        refused("GET http://a/b HTTP/1.1\r\nHost: b\r\n\r\n", 400);
        refused("GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    }

    #[test]
    fn versions_and_methods_that_are_not_served_are_told_so() {
        refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
        refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505);
        refused("GET / http/1.1\r\nHost: a\r\n\r\n", 400);
        refused("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501);
        refused("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501);
        refused("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417);
    }

    #[test]
    fn a_head_with_too_many_fields_is_too_large() {
        let many = "A: b\r\n".repeat(super::super::MAX_FIELDS);
        refused(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::parse(&head);
        }

        #[test]
        fn no_near_request_panics(head in "(GET|POST|X) [/a-z?:#*]{0,9} HTTP/1.[01]\r\n([A-Za-z: \t,0-9]{0,20}\r\n){0,6}\r\n") {
            if let Ok(request) = Request::parse(head.as_bytes()) {
                prop_assert!(request.target.starts_with('/'));
            }
        }
    }
}
