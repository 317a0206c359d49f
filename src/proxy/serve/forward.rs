//! The heads that are sent on: hop-by-hop fields out, the visitor's address in. Pure.

use std::io::Write as _;

use super::visitor::Visitor;
use crate::proxy::config::Config;
use crate::proxy::http::{
    self, BodyLength, Field, Fields, HeadError, Method, Request, Response, Version, is_token,
};
use crate::proxy::proxy_protocol::Addresses;

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    /// About one connection only (RFC 9110, section 7.6.1), or said anew by the proxy.
    Drop,
}

/// The head that a backend gets for a request: what the proxy makes of one, without a socket.
///
/// `head` is a whole head, its empty line included; `connection` is what the PROXY header says.
pub fn rewrite_request(head: &[u8], connection: Addresses, config: &Config) -> Result<Vec<u8>, HeadError> {
    let request = Request::parse(head)?;
    let websocket = http::wants_websocket(&request)?.is_some();
    Ok(request_head(Vec::new(), &request, &Visitor::new(connection, None, config), websocket))
}

/// The request head for the backend, after what is in `out`.
pub(super) fn request_head(
    mut out: Vec<u8>,
    request: &Request<'_>,
    visitor: &Visitor,
    websocket: bool,
) -> Vec<u8> {
    put(&mut out, &[request.method_name.as_bytes(), b" ", request.target.as_bytes(), b" HTTP/1.1\r\n"]);
    // HTTP/1.0 may come without Host; a backend that speaks 1.1 needs one, and empty says "unknown".
    put(&mut out, &[b"Host: ", request.host.unwrap_or_default().as_bytes(), b"\r\n"]);
    let nominated = nominated(&request.fields);
    for field in request.fields.iter() {
        if request_fate(field) == Fate::Keep && !is_nominated(&nominated, field) {
            put(&mut out, &[field.name, b": ", field.value, b"\r\n"]);
        }
    }
    frame(&mut out, request.body, request.fields.only("content-length").is_ok_and(|one| one.is_some()));
    if websocket {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    forwarded(&mut out, request, visitor);
    out.extend_from_slice(b"\r\n");
    out
}

/// An answer's head for the client, and what the rest of the exchange needs of it.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: Vec<u8>,
    pub(super) body: BodyLength,
    /// The body is sent without chunks, since the client does not know them.
    pub(super) unchunk: bool,
    pub(super) upstream_keeps: bool,
    pub(super) client_keeps: bool,
}

/// What of the request decides how its answer is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    pub(super) hsts: Option<&'a str>,
    /// How much will be written with the head at once.
    pub(super) room: usize,
}

/// The head of a final answer, for the client.
pub(super) fn answer(response: &Response<'_>, asked: Asked<'_>) -> Result<Answer, HeadError> {
    let body = response.body(asked.method)?;
    let unchunk = body == BodyLength::Chunked && asked.version == Version::Http10;
    let client_keeps = asked.keep_alive && body != BodyLength::UntilClose && !unchunk;
    let mut head = status_line(response, asked.room);
    let nominated = nominated(&response.fields);
    let mut hsts = asked.hsts;
    // Where there is no body, the length is about the one that GET would have had.
    let bodiless = body == BodyLength::Exact(0) && (asked.method == Method::Head || response.status == 304);
    for field in response.fields.iter() {
        let kept = response_fate(field) == Fate::Keep && !is_nominated(&nominated, field);
        if kept || (bodiless && field.is("content-length")) {
            put(&mut head, &[field.name, b": ", field.value, b"\r\n"]);
        }
        if field.is("strict-transport-security") {
            hsts = None;
        }
    }
    let framed = if unchunk { BodyLength::UntilClose } else { body };
    if !bodiless && !matches!(response.status, 100..=199 | 204) {
        frame(&mut head, framed, true);
    }
    if let Some(value) = hsts {
        put(&mut head, &[b"Strict-Transport-Security: ", value.as_bytes(), b"\r\n"]);
    }
    match (asked.version, client_keeps) {
        (Version::Http11, true) => {}
        (Version::Http10, true) => head.extend_from_slice(b"Connection: keep-alive\r\n"),
        (_, false) => head.extend_from_slice(b"Connection: close\r\n"),
    }
    head.extend_from_slice(b"\r\n");
    let upstream_keeps = response.keep_alive() && body != BodyLength::UntilClose;
    Ok(Answer { status: response.status, head, body, unchunk, upstream_keeps, client_keeps })
}

