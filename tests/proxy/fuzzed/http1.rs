//! What must hold of request heads and chunked bodies, whatever the bytes.

use elbws::proxy::config::Config;
use elbws::proxy::http::{
    BodyLength, ChunkError, Chunked, Progress, Request, Response, Scanner, Version, end_of_head,
};
use elbws::proxy::proxy_protocol::Addresses;
use elbws::proxy::serve::rewrite_request;

/// As the proxy's own default.
const MAX_HEAD: usize = 32 * 1024;
/// Up to here every split is tried, beyond only some.
const ALL_SPLITS: usize = 300;
/// How many requests of one connection are looked at.
const PIPELINED: usize = 8;

fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..=length).filter(|at| *at <= ALL_SPLITS || at % 97 == 0)
}

/// Reads the input as the requests of one client.
pub(crate) fn check(input: &[u8]) {
    answers_never_panic(input);
    let mut rest = input;
    for _ in 0..PIPELINED {
        let found = end_of_head(rest, MAX_HEAD);
        scanned_in_pieces(rest, found.ok().flatten(), found.is_err());
        let Ok(Some(length)) = found else { return };
        assert!(length <= rest.len() && rest[..length].ends_with(b"\r\n"));
        let (head, body) = rest.split_at(length);
        if head == b"\r\n" {
            // One empty line before a request is tolerated.
            rest = body;
            continue;
        }
        let Ok(request) = Request::parse(head) else { return };
        strict(&request, head);
        rewritten(&request, head);
        let taken = match request.body {
            BodyLength::Exact(length) => usize::try_from(length).ok().filter(|length| *length <= body.len()),
            BodyLength::Chunked => chunked(body),
            BodyLength::UntilClose => panic!("a request whose end nobody knows"),
        };
        let Some(taken) = taken else { return };
        assert!(taken <= body.len());
        rest = &body[taken..];
    }
}

fn scanned_in_pieces(input: &[u8], whole: Option<usize>, refused: bool) {
    for at in cuts(input.len()) {
        let mut scanner = Scanner::default();
        let early = scanner.scan(&input[..at], MAX_HEAD);
        let verdict = match early {
            Ok(None) => scanner.scan(input, MAX_HEAD),
            early => early,
        };
        assert_eq!((verdict.ok().flatten(), verdict.is_err()), (whole, refused), "split at {at}");
        assert!(verdict.ok().flatten().is_none_or(|length| length <= input.len()));
    }
}

/// What two parsers could read differently is not in a request that was taken.
fn strict(request: &Request<'_>, head: &[u8]) {
    assert!(request.target.starts_with('/') || request.target == "*");
    assert!(request.host.is_some() || request.version == Version::Http10);
    assert!(!head.contains(&0));
    let naked = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
    assert!(!head.windows(2).any(naked), "a carriage return or a line feed alone");
    assert!(!head.windows(3).any(|three| matches!(three, b"\r\n " | b"\r\n\t")), "a folded field");
    for framing in ["content-length", "transfer-encoding", "host"] {
        let mut values = request.fields.all(framing);
        assert!(values.next().is_none_or(|value| !value.contains(&b',')) || framing == "host");
        assert!(values.next().is_none(), "{framing} twice");
    }
}

