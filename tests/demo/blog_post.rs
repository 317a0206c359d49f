//! The failures of WebSockets behind a Classic load balancer, each made with real traffic and explained by
//! `elbws probe`: by URL, as any visitor sees it, and by spec, with what AWS knows.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Promises, World};

const CLASSIC: &str = "\
load_balancer:
  type: classic
  idle_timeout: 2s
  listeners:
    - { port: 443, protocol: ssl, instance_port: 80, instance_protocol: tcp }
    - { port: 80, protocol: tcp, instance_port: 80, instance_protocol: tcp }
  health_check: { target: \"HTTP:8081/healthz\", interval: 10s, timeout: 5s, healthy_threshold: 2, unhealthy_threshold: 3 }
proxy:
  listen: 80
  health: 8081
  routes:
    - { path: /ws/, upstream: \"127.0.0.1:9000\" }
    - { path: /, upstream: \"127.0.0.1:8000\" }
";
/// Without the proxy: the load balancer reaches ws-chat's WebSocket server itself.
const BARE_HTTPS: &str = "\
load_balancer:
  type: classic
  listeners: [{ port: 443, protocol: https, instance_port: 9000 }]
  health_check: { target: \"TCP:9000\" }
proxy: false
";
const BARE_WITH_HEADER: &str = "\
load_balancer:
  type: classic
  listeners: [{ port: 443, protocol: ssl, instance_port: 9000 }]
  proxy_protocol: true
  health_check: { target: \"TCP:9000\" }
proxy: false
";

/// The first likely cause of a failed step.
fn cause(step: &Value) -> &str {
    step["likely"][0]["cause"].as_str().unwrap_or_else(|| panic!("{step:#}"))
}

fn is_missing_rule(promises: &Promises, promise: &str, subject: &str) {
    assert_eq!(promises.cause(promise, subject), "a security group lacks a rule of the spec's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_stack_keeps_every_promise_and_idles_as_long_as_it_says() {
    let world = World::start().await;
    let instance = world.launch(1).await;
    let _chat = world.run_chat(&instance).await;
    let _proxy = world.run_proxy(&instance, &https_port(&world));
    let spec = world.spec("classic", CLASSIC);
    world.apply(&spec, &[]).await;
    let (code, promises) = world.probe(&spec, &["--hold", "20s"]).await;
    assert_eq!((code, promises.broken()), (0, vec![]), "{promises:?}");
    assert_eq!(promises.outcome("stack", ""), "kept");
    assert!(promises.found("tls-version", "443").starts_with("TLS 1.2 accepted"), "{promises:?}");
    assert!(promises.found("redirect", "80").starts_with("301 to https://chat.localhost"), "{promises:?}");
    assert_eq!(promises.found("client-address", "443"), "/ws/ names this client's address, 127.0.0.1");
    assert!(promises.found("idle-timeout", "443 /ws/").contains("closed after 2."), "{promises:?}");
    assert_eq!(promises.found("route", "443 /"), "answered with 200, and is no WebSocket");
    // Another domain than the certificate's is noticed.
    let (code, promises) = world.probe(&spec, &["--host", "www.example.com"]).await;
    assert_eq!((code, promises.broken()), (1, vec!["certificate"]), "{promises:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_https_listener_takes_the_upgrade_away() {
    let world = World::start().await;
    let instance = world.launch(1).await;
    let _chat = world.run_chat(&instance).await;
    let spec = world.spec("https", BARE_HTTPS);
    world.apply(&spec, &[]).await;
    let swallowed = "an HTTP or HTTPS listener of a Classic load balancer took the Upgrade header away";
    let failed = world.probe_url(443, "/ws/").await;
    assert_eq!((failed["step"].as_str(), cause(&failed)), (Some("upgrade"), swallowed));
    let (code, promises) = world.probe(&spec, &["--path", "/ws/"]).await;
    assert_eq!((code, promises.broken()), (1, vec!["route"]), "{promises:?}");
    assert_eq!(promises.cause("route", "443 /ws/"), swallowed);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_nobody_expects_is_answered_with_400() {
    let world = World::start().await;
    let instance = world.launch(1).await;
    let _chat = world.run_chat(&instance).await;
    let spec = world.spec("header", BARE_WITH_HEADER);
    world.apply(&spec, &[]).await;
    // The application closes on what it has not read, which may cost its answer; then the next one tells.
    let mut failed = world.probe_url(443, "/ws/").await;
    for _ in 0..20 {
        if failed["error"] == "the upgrade is answered with 400" {
            break;
        }
        failed = world.probe_url(443, "/ws/").await;
    }
    assert_eq!(failed["error"], "the upgrade is answered with 400");
    let unexpected =
        "the load balancer sends a PROXY header and what runs on the instances does not expect it";
    let causes = failed["likely"].as_array().unwrap();
    assert!(causes.iter().any(|likely| likely["cause"] == unexpected), "{failed:#}");
    // With AWS's side it is the only one left.
    let (code, promises) = world.probe(&spec, &["--path", "/ws/"]).await;
    assert_eq!((code, promises.broken()), (1, vec!["route"]), "{promises:?}");
    assert_eq!(promises.cause("route", "443 /ws/"), unexpected);
    assert_eq!(promises.causes("route", "443 /ws/"), 1, "{promises:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_policy_a_dead_proxy_and_missing_rules_are_told_apart() {
    let world = World::start().await;
    let instance = world.launch(1).await;
    let _chat = world.run_chat(&instance).await;
    let proxy = world.run_proxy(&instance, &https_port(&world));
    let spec = world.spec("classic", CLASSIC);
    world.apply(&spec, &[]).await;

    // The policy is gone, and the proxy insists.
    let name = ["--load-balancer", "ws-chat", "--port", "80"];
    let output = world.run(&[&["disable-proxy-protocol"], &name[..]].concat()).await;
    assert!(output.status.success());
    let failed = world.probe_url(443, "/ws/").await;
    assert_eq!(failed["error"], "the connection was closed without an answer to the upgrade");
    let missing = "the proxy expects a PROXY header and the load balancer sends none";
    let causes = failed["likely"].as_array().unwrap();
    assert!(causes.iter().any(|likely| likely["cause"] == missing), "{failed:#}");
    let (code, promises) = world.probe(&spec, &[]).await;
    assert_eq!(code, 1);
    for (promise, subject) in [("route", "443 /ws/"), ("route", "443 /"), ("redirect", "80")] {
        assert_eq!((promises.cause(promise, subject), promises.causes(promise, subject)), (missing, 1));
    }
    assert_eq!(promises.outcome("client-address", "443"), "broken");
    assert_eq!(promises.outcome("targets", ""), "kept", "health checks carry no header");
    world.apply(&spec, &[]).await;

    // Nobody is in service.
    proxy.kill().await;
    world.in_service(0, &spec).await;
    let failed = world.probe_url(443, "/ws/").await;
    assert_eq!(cause(&failed), "no instance is in service");
    let (code, promises) = world.probe(&spec, &[]).await;
    assert_eq!(code, 1);
    assert_eq!(promises.outcome("stack", ""), "kept");
    assert!(promises.cause("targets", "").starts_with(&format!("{}: Instance has failed", instance.id)));
    assert_eq!(
        (promises.cause("route", "443 /ws/"), promises.causes("route", "443 /ws/")),
        ("no instance is in service", 1)
    );
    let _proxy = world.run_proxy(&instance, &https_port(&world));
    world.in_service(1, &spec).await;

    // The load balancer may not reach the instance any more.
    world.revoke("default").await;
    world.in_service(0, &spec).await;
    let (code, promises) = world.probe(&spec, &[]).await;
    assert_eq!(code, 1);
    assert_eq!(promises.outcome("stack", ""), "broken");
    is_missing_rule(&promises, "targets", "");
    is_missing_rule(&promises, "route", "443 /ws/");
    world.apply(&spec, &[]).await;

    // Visitors may not reach the load balancer any more.
    world.revoke("elbws-ws-chat").await;
    let failed = world.probe_url(443, "/ws/").await;
    assert!(cause(&failed).contains("security group does not admit this client"), "{failed:#}");
    assert!(["tcp", "tls"].map(Value::from).contains(&failed["step"]), "{failed:#}");
    let (code, promises) = world.probe(&spec, &[]).await;
    assert_eq!(code, 1);
    // The reset may come while it still connects.
    let first = if promises.outcome("listener", "443") == "broken" { "listener" } else { "tls-version" };
    is_missing_rule(&promises, first, "443");
    world.apply(&spec, &[]).await;
    let (code, promises) = world.probe(&spec, &[]).await;
    assert_eq!((code, promises.broken()), (0, vec![]), "{promises:?}");
    world.stop().await;
}

/// What visitors say about themselves does not reach the application.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoofed_headers_do_not_reach_the_application() {
    let world = World::start().await;
    let instance = world.launch(1).await;
    let application = TcpListener::bind(world.at(&instance, 8000)).await.unwrap();
    let _proxy = world.run_proxy(&instance, "accept: v1\nredirect_http: false");
    let spec = world.spec("classic", &format!("{CLASSIC}  redirect_http: false\n"));
    world.apply(&spec, &[]).await;
    let mut client = TcpStream::connect(world.listener(80).await).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: chat.localhost\r\nX-Forwarded-For: 10.9.9.9\r\n\
        x-forwarded-proto: https\r\nX-Forwarded-Port: 443\r\nForwarded: for=10.9.9.9;proto=https\r\n\
        X-Real-IP: 10.9.9.9\r\nConnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut served, _) = application.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(served.read_u8().await.unwrap());
    }
    served.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(!head.contains("10.9.9.9") && !head.contains("https"), "{head}");
    assert!(head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-forwarded-proto: http\r\n"), "{head}");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    world.stop().await;
}

/// Where visitors find https.
fn https_port(world: &World) -> String {
    format!("accept: v1\nredirect_http: true\nhttps_port: {}", 443 + world.offset)
}
