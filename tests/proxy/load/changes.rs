//! Reloads, hand-overs and a drain while hundreds of tunnels talk and requests come without pause: nothing is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinSet;

use super::{Crowd, serve};
use crate::handover::Heir;
use crate::process::Running;
use crate::rig::{Backend, HTTPS, Peer, status, within};

const TUNNELS: usize = 500;
const PACE: Duration = Duration::from_millis(100);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// Clients that ask on one connection for ever, and ones that connect for each request.
const ASKING: [bool; 6] = [true, true, true, false, false, false];

/// Requests that follow one another until told otherwise; each must be answered.
struct Requests {
    clients: JoinSet<()>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Requests {
    fn begin(address: SocketAddr) -> Self {
        let (mut clients, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        let answered = Arc::new(AtomicUsize::new(0));
        for kept in ASKING {
            clients.spawn(ask(address, kept, Arc::clone(&stop), Arc::clone(&answered)));
        }
        Self { clients, stop, answered }
    }

    /// Waits until so many more were answered.
    async fn go_on(&self, more: usize) {
        let target = self.answered.load(Ordering::Relaxed) + more;
        crate::rig::until(|| self.answered.load(Ordering::Relaxed) >= target).await;
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        within(self.clients.join_all()).await;
        self.answered.load(Ordering::Relaxed)
    }
}

async fn ask(address: SocketAddr, kept: bool, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    let mut client: Option<Peer> = None;
    while !stop.load(Ordering::Relaxed) {
        let mut asking = if let Some(kept) = client.take() {
            kept
        } else {
            let mut fresh = Peer::to(address).await;
            fresh.send(HTTPS).await;
            fresh
        };
        let (head, body) = asking.ask(GET).await;
        assert_eq!((status(&head), body.len()), ("200", 1024));
        answered.fetch_add(1, Ordering::Relaxed);
        client = kept.then_some(asking);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_handovers_and_a_drain_under_load_lose_nothing() {
    let backend = Backend::new().await;
    let upstream = backend.address;
    let serving = tokio::spawn(serve(backend));
    let mut running = Running::start(upstream);
    let address = running.address;
    let crowd = Crowd::open(TUNNELS, PACE, || async {
        let mut client = Peer::to(address).await;
        client.send(HTTPS).await;
        client
    })
    .await;
    let requests = Requests::begin(address);
    for _ in 0..3 {
        requests.go_on(50).await;
        running.signal(Signal::SIGHUP);
        running.expect("reloaded");
    }
    requests.go_on(50).await;
    running.signal(Signal::SIGUSR2);
    let first = Heir::of(&mut running);
    assert_eq!(running.wait(), Some(0), "the old process ends once everything has moved");
    requests.go_on(50).await;
    // And again, to a third process; it writes to the same place.
    kill(Pid::from_raw(first.0), Signal::SIGUSR2).unwrap();
    let second = Heir::of(&mut running);
    requests.go_on(50).await;
    kill(Pid::from_raw(second.0), Signal::SIGHUP).unwrap();
    running.expect("reloaded");
    let answered = requests.end().await;
    // The tunnels talk on through the drain, for as long as they like.
    kill(Pid::from_raw(second.0), Signal::SIGTERM).unwrap();
    running.expect("draining");
    tokio::time::sleep(PACE * 5).await;
    let echoes = crowd.end().await;
    serving.abort();
    assert!(echoes.len() >= TUNNELS * 5, "only {} messages", echoes.len());
    eprintln!("{} messages through {TUNNELS} tunnels, {answered} requests: all answered", echoes.len());
    drop((first, second));
}
