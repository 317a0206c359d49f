//! Many tunnels that talk without pause, and a backend for them: what else happens may cost them nothing.

mod changes;
mod slow_clients;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::rig::{ACCEPTED, Backend, HANDSHAKE, Peer, field, status, within};

/// Answers requests with 1 KiB (`/large` with 1 MiB), handshakes with 101 and an echo, for ever.
pub(crate) async fn serve(backend: Backend) {
    let mut peers = JoinSet::new();
    loop {
        let peer = backend.accept_whenever().await;
        peers.spawn(serve_one(peer));
        // Ended ones are not kept.
        while peers.try_join_next().is_some() {}
    }
}

async fn serve_one(mut peer: Peer) {
    while let Some(head) = peer.head_or_end().await {
        if head.to_ascii_lowercase().contains("upgrade: websocket") {
            peer.send(ACCEPTED).await;
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = peer.stream.read(&mut bytes).await {
                if peer.stream.write_all(&bytes[..count]).await.is_err() {
                    break;
                }
            }
            return;
        }
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        if peer.skip(length).await.is_none() {
            return;
        }
        let size = if head.contains(" /large ") { 1024 * 1024 } else { 1024 };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        let body = if head.starts_with("HEAD ") { String::new() } else { "x".repeat(size) };
        if peer.stream.write_all(format!("{answer}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// How long an echo took, and when it was back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Echo {
    back: Instant,
    took: Duration,
}

/// Tunnels that send message after message, each awaiting its echo and comparing every byte.
pub(crate) struct Crowd {
    tunnels: JoinSet<Vec<Echo>>,
    stop: Arc<AtomicBool>,
}

impl Crowd {
    /// Opens them one by one; each sends a message about every `pace`.
    pub(crate) async fn open(size: usize, pace: Duration, connect: impl AsyncFn() -> Peer) -> Self {
        let (mut tunnels, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for seed in 0..size {
            let mut client = connect().await;
            client.send(HANDSHAKE).await;
            assert_eq!(status(&client.head().await), "101");
            tunnels.spawn(converse(client, seed, pace, Arc::clone(&stop)));
        }
        Self { tunnels, stop }
    }

    /// Ends them all, each after its last echo; a message that was lost or changed fails the test.
    pub(crate) async fn end(self) -> Vec<Echo> {
        self.stop.store(true, Ordering::Relaxed);
        within(self.tunnels.join_all()).await.concat()
    }
}

async fn converse(mut client: Peer, seed: usize, pace: Duration, stop: Arc<AtomicBool>) -> Vec<Echo> {
    let mut echoes = Vec::new();
    let mut state = seed as u64;
    // Not all at the same moment.
    let mut next = Instant::now() + pace.mul_f64(f64::from(u32::try_from(seed % 997).unwrap()) / 997.0);
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(next.into()).await;
        let message = frame(&mut state);
        let began = Instant::now();
        client.send(&message).await;
        assert!(client.take(message.len()).await == message, "tunnel {seed} got something else back");
        let back = Instant::now();
        echoes.push(Echo { back, took: back - began });
        next = back.max(next + pace);
    }
    client.stream.shutdown().await.unwrap();
    client.expect_end().await;
    echoes
}

/// A masked binary frame of pseudo-random bytes, mostly small, some of tens of KiB.
fn frame(state: &mut u64) -> Vec<u8> {
    let mut random = move || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let length = match random() {
        0..=249 => u16::from(random()) * 4,
        250.. => u16::from(random()) * 200,
    };
    let mut bytes = vec![0x82, 0xFE];
    bytes.extend(length.to_be_bytes());
    bytes.extend((0..4 + length).map(|_| random()));
    bytes
}

/// The 99th percentile of the echoes that were back between the two moments.
fn p99(echoes: &[Echo], from: Instant, to: Instant) -> Duration {
    let window = echoes.iter().filter(|echo| echo.back > from && echo.back <= to);
    let mut took: Vec<Duration> = window.map(|echo| echo.took).collect();
    assert!(took.len() >= 500, "only {} echoes to judge by", took.len());
    took.sort_unstable();
    took[took.len() * 99 / 100]
}
