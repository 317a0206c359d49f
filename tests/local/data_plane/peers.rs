//! Programs of others on either side: HAProxy and OpenSSL agree with what load balancers send.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::rig::{Instance, OFFSET, Rig, eventually, free_port, line, within};

/// The program's path; without it the test is skipped, unless `ELBWS_REQUIRE_PEERS=1` makes that a failure.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "{name} is not installed"
        );
        let _ = writeln!(std::io::stdout(), "skipped: {name} is not installed");
    }
    found
}

/// A program that ends with the test.
pub(super) struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts HAProxy with a configuration, and waits until it listens there.
pub(super) async fn haproxy(binary: &Path, folder: &Path, frontend: &str, listens: SocketAddr) -> Program {
    let path = folder.join("haproxy.cfg");
    let defaults = "defaults\n  timeout connect 10s\n  timeout client 10s\n  timeout server 10s\n";
    std::fs::write(&path, format!("{defaults}{frontend}")).unwrap();
    let mut command = Command::new(binary);
    command.arg("-db").arg("-q").arg("-f").arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
    let mut program = Program(command.spawn().unwrap());
    eventually(|| {
        assert!(program.0.try_wait().unwrap().is_none(), "HAProxy ended");
        std::net::TcpStream::connect(listens).ok().map(drop)
    })
    .await;
    program
}

fn header(from: SocketAddr, to: SocketAddr) -> String {
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port())
}

/// Waits for the connection that begins with just this header. Those that found HAProxy listening come too.
async fn expect(instance: &Instance, header: &str) {
    let mut others = Vec::new();
    let matched = async {
        loop {
            let begun = line(&mut instance.accept().await).await;
            if begun == header {
                return;
            }
            others.push(begun);
        }
    };
    let matched = tokio::time::timeout(Duration::from_secs(5), matched).await;
    assert!(matched.is_ok(), "{header:?} is not among {others:?}");
}

#[tokio::test]
async fn haproxy_sends_the_same_header_and_reads_ours() {
    let Some(binary) = find("haproxy") else { return };
    let rig = Rig::start();
    let instance = rig.launch().await;
    let port = free_port([127, 0, 0, 1].into()) - OFFSET;
    rig.create("TCP/TCP", port, &[&instance]).await;
    rig.enable_proxy_protocol(instance.port());
    let addresses = rig.addresses(port);
    assert!(addresses.len() >= 2, "{addresses:?}");
    let at = instance.listener.local_addr().unwrap();

    // What it sends, in each family that load balancers listen in here.
    for address in &addresses {
        let own = SocketAddr::new(address.ip(), free_port(address.ip()));
        let folder = tempfile::tempdir().unwrap();
        let relay = format!("listen relay\n  mode tcp\n  bind {own}\n  server app {at} send-proxy\n");
        let _haproxy = haproxy(&binary, folder.path(), &relay, own).await;
        let theirs = TcpStream::connect(own).await.unwrap();
        expect(&instance, &header(theirs.local_addr().unwrap(), own)).await;
        let ours = TcpStream::connect(address).await.unwrap();
        let nominal = SocketAddr::new(address.ip(), port);
        expect(&instance, &header(ours.local_addr().unwrap(), nominal)).await;
    }

    // What it reads, in the instance's place.
    drop(instance);
    let folder = tempfile::tempdir().unwrap();
    let application = format!(
        "frontend app\n  mode http\n  bind {at} accept-proxy\n  http-request return status 200 content-type text/plain \
         lf-string \"%[src] %[src_port] %[dst] %[dst_port]\\n\"\n"
    );
    let _haproxy = haproxy(&binary, folder.path(), &application, at).await;
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

#[tokio::test]
async fn openssl_trusts_the_authority_and_its_address_arrives() {
    let Some(binary) = find("openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::with(elbws::local::Config {
        assume_healthy: true,
        state_dir: Some(folder.path().to_owned()),
        ..elbws::local::Config::default()
    });
    let authority = folder.path().join("ca.pem");
    assert!(authority.is_file(), "there from the start");
    let instance = rig.launch().await;
    let arn = rig.certificate("chat.example.com");
    let port = free_port([127, 0, 0, 1].into()) - OFFSET;
    rig.create(&format!("SSL/TCP/{arn}"), port, &[&instance]).await;
    rig.enable_proxy_protocol(instance.port());
    let addresses = rig.addresses(port);
    assert!(addresses.len() >= 2, "{addresses:?}");
    for address in addresses {
        let localhost: IpAddr =
            if address.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() };
        let from = SocketAddr::new(localhost, free_port(localhost));
        let mut client = Program(
            Command::new(&binary)
                .args(["s_client", "-quiet", "-verify_return_error", "-servername", "chat.example.com"])
                .args(["-verify_hostname", "chat.example.com", "-connect", &address.to_string()])
                .args(["-bind", &from.to_string(), "-CAfile"])
                .arg(&authority)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let mut served = instance.accept().await;
        assert_eq!(line(&mut served).await, header(from, SocketAddr::new(address.ip(), port)));
        client.0.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
        assert_eq!(line(&mut served).await, "hello\n");
    }
}

#[tokio::test]
async fn curl_resolves_the_dns_name_and_reaches_the_load_balancer() {
    let Some(binary) = find("curl") else { return };
    let rig = Rig::start();
    let instance = rig.launch().await;
    let port = free_port([127, 0, 0, 1].into()) - OFFSET;
    rig.create("HTTP/HTTP", port, &[&instance]).await;
    let balancers = rig.server.admin("GET", "/_elbws/load-balancers", "").json();
    let url = format!("http://{}:{}/", balancers[0]["dns_name"].as_str().unwrap(), port + OFFSET);
    let answering = async {
        let mut served = instance.accept().await;
        let mut asked = line(&mut served).await;
        while !asked.ends_with("\r\n\r\n") {
            asked.push_str(&line(&mut served).await);
        }
        served.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
        asked
    };
    let asking = tokio::process::Command::new(binary).args(["-sS", "--noproxy", "*", &url]).output();
    let (asked, output) = tokio::join!(answering, within(asking));
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), "hi");
    assert!(asked.starts_with("GET / HTTP/1.1\r\n") && asked.contains("X-Forwarded-For: "), "{asked}");
}
