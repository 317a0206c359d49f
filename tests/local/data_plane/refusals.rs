//! What an Application Load Balancer does not let through: headers that are too long, requests that come too slowly,
//! and what the desync mitigation mode is against.

use elbws::local::Config;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::access_log::lines;
use super::application::{GET, ask, start};
use super::http::{body, head, respond, send};
use super::rig::{Rig, within};

#[tokio::test]
async fn headers_that_are_too_long_are_refused_in_either_direction() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (instances, _, listener) = start(&balancer, 1).await;
    let long = "x".repeat(16 * 1024);
    for (request, expected) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), "414 request-uri too large"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {long}\r\n\r\n"), "400 bad request"),
    ] {
        let (head, _) = ask(listener.address, &request).await;
        assert!(head.starts_with(&format!("http/1.1 {expected}\r\n")), "{expected}: {head}");
        assert!(head.contains("server: awselb/2.0\r\n"), "{head}");
    }
    let answer = async {
        let mut served = instances[0].accept().await;
        head(&mut served).await;
        let fields = format!("X-Long: {long}\r\nX-Longer: {long}\r\n");
        send(&mut served, &format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n")).await;
    };
    let ((head, _), ()) = tokio::join!(ask(listener.address, GET), answer);
    assert!(head.starts_with("http/1.1 502 bad gateway\r\n"), "{head}");
}

#[tokio::test]
async fn the_side_that_keeps_silent_decides_on_the_answer() {
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (instances, _, listener) = start(&balancer, 1).await;
    balancer.attribute("idle_timeout.timeout_seconds", "1");
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nhal";
    for (rest, expected) in [("", "408 request time-out"), ("f", "504 gateway time-out")] {
        let mut client = TcpStream::connect(listener.address).await.unwrap();
        send(&mut client, &format!("{post}{rest}")).await;
        let served = async {
            let mut served = instances[0].accept().await;
            head(&mut served).await;
            // Up to the end that the load balancer makes.
            let mut heard = Vec::new();
            within(served.read_to_end(&mut heard)).await.unwrap_or_default();
            assert_eq!(heard, format!("hal{rest}").as_bytes());
        };
        let (answer, ()) = tokio::join!(head(&mut client), served);
        assert!(answer.starts_with(&format!("http/1.1 {expected}\r\n")), "{expected}: {answer}");
    }
}

#[tokio::test]
async fn the_desync_mitigation_mode_decides_on_odd_requests_and_the_log_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = Some(folder.path().to_owned());
    let rig = Rig::with(Config { assume_healthy: true, state_dir, ..Config::default() });
    let balancer = rig.balancer("application");
    balancer.attribute("access_logs.s3.bucket", "logs");
    balancer.attribute("access_logs.s3.enabled", "true");
    let (instances, _, listener) = start(&balancer, 1).await;
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    let acceptable = get("Content-Length: 0\r\n");
    let ambiguous = get("Content_Length: 1\r\n");

    let mut count = 0;
    for (mode, request, class, closes) in [
        ("defensive", &acceptable, "\"Acceptable\" \"GetHeadZeroContentLength\"", false),
        ("monitor", &ambiguous, "\"Ambiguous\" \"SuspiciousHeader\"", false),
        ("defensive", &ambiguous, "\"Ambiguous\" \"SuspiciousHeader\"", true),
    ] {
        balancer.attribute("routing.http.desync_mitigation_mode", mode);
        let mut client = TcpStream::connect(listener.address).await.unwrap();
        send(&mut client, request).await;
        let serving = async {
            let mut served = instances[0].accept().await;
            respond(&mut served, "yes").await;
            served
        };
        let mut served = within(serving).await;
        let answer = head(&mut client).await;
        body(&mut client, "yes").await;
        assert!(answer.starts_with("http/1.1 200 "), "{mode}: {answer}");
        assert_eq!(answer.contains("connection: close\r\n"), closes, "{mode}: {answer}");
        if closes {
            assert_eq!(within(client.read(&mut [0])).await.unwrap(), 0, "the client's connection ends");
            assert_eq!(within(served.read(&mut [0])).await.unwrap(), 0, "and so does the target's");
        } else {
            // Both go on, up to their ends below.
            send(&mut client, &get("")).await;
            respond(&mut served, "yes").await;
            head(&mut client).await;
            body(&mut client, "yes").await;
            count += 1;
        }
        count += 1;
        drop(served);
        let (_, found) = lines(&folder.path().join("access-logs"), count).await;
        assert_eq!(found.iter().filter(|line| line.contains(class)).count().min(1), 1, "{class}: {found:?}");
    }

    balancer.attribute("routing.http.desync_mitigation_mode", "strictest");
    for request in [&acceptable, &ambiguous] {
        let (head, _) = ask(listener.address, request).await;
        assert!(head.starts_with("http/1.1 400 bad request\r\n"), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
    }
    let answering = async { respond(&mut instances[0].accept().await, "yes").await };
    let plain = get("");
    let ((head, _), _) = tokio::join!(ask(listener.address, &plain), answering);
    assert!(head.starts_with("http/1.1 200 "), "what complies gets through: {head}");
}
