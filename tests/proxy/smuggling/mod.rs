//! Request smuggling: each request of the corpus, through the proxy, into backends that must agree on where it ends.

mod nginx;
mod observer;

use elbws::proxy::observe::Counter;

use crate::rig::{Peer, proxy, status, within};

const CASES: &str = include_str!("cases.txt");
/// What follows each case; it is answered only if the proxy and the backend are still of one mind.
const SENTINEL: &str = "GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

struct Case {
    name: String,
    verdict: String,
    request: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut group = "";
    for line in CASES.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            group = title.split(" (").next().unwrap();
        } else if let Some(name) = line.strip_prefix("= ") {
            let name = format!("{group}: {name}");
            cases.push(Case { name, verdict: String::new(), request: Vec::new() });
        } else if let Some(verdict) = line.strip_prefix("> ") {
            verdict.clone_into(&mut cases.last_mut().unwrap().verdict);
        } else if let Some(piece) = line.strip_prefix("| ") {
            cases.last_mut().unwrap().request.extend(unescape(piece));
        } else {
            assert!(line.is_empty() || line.starts_with("# "), "{line:?}");
        }
    }
    cases
}

/// Takes the escapes out of a line of a corpus.
pub(crate) fn unescape(piece: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = piece.bytes();
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next().unwrap() } else { 0 };
        bytes.push(match (byte, escaped) {
            (b'\\', b'r') => b'\r',
            (b'\\', b'n') => b'\n',
            (b'\\', b't') => b'\t',
            (b'\\', b'\\') => b'\\',
            (b'\\', b'x') => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            (byte, _) => byte,
        });
    }
    bytes
}

/// The answers to a case and its sentinel: status and body each.
async fn replay(client: &mut Peer, case: &Case) -> Vec<(String, String)> {
    client.send(&case.request).await;
    // The proxy may have refused and hung up already.
    let _ = within(tokio::io::AsyncWriteExt::write_all(&mut client.stream, SENTINEL.as_bytes())).await;
    let mut answers = Vec::new();
    while !client.is_over().await {
        let (head, body) = client.answer().await;
        answers.push((status(&head).to_owned(), body));
    }
    answers
}

/// What a backend that answers with what it saw makes of a verdict; `lengths` says whether it knows body lengths.
fn expected(verdict: &str, lengths: bool) -> Option<Vec<(String, String)>> {
    let requests = verdict.strip_prefix("forward ")?;
    let seen = requests.split(", ").chain(["GET /sentinel 0"]).map(|request| {
        let text = if lengths { request } else { request.rsplit_once(' ').unwrap().0 };
        ("200".to_owned(), text.to_owned())
    });
    Some(seen.collect())
}

async fn check(upstream: std::net::SocketAddr, lengths: bool) {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let proxy = proxy("", &[("/", upstream)]);
    let mut wrong = Vec::new();
    for case in &cases {
        let before = proxy.totals().get(Counter::UpstreamConnections);
        let mut client = Peer::https(&proxy).await;
        let answers = replay(&mut client, case).await;
        let right = match expected(&case.verdict, lengths) {
            // nginx refuses `*` itself, but ends the request at the same byte: the sentinel is answered.
            Some(expected) if !lengths && case.verdict.contains(" * ") => answers.last() == expected.last(),
            Some(expected) => answers == expected,
            // The refusal is the first and only answer; the sentinel behind it gets none.
            None => answers.len() == 1 && answers[0].0 == case.verdict,
        };
        if !right {
            let connected = proxy.totals().get(Counter::UpstreamConnections) - before;
            wrong.push(format!(
                "{}: {} expected, {answers:?}, {connected} connections",
                case.name, case.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_case_ends_where_an_independent_backend_says() {
    check(observer::start().await, true).await;
}

#[tokio::test]
async fn every_case_ends_where_nginx_says() {
    let Some(nginx) = nginx::start() else { return };
    check(nginx.address, false).await;
}
