//! The WebSocket handshake (RFC 6455, section 4), checked on both sides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::{BodyLength, HeadError, Method, Request, Version};

/// The handshake's key if the request asks for a WebSocket; an error if it asks wrongly.
///
/// Other protocols in `Upgrade` are no error: the field is dropped and the request forwarded without it.
pub fn wants_websocket<'a>(request: &Request<'a>) -> Result<Option<&'a [u8]>, HeadError> {
    let fields = &request.fields;
    if !fields.lists("upgrade", "websocket") || !fields.lists("connection", "upgrade") {
        return Ok(None);
    }
    if request.method != Method::Get || request.version != Version::Http11 {
        return Err(HeadError::Malformed("a WebSocket handshake that is not an HTTP/1.1 GET"));
    }
    if request.body != BodyLength::Exact(0) {
        return Err(HeadError::Malformed("a WebSocket handshake with a body"));
    }
    match fields.only("sec-websocket-version")? {
        Some(b"13") => {}
        Some(_) | None => return Err(HeadError::WebSocketVersion),
    }
    let key = fields.only("sec-websocket-key")?;
    let sixteen = |key: &&[u8]| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    key.filter(sixteen).map(Some).ok_or(HeadError::Malformed("a Sec-WebSocket-Key that is not 16 bytes"))
}

/// The `Sec-WebSocket-Accept` that answers a key.
#[must_use]
pub fn accept_for(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 5] = [
        "Host: a",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];

    fn judge(line: &str, fields: &[&str]) -> Result<bool, u16> {
        let head = format!("{line}\r\n{}\r\n\r\n", fields.join("\r\n"));
        let request = Request::parse(head.as_bytes()).map_err(HeadError::status)?;
        wants_websocket(&request).map(|key| key.is_some()).map_err(HeadError::status)
    }

    #[test]
    fn the_example_of_the_rfc_is_answered() {
        assert_eq!(accept_for(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(judge("GET / HTTP/1.1", &GOOD), Ok(true));
    }

    #[test]
    fn a_wrong_handshake_is_refused() {
        assert_eq!(judge("POST / HTTP/1.1", &GOOD), Err(400));
        assert_eq!(judge("GET / HTTP/1.0", &GOOD), Err(400));
        assert_eq!(judge("GET / HTTP/1.1", &GOOD[..4]), Err(426));
        let with = |at: usize, field: &'static str| {
            let mut fields = GOOD;
            fields[at] = field;
            judge("GET / HTTP/1.1", &fields)
        };
        assert_eq!(with(4, "Sec-WebSocket-Version: 8"), Err(426));
        assert_eq!(with(3, "Sec-WebSocket-Key: short"), Err(400));
        assert_eq!(with(3, "X: y"), Err(400));
        assert_eq!(with(1, "Connection: close"), Ok(false));
        assert_eq!(with(2, "Upgrade: h2c"), Ok(false));
        let body = [&GOOD[..], &["Content-Length: 3"]].concat();
        assert_eq!(judge("GET / HTTP/1.1", &body), Err(400));
    }
}
