//! Visitors of each demo: our probe, Python websockets and Chromium.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::peers::{CHROMIUM, WEBSOCKETS};
use crate::running::{ELBWS, KINDS, Running, elbws, free_offset};

/// Everything of one demo in one test: it takes seconds to start.
async fn visitors_chat(program: &Path, kind: &str) {
    let demo = Running::start(program, kind).await;
    let line = &demo.line;
    assert_eq!((&line["type"], &line["load_balancer"]), (&Value::from(kind), &Value::from("ws-chat")));
    assert!(Path::new(line["ca"].as_str().unwrap()).is_file());

    // A spoofed X-Forwarded-Proto talks nobody out of the redirect.
    let location = redirect(&demo, "/?room=a", "X-Forwarded-Proto: https\r\n").await;
    assert_eq!(location, format!("{}?room=a", line["url"].as_str().unwrap()));

    probe(&demo).await;
    let spoofed = ["127.0.0.7", "X-Forwarded-For=10.9.9.9", "Forwarded=for=10.9.9.9", "X-Real-IP=10.9.9.9"];
    let ca = Path::new(line["ca"].as_str().unwrap());
    WEBSOCKETS.chat(line["websocket"].as_str().unwrap(), ca, &spoofed).await;
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{kind}.png"));
    CHROMIUM.chat(line["url"].as_str().unwrap(), ca, &[screenshots.to_str().unwrap()]).await;

    // What was built is what the spec beside it says.
    let spec = line["spec"].as_str().unwrap();
    demo.run(&["plan", spec, "--detailed-exitcode"]).await;
    for look in ["status", "doctor", "probe"] {
        demo.run(&[look, spec]).await;
    }
    if kind == "classic" {
        failures_are_explained(&demo).await;
    }
    demo.stop().await;
}

#[tokio::test]
async fn visitors_chat_through_a_classic_load_balancer() {
    visitors_chat(Path::new(ELBWS), "classic").await;
}

#[tokio::test]
async fn visitors_chat_through_an_application_load_balancer() {
    visitors_chat(Path::new(ELBWS), "application").await;
}

#[tokio::test]
async fn visitors_chat_through_a_network_load_balancer() {
    // There is no elbws-proxy beside it, as after `cargo run`, which builds none.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let alone = folder.path().join("elbws");
    std::fs::hard_link(ELBWS, &alone).unwrap();
    visitors_chat(&alone, "network").await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    for kind in KINDS {
        let offset = free_offset();
        let _taken = TcpListener::bind(("127.0.0.1", 443 + offset)).await.unwrap();
        let mut command = elbws();
        let run = command.args(["demo", "--type", kind, "--port-offset", &offset.to_string()]).output();
        let output = tokio::time::timeout(Duration::from_mins(3), run).await.expect("ended").unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{kind}: {error}");
        let told =
            format!("error: port {} of 127.0.0.1, the load balancer's, is already in use", 443 + offset);
        assert!(error.starts_with(&told) && error.contains("--port-offset"), "{kind}: {error}");
    }
}

#[tokio::test]
async fn a_port_of_the_chat_that_is_taken_is_told() {
    let offset = free_offset();
    let _taken = TcpListener::bind(("127.64.0.1", 9000 + offset)).await.unwrap();
    let mut command = elbws();
    let run = command.args(["demo", "--port-offset", &offset.to_string()]).output();
    let output = tokio::time::timeout(Duration::from_mins(3), run).await.expect("ended").unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let told =
        format!("ws-chat cannot listen at 127.64.0.1:{} and 127.64.0.1:{}", 8000 + offset, 9000 + offset);
    assert!(error.contains(&told) && error.contains("another demo"), "{error}");
}

async fn probe(demo: &Running) {
    let line = &demo.line;
    let url = format!("{}?room=probe", line["websocket"].as_str().unwrap());
    let (code, report) = demo.probe(&[&url, "--hold", "1s", "--ca", line["ca"].as_str().unwrap()]).await;
    assert_eq!((code, &report["passed"]), (0, &Value::Bool(true)), "{report}");
    let outcomes: Vec<_> = report["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]).collect();
    assert_eq!(outcomes.len(), 8, "{report}");
    // Without the CA nobody trusts it.
    let (code, report) = demo.probe(&[&url]).await;
    assert_eq!((code, &report["passed"]), (1, &Value::Bool(false)), "{report}");
}

/// The policy is taken away and put back under the running demo.
async fn failures_are_explained(demo: &Running) {
    let url = demo.line["websocket"].as_str().unwrap();
    let ca = demo.line["ca"].as_str().unwrap();
    let of_port = ["--port", "80", "--load-balancer", demo.line["load_balancer"].as_str().unwrap()];
    demo.run(&[&["disable-proxy-protocol"], &of_port[..]].concat()).await;
    let (code, report) = demo.probe(&[url, "--ca", ca]).await;
    assert_eq!(code, 1, "{report}");
    let failed = report["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "failed").unwrap();
    assert_eq!(failed["step"], "upgrade", "{report}");
    let mends: Vec<_> = failed["likely"].as_array().unwrap().iter().map(|likely| &likely["mend"]).collect();
    let named = mends.iter().any(|mend| mend.as_str().unwrap().contains("elbws enable-proxy-protocol"));
    assert!(named, "{report}");
    demo.run(&[&["enable-proxy-protocol"], &of_port[..]].concat()).await;
    let (code, report) = demo.probe(&[url, "--ca", ca]).await;
    assert_eq!(code, 0, "{report}");
}

async fn redirect(demo: &Running, path: &str, headers: &str) -> String {
    let url = demo.line["http_url"].as_str().unwrap();
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 301 "), "{answer}");
    let location = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then_some(value)
    });
    location.unwrap_or_else(|| panic!("{answer}")).to_owned()
}
