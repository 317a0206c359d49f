//! While a load balancer is switched: connections with and without a PROXY header, for a while.

use elbws::proxy::observe::{Beginning, Counter, Reject};
use elbws::proxy::proxy_protocol::{Form, Origin, encode_v2};
use elbws::proxy::serve::Proxy;
use nix::sys::signal::Signal;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::handover::Heir;
use crate::peers;
use crate::process::{OK, Running, check};
use crate::rig::{
    ACCEPTED, Backend, HANDSHAKE, HTTP, HTTPS, Peer, config, field, proxy, status, tunnel, until, within,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// As a load balancer's HTTP listener sends it.
const TOLD: &str =
    "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.5\r\nX-Forwarded-Proto: https\r\n\r\n";

/// The lines that make the header optional for so long.
fn optional(length: Duration) -> String {
    let end = (OffsetDateTime::now_utc() + length).format(&Rfc3339).unwrap();
    format!("trusted: [127.0.0.0/8]\nheader_optional_until: {end}\n")
}

async fn answered(client: &mut Peer, backend: &Backend) -> String {
    let mut server = backend.accept().await;
    let head = server.head().await;
    server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.answer().await.1, "ok");
    head
}

/// Whether a connection that begins with a request is served; otherwise it is closed.
async fn takes_bare(proxy: &Proxy, backend: &Backend) -> bool {
    let mut client = Peer::connect(proxy).await;
    client.send(GET).await;
    tokio::select! {
        mut server = backend.accept() => {
            server.head().await;
            true
        }
        over = client.is_over() => {
            assert!(over);
            false
        }
    }
}

#[tokio::test]
async fn requests_and_headers_are_told_apart_wherever_they_are_split() {
    let backend = Backend::new().await;
    let proxy = proxy(&format!("accept: any\n{}", optional(Duration::minutes(5))), &[("/", backend.address)]);
    let v2 = encode_v2(&Origin::Socket, &[], true).unwrap();
    let requests = ["GET", "P", "PR", "PRO", "PROPFIND", "PROX", "PROXYING"];
    let mut openings: Vec<Vec<u8>> = requests.map(|method| GET.replace("GET", method).into_bytes()).into();
    openings.push(format!("\r\n{GET}").into_bytes());
    openings.push(format!("{HTTPS}{GET}").into_bytes());
    openings.push([&v2, GET.as_bytes()].concat());
    for opening in openings {
        let mut halves = Vec::new();
        for at in 1..opening.len().min(60) {
            let mut client = Peer::connect(&proxy).await;
            client.send(&opening[..at]).await;
            halves.push((client, &opening[at..]));
        }
        // The one worker has read all of them once it has read this one.
        let mut last = Peer::https(&proxy).await;
        last.send(GET).await;
        answered(&mut last, &backend).await;
        for (mut client, rest) in halves {
            client.send(rest).await;
            let head = answered(&mut client, &backend).await;
            let from = if opening.starts_with(HTTPS.as_bytes()) { "192.0.2.1" } else { "127.0.0.1" };
            assert_eq!(field(&head, "x-forwarded-for"), Some(from));
        }
    }
    // The preface of HTTP/2 is answered as what it is.
    let mut client = Peer::connect(&proxy).await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(status(&client.head().await), "505");
    assert!(
        Reject::ALL
            .iter()
            .all(|cause| { proxy.totals().rejects(*cause) == u64::from(*cause == Reject::BadRequest) })
    );
}

#[tokio::test]
async fn a_header_that_is_there_is_read_as_strictly_as_ever() {
    let backend = Backend::new().await;
    let extra = format!("accept: v1\nheader_timeout: 50ms\n{}", optional(Duration::minutes(5)));
    let proxy = proxy(&extra, &[("/", backend.address)]);
    let v2 = encode_v2(&Origin::Socket, &[], true).unwrap();
    for bad in [v2, b"PROXY TCP4 nonsense\r\n".to_vec(), b"PROXY / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()] {
        let before = proxy.totals().rejects(Reject::ProxyHeader);
        let mut client = Peer::connect(&proxy).await;
        client.send(bad).await;
        assert!(client.is_over().await);
        assert_eq!(proxy.totals().rejects(Reject::ProxyHeader), before + 1);
    }
    // What may still become a header is never taken for a request because it is late.
    for part in ["P", "PROXY", "PROXY TCP4 192", "\r\n\r\n"] {
        let before = proxy.totals().rejects(Reject::ProxyHeaderTimeout);
        let mut client = Peer::connect(&proxy).await;
        client.send(part).await;
        client.expect_end().await;
        assert_eq!(proxy.totals().rejects(Reject::ProxyHeaderTimeout), before + 1, "{part:?}");
    }
    // A second header is a request's beginning, and no good one.
    let mut client = Peer::https(&proxy).await;
    client.send(format!("{HTTPS}{GET}")).await;
    assert_eq!(status(&client.head().await), "400");
}

