//! Several backends of a route, and what a backend is told by a PROXY header of its own.

use elbws::proxy::observe::Counter;
use elbws::proxy::proxy_protocol::{Addresses, Origin, Tlv, Versions, decode, encode_v2, tlv_kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::rig::{Backend, Peer, nobody, proxy, start, status, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

async fn answer(backend: &Backend) {
    let mut server = backend.accept().await;
    server.head().await;
    server.send(OK).await;
}

#[tokio::test]
async fn requests_go_to_each_backend_in_turn() {
    let (one, other) = (Backend::new().await, Backend::new().await);
    let proxy =
        start(&format!("routes: [{{ path: /, upstream: [\"{}\", \"{}\"] }}]", one.address, other.address));
    for backend in [&one, &other, &one, &other] {
        let mut client = Peer::https(&proxy).await;
        client.send(GET).await;
        answer(backend).await;
        assert_eq!(client.answer().await.1, "ok");
    }
}

#[tokio::test]
async fn requests_go_to_the_backend_with_the_fewest_connections() {
    let (one, other) = (Backend::new().await, Backend::new().await);
    let proxy = start(&format!(
        "routes: [{{ path: /, balance: least_connections, upstream: [\"{}\", \"{}\"] }}]",
        one.address, other.address
    ));
    let mut waiting = Peer::https(&proxy).await;
    waiting.send(GET).await;
    let (mut busy, idle) = tokio::select! {
        busy = one.accept() => (busy, &other),
        busy = other.accept() => (busy, &one),
    };
    busy.head().await;
    for _ in 0..4 {
        let mut client = Peer::https(&proxy).await;
        client.send(GET).await;
        answer(idle).await;
        assert_eq!(client.answer().await.1, "ok");
    }
    busy.send(OK).await;
    assert_eq!(waiting.answer().await.1, "ok");
}

#[tokio::test]
async fn a_backend_that_never_answers_is_left_out_as_one_that_is_down() {
    let (silent, web) = (Backend::new().await, Backend::new().await);
    let proxy = start(&format!(
        "request_timeout: 200ms\nroutes: [{{ path: /, upstream: [\"{}\", \"{}\"] }}]",
        silent.address, web.address
    ));
    let mut timed_out = 0;
    for _ in 0..12 {
        let mut client = Peer::https(&proxy).await;
        client.send(GET).await;
        let asked = tokio::select! {
            mut server = web.accept() => {
                server.head().await;
                server.send(OK).await;
                "200"
            }
            server = silent.accept() => {
                assert_eq!(status(&client.head().await), "504");
                drop(server);
                timed_out += 1;
                continue;
            }
        };
        assert_eq!(status(&client.head().await), asked);
    }
    assert_eq!(timed_out, 3, "it is left out after three failures in a row");
}

#[tokio::test]
async fn only_requests_that_are_sent_once_more_are_retries() {
    let web = Backend::new().await;
    let down = nobody().await;
    let alone = proxy("", &[("/", down)]);
    let mut client = Peer::https(&alone).await;
    client.send(GET).await;
    assert_eq!(status(&client.head().await), "502");
    assert_eq!(alone.totals().get(Counter::Retries), 0);
    let both = start(&format!("routes: [{{ path: /, upstream: [\"{down}\", \"{}\"] }}]", web.address));
    let mut client = Peer::https(&both).await;
    client.send(GET).await;
    answer(&web).await;
    assert_eq!(client.answer().await.1, "ok");
    assert_eq!(both.totals().get(Counter::Retries), 1);
}

#[tokio::test]
async fn a_backend_is_told_what_the_load_balancer_knows_of_the_client() {
    let backend = Backend::new().await;
    let proxy =
        start(&format!("routes: [{{ path: /, upstream: \"{}\", proxy_protocol: v2 }}]", backend.address));
    let pair = Addresses {
        source: "[2001:db8::7]:50000".parse().unwrap(),
        destination: "[2001:db8::1]:443".parse().unwrap(),
    };
    let tlv = |kind, value: &[u8]| Tlv { kind, value: value.to_vec() };
    let of_the_client = [
        tlv(tlv_kind::AUTHORITY, b"chat.example.com"),
        tlv(tlv_kind::ALPN, b"http/1.1"),
        tlv(tlv_kind::AWS, b"\x01vpce-08d2"),
    ];
    let sent = [&[tlv(tlv_kind::NOOP, b"padding")][..], &of_the_client].concat();
    let mut client = Peer::connect(&proxy).await;
    client.send(encode_v2(&Origin::Proxied(pair), &sent, true).unwrap()).await;
    client.send(GET).await;
    let mut server = backend.accept().await;
    let mut bytes = Vec::new();
    let decoded = loop {
        if let Some(decoded) = decode(&bytes, Versions::V2).unwrap() {
            break decoded;
        }
        assert!(server.stream.read_buf(&mut bytes).await.unwrap() > 0, "no whole header: {bytes:?}");
    };
    assert_eq!(
        (decoded.header.origin, &decoded.header.tlvs[..]),
        (Origin::Proxied(pair), &of_the_client[..])
    );
    let head = String::from_utf8(bytes.split_off(decoded.consumed)).unwrap();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    server.send(OK).await;
    assert_eq!(client.answer().await.1, "ok");
}

#[tokio::test]
async fn a_connection_is_kept_however_an_answer_arrives() {
    let web = Backend::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let local = tokio::net::UnixListener::bind(&path).unwrap();
    let proxy = start(&format!(
        "routes: [{{ path: /, upstream: \"{}\" }}, {{ path: /local, upstream: \"unix:{}\" }}]",
        web.address,
        path.display()
    ));
    let mut client = Peer::https(&proxy).await;
    let mut server = None;
    // Sizes about what one read may bring, and answers whose head and body come one after the other.
    let sizes = [1, 2, 1000, 65_534, 65_535, 65_536, 65_537, 131_072, 300_000];
    for size in sizes {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let server = match &mut server {
            Some(server) => server,
            none => none.insert(web.accept().await),
        };
        server.head().await;
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")).await;
        client.head().await;
        server.send(vec![b'x'; size]).await;
        client.take(size).await;
    }
    assert_eq!(proxy.totals().get(Counter::UpstreamConnections), 1);
    let mut server = None;
    for size in sizes {
        client.send("GET /local HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let server = match &mut server {
            Some(server) => server,
            none => none.insert(within(local.accept()).await.unwrap().0),
        };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            within(server.read_buf(&mut head)).await.unwrap();
        }
        server
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        client.head().await;
        within(server.write_all(&vec![b'x'; size])).await.unwrap();
        client.take(size).await;
    }
    let totals = proxy.totals();
    assert_eq!((totals.get(Counter::UpstreamConnections), totals.get(Counter::UpstreamReused)), (2, 16));
}
