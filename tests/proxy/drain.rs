//! How the proxy ends, and how it takes another configuration: nothing open is lost.

use std::time::Duration;

use crate::rig::{Backend, HTTPS, Peer, config, field, proxy, start, status, tunnel, until, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn drain_waits_for_open_websocket() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let (mut client, mut server) = tunnel(&proxy, &backend).await;
    proxy.drain();
    until(|| std::net::TcpStream::connect(proxy.addresses()[0]).is_err()).await;
    client.send("after").await;
    server.expect("after").await;
    server.send("all").await;
    client.expect("all").await;
    assert!(tokio::time::timeout(Duration::from_millis(50), proxy.ended()).await.is_err());
    drop((client, server));
    within(proxy.ended()).await;
}

#[tokio::test]
async fn drain_ends_with_a_goodbye_between_frames() {
    let backend = Backend::new().await;
    let proxy = proxy("drain: 400ms", &[("/", backend.address)]);
    let (mut client, mut server) = tunnel(&proxy, &backend).await;
    server.send(b"\x81\x02hi").await;
    client.expect(b"\x81\x02hi").await;
    proxy.drain();
    client.expect(b"\x88\x02\x03\xE9").await;
    let masked = server.take(8).await;
    assert_eq!(masked[..2], [0x88, 0x82]);
    assert_eq!([masked[6] ^ masked[2], masked[7] ^ masked[3]], 1001_u16.to_be_bytes());
    // Both answer and hang up, as a WebSocket's ends do.
    client.send(b"\x88\x82\0\0\0\0\x03\xE9").await;
    server.send(b"\x88\x02\x03\xE9").await;
    client.expect_end().await;
    server.expect_end().await;
    drop((client, server));
    within(proxy.ended()).await;
}

#[tokio::test]
async fn drain_lets_a_request_finish_and_then_closes() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let mut idle = Peer::https(&proxy).await;
    let mut busy = Peer::https(&proxy).await;
    busy.send(GET).await;
    let mut server = backend.accept().await;
    server.head().await;
    proxy.drain();
    idle.expect_end().await;
    server.send(OK).await;
    let (head, body) = busy.answer().await;
    assert_eq!((field(&head, "connection"), body.as_str()), (Some("close"), "ok"));
    busy.expect_end().await;
    drop((busy, idle));
    within(proxy.ended()).await;
}

#[tokio::test]
async fn connections_in_the_queue_are_served_before_the_listener_closes() {
    let backend = Backend::new().await;
    let proxy = proxy("max_connections: 1", &[("/", backend.address)]);
    let mut first = Peer::https(&proxy).await;
    first.send(GET).await;
    let mut server = backend.accept().await;
    server.head().await;
    // The others wait, since one connection is all that is allowed.
    let mut others = [Peer::connect(&proxy).await, Peer::connect(&proxy).await, Peer::connect(&proxy).await];
    for other in &mut others {
        other.send(format!("{HTTPS}{GET}")).await;
    }
    proxy.drain();
    for mut other in others {
        let mut server = backend.accept().await;
        server.head().await;
        server.send(OK).await;
        let (head, body) = other.answer().await;
        assert_eq!((field(&head, "connection"), body.as_str()), (Some("close"), "ok"));
    }
    server.send(OK).await;
    assert_eq!(first.answer().await.1, "ok");
    drop(first);
    within(proxy.ended()).await;
}

#[tokio::test]
async fn stop_ends_at_once() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let (_client, _server) = tunnel(&proxy, &backend).await;
    proxy.drain();
    proxy.stop();
    within(proxy.ended()).await;
}

#[tokio::test]
async fn reload_sends_new_requests_elsewhere_and_keeps_what_is_open() {
    let (old, new) = (Backend::new().await, Backend::new().await);
    let route = |backend: &Backend| format!("routes: [{{ path: /, upstream: \"{}\" }}]", backend.address);
    let proxy = start(&route(&old));
    let (mut client, mut server) = tunnel(&proxy, &old).await;
    let mut keeping = Peer::https(&proxy).await;
    keeping.send(GET).await;
    let mut before = old.accept().await;
    before.head().await;
    before.send(OK).await;
    keeping.answer().await;
    proxy.reload(config(&route(&new))).unwrap();
    keeping.send(GET).await;
    let mut after = new.accept().await;
    after.head().await;
    after.send(OK).await;
    assert_eq!(status(&keeping.answer().await.0), "200");
    client.send("still").await;
    server.expect("still").await;
}

#[tokio::test]
async fn reload_refuses_what_cannot_change() {
    let backend = Backend::new().await;
    let routes = format!("routes: [{{ path: /, upstream: \"{}\" }}]", backend.address);
    let proxy = start(&routes);
    let error = proxy.reload(config(&format!("health: 0\n{routes}"))).unwrap_err();
    assert_eq!(error.to_string(), "`health` cannot change while the proxy runs");
}