#[tokio::test]
async fn only_trusted_peers_may_leave_the_header_out() {
    let backend = Backend::new().await;
    let extra = optional(Duration::minutes(5)).replace("127.0.0.0/8", "10.0.0.0/8");
    let proxy = proxy(&extra, &[("/", backend.address)]);
    assert!(!takes_bare(&proxy, &backend).await);
    assert_eq!(proxy.totals().rejects(Reject::Untrusted), 1);
}

#[tokio::test]
async fn the_header_is_required_again_without_another_reload() {
    let backend = Backend::new().await;
    let routes = format!("routes: [{{ path: /, upstream: \"{}\" }}]", backend.address);
    let proxy = proxy("accept: off", &[("/", backend.address)]);
    assert!(takes_bare(&proxy, &backend).await);
    let (mut client, mut server) = tunnel_without_header(&proxy, &backend).await;
    // Long enough for a slow machine to see it open.
    proxy.reload(config(&format!("accept: v1\n{}{routes}", optional(Duration::minutes(5))))).unwrap();
    assert!(takes_bare(&proxy, &backend).await);
    proxy.reload(config(&format!("accept: v1\n{}{routes}", optional(Duration::milliseconds(700))))).unwrap();
    within(async { while takes_bare(&proxy, &backend).await {} }).await;
    let (mut other, mut its_server) = tunnel(&proxy, &backend).await;
    // One time that is over is as none.
    proxy.reload(config(&format!("accept: v1\n{}{routes}", optional(Duration::minutes(-5))))).unwrap();
    assert!(!takes_bare(&proxy, &backend).await);
    proxy.reload(config(&format!("accept: off\n{routes}"))).unwrap();
    assert!(takes_bare(&proxy, &backend).await);
    // Nothing of this touched what was open.
    for (client, server) in [(&mut client, &mut server), (&mut other, &mut its_server)] {
        client.send("up").await;
        server.expect("up").await;
        server.send("down").await;
        client.expect("down").await;
    }
}

async fn tunnel_without_header(proxy: &Proxy, backend: &Backend) -> (Peer, Peer) {
    let mut client = Peer::connect(proxy).await;
    client.send(HANDSHAKE).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(ACCEPTED).await;
    assert_eq!(status(&client.head().await), "101");
    (client, server)
}

#[tokio::test]
async fn redirects_follow_only_what_is_known_of_the_scheme() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    // The very port that the load balancer connects to is plain http.
    let port = proxy.addresses()[0].port();
    let common = format!(
        "redirect_http: true\nscheme_by_port: {{ {port}: http, 80: http, 443: https }}\n\
         routes: [{{ path: /, upstream: \"{}\" }}]",
        backend.address
    );
    let window = format!("accept: v1\n{}{common}", optional(Duration::minutes(5)));
    let off = format!("accept: off\ntrusted: [127.0.0.0/8]\n{common}");
    for extra in [window.as_str(), off.as_str()] {
        proxy.reload(config(extra)).unwrap();
        // A TCP listener says nothing of the scheme: to redirect would be to redirect for ever.
        let mut client = Peer::connect(&proxy).await;
        client.send(GET).await;
        let head = answered(&mut client, &backend).await;
        assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
        let mut client = Peer::connect(&proxy).await;
        client.send(TOLD).await;
        let head = answered(&mut client, &backend).await;
        assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
        assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.5"));
        let mut client = Peer::connect(&proxy).await;
        client.send(TOLD.replace("https", "http")).await;
        assert_eq!(status(&client.head().await), "301");
    }
    proxy.reload(config(&window)).unwrap();
    let mut client = Peer::connect(&proxy).await;
    client.send(format!("{HTTP}{TOLD}")).await;
    assert_eq!(status(&client.head().await), "301", "a header is believed, the request is not");
    // Without trust the visitor is the peer itself, and the port is the one it chose.
    proxy.reload(config(&off.replace("127.0.0.0/8", "10.0.0.0/8"))).unwrap();
    let mut client = Peer::connect(&proxy).await;
    client.send(TOLD).await;
    assert_eq!(status(&client.head().await), "301");
}

