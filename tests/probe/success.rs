//! What works is found to work.

use std::time::Duration;

use elbws::probe::{Finding, Options, Outcome, StepName, Trust};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;

use crate::world::{Front, answering, chat, options, run};

fn finding(report: &elbws::probe::Report, name: StepName) -> &Finding {
    let step = report.steps.iter().find(|step| step.name == name).unwrap();
    match &step.outcome {
        Outcome::Passed(finding) => finding,
        other => panic!("{name:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_chat_behind_tls_passes_every_step() {
    let front = Front::start("chat.example.com", 40, chat().await).await;
    let http =
        answering("HTTP/1.1 301 Moved\r\nLocation: https://chat.example.com/x\r\nContent-Length: 0\r\n\r\n");
    let options = Options {
        resolve: Some((front.address.ip(), Some(front.address.port()))),
        trust: Trust::File(front.ca.clone()),
        hold: Some(Duration::from_millis(300)),
        from_http: Some(http.await.port()),
        ..options("wss://chat.example.com/ws/?room=a")
    };
    let report = run(&options).await;
    assert!(report.passed(), "{report:?}");
    let Finding::Tls { version, cipher, names, days_left, .. } = finding(&report, StepName::Tls) else {
        panic!()
    };
    assert_eq!(
        (version.as_str(), names.as_slice(), *days_left),
        ("TLS 1.3", &["chat.example.com".to_owned()][..], 40)
    );
    assert!(cipher.starts_with("TLS_"), "{cipher}");
    assert!(matches!(finding(&report, StepName::Redirect), Finding::Redirect { status: 301, .. }));
    assert!(matches!(finding(&report, StepName::Upgrade), Finding::Upgrade { status: 101, .. }));
    // The chat tells its visitors their address.
    assert!(matches!(
        finding(&report, StepName::Frame),
        Finding::Frame { kind: "text", names_client: Some(true), .. }
    ));
    assert!(matches!(finding(&report, StepName::Hold), Finding::Hold { frames: 0, .. }));
    assert!(matches!(finding(&report, StepName::Close), Finding::Close { code: Some(1000) }));
}

#[tokio::test]
async fn without_tls_its_step_is_skipped() {
    let report = run(&options(&format!("ws://localhost:{}/ws/", chat().await.port()))).await;
    assert!(report.passed(), "{report:?}");
    let skipped: Vec<_> = report
        .steps
        .iter()
        .filter(|step| matches!(step.outcome, Outcome::Skipped(_)))
        .map(|step| step.name)
        .collect();
    assert_eq!(skipped, [StepName::Tls, StepName::Redirect, StepName::Hold]);
}

#[tokio::test]
async fn a_chat_sends_an_echo_in_a_message_of_its_own_so_it_is_none() {
    let options =
        Options { echo: Some("hello".to_owned()), ..options(&format!("ws://{}/ws/", chat().await)) };
    assert!(!run(&options).await.passed());
}

#[tokio::test]
async fn servers_that_echo_and_say_nothing_first_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    socket.send(message).await.unwrap();
                }
            }
        }
    });
    let report = run(&options(&url)).await;
    assert!(matches!(finding(&report, StepName::Frame), Finding::Frame { kind: "pong", .. }));
    let report = run(&Options { echo: Some("hello".to_owned()), ..options(&url) }).await;
    assert!(matches!(finding(&report, StepName::Frame), Finding::Frame { kind: "echo", bytes: 5, .. }));
}
