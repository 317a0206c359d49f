//! HTTP and HTTPS listeners: what instances are sent, and what clients get.

use std::net::SocketAddr;
use std::time::Instant;

use futures_util::future::select_all;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::rig::{Instance, Rig, tls, within};

/// Reads a head, up to and with its blank line, in lower case.
pub(super) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

pub(super) async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Answers the next request on a connection, with a body.
pub(super) async fn respond(served: &mut TcpStream, body: &str) -> String {
    let request = head(served).await;
    send(served, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    request
}

pub(super) async fn body(stream: &mut (impl AsyncRead + Unpin), expected: &str) {
    let mut body = vec![0; expected.len()];
    within(stream.read_exact(&mut body)).await.unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: chat.example.com\r\n\r\n";

#[tokio::test]
async fn requests_say_whom_they_are_from_and_connections_are_kept() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let arn = rig.certificate("chat.example.com");
    let address = rig.create(&format!("HTTPS/HTTP/{arn}"), 443, &[&instance]).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let mut client = tls(rig.authority(&arn), "chat.example.com", stream).await.unwrap();
    send(&mut client, "GET /a?b=c HTTP/1.1\r\nHost: chat.example.com\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n\r\n").await;
    let mut served = instance.accept().await;
    let request = respond(&mut served, "one").await;
    assert!(request.starts_with("get /a?b=c http/1.1\r\n"), "{request}");
    for field in [
        "host: chat.example.com",
        "x-forwarded-for: 192.0.2.1, 127.0.0.1",
        "x-forwarded-proto: https",
        "x-forwarded-port: 443",
    ] {
        assert!(request.contains(&format!("\r\n{field}\r\n")), "{field} in {request}");
    }
    let response = head(&mut client).await;
    assert!(response.starts_with("http/1.1 200 ok\r\n"), "{response}");
    body(&mut client, "one").await;

    // A body without a length, on the same connection of the client.
    send(
        &mut client,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    )
    .await;
    let mut again = within(async {
        tokio::select! {
            accepted = instance.accept() => accepted,
            read = served.readable() => { read.unwrap(); served }
        }
    })
    .await;
    let request = head(&mut again).await;
    assert!(request.contains("transfer-encoding: chunked"), "{request}");
    body(&mut again, "3\r\nabc\r\n0\r\n\r\n").await;
    send(&mut again, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
        .await;
    assert!(head(&mut client).await.starts_with("http/1.1 404 not found\r\n"));
    body(&mut client, "2\r\nno\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn an_upgrade_does_not_get_through() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let address = rig.create("HTTP/HTTP", 80, &[&instance]).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let upgrade = "GET /ws/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    send(&mut client, upgrade).await;
    let mut served = instance.accept().await;
    let request = head(&mut served).await;
    assert!(request.contains("sec-websocket-key: dghlihnhbxbszsbub25jzq=="), "{request}");
    assert!(!request.contains("\r\nupgrade:") && !request.contains("\r\nconnection:"), "{request}");
    // Even an instance that upgrades all the same does not get a tunnel.
    send(
        &mut served,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    )
    .await;
    let response = head(&mut client).await;
    assert!(response.starts_with("http/1.1 502 bad gateway\r\n"), "{response}");
}

#[tokio::test]
async fn the_load_balancer_answers_where_no_instance_does() {
    let rig = Rig::start();
    let instance = rig.launch().await;
    let address = rig.create("HTTP/HTTP", 80, &[&instance]).await;
    rig.attributes("&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=1");
    let ask = async || {
        let mut client = TcpStream::connect(address).await.unwrap();
        send(&mut client, GET).await;
        client
    };

    let mut client = ask().await;
    let (asked, silent) = (Instant::now(), instance.accept().await);
    let response = head(&mut client).await;
    assert!(response.starts_with("http/1.1 504 gateway_timeout\r\ncontent-length: 0\r\n"), "{response}");
    assert!((0.9..2.0).contains(&asked.elapsed().as_secs_f64()), "{:?}", asked.elapsed());
    drop(silent);

    let mut client = ask().await;
    let mut served = instance.accept().await;
    head(&mut served).await;
    send(&mut served, "this is no HTTP\r\n\r\n").await;
    assert!(head(&mut client).await.starts_with("http/1.1 502 bad gateway\r\n"));

    rig.deregister(&instance);
    let response = head(&mut ask().await).await;
    let expected =
        "http/1.1 503 service unavailable: back-end server is at capacity\r\ncontent-length: 0\r\n";
    assert!(response.starts_with(expected), "{response}");

    // A client that says nothing is sent away.
    let mut client = TcpStream::connect(address).await.unwrap();
    let connected = Instant::now();
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
    assert!((0.9..2.0).contains(&connected.elapsed().as_secs_f64()), "{:?}", connected.elapsed());
}

#[tokio::test]
async fn the_instance_with_the_fewest_requests_gets_the_next() {
    let rig = Rig::start();
    let one = rig.launch().await;
    let other = rig.launch_on(one.port()).await;
    let address = rig.create("HTTP/HTTP", 80, &[&one, &other]).await;
    let ask = async || {
        let mut client = TcpStream::connect(address).await.unwrap();
        send(&mut client, GET).await;
        client
    };
    let either = async |one: &Instance, other: &Instance| {
        tokio::select! { served = one.accept() => (served, 0), served = other.accept() => (served, 1) }
    };
    // The first is kept waiting, so that all others go to the other instance.
    let mut waiting = ask().await;
    let (mut kept, busy) = either(&one, &other).await;
    let free = if busy == 0 { &other } else { &one };
    let mut client = ask().await;
    let mut served = free.accept().await;
    for turn in 0..3 {
        respond(&mut served, "x").await;
        head(&mut client).await;
        body(&mut client, "x").await;
        if turn < 2 {
            send(&mut client, GET).await;
            served = tokio::select! {
                accepted = free.accept() => accepted,
                read = served.readable() => { read.unwrap(); served }
            };
        }
    }
    respond(&mut kept, "late").await;
    head(&mut waiting).await;
    body(&mut waiting, "late").await;
}

#[tokio::test]
async fn a_cookie_leads_back_to_the_instance() {
    let rig = Rig::start();
    let one = rig.launch().await;
    let other = rig.launch_on(one.port()).await;
    let address = rig.create("HTTP/HTTP", 80, &[&one, &other]).await;
    rig.elb("Action=CreateLBCookieStickinessPolicy&LoadBalancerName=chat&PolicyName=sticky&CookieExpirationPeriod=60");
    rig.elb(
        "Action=SetLoadBalancerPoliciesOfListener&LoadBalancerName=chat&LoadBalancerPort=80&PolicyNames.member.1=sticky",
    );
    let serve = |instance: Instance, name: &'static str| {
        tokio::spawn(async move {
            loop {
                let (mut served, _) = instance.listener.accept().await.unwrap();
                tokio::spawn(async move {
                    loop {
                        respond(&mut served, name).await;
                    }
                });
            }
        })
    };
    let _servers = [serve(one, "1"), serve(other, "2")];
    let ask = async |cookie: &str| {
        let mut client = TcpStream::connect(address).await.unwrap();
        send(&mut client, &format!("GET / HTTP/1.1\r\nHost: x\r\n{cookie}\r\n")).await;
        let response = head(&mut client).await;
        (response, within(client.read_u8()).await.unwrap())
    };
    let (response, first) = ask("").await;
    let set = response.split("set-cookie: awselb=").nth(1).unwrap_or_else(|| panic!("{response}"));
    let (value, attributes) = set.split_once(';').unwrap();
    assert!(attributes.starts_with("path=/;max-age=60\r\n"), "{attributes}");
    let cookie = format!("Cookie: AWSELB={}\r\n", value.to_uppercase());
    for _ in 0..6 {
        let (response, instance) = ask(&cookie).await;
        assert_eq!((instance, response.contains("set-cookie")), (first, false));
    }
}

#[tokio::test]
async fn requests_under_way_outlive_a_deregistration() {
    let rig = Rig::start();
    let one = rig.launch().await;
    let other = rig.launch_on(one.port()).await;
    let address = rig.create("HTTP/HTTP", 80, &[&one]).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    send(&mut client, GET).await;
    let mut served = one.accept().await;
    rig.register(&other);
    rig.deregister(&one);
    respond(&mut served, "done").await;
    head(&mut client).await;
    body(&mut client, "done").await;
    send(&mut client, GET).await;
    respond(&mut other.accept().await, "next").await;
    head(&mut client).await;
    body(&mut client, "next").await;
    rig.delete_listener(80);
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
}

/// Sends requests over one connection, and says which of the instances served each.
async fn served(address: SocketAddr, instances: &[&Instance], requests: usize) -> Vec<usize> {
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut served = Vec::new();
    for _ in 0..requests {
        send(&mut client, GET).await;
        let accepts = instances.iter().map(|instance| Box::pin(instance.accept()));
        let (mut stream, by, _) = select_all(accepts).await;
        head(&mut stream).await;
        // Closed, so that the next request is a connection of its own, too.
        send(&mut stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        head(&mut client).await;
        served.push(by);
    }
    served
}

#[tokio::test]
async fn a_connection_is_with_a_node_which_serves_its_own_zone_unless_zones_are_crossed() {
    let rig = Rig::start();
    let subnets = rig.subnets();
    let one = rig.launch_in(&subnets[0]).await;
    let two = rig.launch_in_on(&subnets[1], one.port()).await;
    let three = rig.launch_in_on(&subnets[1], one.port()).await;
    let instances = [&one, &two, &three];
    let address = rig.create("HTTP/HTTP", 80, &instances).await;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(served(address, &instances, 4).await);
    }
    let (first, second): (Vec<_>, Vec<_>) = connections.iter().partition(|served| served.contains(&0));
    assert_eq!(first, [&[0; 4], &[0; 4]], "{connections:?}");
    assert_eq!(second.len(), 2, "{connections:?}");
    for served in second {
        assert!(served.contains(&1) && served.contains(&2), "{connections:?}");
    }
    rig.attributes("&LoadBalancerAttributes.CrossZoneLoadBalancing.Enabled=true");
    let mut crossed = served(address, &instances, 6).await;
    crossed.sort_unstable();
    assert_eq!(crossed, [0, 0, 1, 1, 2, 2]);
}
