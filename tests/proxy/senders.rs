//! HAProxy and nginx as the load balancer: senders of PROXY headers that this project did not write.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use elbws::proxy::observe::Reject;
use elbws::proxy::proxy_protocol::{Origin, Versions, decode, tlv_kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::peers::{self, Program};
use crate::rig::{ACCEPTED, Backend, HANDSHAKE, Peer, field, start, status, within};

/// HAProxy, which listens as `bind` says and sends on with a PROXY header as `option` says.
fn haproxy(binary: &Path, bind: &str, front: SocketAddr, to: SocketAddr, option: &str) -> Program {
    let configuration = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend f\n  bind {bind}\n  unique-id-format %{{+X}}o%ci%cp\n  default_backend b\n\
         backend b\n  server s {to} {option}\n"
    );
    let arguments = ["-f", "haproxy.cfg", "-db", "-q"];
    let mut program = Program::start(binary, &arguments, "haproxy.cfg", &configuration);
    program.wait_for(front);
    program
}

#[tokio::test]
async fn headers_of_haproxy_in_every_form_are_understood() {
    let Some(binary) = peers::find("haproxy") else { return };
    let forms = [
        ("v1", "send-proxy"),
        ("v2", "send-proxy-v2"),
        ("v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"),
        ("v2", "send-proxy-v2-ssl proxy-v2-options crc32c,ssl-cipher"),
        ("any", "send-proxy-v2-ssl-cn"),
    ];
    for (accept, option) in forms {
        let front = peers::free();
        let backend = Backend::new().await;
        let proxy = start(&format!(
            "accept: {accept}\nscheme_by_port: {{ {}: https }}\nroutes: [{{ path: /, upstream: \"{}\" }}]",
            front.port(),
            backend.address
        ));
        let _program = haproxy(&binary, &front.to_string(), front, proxy.addresses()[0], option);
        let mut client = Peer::to(front).await;
        let visitor = client.stream.local_addr().unwrap();
        client.send(HANDSHAKE).await;
        let mut server = backend.accept().await;
        let head = server.head().await;
        assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"), "{option}: {head}");
        assert_eq!(field(&head, "x-forwarded-proto"), Some("https"), "{option}: {head}");
        assert_eq!(field(&head, "x-forwarded-port"), Some(front.port().to_string().as_str()), "{option}");
        server.send(ACCEPTED).await;
        assert_eq!(status(&client.head().await), "101", "{option} for {visitor}");
        client.send(b"\x81\x82\0\0\0\0hi").await;
        server.expect(b"\x81\x82\0\0\0\0hi").await;
        assert_eq!(proxy.totals().rejects(Reject::ProxyHeader), 0, "{option}");
    }
}

/// A certificate with its key in one file, as HAProxy reads them.
fn certificate(folder: &Path) -> String {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = folder.join("both.pem");
    std::fs::write(&path, certified.cert.pem() + &certified.signing_key.serialize_pem()).unwrap();
    path.display().to_string()
}

/// A TLS connection with a name that is asked for, and HTTP/1.1 negotiated.
fn tls_client(openssl: &Path, to: SocketAddr) -> tokio::process::Child {
    let address = to.to_string();
    tokio::process::Command::new(openssl)
        .args([
            "s_client",
            "-quiet",
            "-alpn",
            "http/1.1",
            "-servername",
            "chat.example.com",
            "-connect",
            &address,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_haproxy_says_of_a_visitors_tls_is_understood() {
    let (Some(binary), Some(openssl)) = (peers::find("haproxy"), peers::find("openssl")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let option =
        "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,authority,ssl-cipher,cert-sig,cert-key";
    let front = peers::free();
    let bind = format!("{front} ssl crt {} alpn http/1.1", certificate(folder.path()));
    // First the header itself …
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let program = haproxy(&binary, &bind, front, listener.local_addr().unwrap(), option);
    // Its looking whether HAProxy listens may have come through as well.
    let client = tls_client(&openssl, front);
    let decoded = within(async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let decoded = loop {
                if let Some(decoded) = decode(&bytes, Versions::V2).unwrap() {
                    break decoded;
                }
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "no whole header: {bytes:?}");
            };
            if decoded.header.authority().is_some() {
                break decoded;
            }
        }
    })
    .await;
    drop((client, program));
    let header = decoded.header;
    assert!(matches!(header.origin, Origin::Proxied(pair) if pair.destination == front), "{header:?}");
    assert_eq!((header.authority(), header.alpn()), (Some("chat.example.com"), Some("http/1.1")));
    for kind in [tlv_kind::CRC32C, tlv_kind::UNIQUE_ID, tlv_kind::SSL] {
        assert!(header.tlvs.iter().any(|tlv| tlv.kind == kind), "{kind:#x} is not in {header:?}");
    }
    // … then a WebSocket behind it.
    let backend = Backend::new().await;
    let proxy = start(&format!(
        "accept: v2\nscheme_by_port: {{ {}: https }}\nroutes: [{{ path: /, upstream: \"{}\" }}]",
        front.port(),
        backend.address
    ));
    let _program = haproxy(&binary, &bind, front, proxy.addresses()[0], option);
    let mut client = tls_client(&openssl, front);
    let (mut to, mut from) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
    to.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut server = backend.accept().await;
    let head = server.head().await;
    assert_eq!(field(&head, "x-forwarded-proto"), Some("https"), "{head}");
    server.send(format!("{ACCEPTED}\u{1}\u{2}hi")).await;
    let mut said = Vec::new();
    within(async {
        while !said.ends_with(b"\x01\x02hi") {
            assert!(from.read_buf(&mut said).await.unwrap() > 0, "{said:?}");
        }
    })
    .await;
    assert!(said.starts_with(b"HTTP/1.1 101 "));
    to.write_all(b"\x81\x82\0\0\0\0ho").await.unwrap();
    server.expect(b"\x81\x82\0\0\0\0ho").await;
    assert_eq!(proxy.totals().rejects(Reject::ProxyHeader), 0);
}

/// Where Debian keeps nginx's module for streams.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

#[tokio::test]
async fn headers_of_nginx_are_understood() {
    let Some(binary) = peers::find("nginx") else { return };
    let Some(module) = peers::find_file(STREAM_MODULE) else { return };
    let backend = Backend::new().await;
    let front = peers::free();
    let proxy = start(&format!(
        "accept: v1\nscheme_by_port: {{ {}: https }}\nroutes: [{{ path: /, upstream: \"{}\" }}]",
        front.port(),
        backend.address
    ));
    let configuration = format!(
        "load_module {};\ndaemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
         events {{ }}\n\
         stream {{ server {{ listen {front}; proxy_pass {}; proxy_protocol on; }} }}\n",
        module.display(),
        proxy.addresses()[0]
    );
    let arguments = ["-p", ".", "-c", "nginx.conf", "-e", "stderr"];
    let mut program = Program::start(&binary, &arguments, "nginx.conf", &configuration);
    program.wait_for(front);
    let mut client = Peer::to(front).await;
    client.send(HANDSHAKE).await;
    let mut server = backend.accept().await;
    let head = server.head().await;
    assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"), "{head}");
    assert_eq!(field(&head, "x-forwarded-proto"), Some("https"), "{head}");
    assert_eq!(field(&head, "x-forwarded-port"), Some(front.port().to_string().as_str()), "{head}");
    server.send(ACCEPTED).await;
    assert_eq!(status(&client.head().await), "101");
    client.send(b"\x81\x82\0\0\0\0hi").await;
    server.expect(b"\x81\x82\0\0\0\0hi").await;
    assert_eq!(proxy.totals().rejects(Reject::ProxyHeader), 0);
}
