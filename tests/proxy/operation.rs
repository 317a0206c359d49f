//! Health, metrics and logs, as load balancers and operators see them.

use elbws::proxy::proxy_protocol::{Origin, encode_v2};
use serde_json::json;

use crate::rig::{Backend, HTTP, HTTPS, Peer, proxy, status, tunnel, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HEALTH: &str = "health: \"127.0.0.1:0\"";

#[tokio::test]
async fn health_is_answered_with_v1_with_v2_and_without_header() {
    let backend = Backend::new().await;
    let proxy = proxy(HEALTH, &[("/", backend.address)]);
    for header in [Vec::new(), HTTPS.as_bytes().to_vec(), encode_v2(&Origin::Socket, &[], true).unwrap()] {
        let mut check = Peer::to(proxy.health_address().unwrap()).await;
        check.send(header).await;
        let (head, body) =
            check.ask("GET /healthz HTTP/1.0\r\nUser-Agent: ELB-HealthChecker/1.0\r\n\r\n").await;
        assert_eq!((status(&head), body.as_str()), ("200", "ok\n"));
        check.expect_end().await;
    }
    let mut check = Peer::to(proxy.health_address().unwrap()).await;
    assert_eq!(status(&check.ask("GET /other HTTP/1.1\r\nHost: a\r\n\r\n").await.0), "404");
}

#[tokio::test]
async fn health_stays_200_while_draining_unless_told_otherwise() {
    let backend = Backend::new().await;
    for (extra, expected) in [("", "200"), ("\nhealth_while_draining: fail", "503")] {
        let proxy = proxy(&format!("{HEALTH}{extra}"), &[("/", backend.address)]);
        let (_client, _server) = tunnel(&proxy, &backend).await;
        proxy.drain();
        let mut check = Peer::to(proxy.health_address().unwrap()).await;
        assert_eq!(status(&check.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.0), expected);
        proxy.stop();
    }
}

#[tokio::test]
async fn metrics_and_status_count_what_happened() {
    let backend = Backend::new().await;
    let proxy = proxy("metrics: \"127.0.0.1:0\"", &[("/ws/", backend.address)]);
    let (_client, _server) = tunnel(&proxy, &backend).await;
    let mut lost = Peer::https(&proxy).await;
    lost.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    lost.head().await;
    let at = proxy.metrics_address().unwrap();
    let (_, text) = Peer::to(at).await.ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for line in [
        "elbws_proxy_tunnels_open 1",
        "elbws_proxy_tunnel_buffer_bytes 0",
        "elbws_proxy_connections_total 2",
        "elbws_proxy_requests_total{code=\"4xx\"} 1",
        "elbws_proxy_rejects_total{cause=\"no_route\"} 1",
        "elbws_proxy_upstream_latency_seconds_count 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    let (_, json) = Peer::to(at).await.ask("GET /status HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["state"], &json["tunnels"]), (&"serving".into(), &1.into()));
    assert_eq!(json["upstreams"][0]["address"], backend.address.to_string());
}

#[tokio::test]
async fn the_access_log_names_the_visitor_and_how_a_tunnel_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let backend = Backend::new().await;
    let proxy = proxy(&format!("access_log: {}", path.display()), &[("/", backend.address)]);
    let mut client = Peer::https(&proxy).await;
    client
        .send("POST /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\nUser-Agent: x\r\n\r\nabc")
        .await;
    let mut server = backend.accept().await;
    server.head().await;
    server.expect("abc").await;
    server.send(OK).await;
    client.answer().await;
    drop(client);
    let (mut client, mut server) = tunnel(&proxy, &backend).await;
    client.send(b"\x88\x82\x01\x02\x03\x04\x02\xEA").await;
    server.take(8).await;
    // The answer has another code, and its sender hangs up first, as RFC 6455 asks of servers.
    server.send(b"\x88\x02\x03\xE9").await;
    client.take(4).await;
    drop(server);
    client.expect_end().await;
    drop(client);
    until(|| std::fs::read_to_string(&path).unwrap().lines().count() == 2).await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["client"], "192.0.2.1");
    assert_eq!(
        (&lines[0]["status"], &lines[0]["bytes_received"], &lines[0]["bytes_sent"]),
        (&200.into(), &3.into(), &2.into())
    );
    assert_eq!(lines[0]["upstream"], backend.address.to_string());
    assert_eq!((&lines[1]["status"], &lines[1]["target"]), (&101.into(), &"/ws/".into()));
    assert_eq!((&lines[1]["bytes_received"], &lines[1]["bytes_sent"]), (&8.into(), &4.into()));
    assert_eq!(lines[1]["tunnel"]["closed_by"], "client");
    assert_eq!(lines[1]["tunnel"]["close_code"], 1000);
}

#[tokio::test]
async fn the_access_log_has_answers_of_the_proxys_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let backend = Backend::new().await;
    let extra = format!("redirect_http: true\naccess_log: {}", path.display());
    let proxy = proxy(&extra, &[("/web/", backend.address)]);
    for (header, target, expected) in [(HTTP, "/web/a?b", "301"), (HTTPS, "/", "404")] {
        let mut client = Peer::connect(&proxy).await;
        client.send(header).await;
        let (head, _) = client.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(status(&head), expected);
    }
    until(|| std::fs::read_to_string(&path).unwrap().lines().count() == 2).await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |line: &serde_json::Value| {
        ["client", "scheme", "target", "status", "bytes_sent"].map(|field| line[field].clone())
    };
    assert_eq!(of(&lines[0]), [json!("192.0.2.1"), json!("http"), json!("/web/a?b"), json!(301), json!(22)]);
    assert_eq!(of(&lines[1]), [json!("192.0.2.1"), json!("https"), json!("/"), json!(404), json!(14)]);
}
