//! Each failure is told from the others.

use std::time::Duration;

use elbws::probe::{Options, Outcome, Problem, StepName, Trust, probe};
use tokio::net::TcpListener;

use crate::world::{Front, answering, chat, failure, options, run};

#[tokio::test]
async fn certificates_that_do_not_fit_are_told_apart() {
    let front = Front::start("chat.example.com", 40, chat().await).await;
    let at = |host: &str, trust| Options {
        resolve: Some((front.address.ip(), Some(front.address.port()))),
        trust,
        ..options(&format!("wss://{host}/ws/"))
    };
    let trusted = Trust::File(front.ca.clone());
    assert_eq!(
        failure(&at("other.example.com", trusted.clone())).await,
        Problem::WrongName {
            host: "other.example.com".to_owned(),
            names: vec!["chat.example.com".to_owned()]
        }
    );
    let other = Front::start("chat.example.com", -3, chat().await).await;
    let stranger = failure(&at("chat.example.com", Trust::File(other.ca.clone()))).await;
    assert!(matches!(stranger, Problem::NotTrusted { .. }), "{stranger}");
    let expired = Options {
        resolve: Some((other.address.ip(), Some(other.address.port()))),
        ..at("chat.example.com", Trust::File(other.ca.clone()))
    };
    let expired = failure(&expired).await;
    assert!(matches!(expired, Problem::NotInForce { .. }), "{expired}");
    assert!(probe(&at("chat.example.com", Trust::File("/nonexistent".into())), |_| {}).await.is_err());
}

#[tokio::test]
async fn a_listener_without_tls_is_recognised() {
    let address = answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    // The server reads up to an empty line, which a handshake may not have: it need not be polite.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
        }
    });
    let front = Front::start("localhost", 1, address).await;
    let trust = Trust::File(front.ca.clone());
    let found = failure(&Options { trust, ..options(&format!("wss://localhost:{}/", rude.port())) }).await;
    assert_eq!(found, Problem::NoTls);
}

#[tokio::test]
async fn nobody_at_the_port_is_a_refusal() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    assert_eq!(failure(&options(&format!("ws://{address}/"))).await, Problem::Refused { address });
}

#[tokio::test]
async fn answers_that_are_no_upgrade_are_told_with_status_and_reason() {
    for (answer, expected) in [
        (
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n",
            Problem::NotUpgraded { status: 426, reason: None },
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nX-Elbws-Reason: request\r\nContent-Length: 0\r\n\r\n",
            Problem::NotUpgraded { status: 400, reason: Some("request".to_owned()) },
        ),
        ("", Problem::ClosedWithoutAnswer { to: "the upgrade" }),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            Problem::WrongUpgrade { header: "Sec-WebSocket-Accept" },
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
            Problem::WrongUpgrade { header: "Upgrade" },
        ),
    ] {
        let address = answering(answer).await;
        assert_eq!(failure(&options(&format!("ws://{address}/"))).await, expected);
    }
    let address = answering("PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n").await;
    let found = failure(&options(&format!("ws://{address}/"))).await;
    assert!(matches!(found, Problem::NotHttp { .. }), "{found}");
}

#[tokio::test]
async fn plain_http_must_lead_to_https_of_the_same_host() {
    let chat = chat().await;
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Problem::NoRedirect { status: 200 }),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
            Problem::WrongRedirect { location: "https://evil.example/".to_owned() },
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n",
            Problem::WrongRedirect { location: "http://localhost/".to_owned() },
        ),
    ] {
        let from_http = Some(answering(answer).await.port());
        let options = Options { from_http, ..options(&format!("ws://localhost:{}/ws/", chat.port())) };
        assert_eq!(failure(&options).await, expected);
        // Who has the other URL is not kept from finding out whether it works.
        let report = run(&options).await;
        let close = report.steps.iter().find(|step| step.name == StepName::Close).unwrap();
        assert!(matches!(close.outcome, Outcome::Passed(_)) && !report.passed(), "{report:?}");
    }
}

#[tokio::test]
async fn an_end_in_the_silence_is_told_with_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let idle = Duration::from_millis(1500);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        // As a load balancer: the clock starts anew with every byte.
        while let Ok(Some(Ok(_))) =
            tokio::time::timeout(idle, futures_util::StreamExt::next(&mut socket)).await
        {}
    });
    let report = run(&Options { hold: Some(Duration::from_secs(20)), ..options(&url) }).await;
    match report.failure() {
        Some(Problem::HoldEnded { seconds, code: None }) => {
            assert!((1.3..10.0).contains(seconds), "{seconds}");
        }
        other => panic!("{other:?}"),
    }
}
