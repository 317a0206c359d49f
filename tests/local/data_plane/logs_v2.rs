//! What Application and Network Load Balancers log.

use std::path::{Path, PathBuf};

use elbws::local::Config;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::access_log::lines;
use super::changes::echoes;
use super::http::{body, head, respond, send};
use super::rig::{Instance, Rig, tls, within};
use super::v2::Balancer;

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: chat.example.com\r\nUser-Agent: \"me\"\r\n\r\n";

/// A server that keeps logs, with an instance behind a group.
struct Site {
    folder: TempDir,
    rig: Rig,
    instance: Instance,
    group: String,
}

impl Site {
    async fn of(protocol: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = Some(folder.path().to_owned());
        let rig = Rig::with(Config { assume_healthy: true, state_dir, ..Config::default() });
        let instance = rig.launch().await;
        let group = rig.target_group("web", protocol, "");
        rig.register_targets(&group, &[&instance]);
        Self { folder, rig, instance, group }
    }
}

/// Has a load balancer write the logs of this kind, `access_logs` or `connection_logs`.
fn enable(balancer: &Balancer<'_>, kind: &str) {
    balancer.attribute(&format!("{kind}.s3.bucket"), "logs");
    balancer.attribute(&format!("{kind}.s3.enabled"), "true");
}

/// The words of a line; what is in quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().unwrap().extend(characters.next()),
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

fn is_stamp(word: &str) -> bool {
    word.len() == "2026-01-02T03:04:05.678901Z".len() && word.ends_with('Z')
}

async fn logged(folder: &Path, count: usize) -> (PathBuf, Vec<Vec<String>>) {
    let (path, lines) = lines(&folder.join("access-logs"), count).await;
    (path, lines.iter().map(|line| words(line)).collect())
}

#[tokio::test]
async fn requests_are_logged_in_the_documented_fields() {
    let Site { folder, rig, instance, group } = Site::of("HTTP").await;
    let balancer = rig.balancer("application");
    let arn = rig.certificate("chat.example.com");
    let listener = balancer.listen(&format!("HTTPS/{arn}"), 443, &group).await;
    listener.rule(
        7,
        "&Conditions.member.1.Field=path-pattern&Conditions.member.1.PathPatternConfig.Values.member.1=/old\
         &Actions.member.1.Type=redirect&Actions.member.1.RedirectConfig.Path=/new\
         &Actions.member.1.RedirectConfig.StatusCode=HTTP_302",
    );
    enable(&balancer, "access_logs");
    let connect = async || {
        let stream = TcpStream::connect(listener.address).await.unwrap();
        let from = stream.local_addr().unwrap();
        (tls(rig.authority(&arn), "chat.example.com", stream).await.unwrap(), from)
    };
    let (mut client, from) = connect().await;
    send(&mut client, GET).await;
    let mut served = instance.accept().await;
    let heard = respond(&mut served, "hello").await;
    let answer = head(&mut client).await;
    body(&mut client, "hello").await;
    let (path, found) = logged(folder.path(), 1).await;
    let id = balancer.arn.split_once("loadbalancer/").unwrap().1;
    let name = path.file_name().unwrap().to_str().unwrap();
    let begins = format!("123456789012_elasticloadbalancing_us-east-1_{}_20", id.replace('/', "."));
    assert!(name.starts_with(&begins), "{name}");
    let line = &found[0];
    assert_eq!(line.len(), 30, "{line:?}");
    let target = format!("{}:{}", instance.listener.local_addr().unwrap().ip(), instance.port());
    assert_eq!(
        (line[0].as_str(), is_stamp(&line[1]), is_stamp(&line[21])),
        ("https", true, true),
        "{line:?}"
    );
    assert_eq!(line[2..5], [id, &from.to_string(), &target]);
    assert!(line[5..8].iter().all(|time| time.split_once('.').is_some_and(|(_, rest)| rest.len() == 3)));
    let (received, sent) = (GET.len().to_string(), (answer.len() + 5).to_string());
    assert_eq!(line[8..12], ["200", "200", &received, &sent], "{answer}");
    assert_eq!(line[12..14], ["GET https://chat.example.com:443/a?b HTTP/1.1", "\"me\""]);
    let suite = client.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert!(format!("{suite:?}").contains("AES_128_GCM") && line[14].contains("AES128-GCM"), "{line:?}");
    assert_eq!(line[15..17], ["TLSv1.2", &group]);
    let trace = heard.split("x-amzn-trace-id: ").nth(1).unwrap().split('\r').next().unwrap();
    assert_eq!(line[17].to_lowercase(), trace);
    assert_eq!(line[18..21], ["chat.example.com", &arn, "0"]);
    assert_eq!(line[22..29], ["forward", "-", "-", &target, "200", "-", "-"]);
    assert!(line[29].starts_with("TID_"), "{line:?}");

    send(&mut client, &GET.replace("/a?b", "/old?b")).await;
    head(&mut client).await;
    let (_, found) = logged(folder.path(), 2).await;
    let line = &found[1];
    assert_eq!((line[4].as_str(), &line[5..8]), ("-", &["-1", "-1", "-1"].map(String::from)[..]));
    assert_eq!((line[8].as_str(), line[9].as_str(), line[20].as_str()), ("302", "-", "7"));
    assert_eq!(line[22..24], ["redirect", "https://chat.example.com:443/new?b"]);

    // A client that leaves before there is an answer.
    let (mut client, _) = connect().await;
    send(&mut client, GET).await;
    head(&mut served).await;
    drop(client);
    let (_, found) = logged(folder.path(), 3).await;
    assert_eq!((found[2][8].as_str(), found[2][9].as_str()), ("460", "-"), "{found:?}");
}