/// The head of an interim answer (1xx), for the client; with `websocket` the one that opens a tunnel.
pub(super) fn interim(response: &Response<'_>, websocket: bool) -> Vec<u8> {
    let mut head = status_line(response, 1024);
    let nominated = nominated(&response.fields);
    for field in response.fields.iter() {
        if response_fate(field) == Fate::Keep && !is_nominated(&nominated, field) {
            put(&mut head, &[field.name, b": ", field.value, b"\r\n"]);
        }
    }
    if websocket {
        head.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn status_line(response: &Response<'_>, room: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(room);
    let digit = |by: u16| b'0' + u8::try_from(response.status / by % 10).unwrap_or(0);
    let status = [digit(100), digit(10), digit(1)];
    put(&mut head, &[b"HTTP/1.1 ", &status, b" ", response.reason, b"\r\n"]);
    head
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn frame(out: &mut Vec<u8>, body: BodyLength, say_zero: bool) {
    match body {
        BodyLength::Exact(0) if !say_zero => {}
        BodyLength::Exact(length) => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        BodyLength::UntilClose => {}
    }
}

fn forwarded(out: &mut Vec<u8>, request: &Request<'_>, visitor: &Visitor) {
    out.extend_from_slice(visitor.told().as_bytes());
    if let Some(host) = request.host.map(str::as_bytes) {
        let quote: &[u8] = if is_token(host) { b"" } else { b"\"" };
        put(out, &[b";host=", quote, host, quote, b"\r\nX-Forwarded-Host: ", host]);
    }
    out.extend_from_slice(b"\r\n");
    if let Some(id) = &visitor.vpc_endpoint {
        put(out, &[b"X-Amzn-Vpce-Id: ", id.as_bytes(), b"\r\n"]);
    }
}

/// The fields that `Connection` names.
fn nominated<'a>(fields: &Fields<'a>) -> Vec<&'a [u8]> {
    const USUAL: [&str; 4] = ["close", "keep-alive", "upgrade", ""];
    let usual = |one: &&[u8]| !USUAL.iter().any(|usual| one.eq_ignore_ascii_case(usual.as_bytes()));
    fields.members("connection").filter(usual).collect()
}

/// `Connection` may not take away what a backend decides by: smugglers would strip it that way.
fn is_nominated(nominated: &[&[u8]], field: &Field<'_>) -> bool {
    const PROTECTED: [&str; 9] = [
        "authorization",
        "cache-control",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "origin",
        "set-cookie",
        "transfer-encoding",
    ];
    let websocket = |name: &[u8]| name.len() > 14 && name.get(..14).is_some_and(is_websocket_prefix);
    nominated.iter().any(|one| one.eq_ignore_ascii_case(field.name))
        && !PROTECTED.iter().any(|name| field.is(name))
        && !websocket(field.name)
}

fn is_websocket_prefix(start: &[u8]) -> bool {
    start.eq_ignore_ascii_case(b"sec-websocket-")
}

/// Fields that no request keeps; `_` counts as `-`, since CGI-like backends cannot tell them apart.
fn request_fate(field: &Field<'_>) -> Fate {
    const DROPPED: [&str; 14] = [
        "host",
        "te",
        "upgrade",
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "transfer-encoding",
        "content-length",
        "forwarded",
        "x-real-ip",
        "x-amzn-vpce-id",
        "proxy",
        "http2-settings",
    ];
    let named = |name: &str| alike(field.name, name.as_bytes());
    let prefixed = field.name.get(..12).is_some_and(|start| alike(start, b"x-forwarded-"));
    if prefixed || DROPPED.iter().any(|name| named(name)) { Fate::Drop } else { Fate::Keep }
}

fn response_fate(field: &Field<'_>) -> Fate {
    const DROPPED: [&str; 6] =
        ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "content-length", "upgrade"];
    if DROPPED.iter().any(|name| field.is(name)) { Fate::Drop } else { Fate::Keep }
}

fn alike(name: &[u8], lower: &[u8]) -> bool {
    let same = |(byte, expected): (&u8, &u8)| {
        byte.to_ascii_lowercase() == *expected || (*byte == b'_' && *expected == b'-')
    };
    name.len() == lower.len() && name.iter().zip(lower).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::config::Scheme;
    use crate::proxy::proxy_protocol::Addresses;

    fn visitor() -> Visitor {
        let pair = Addresses {
            source: "192.0.2.1:50000".parse().unwrap(),
            destination: "198.51.100.2:443".parse().unwrap(),
        };
        Visitor::over(pair, Some(Scheme::Https), None)
    }

    fn sent(fields: &str) -> String {
        let head = format!("GET /a HTTP/1.1\r\nHost: example.com:8443\r\n{fields}\r\n");
        let request = Request::parse(head.as_bytes()).unwrap();
        String::from_utf8(request_head(Vec::new(), &request, &visitor(), false)).unwrap()
    }

    const OURS: &str = "X-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Port: 443\r\nForwarded: for=192.0.2.1;proto=https;host=\"example.com:8443\"\r\n\
        X-Forwarded-Host: example.com:8443\r\n\r\n";

    #[test]
    fn what_the_client_says_of_its_address_is_replaced() {
        let lies = "X-Forwarded-For: 6.6.6.6\r\nx_forwarded_for: 6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
                    X_Forwarded-Proto: http\r\nX-Forwarded-Anything: 6\r\nProxy: evil\r\n";
        let expected = format!("GET /a HTTP/1.1\r\nHost: example.com:8443\r\n{OURS}");
        assert_eq!(sent(lies), expected);
    }

    #[test]
    fn connection_takes_out_what_it_names_but_nothing_that_matters() {
        let fields = "Connection: x-hop, cookie, Authorization, host\r\nX-Hop: 1\r\nCookie: c\r\nAuthorization: a\r\n\
                      Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\n";
        let expected =
            format!("GET /a HTTP/1.1\r\nHost: example.com:8443\r\nCookie: c\r\nAuthorization: a\r\n{OURS}");
        assert_eq!(sent(fields), expected);
    }

    #[test]
    fn an_answer_is_framed_anew() {
        let parse = |head: &str, method, version, keep_alive| {
            let response = Response::parse(head.as_bytes()).map(|response| {
                let asked = Asked { method, version, keep_alive, hsts: Some("max-age=1"), room: 0 };
                answer(&response, asked).map(|answer| String::from_utf8(answer.head).unwrap())
            });
            response.unwrap().unwrap()
        };
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\nA: b\r\n\r\n";
        assert_eq!(
            parse(chunked, Method::Get, Version::Http11, true),
            "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\nStrict-Transport-Security: max-age=1\r\n\r\n"
        );
        assert_eq!(
            parse(chunked, Method::Get, Version::Http10, true),
            "HTTP/1.1 200 OK\r\nA: b\r\nStrict-Transport-Security: max-age=1\r\nConnection: close\r\n\r\n"
        );
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nStrict-Transport-Security: max-age=5\r\n\r\n";
        assert_eq!(parse(head, Method::Head, Version::Http11, true), head);
    }
}
