//! What a backend is told by a PROXY header of its own.

use elbws::proxy::proxy_protocol::{Addresses, Origin, Tlv, Versions, decode, encode_v2, tlv_kind};
use tokio::io::AsyncReadExt as _;

use crate::rig::{Backend, Peer, start};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

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