#[tokio::test]
async fn a_websocket_is_logged_when_it_has_ended_and_a_connection_when_it_begins() {
    let Site { folder, rig, instance, group } = Site::of("HTTP").await;
    let balancer = rig.balancer("application");
    let listener = balancer.listen("HTTP", 80, &group).await;
    enable(&balancer, "connection_logs");
    let mut client = TcpStream::connect(listener.address).await.unwrap();
    let from = client.local_addr().unwrap();
    let (path, lines) = lines(&folder.path().join("access-logs"), 1).await;
    assert!(path.file_name().unwrap().to_str().unwrap().starts_with("conn_log_123456789012_"), "{path:?}");
    let line = words(&lines[0]);
    assert_eq!(
        line[1..11],
        [&from.ip().to_string(), &from.port().to_string(), "80", "-", "-", "-", "-", "-", "-", "-"]
    );
    assert!(is_stamp(&line[0]) && line[11].starts_with("TID_"), "{line:?}");
    balancer.attribute("connection_logs.s3.enabled", "false");
    std::fs::remove_dir_all(folder.path().join("access-logs")).unwrap();

    enable(&balancer, "access_logs");
    send(&mut client, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    let mut served = instance.accept().await;
    head(&mut served).await;
    send(
        &mut served,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    .await;
    head(&mut client).await;
    echoes(&mut client, &mut served).await;
    assert!(!folder.path().join("access-logs").exists(), "it has not ended");
    drop((client, served));
    let (_, found) = logged(folder.path(), 1).await;
    assert_eq!((found[0][0].as_str(), found[0][8].as_str(), found[0][9].as_str()), ("ws", "101", "101"));
    assert_eq!(found[0][29], line[11], "the same connection");
}

#[tokio::test]
async fn a_network_load_balancer_logs_its_tls_connections() {
    let Site { folder, rig, instance, group } = Site::of("TCP").await;
    let balancer = rig.balancer("network");
    let arn = rig.certificate("chat.example.com");
    let listener = balancer.listen(&format!("TLS/{arn}"), 443, &group).await;
    let plain = balancer.listen("TCP", 80, &group).await;
    enable(&balancer, "access_logs");
    let _plain = (TcpStream::connect(plain.address).await.unwrap(), instance.accept().await);
    let stream = TcpStream::connect(listener.address).await.unwrap();
    let from = stream.local_addr().unwrap();
    let mut client = tls(rig.authority(&arn), "chat.example.com", stream).await.unwrap();
    let mut served = instance.accept().await;
    echoes(&mut client, &mut served).await;
    served.write_all(b"more").await.unwrap();
    drop(served);
    let mut rest = String::new();
    within(client.read_to_string(&mut rest)).await.unwrap();
    drop(client);
    let (path, found) = logged(folder.path(), 1).await;
    let id = balancer.arn.split_once("loadbalancer/").unwrap().1;
    assert!(path.to_str().unwrap().contains(&id.replace('/', ".")), "{path:?}");
    let line = &found[0];
    assert_eq!(line.len(), 22, "{line:?}");
    let to = format!("{}:443", listener.address.ip());
    assert_eq!(line[..2], ["tls", "2.0"]);
    assert_eq!(line[3..7], [id, listener.arn.rsplit('/').next().unwrap(), &from.to_string(), &to]);
    assert_eq!(line[9..14], ["1", "5", "-", &arn, "-"]);
    assert_eq!((line[15].as_str(), line[17].as_str()), ("tlsv12", "chat.example.com"), "{line:?}");
}
