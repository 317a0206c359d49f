//! The handshake, and tunnels through the whole proxy.

use elbws::proxy::observe::{Counter, Reject};
use tokio::io::AsyncWriteExt as _;

use crate::rig::{ACCEPTED, Backend, HANDSHAKE, Peer, field, proxy, status, tunnel, until};

#[tokio::test]
async fn a_websocket_becomes_a_tunnel() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(HANDSHAKE).await;
    let mut server = backend.accept().await;
    let head = server.head().await;
    assert_eq!(field(&head, "upgrade"), Some("websocket"));
    assert_eq!(field(&head, "connection"), Some("Upgrade"));
    assert_eq!(field(&head, "sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.1"));
    // The first frame comes with the answer.
    server.send(format!("{ACCEPTED}\u{1}\u{2}hi")).await;
    let answer = client.head().await;
    assert_eq!(field(&answer, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    client.expect("\u{1}\u{2}hi").await;
    client.send("up").await;
    server.expect("up").await;
    server.send("down").await;
    client.expect("down").await;
    assert_eq!(proxy.totals().open_tunnels(), 1);
    drop(client);
    server.expect_end().await;
    drop(server);
    until(|| proxy.totals().open_tunnels() == 0 && proxy.totals().open_connections() == 0).await;
}

#[tokio::test]
async fn client_bytes_wait_for_the_101() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(format!("{HANDSHAKE}early")).await;
    let mut server = backend.accept().await;
    server.head().await;
    client.send(" bird").await;
    // Nothing may come before the answer; the backend's bytes are seen in order with ours.
    let waited = tokio::time::timeout(std::time::Duration::from_millis(100), server.take(1)).await;
    assert!(waited.is_err(), "bytes before the 101: {waited:?}");
    server.send(ACCEPTED).await;
    server.expect("early bird").await;
}

#[tokio::test]
async fn a_handshake_that_is_refused_is_an_ordinary_answer() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let mut client = Peer::https(&proxy).await;
    // What follows is a request of its own, never bytes for the backend that refused.
    client.send(format!("{HANDSHAKE}GET /next HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(client.answer().await.1, "no");
    assert!(server.head().await.starts_with("GET /next "));
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.answer().await.1, "ok");
    assert_eq!(proxy.totals().get(Counter::HandshakesRefused), 1);
}

#[tokio::test]
async fn a_wrong_101_is_a_502() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let wrong = [
        ACCEPTED.replace("s3pP", "XXXX"),
        ACCEPTED.replace("Upgrade: websocket", "Upgrade: h2c"),
        ACCEPTED.replace("Connection: Upgrade\r\n", ""),
    ];
    for answer in wrong {
        let mut client = Peer::https(&proxy).await;
        client.send(HANDSHAKE).await;
        let mut server = backend.accept().await;
        server.head().await;
        server.send(answer).await;
        assert_eq!(status(&client.head().await), "502");
        server.expect_end().await;
    }
    let mut client = Peer::https(&proxy).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(ACCEPTED).await;
    assert_eq!(status(&client.head().await), "502");
}

#[tokio::test]
async fn a_wrong_handshake_never_reaches_the_backend() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    for (handshake, expected) in [
        (HANDSHAKE.replace("Version: 13", "Version: 8"), "426"),
        (HANDSHAKE.replace("dGhl", "x"), "400"),
        (HANDSHAKE.replace("GET", "POST"), "400"),
    ] {
        let mut client = Peer::https(&proxy).await;
        client.send(handshake).await;
        assert_eq!(status(&client.head().await), expected);
    }
    assert_eq!(proxy.totals().get(Counter::UpstreamConnections), 0);
}

#[tokio::test]
async fn half_close_is_relayed() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let (mut client, mut server) = tunnel(&proxy, &backend).await;
    client.send("bye").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(server.rest().await, b"bye");
    server.send("still here").await;
    client.expect("still here").await;
    drop(server);
    client.expect_end().await;
}

#[tokio::test]
async fn rst_is_relayed() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let (client, mut server) = tunnel(&proxy, &backend).await;
    client.reset();
    server.expect_reset().await;
    let (mut client, server) = tunnel(&proxy, &backend).await;
    server.reset();
    client.expect_reset().await;
}

#[tokio::test]
async fn a_silent_tunnel_ends_after_its_limit() {
    let backend = Backend::new().await;
    let proxy = proxy("tunnel_idle: 1s", &[("/", backend.address)]);
    let (mut client, mut server) = tunnel(&proxy, &backend).await;
    client.expect_end().await;
    server.expect_end().await;
}

#[tokio::test]
async fn too_many_tunnels_are_refused() {
    let backend = Backend::new().await;
    let proxy = proxy("max_tunnels: 1", &[("/", backend.address)]);
    let (_client, _server) = tunnel(&proxy, &backend).await;
    let mut second = Peer::https(&proxy).await;
    second.send(HANDSHAKE).await;
    assert_eq!(status(&second.head().await), "503");
    assert_eq!(proxy.totals().rejects(Reject::TunnelLimit), 1);
}

#[tokio::test]
async fn a_reader_that_stalls_loses_nothing() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let (mut client, mut server) = tunnel(&proxy, &backend).await;
    let sent: Vec<u8> =
        (0..5_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        server.send(&sent).await;
        server
    });
    // The other direction goes on while this one is stuck.
    client.send("are you there").await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!writer.is_finished(), "nothing held the sender back");
    let held = proxy.totals().held_by_tunnels();
    assert!((1..=64 * 1024).contains(&held), "{held} bytes held");
    assert!(client.take(expected.len()).await == expected);
    until(|| proxy.totals().held_by_tunnels() == 0).await;
    writer.await.unwrap().expect("are you there").await;
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_its_backend_never_knows() {
    let backend = Backend::new().await;
    let proxy = proxy("ping_interval: 1s\ntunnel_idle: 10s", &[("/", backend.address)]);
    let (mut client, mut server) = tunnel(&proxy, &backend).await;
    for _ in 0..2 {
        let ping = client.take(10).await;
        assert_eq!(ping[..2], [0x89, 0x08]);
        client.send([&[0x8A, 0x88, 0, 0, 0, 0][..], &ping[2..]].concat()).await;
    }
    client.send(b"\x81\x82\0\0\0\0hi").await;
    server.expect(b"\x81\x82\0\0\0\0hi").await;
}