/// What the backend gets is read by it as what the client said.
fn rewritten(request: &Request<'_>, head: &[u8]) {
    let connection = Addresses {
        source: "192.0.2.1:50000".parse().unwrap(),
        destination: "198.51.100.2:443".parse().unwrap(),
    };
    let config = Config::parse("listen: 0\nroutes: [{ path: /, upstream: \"127.0.0.1:1\" }]").unwrap();
    // A handshake that is none is refused as a whole.
    let Ok(sent) = rewrite_request(head, connection, &config) else { return };
    assert_eq!(end_of_head(&sent, sent.len() + 1), Ok(Some(sent.len())), "one head, and nothing behind it");
    if request.host.is_none() {
        // Only HTTP/1.0 may lack it; the backend is told an empty one.
        assert!(sent.windows(8).any(|eight| eight == b"Host: \r\n"));
        return;
    }
    let read = match Request::parse(&sent) {
        Ok(read) => read,
        // Our own fields come on top of as many as are allowed.
        Err(_) if request.fields.iter().count() > 110 => return,
        Err(error) => panic!("{error} in {}", String::from_utf8_lossy(&sent)),
    };
    assert_eq!((read.method_name, read.target), (request.method_name, request.target));
    assert_eq!((read.host, read.body), (request.host, request.body));
    assert_eq!(read.fields.only("x-forwarded-for"), Ok(Some(&b"192.0.2.1"[..])));
    assert_eq!(read.fields.only("x-forwarded-proto"), Ok(Some(&b"https"[..])));
    assert_eq!(read.fields.only("x-real-ip"), Ok(Some(&b"192.0.2.1"[..])));
    // Rewriting is stable: a second proxy in the row changes nothing of the request itself.
    let twice = rewrite_request(&sent, connection, &config).unwrap();
    let again = Request::parse(&twice).unwrap();
    assert_eq!((again.method_name, again.target), (read.method_name, read.target));
    assert_eq!((again.host, again.body), (read.host, read.body));
    assert_eq!(sorted(&again), sorted(&read));
}

fn sorted<'a>(request: &Request<'a>) -> Vec<(&'a [u8], &'a [u8])> {
    let mut fields: Vec<_> = request.fields.iter().map(|field| (field.name, field.value)).collect();
    fields.sort_unstable();
    fields
}

#[derive(Debug, PartialEq)]
struct Body {
    data: Vec<u8>,
    trailers: Vec<u8>,
    taken: usize,
}

/// How long the chunked body is; `None` if it is malformed or has not ended.
fn chunked(input: &[u8]) -> Option<usize> {
    let whole = decode(&[input]);
    for at in cuts(input.len()) {
        let (before, after) = input.split_at(at);
        assert_eq!(decode(&[before, after]), whole, "split at {at}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(&bytes), whole, "a byte at a time");
    let body = whole.ok().flatten()?;
    assert!(body.taken <= input.len() && body.data.len() <= body.taken);
    // Framed anew, it says the same.
    let mut sent = Vec::new();
    if !body.data.is_empty() {
        sent.extend(format!("{:x}\r\n", body.data.len()).bytes());
        sent.extend(&body.data);
        sent.extend(b"\r\n");
    }
    sent.extend(b"0\r\n");
    sent.extend(&body.trailers);
    sent.extend(b"\r\n");
    let read = decode(&[&sent]).unwrap().expect("it ends");
    assert_eq!((&read.data, &read.trailers, read.taken), (&body.data, &body.trailers, sent.len()));
    Some(body.taken)
}

/// Decodes what arrives piece by piece; what one call leaves is offered again together with the next piece.
fn decode(pieces: &[&[u8]]) -> Result<Option<Body>, ChunkError> {
    let (mut decoder, mut data, mut taken) = (Chunked::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let progress = decoder.decode(rest)?;
            let used = match progress {
                Progress::Framing(used) => used,
                Progress::Data(range) => {
                    assert!(range.start <= range.end && range.end <= rest.len());
                    data.extend_from_slice(&rest[range.clone()]);
                    range.end
                }
                Progress::End(used) => {
                    let trailers = decoder.trailers().to_vec();
                    return Ok(Some(Body { data, trailers, taken: taken + used }));
                }
            };
            assert!(used <= rest.len());
            taken += used;
            rest = &rest[used..];
            if used == 0 {
                assert!(rest.is_empty(), "bytes that nobody takes");
                break;
            }
        }
    }
    Ok(None)
}

fn answers_never_panic(input: &[u8]) {
    if let Ok(Some(length)) = end_of_head(input, MAX_HEAD)
        && let Ok(response) = Response::parse(&input[..length])
    {
        assert!((100..1000).contains(&response.status));
        for method in [elbws::proxy::http::Method::Get, elbws::proxy::http::Method::Head] {
            let _ = response.body(method);
        }
        let _ = response.keep_alive();
    }
}
