//! slowhttptest's four modes at once, while tunnels talk: nobody waits for the slow ones, and they hold little.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Crowd, p99, serve};
use crate::peers;
use crate::process::Running;
use crate::rig::{Backend, Peer};

const TUNNELS: usize = 1000;
/// Ones that go to the backend at once.
const DIRECT: usize = 200;
const PACE: Duration = Duration::from_millis(500);
/// How long the quiet before and after is looked at.
const QUIET: Duration = Duration::from_secs(3);
/// Connections of each mode.
const ATTACKERS: u64 = 200;
/// Bytes that a slow connection may hold in the mean over the four modes; only slow reading fills a buffer.
const HELD: u64 = 32 * 1024;
/// How long they attack at least.
const ATTACK: Duration = Duration::from_secs(8);
/// How long they may take for all of it, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(2);

/// Each mode, as slowhttptest's manual page recommends it; `{}` is the URL.
const MODES: [&str; 4] = [
    "-H -i 1 -x 24 -t GET -u {}/",
    "-B -i 1 -s 8192 -x 10 -t POST -u {}/",
    "-X -w 512 -y 1024 -n 1 -z 32 -k 3 -u {}/large",
    "-R -t GET -a 10 -b 3000 -u {}/",
];

/// A running slowhttptest, ended with the test.
struct Attack(Child);

impl Drop for Attack {
    fn drop(&mut self) {
        // It may have ended by itself, with every connection closed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn attack(binary: &Path, mode: &str, at: SocketAddr) -> Attack {
    let url = format!("http://{at}");
    let attackers = ATTACKERS.to_string();
    let mut command = Command::new(binary);
    command
        .args(["-c", &attackers, "-r", "50", "-l", &PATIENCE.as_secs().to_string(), "-p", "2"])
        .args(mode.replace("{}", &url).split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Attack(command.spawn().unwrap())
}

/// Resident bytes of a process.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// One of the proxy's figures.
async fn figure(metrics: SocketAddr, name: &str) -> u64 {
    let (_, text) = Peer::to(metrics).await.ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_cost_the_tunnels_nothing() {
    let Some(slowhttptest) = peers::find("slowhttptest") else { return };
    let backend = Backend::new().await;
    let upstream = backend.address;
    let serving = tokio::spawn(serve(backend));
    let metrics = peers::free();
    let running = Running::start_with(
        "exec \"$0\" --config proxy.yaml",
        upstream,
        &format!("accept: off\nheader_timeout: 3s\nrequest_timeout: 3s\nmetrics: \"{metrics}\""),
    );
    let address = running.address;
    let crowd = Crowd::open(TUNNELS, PACE, || Peer::to(address)).await;
    // What this machine is up to at the same moment slows these as well; they do not go through the proxy.
    let direct = Crowd::open(DIRECT, PACE, || Peer::to(upstream)).await;
    tokio::time::sleep(PACE).await;
    let began = Instant::now();
    tokio::time::sleep(QUIET).await;
    let (attacked, held_before) = (Instant::now(), resident(running.process()));
    let accepted_before = figure(metrics, "elbws_proxy_connections_total ").await;
    let attacks = MODES.map(|mode| attack(&slowhttptest, mode, address));
    let (mut most, mut accepted, mut refused) = (0, 0, 0);
    // The attack is over once the proxy has met all of it, however slowly this machine lets the attackers connect.
    while attacked.elapsed() < ATTACK || accepted < ATTACKERS * 4 || refused < ATTACKERS {
        tokio::time::sleep(Duration::from_millis(100)).await;
        most = most.max(resident(running.process()));
        accepted = figure(metrics, "elbws_proxy_connections_total ").await - accepted_before;
        refused = figure(metrics, "elbws_proxy_rejects_total{cause=\"request_timeout\"} ").await;
        let given_up = attacked.elapsed() > PATIENCE;
        assert!(!given_up, "only {accepted} connections were made, {refused} slow requests refused");
    }
    let over = Instant::now();
    drop(attacks);
    tokio::time::sleep(QUIET).await;
    let end = Instant::now();
    // A message that was lost fails in here.
    let (echoes, direct) = (crowd.end().await, direct.end().await);
    serving.abort();
    let quiet = p99(&echoes, began, attacked).max(p99(&echoes, over, end));
    let busy = p99(&echoes, attacked, over);
    let direct = p99(&direct, attacked, over);
    let held = most.saturating_sub(held_before);
    eprintln!(
        "p99 of an echo: {quiet:?} in quiet, {busy:?} under attack, {direct:?} past the proxy; {accepted} slow connections held at most \
         {held} bytes; {refused} refused"
    );
    assert!(
        busy <= quiet.max(direct) * 20,
        "p99: {busy:?} under attack, {quiet:?} in quiet, {direct:?} direct"
    );
    assert!(held <= ATTACKERS * 4 * HELD, "{held} bytes for {accepted} slow connections");
}
