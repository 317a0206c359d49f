//! Application Load Balancers: what targets are sent, what clients get, and by which rule.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::changes::echoes;
use super::http::{body, head, respond, send};
use super::rig::{Instance, OFFSET, Rig, line, tls_with, within};
use super::v2::{Balancer, Listener};

pub(super) const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: chat.example.com\r\n\r\n";
pub(super) const UPGRADE: &str = "GET /ws/ HTTP/1.1\r\nHost: chat.example.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
pub(super) const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// An HTTP listener on port 80 to instances.
pub(super) async fn start<'a>(
    balancer: &'a Balancer<'a>,
    count: usize,
) -> (Vec<Instance>, String, Listener<'a>) {
    let rig = balancer.rig;
    let mut instances = Vec::new();
    for _ in 0..count {
        instances.push(rig.launch().await);
    }
    let group = rig.target_group("web", "HTTP", "");
    rig.register_targets(&group, &instances.iter().collect::<Vec<_>>());
    let listener = balancer.listen("HTTP", 80, &group).await;
    (instances, group, listener)
}

/// Serves every connection to an instance with one name.
pub(super) fn serve(name: &'static str, instance: Instance) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let at = instance.listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let mut served = instance.accept_forever().await;
            tokio::spawn(async move {
                loop {
                    let mut heard = Vec::new();
                    while !heard.ends_with(b"\r\n\r\n") {
                        match served.read_u8().await {
                            Ok(byte) => heard.push(byte),
                            Err(_) => return,
                        }
                    }
                    let length = name.len();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nSet-Cookie: APP=1\r\n\r\n{name}"
                    );
                    if served.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (at, serving)
}

/// Asks on a connection of its own; the head in lower case, and the body.
pub(super) async fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut client = TcpStream::connect(address).await.unwrap();
    send(&mut client, request).await;
    let head = head(&mut client).await;
    let length = head.split("content-length: ").nth(1).map_or("0", |rest| rest.split('\r').next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    within(client.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn requests_say_whom_they_are_from_and_connections_are_kept() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (instances, _, listener) = start(&balancer, 1).await;
    assert_eq!(listener.address.port(), 80 + OFFSET);
    let mut client = TcpStream::connect(listener.address).await.unwrap();
    let from = client.local_addr().unwrap().ip();
    let request = "GET /a?b=c HTTP/1.1\r\nHost: chat.example.com\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n";
    send(&mut client, request).await;
    let mut served = instances[0].accept().await;
    assert_eq!(served.peer_addr().unwrap().ip(), listener.address.ip());
    let heard = respond(&mut served, "one").await;
    assert!(heard.starts_with("get /a?b=c http/1.1\r\n"), "{heard}");
    for field in [
        "host: chat.example.com\r\n".to_owned(),
        format!("x-forwarded-for: 192.0.2.1, {from}\r\n"),
        "x-forwarded-proto: http\r\n".to_owned(),
        "x-forwarded-port: 80\r\n".to_owned(),
        "x-amzn-trace-id: root=1-".to_owned(),
    ] {
        assert_eq!(heard.matches(&field).count(), 1, "{field} in {heard}");
    }
    assert!(head(&mut client).await.starts_with("http/1.1 200 ok\r\n"));
    body(&mut client, "one").await;
    balancer.attribute("routing.http.xff_header_processing.mode", "remove");
    send(&mut client, request).await;
    let heard = respond(&mut served, "two").await;
    assert!(!heard.contains("x-forwarded-for"), "{heard}");
    head(&mut client).await;
    body(&mut client, "two").await;
}

#[tokio::test]
async fn a_websocket_gets_through_and_is_a_tunnel_from_then_on() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (instances, group, listener) = start(&balancer, 1).await;
    rig.group_attribute(&group, "stickiness.enabled", "true");
    rig.group_attribute(&group, "deregistration_delay.timeout_seconds", "1");
    let open = async || {
        let mut client = TcpStream::connect(listener.address).await.unwrap();
        send(&mut client, UPGRADE).await;
        let mut served = instances[0].accept().await;
        let heard = head(&mut served).await;
        for field in ["connection: upgrade\r\n", "upgrade: websocket\r\n", "sec-websocket-version: 13\r\n"] {
            assert_eq!(heard.matches(field).count(), 1, "{field} in {heard}");
        }
        // The first frame may come together with the answer.
        send(&mut served, &format!("{SWITCH}first\n")).await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("http/1.1 101 switching protocols\r\n"), "{answer}");
        for field in ["upgrade: websocket\r\n", "sec-websocket-accept: ", "set-cookie: awsalb="] {
            assert_eq!(answer.matches(field).count(), 1, "{field} in {answer}");
        }
        assert_eq!(line(&mut client).await, "first\n");
        (client, served)
    };
    let (mut client, mut served) = open().await;
    echoes(&mut client, &mut served).await;
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    within(served.read_to_string(&mut rest)).await.unwrap();
    send(&mut served, "last").await;
    drop(served);
    within(client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "last", "half-closed, not closed");

    // A deregistered target keeps its WebSockets until the delay is over.
    let (mut client, mut served) = open().await;
    let left = Instant::now();
    rig.deregister_targets(&group, &[&instances[0]]);
    echoes(&mut client, &mut served).await;
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(left.elapsed() >= Duration::from_millis(900), "{:?}", left.elapsed());

    // Silence ends them after the idle timeout.
    rig.register_targets(&group, &[&instances[0]]);
    balancer.attribute("idle_timeout.timeout_seconds", "2");
    let (mut client, mut served) = open().await;
    echoes(&mut client, &mut served).await;
    let silent_since = Instant::now();
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
    let silent = silent_since.elapsed().as_secs_f64();
    assert!((2.0..3.0).contains(&silent), "{silent}");
    assert_eq!(within(served.read(&mut [0])).await.unwrap_or(0), 0, "the target is told as well");
}

#[tokio::test]
async fn a_refused_handshake_is_an_answer_like_any_other() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (instances, _, listener) = start(&balancer, 1).await;
    let mut client = TcpStream::connect(listener.address).await.unwrap();
    send(&mut client, UPGRADE).await;
    let mut served = instances[0].accept().await;
    head(&mut served).await;
    send(&mut served, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    assert!(head(&mut client).await.starts_with("http/1.1 403 "));
    body(&mut client, "no").await;
    send(&mut client, GET).await;
    let heard = respond(&mut served, "yes").await;
    assert!(!heard.contains("upgrade"), "{heard}");
    head(&mut client).await;
    body(&mut client, "yes").await;
    // Nobody asked for this switch.
    send(&mut client, GET).await;
    head(&mut served).await;
    send(&mut served, SWITCH).await;
    assert!(head(&mut client).await.starts_with("http/1.1 502 bad gateway\r\n"));
}

#[tokio::test]
async fn rules_are_asked_in_their_order_and_do_what_they_say() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (mut instances, _, listener) = start(&balancer, 2).await;
    let ws = rig.target_group("ws", "HTTP", "");
    let other = instances.pop().unwrap();
    rig.deregister_targets(&rig_group(&rig, "web"), &[&other]);
    rig.register_targets(&ws, &[&other]);
    let (_, _web) = serve("web", instances.pop().unwrap());
    let (_, _ws) = serve("ws", other);
    let path = |path: &str| {
        format!(
            "&Conditions.member.1.Field=path-pattern&Conditions.member.1.PathPatternConfig.Values.member.1={path}"
        )
    };
    let forward = format!("&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn={ws}");
    listener.rule(20, &format!("{}{forward}", path("/ws/*")));
    listener.rule(
        10,
        &format!(
            "{}&Actions.member.1.Type=fixed-response&Actions.member.1.FixedResponseConfig.StatusCode=418\
             &Actions.member.1.FixedResponseConfig.ContentType=text/plain&Actions.member.1.FixedResponseConfig.MessageBody=teapot",
            path("/ws/tea")
        ),
    );
    listener.rule(
        30,
        "&Conditions.member.1.Field=host-header&Conditions.member.1.HostHeaderConfig.Values.member.1=*.old.example.com\
         &Actions.member.1.Type=redirect&Actions.member.1.RedirectConfig.Protocol=HTTPS&Actions.member.1.RedirectConfig.Port=443\
         &Actions.member.1.RedirectConfig.StatusCode=HTTP_301",
    );
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let asked = async |path: &str, host: &str| ask(listener.address, &get(path, host)).await;
    assert_eq!(asked("/", "x").await.1, "web");
    assert_eq!(asked("/ws/a", "x").await.1, "ws");
    let (head, body) = asked("/ws/tea?x", "x").await;
    assert!(head.starts_with("http/1.1 418 ") && head.contains("content-type: text/plain\r\n"), "{head}");
    assert!(head.contains("server: awselb/2.0\r\n"), "{head}");
    assert_eq!(body, "teapot");
    let (head, _) = asked("/a?b=c", "www.old.example.com").await;
    assert!(head.starts_with("http/1.1 301 moved permanently\r\n"), "{head}");
    assert!(head.contains("location: https://www.old.example.com:443/a?b=c\r\n"), "{head}");
    // Who comes by this machine's ports is sent on by them.
    let (head, _) = asked("/", &format!("www.old.example.com:{}", 80 + OFFSET)).await;
    assert!(head.contains(&format!("location: https://www.old.example.com:{}/\r\n", 443 + OFFSET)), "{head}");
}

