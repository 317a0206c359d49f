//! Access logs: where they are, and what a line says.

use std::path::{Path, PathBuf};

use elbws::local::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::rig::{Rig, eventually, line, tls, within};

/// The one file below a folder.
fn only_file(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?;
    let entry = entries.next()?.unwrap();
    assert!(entries.next().is_none(), "one entry in {}", folder.display());
    let path = entry.path();
    if path.is_dir() { only_file(&path) } else { Some(path) }
}

/// The lines of the log, as soon as there are so many.
pub(super) async fn lines(folder: &Path, count: usize) -> (PathBuf, Vec<String>) {
    eventually(|| {
        let path = only_file(folder)?;
        let lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        (lines.len() == count).then_some((path, lines))
    })
    .await
}

/// A line without its times, which must be there.
fn without_times(line: &str, measured: bool) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let stamp = words.remove(0);
    assert!(stamp.len() == "2026-01-02T03:04:05.678901Z".len() && stamp.ends_with('Z'), "{line}");
    for time in words.drain(3..6) {
        let whole = time.split_once('.').is_some_and(|(_, fraction)| fraction.len() == 6);
        assert_eq!(whole, measured, "{time} in {line}");
    }
    words.join(" ")
}

fn logging(folder: &Path) -> Rig {
    let config = Config { assume_healthy: true, state_dir: Some(folder.to_owned()), ..Config::default() };
    Rig::with(config)
}

const ENABLE: &str = "&LoadBalancerAttributes.AccessLog.Enabled=true&LoadBalancerAttributes.AccessLog.S3BucketName=logs\
    &LoadBalancerAttributes.AccessLog.S3BucketPrefix=my/prefix&LoadBalancerAttributes.AccessLog.EmitInterval=60";

#[tokio::test]
async fn requests_are_logged_when_they_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let rig = logging(folder.path());
    let instance = rig.launch().await;
    let arn = rig.certificate("chat.example.com");
    let address = rig.create(&format!("HTTPS/HTTP/{arn}"), 443, &[&instance]).await;
    let request = "POST /a?b HTTP/1.1\r\nHost: chat.example.com:8443\r\nUser-Agent: \"me\"\r\nContent-Length: 4\r\n\r\nbody";
    let ask = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let from = stream.local_addr().unwrap();
        let mut client = tls(rig.authority(&arn), "chat.example.com", stream).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        (client, from)
    };
    rig.attributes(ENABLE);
    let (mut client, from) = ask().await;
    let mut served = instance.accept().await;
    let mut heard = String::new();
    while !heard.ends_with("\r\n\r\n") {
        heard.push_str(&line(&mut served).await);
    }
    served.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello").await.unwrap();
    assert_eq!(line(&mut client).await, "HTTP/1.1 201 Created\r\n");
    let (path, logged) = lines(&folder.path().join("access-logs"), 1).await;
    let rest = "\"POST https://chat.example.com:443/a?b HTTP/1.1\" \"\\\"me\\\"\" ECDHE-ECDSA-AES128-GCM-SHA256 TLSv1.2";
    let backend = format!("{}:{}", instance.listener.local_addr().unwrap().ip(), instance.port());
    assert_eq!(without_times(&logged[0], true), format!("chat {from} {backend} 201 201 4 5 {rest}"));

    let relative = path.strip_prefix(folder.path()).unwrap().to_str().unwrap();
    let parts: Vec<&str> = relative.split('/').collect();
    assert_eq!(
        parts[..7],
        ["access-logs", "logs", "my", "prefix", "AWSLogs", "123456789012", "elasticloadbalancing"]
    );
    assert!(parts[11].starts_with("123456789012_elasticloadbalancing_us-east-1_chat_20"), "{relative}");
    assert!(parts[11].contains(&format!("00Z_{}_", address.ip())), "{relative}");

    rig.deregister(&instance);
    let (mut client, from) = ask().await;
    line(&mut client).await;
    let (_, logged) = lines(&folder.path().join("access-logs"), 2).await;
    assert_eq!(without_times(&logged[1], false), format!("chat {from} - 503 0 0 0 {rest}"));
}

#[tokio::test]
async fn connections_are_logged_when_they_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let rig = logging(folder.path());
    let instance = rig.launch().await;
    let address = rig.create("TCP/TCP", 80, &[&instance]).await;
    rig.enable_proxy_protocol(instance.port());
    rig.attributes(ENABLE);
    let mut client = TcpStream::connect(address).await.unwrap();
    let from = client.local_addr().unwrap();
    client.write_all(b"four\n").await.unwrap();
    let mut served = instance.accept().await;
    line(&mut served).await;
    line(&mut served).await;
    served.write_all(b"answer").await.unwrap();
    drop(served);
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    drop(client);
    let (_, logged) = lines(&folder.path().join("access-logs"), 1).await;
    let backend = format!("{}:{}", instance.listener.local_addr().unwrap().ip(), instance.port());
    assert_eq!(
        without_times(&logged[0], true),
        format!("chat {from} {backend} - - 5 6 \"- - - \" \"-\" - -")
    );
}
