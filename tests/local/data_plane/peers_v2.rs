//! Programs of others with Application and Network Load Balancers: HAProxy reads their PROXY headers; curl, h2load,
//! OpenSSL and Python's websockets are their clients.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use elbws::local::Config;
use elbws::proxy::http::accept_for;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::peers::{find, haproxy};
use super::rig::{Instance, OFFSET, Rig, free_port, within};

pub(super) async fn run(command: &mut Command) -> Output {
    let output = within(command.output()).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {} {errors}", String::from_utf8_lossy(&output.stdout));
    output
}

#[tokio::test]
async fn haproxy_reads_the_headers_of_clients_and_of_health_checks() {
    let Some(binary) = find("haproxy") else { return };
    let rig = Rig::with(Config::default());
    rig.server.admin("POST", "/_elbws/settings", r#"{"health_check_interval_ms":20}"#);
    let balancer = rig.balancer("network");
    let instance = rig.launch().await;
    let settings = "&HealthCheckProtocol=HTTP&HealthCheckPath=/healthz";
    let group = rig.target_group("tcp", "TCP", settings);
    rig.group_attribute(&group, "proxy_protocol_v2.enabled", "true");
    rig.group_attribute(&group, "preserve_client_ip.enabled", "false");
    rig.register_targets(&group, &[&instance]);
    let at = instance.listener.local_addr().unwrap();
    drop(instance);
    let folder = tempfile::tempdir().unwrap();
    let application = format!(
        "frontend app\n  mode http\n  bind {at} accept-proxy\n  http-request return status 200 content-type text/plain \
         lf-string \"%[src] %[src_port] %[dst] %[dst_port]\\n\"\n"
    );
    let _haproxy = haproxy(&binary, folder.path(), &application, at).await;
    let port = free_port([127, 0, 0, 1].into()) - OFFSET;
    balancer.listen("TCP", port, &group).await;
    // Its checks are answered, since it takes their LOCAL header for one.
    rig.health_is(&group, &[("healthy", "")]).await;
    let addresses = rig.addresses(port);
    assert!(addresses.len() >= 2, "{addresses:?}");
    for address in addresses {
        let mut client = TcpStream::connect(address).await.unwrap();
        let from = client.local_addr().unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        within(client.read_to_string(&mut answer)).await.unwrap();
        let read = answer.lines().last().unwrap();
        assert_eq!(read, format!("{} {} {} {port}", from.ip(), from.port(), address.ip()));
    }
}

/// Serves requests, with keep-alive: the target of each, and what it was sent by.
fn serve(instance: Instance) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let mut served = instance.accept_forever().await;
            tokio::spawn(async move {
                while let Some(head) = request(&mut served).await {
                    let path = head.split(' ').nth(1).unwrap();
                    let proto = field(&head, "x-forwarded-proto").unwrap_or_default();
                    let body = format!("{path} over {proto}\n");
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    if served.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    })
}

/// The next head on a connection.
async fn request(served: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(served.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// An HTTPS listener that clients find at localhost, with the authority's certificate in a file.
async fn secure<'a>(
    rig: &'a Rig,
    balancer: &'a super::v2::Balancer<'a>,
    folder: &Path,
) -> (SocketAddr, std::path::PathBuf) {
    let instance = rig.launch().await;
    let group = rig.target_group("web", "HTTP", "");
    rig.register_targets(&group, &[&instance]);
    serve(instance);
    let arn = rig.certificate("chat.example.com");
    let listener = balancer.listen(&format!("HTTPS/{arn}"), 443, &group).await;
    (listener.address, folder.join("ca.pem"))
}

fn with_authority(folder: &Path) -> Rig {
    Rig::with(Config { assume_healthy: true, state_dir: Some(folder.to_owned()), ..Config::default() })
}

#[tokio::test]
async fn curl_and_h2load_speak_http2() {
    let (Some(curl), Some(h2load)) = (find("curl"), find("h2load")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let rig = with_authority(folder.path());
    let balancer = rig.balancer("application");
    let (address, authority) = secure(&rig, &balancer, folder.path()).await;
    let (ip, port) = (address.ip(), address.port());
    for (version, expected) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let output = run(Command::new(&curl)
            .args(["-sS", "--noproxy", "*", version, "-w", "%{http_version}", "--cacert"])
            .arg(&authority)
            .args(["--resolve", &format!("chat.example.com:{port}:{ip}")])
            .arg(format!("https://chat.example.com:{port}/a?b")))
        .await;
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("/a?b over https\n{expected}"));
        let output = run(Command::new(&curl)
            .args(["-sS", "--noproxy", "*", version, "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
            .arg(&authority)
            .args(["--resolve", &format!("chat.example.com:{port}:{ip}"), "-H"])
            .arg(format!("Cookie: {}", "x".repeat(16 * 1024)))
            .arg(format!("https://chat.example.com:{port}/")))
        .await;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "400", "{version}: a field that is too long");
    }
    let output = run(Command::new(&h2load)
        .args(["-n", "400", "-c", "2", "-m", "20", "--connect-to", &address.to_string()])
        .arg("https://chat.example.com/"))
    .await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("400 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(said.contains("Application protocol: h2"), "{said}");
}

#[tokio::test]
async fn openssl_is_shown_the_certificate_for_its_name() {
    let Some(openssl) = find("openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rig = with_authority(folder.path());
    let balancer = rig.balancer("application");
    let (address, authority) = secure(&rig, &balancer, folder.path()).await;
    let listeners = rig.v2(&format!("Action=DescribeListeners&LoadBalancerArn={}", balancer.arn));
    let other = rig.certificate("other.example.com");
    rig.v2(&format!(
        "Action=AddListenerCertificates&ListenerArn={}&Certificates.member.1.CertificateArn={other}",
        listeners.text("ListenerArn")
    ));
    for (name, alpn, agreed) in [
        ("chat.example.com", "h2", "ALPN protocol: h2"),
        ("other.example.com", "http/1.1", "ALPN protocol: http/1.1"),
    ] {
        let output = run(Command::new(&openssl)
            .args(["s_client", "-verify_return_error", "-servername", name, "-verify_hostname", name])
            .args(["-alpn", alpn, "-connect", &address.to_string(), "-CAfile"])
            .arg(&authority)
            .stdin(std::process::Stdio::null()))
        .await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(agreed) && said.contains(&format!("CN = {name}")), "{said}");
    }
}

/// An application with sessions that only it knows, by polling and by WebSocket, as socket.io has them.
fn sessions(name: &'static str, instance: Instance) {
    let known: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    tokio::spawn(async move {
        loop {
            let mut served = instance.accept_forever().await;
            let known = Arc::clone(&known);
            tokio::spawn(async move {
                while let Some(head) = request(&mut served).await {
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    let sid = path.split_once("sid=").map(|(_, sid)| sid.to_owned());
                    let is_known = sid.as_ref().is_some_and(|sid| known.lock().unwrap().contains(sid));
                    let answer = match (sid, field(&head, "sec-websocket-key")) {
                        (Some(_), Some(key)) if is_known => {
                            let accept = accept_for(key.as_bytes());
                            let switch = format!(
                                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
                            );
                            served.write_all(switch.as_bytes()).await.unwrap();
                            return echo(name, &mut served).await;
                        }
                        (Some(_), _) if is_known => name.to_owned(),
                        (Some(_), _) => String::new(),
                        (None, _) => {
                            let mut known = known.lock().unwrap();
                            let sid = format!("{name}-{}", known.len());
                            known.insert(sid.clone());
                            sid
                        }
                    };
                    let status = if answer.is_empty() { "400 Bad Request" } else { "200 OK" };
                    let answer =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
                    if served.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// Answers short text frames with the name and what they say.
async fn echo(name: &str, served: &mut TcpStream) {
    let mut head = [0; 6];
    while served.read_exact(&mut head).await.is_ok() && head[0] == 0x81 {
        let mut text = vec![0; usize::from(head[1] & 0x7f)];
        served.read_exact(&mut text).await.unwrap();
        for (index, byte) in text.iter_mut().enumerate() {
            *byte ^= head[2 + index % 4];
        }
        let answer = format!("{name}: {}", String::from_utf8(text).unwrap());
        let mut frame = vec![0x81, u8::try_from(answer.len()).unwrap()];
        frame.extend_from_slice(answer.as_bytes());
        served.write_all(&frame).await.unwrap();
    }
}

const CLIENT: &str = r#"
import http.cookiejar, sys, urllib.request
from websockets.sync.client import connect

base = sys.argv[1]
seen = set()
for _ in range(8):
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
    get = lambda path: opener.open(f"http://{base}{path}", timeout=10).read().decode()
    sid = get("/poll")
    names = {get(f"/poll?sid={sid}") for _ in range(4)}
    cookie = "; ".join(f"{c.name}={c.value}" for c in jar)
    with connect(f"ws://{base}/ws?sid={sid}", additional_headers={"Cookie": cookie}, proxy=None, open_timeout=10) as ws:
        ws.send("hello")
        said = ws.recv(timeout=10)
    name = sid.split("-")[0]
    assert names == {name}, names
    assert said == f"{name}: hello", said
    seen.add(name)
assert seen == {"one", "two"}, seen
print("done")
"#;

/// Python with these modules, if there is one.
pub(super) async fn python(modules: &str) -> Option<std::path::PathBuf> {
    let own = std::env::var_os("ELBWS_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv"), Into::into);
    let mut found = None;
    for python in [own.join("bin/python"), "python3".into()] {
        let check = Command::new(&python).args(["-c", &format!("import {modules}")]).output().await;
        if check.is_ok_and(|output| output.status.success()) {
            found = Some(python);
            break;
        }
    }
    if found.is_none() {
        let required = std::env::var_os("ELBWS_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(!required, "Python's {modules} is not installed");
        let _ = writeln!(std::io::stdout(), "skipped: Python's {modules} is not installed");
    }
    found
}

#[tokio::test]
async fn sticky_sessions_hold_over_polling_and_websockets() {
    let Some(python) = python("websockets.sync.client").await else { return };
    let rig = Rig::start();
    let balancer = rig.balancer("application");
    let (one, two) = (rig.launch().await, rig.launch().await);
    let group = rig.target_group("web", "HTTP", "");
    rig.group_attribute(&group, "stickiness.enabled", "true");
    rig.register_targets(&group, &[&one, &two]);
    sessions("one", one);
    sessions("two", two);
    let localhost = IpAddr::from([127, 0, 0, 1]);
    let port = free_port(localhost) - OFFSET;
    balancer.listen("HTTP", port, &group).await;
    let base = format!("127.0.0.1:{}", port + OFFSET);
    let output = run(Command::new(&python).args(["-c", CLIENT, &base])).await;
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "done");
    // Without the cookies a session is found by chance alone.
    rig.group_attribute(&group, "stickiness.enabled", "false");
    let output = within(Command::new(&python).args(["-c", CLIENT, &base]).output()).await.unwrap();
    assert!(!output.status.success(), "stickiness is what holds them");
}