fn rig_group(rig: &Rig, name: &str) -> String {
    rig.v2(&format!("Action=DescribeTargetGroups&Names.member.1={name}")).text("TargetGroupArn").to_owned()
}

#[tokio::test]
async fn failures_have_their_own_answers() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (instances, group, listener) = start(&balancer, 1).await;
    let failed = async |request: &str, expected: &str| {
        let (head, body) = ask(listener.address, request).await;
        assert!(head.starts_with(&format!("http/1.1 {expected}")), "{expected}: {head}");
        assert!(
            head.contains("server: awselb/2.0\r\n") && head.contains("content-type: text/html\r\n"),
            "{head}"
        );
        assert!(body.contains(&expected[..3]), "{body}");
    };
    failed("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "405 method not allowed").await;
    let many = vec!["192.0.2.1"; 31].join(",");
    failed(&format!("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {many}\r\n\r\n"), "463").await;
    failed("GET / HTTP/1.1\r\n\r\n", "400 bad request").await;

    // The target closes without an answer, then takes too long for one, then does not listen any more.
    let closing = async { drop(instances[0].accept().await) };
    tokio::join!(failed(GET, "502 bad gateway"), closing);
    balancer.attribute("idle_timeout.timeout_seconds", "1");
    let waiting = async {
        let mut served = instances[0].accept().await;
        head(&mut served).await;
        assert_eq!(within(served.read(&mut [0])).await.unwrap_or(0), 0, "given up");
    };
    tokio::join!(failed(GET, "504 gateway time-out"), waiting);
    balancer.attribute("idle_timeout.timeout_seconds", "60");
    let instance = instances.into_iter().next().unwrap();
    let (id, port) = (instance.id.clone(), instance.port());
    drop(instance);
    failed(GET, "502 bad gateway").await;
    rig.v2(&format!(
        "Action=DeregisterTargets&TargetGroupArn={group}&Targets.member.1.Id={id}&Targets.member.1.Port={port}"
    ));
    failed(GET, "503 service temporarily unavailable").await;

    let newer = rig.target_group("newer", "HTTP", "&ProtocolVersion=HTTP2");
    let action =
        format!("&DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={newer}");
    rig.v2(&format!("Action=ModifyListener&ListenerArn={}{action}", listener.arn));
    failed(GET, "464").await;
}