#[tokio::test]
async fn a_connection_stays_what_it_began_as() {
    let backend = Backend::new().await;
    let proxy = proxy("accept: off\ntrusted: [127.0.0.0/8]", &[("/", backend.address)]);
    let routes = format!("routes: [{{ path: /, upstream: \"{}\" }}]", backend.address);
    let mut bare = Peer::connect(&proxy).await;
    bare.send(TOLD).await;
    assert_eq!(field(&answered(&mut bare, &backend).await, "x-forwarded-for"), Some("192.0.2.5"));
    proxy.reload(config(&format!("trusted: [127.0.0.0/8]\n{routes}"))).unwrap();
    let mut with = Peer::https(&proxy).await;
    with.send(TOLD).await;
    assert_eq!(field(&answered(&mut with, &backend).await, "x-forwarded-for"), Some("192.0.2.1"));
    bare.send(TOLD).await;
    assert_eq!(field(&answered(&mut bare, &backend).await, "x-forwarded-for"), Some("192.0.2.5"));
    // Its requests are the visitor's own words, which nobody rewrote.
    proxy.reload(config(&format!("accept: off\ntrusted: [127.0.0.0/8]\n{routes}"))).unwrap();
    with.send(TOLD).await;
    assert_eq!(field(&answered(&mut with, &backend).await, "x-forwarded-for"), Some("192.0.2.1"));
}

#[tokio::test]
async fn visitors_without_header_do_not_share_one_clients_limit() {
    let backend = Backend::new().await;
    let extra = format!("max_connections_per_client: 1\n{}", optional(Duration::minutes(5)));
    let proxy = proxy(&extra, &[("/", backend.address)]);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Peer::connect(&proxy).await;
        client.send(GET).await;
        answered(&mut client, &backend).await;
        clients.push(client);
    }
    assert_eq!(proxy.totals().rejects(Reject::ClientLimit), 0);
}

