//! HAProxy as the load balancer: a sender of PROXY headers that this project did not write.

use std::net::{SocketAddr, TcpListener};

use elbws::proxy::observe::Reject;

use crate::peers::{self, Program};
use crate::rig::{ACCEPTED, Backend, HANDSHAKE, Peer, field, start, status};

/// HAProxy cannot be asked which port it got, so a free one is found first.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
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
        let front = free();
        let backend = Backend::new().await;
        let proxy = start(&format!(
            "accept: {accept}\nscheme_by_port: {{ {}: https }}\nroutes: [{{ path: /, upstream: \"{}\" }}]",
            front.port(),
            backend.address
        ));
        let configuration = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             frontend f\n  bind {front}\n  unique-id-format %{{+X}}o%ci%cp\n  default_backend b\n\
             backend b\n  server s {} {option}\n",
            proxy.addresses()[0]
        );
        let mut program =
            Program::start(&binary, &["-f", "haproxy.cfg", "-db", "-q"], "haproxy.cfg", &configuration);
        program.wait_for(front);
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