#[tokio::test]
async fn https_shows_its_certificate_and_adds_headers_to_answers() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let instance = rig.launch().await;
    let group = rig.target_group("web", "HTTP", "");
    rig.register_targets(&group, &[&instance]);
    let arn = rig.certificate("chat.example.com");
    let listener = balancer.listen(&format!("HTTPS/{arn}"), 443, &group).await;
    listener.attribute("routing.http.response.strict_transport_security.header_value", "max-age=60");
    balancer.attribute("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true");
    let connect = async |alpn: &[&str]| {
        let stream = TcpStream::connect(listener.address).await.unwrap();
        tls_with(rig.authority(&arn), "chat.example.com", alpn, stream).await.unwrap()
    };
    let client = connect(&["h2", "http/1.1"]).await;
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = connect(&["http/1.1"]).await;
    send(&mut client, GET).await;
    let mut served = instance.accept().await;
    let heard = respond(&mut served, "x").await;
    assert!(
        heard.contains("x-forwarded-proto: https\r\n") && heard.contains("x-forwarded-port: 443\r\n"),
        "{heard}"
    );
    assert!(heard.contains("x-amzn-tls-version: tlsv1."), "{heard}");
    let answer = head(&mut client).await;
    assert_eq!(answer.matches("strict-transport-security: max-age=60\r\n").count(), 1, "{answer}");
    body(&mut client, "x").await;
    balancer.attribute("routing.http2.enabled", "false");
    let client = connect(&["h2", "http/1.1"]).await;
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_client_that_asks_nothing_is_sent_away() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (instances, _, listener) = start(&balancer, 1).await;
    balancer.attribute("idle_timeout.timeout_seconds", "1");
    let mut client = TcpStream::connect(listener.address).await.unwrap();
    send(&mut client, GET).await;
    respond(&mut instances[0].accept().await, "x").await;
    head(&mut client).await;
    body(&mut client, "x").await;
    let silent_since = Instant::now();
    assert_eq!(within(client.read(&mut [0])).await.unwrap_or(0), 0);
    let silent = silent_since.elapsed().as_secs_f64();
    assert!((0.9..2.0).contains(&silent), "{silent}");
    balancer.attribute("idle_timeout.timeout_seconds", "60");
    balancer.attribute("client_keep_alive.seconds", "60");
}