#[tokio::test]
async fn metrics_and_status_tell_what_connections_begin_with() {
    let backend = Backend::new().await;
    let ports = "metrics: \"127.0.0.1:0\"\nhealth: \"127.0.0.1:0\"";
    let window = optional(Duration::minutes(5));
    let proxy = proxy(&format!("{ports}\n{window}"), &[("/", backend.address)]);
    let local = encode_v2(&Origin::Socket, &[], true).unwrap();
    let pair = elbws::proxy::proxy_protocol::Addresses {
        source: "192.0.2.1:1".parse().unwrap(),
        destination: "192.0.2.2:443".parse().unwrap(),
    };
    let v2 = encode_v2(&Origin::Proxied(pair), &[], true).unwrap();
    for (start, times) in [(HTTPS.as_bytes().to_vec(), 3), (v2, 2), (local.clone(), 1), (Vec::new(), 4)] {
        for _ in 0..times {
            let mut client = Peer::connect(&proxy).await;
            client.send([&start, GET.as_bytes()].concat()).await;
            answered(&mut client, &backend).await;
            // Of a connection only the beginning counts.
            client.send(GET).await;
            answered(&mut client, &backend).await;
        }
    }
    for start in [local, HTTPS.as_bytes().to_vec(), Vec::new()] {
        let mut health = Peer::to(proxy.health_address().unwrap()).await;
        health.send([&start, &b"GET /healthz HTTP/1.0\r\n\r\n"[..]].concat()).await;
        assert_eq!(status(&health.head().await), "200");
    }
    drop(Peer::connect(&proxy).await);
    until(|| proxy.totals().get(Counter::ConnectionsEmpty) > 0).await;
    let at = proxy.metrics_address().unwrap();
    let (_, text) = Peer::to(at).await.ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for (header, count) in [("v1", 3), ("v2", 2), ("local", 1), ("none", 4)] {
        let line = format!("elbws_proxy_connections_by_header_total{{header=\"{header}\"}} {count}");
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let json = said(&proxy).await;
    let of = &json["connections_by_header"];
    let totals = ["v1", "v2", "local", "none"].map(|header| of[header]["total"].as_i64());
    assert_eq!(totals, [Some(3), Some(2), Some(1), Some(4)]);
    for header in ["v1", "v2", "local", "none"] {
        let last = of[header]["last"].as_i64().unwrap();
        assert!((now - 600..=now).contains(&last), "{header}: {last}, now {now}");
    }
    let first = json["configuration"].clone();
    assert_eq!((&first["accept"], first["sha256"].as_str().unwrap().len()), (&"any".into(), 64));
    let end = first["header_optional_until"].as_i64().unwrap();
    assert!((now..=now + 300).contains(&end));
    // After a reload another configuration is counted for; when the last one came is still known.
    let extra = format!("{ports}\naccept: v1\nroutes: [{{ path: /, upstream: \"{}\" }}]", backend.address);
    proxy.reload(config(&extra)).unwrap();
    let mut client = Peer::https(&proxy).await;
    client.send(GET).await;
    answered(&mut client, &backend).await;
    let json = said(&proxy).await;
    let of = &json["connections_by_header"];
    let totals = ["v1", "v2", "local", "none"].map(|header| of[header]["total"].as_i64());
    assert_eq!(totals, [Some(1), Some(0), Some(0), Some(0)]);
    assert!(of["none"]["last"].is_i64());
    assert_ne!(json["configuration"]["sha256"], first["sha256"]);
    assert_eq!(json["configuration"]["header_optional_until"], serde_json::Value::Null);
    assert_eq!(proxy.totals().get(Beginning::Header(Form::V1).counter()), 4);
}

async fn said(proxy: &Proxy) -> serde_json::Value {
    let at = proxy.metrics_address().unwrap();
    let (_, json) = Peer::to(at).await.ask("GET /status HTTP/1.1\r\nHost: a\r\n\r\n").await;
    serde_json::from_str(&json).unwrap()
}

#[tokio::test]
async fn sighup_changes_what_connections_begin_with() {
    let backend = Backend::new().await;
    let metrics = peers::free();
    let mut running = Running::start_with(
        "exec \"$0\" --config proxy.yaml",
        backend.address,
        &format!("metrics: \"{metrics}\""),
    );
    let (address, upstream) = (running.address, backend.address);
    let mut kept = Peer::to(address).await;
    kept.send(format!("{HTTPS}{HANDSHAKE}")).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(ACCEPTED).await;
    assert_eq!(status(&kept.head().await), "101");
    let common = format!(
        "listen: \"{address}\"\nmetrics: \"{metrics}\"\nscheme_by_port: {{ 443: https }}\n\
         routes: [{{ path: /, upstream: \"{upstream}\" }}]\n"
    );
    let yaml = format!("{common}accept: v1\n{}", optional(Duration::minutes(5)));
    running.configure(&yaml);
    running.signal(Signal::SIGHUP);
    running.expect("reloaded");
    let mut client = Peer::to(address).await;
    client.send(GET).await;
    answered(&mut client, &backend).await;
    // Which configuration it runs is told as `sha256sum` tells it of the file.
    let (_, json) = Peer::to(metrics).await.ask("GET /status HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["configuration"]["sha256"], running.sha256sum());
    running.configure(&format!("{common}accept: v1\n{}", optional(Duration::minutes(-1))));
    running.signal(Signal::SIGHUP);
    let warning = running.line();
    assert!(warning.starts_with("warning: header_optional_until: this time is over"), "{warning}");
    running.expect("reloaded");
    let mut client = Peer::to(address).await;
    client.send(GET).await;
    assert!(client.is_over().await);
    running.configure(&format!("{common}accept: v1\n{}", optional(Duration::minutes(61))));
    running.signal(Signal::SIGHUP);
    running.expect("  header_optional_until: must be at most one hour from now");
    running.expect("  the old configuration stays");
    kept.send("up").await;
    server.expect("up").await;
}

#[test]
fn check_refuses_a_time_that_is_too_far() {
    let yaml = |length| {
        format!(
            "listen: 80\n{}routes: [{{ path: /, upstream: \"a:1\" }}]\n",
            optional(Duration::minutes(length))
        )
    };
    for (length, code, said) in [
        (59, 0, "proxy.yaml is valid\n"),
        (-1, 0, "warning: header_optional_until: this time is over"),
        (
            61,
            64,
            "error: invalid configuration proxy.yaml\n  header_optional_until: must be at most one hour from now\n",
        ),
    ] {
        let output = check(&yaml(length));
        assert_eq!(output.status.code(), Some(code));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(said), "{text}");
    }
}

#[tokio::test]
async fn connections_without_header_are_handed_over_as_such() {
    let backend = Backend::new().await;
    let extra = optional(Duration::minutes(5));
    let mut running = Running::start_with("exec \"$0\" --config proxy.yaml", backend.address, &extra);
    let mut idle = Peer::to(running.address).await;
    idle.send(TOLD).await;
    answered(&mut idle, &backend).await;
    // Of this one it is not known yet how it begins.
    let mut silent = Peer::to(running.address).await;
    let mut begun = Peer::to(running.address).await;
    begun.send("PRO").await;
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    idle.send(TOLD).await;
    let head = answered(&mut idle, &backend).await;
    assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.5"));
    silent.send(HTTPS).await;
    silent.send(TOLD).await;
    let head = answered(&mut silent, &backend).await;
    assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.1"));
    begun.send("PFIND / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(begun.answer().await.1, "ok");
    assert_eq!(running.wait(), Some(0));
    drop(heir);
}
