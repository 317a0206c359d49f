//! The PROXY header on real connections: when it is required, how it may arrive, what it changes.

use elbws::proxy::observe::{Counter, Reject};
use elbws::proxy::proxy_protocol::{Addresses, Origin, Tlv, encode_v2, tlv_kind};

use crate::rig::{Backend, HTTPS, Peer, field, proxy, status, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn v2(tlvs: &[Tlv]) -> Vec<u8> {
    let pair = Addresses {
        source: "[2001:db8::7]:50000".parse().unwrap(),
        destination: "[2001:db8::1]:443".parse().unwrap(),
    };
    encode_v2(&Origin::Proxied(pair), tlvs, true).unwrap()
}

#[tokio::test]
async fn a_header_may_arrive_a_byte_at_a_time() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    for header in [HTTPS.as_bytes().to_vec(), v2(&[])] {
        let mut client = Peer::connect(&proxy).await;
        for byte in header.iter().chain(GET.as_bytes()) {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        let mut server = backend.accept().await;
        server.head().await;
        server.send(OK).await;
        assert_eq!(client.answer().await.1, "ok");
        server.send("").await;
        drop(server);
    }
}

#[tokio::test]
async fn the_visitor_of_a_v2_header_reaches_the_backend() {
    let backend = Backend::new().await;
    let proxy = proxy("accept: v2", &[("/", backend.address)]);
    let mut client = Peer::connect(&proxy).await;
    client.send(v2(&[Tlv { kind: tlv_kind::AWS, value: b"\x01vpce-08d2".to_vec() }])).await;
    client.send(GET).await;
    let head = backend.accept().await.head().await;
    assert_eq!(field(&head, "x-forwarded-for"), Some("2001:db8::7"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
    assert_eq!(field(&head, "forwarded"), Some("for=\"[2001:db8::7]\";proto=https;host=a"));
    assert_eq!(field(&head, "x-amzn-vpce-id"), Some("vpce-08d2"));
}

#[tokio::test]
async fn a_connection_without_the_header_is_closed() {
    let backend = Backend::new().await;
    let proxy = proxy("accept: v1", &[("/", backend.address)]);
    let mut client = Peer::connect(&proxy).await;
    client.send("GET / HTTP/1.1\r\n").await;
    assert!(client.stream.readable().await.is_ok());
    let mut byte = [0];
    // Closed without an answer; with bytes unread that is a reset.
    assert!(!matches!(client.stream.try_read(&mut byte), Ok(1..)));
    assert_eq!(proxy.totals().rejects(Reject::ProxyHeader), 1);
    let mut other = Peer::connect(&proxy).await;
    other.send(&v2(&[])[..16]).await;
    until(|| proxy.totals().rejects(Reject::ProxyHeader) == 2).await;
}

#[tokio::test]
async fn a_header_that_does_not_end_in_time_closes_the_connection() {
    let backend = Backend::new().await;
    let proxy = proxy("header_timeout: 50ms", &[("/", backend.address)]);
    let mut client = Peer::connect(&proxy).await;
    client.send(&HTTPS[..20]).await;
    client.expect_end().await;
    assert_eq!(proxy.totals().rejects(Reject::ProxyHeaderTimeout), 1);
    // One that never begins is closed as well, which a health check that lingers is.
    let mut silent = Peer::connect(&proxy).await;
    silent.expect_end().await;
    assert_eq!(proxy.totals().rejects(Reject::ProxyHeaderTimeout), 1);
    assert_eq!(proxy.totals().get(Counter::ConnectionsEmpty), 1);
}

#[tokio::test]
async fn a_header_where_there_is_none_is_answered_with_400() {
    let backend = Backend::new().await;
    let proxy = proxy("accept: off", &[("/", backend.address)]);
    for header in [HTTPS.as_bytes().to_vec(), v2(&[])] {
        let mut client = Peer::connect(&proxy).await;
        client.send([&header[..], GET.as_bytes()].concat()).await;
        assert_eq!(status(&client.head().await), "400");
    }
    assert_eq!(proxy.totals().get(Counter::UpstreamConnections), 0);
}

#[tokio::test]
async fn a_second_header_is_answered_with_400() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    for second in [HTTPS.as_bytes().to_vec(), v2(&[])] {
        let mut client = Peer::https(&proxy).await;
        client.send(second).await;
        client.send(GET).await;
        assert_eq!(status(&client.head().await), "400");
    }
}

#[tokio::test]
async fn a_connection_with_nothing_on_it_is_no_reject() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    drop(Peer::connect(&proxy).await);
    until(|| proxy.totals().get(Counter::ConnectionsEnded) == 1).await;
    assert!(Reject::ALL.iter().all(|cause| proxy.totals().rejects(*cause) == 0));
    assert_eq!(proxy.totals().get(Counter::ConnectionsEmpty), 1);
}

#[tokio::test]
async fn local_and_unknown_use_the_sockets_own_addresses() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), encode_v2(&Origin::Socket, &[], true).unwrap()] {
        let mut client = Peer::connect(&proxy).await;
        client.send(header).await;
        client.send(GET).await;
        let head = backend.accept().await.head().await;
        assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_is_closed() {
    let backend = Backend::new().await;
    let proxy = proxy("trusted: [10.0.0.0/8]", &[("/", backend.address)]);
    let mut client = Peer::connect(&proxy).await;
    client.expect_end().await;
    assert_eq!(proxy.totals().rejects(Reject::Untrusted), 1);
}

#[tokio::test]
async fn a_client_address_has_only_so_many_connections() {
    let backend = Backend::new().await;
    let proxy = proxy("max_connections_per_client: 1", &[("/", backend.address)]);
    let mut first = Peer::https(&proxy).await;
    first.send(GET).await;
    let mut server = backend.accept().await;
    server.head().await;
    let mut second = Peer::https(&proxy).await;
    second.expect_end().await;
    let mut other = Peer::connect(&proxy).await;
    other.send("PROXY TCP4 192.0.2.9 198.51.100.2 1 443\r\n").await;
    other.send(GET).await;
    backend.accept().await.head().await;
    drop(first);
    drop(server);
    until(|| proxy.totals().open_connections() == 1).await;
    let mut third = Peer::https(&proxy).await;
    third.send(GET).await;
    backend.accept().await.head().await;
}

#[tokio::test]
async fn behind_an_alb_only_its_own_word_is_taken() {
    let backend = Backend::new().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.5:41000\r\n\
                   X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\r\n";
    let trusting = proxy("accept: off\ntrusted: [127.0.0.0/8]", &[("/", backend.address)]);
    let mut client = Peer::connect(&trusting).await;
    client.send(request).await;
    let head = backend.accept().await.head().await;
    assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.5"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
    assert_eq!(field(&head, "x-forwarded-port"), Some("443"));
    let wary = proxy("accept: off", &[("/", backend.address)]);
    let mut client = Peer::connect(&wary).await;
    client.send(request).await;
    let head = backend.accept().await.head().await;
    assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
}
