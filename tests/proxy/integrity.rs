//! Every byte of many tunnels at once, with odd sizes, readers that stall, and ends that come at different times.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::rig::{ACCEPTED, Backend, HANDSHAKE, Peer, proxy, status, until, within};

const TUNNELS: u64 = 1000;
/// How many are being opened at a time: fewer than wait for a listener without being dropped by the kernel.
const AT_ONCE: usize = 50;

/// Bytes that differ from tunnel to tunnel (a linear congruential generator), 32 KiB in the mean.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    };
    let length = usize::from(next()[0]) * usize::from(next()[0]) * 2;
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        // The lower half of such a number repeats itself soon.
        bytes.extend_from_slice(&next()[..4]);
    }
    bytes.truncate(length);
    bytes
}

/// Sends in pieces of odd sizes, then ends this half.
async fn speak(mut to: impl AsyncWrite + Unpin, seed: u64) {
    let bytes = bytes(seed);
    for piece in bytes.chunks(1 + usize::try_from(seed % 9973).unwrap()) {
        to.write_all(piece).await.unwrap();
    }
    to.shutdown().await.unwrap();
}

/// Reads to the end; every seventh stalls first.
async fn listen(mut from: impl AsyncRead + Unpin, seed: u64) {
    if seed.is_multiple_of(7) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (mut heard, said) = (Vec::new(), bytes(seed));
    let ended = tokio::time::timeout(Duration::from_mins(1), from.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "of seed {seed} came {} of {} bytes, and no end", heard.len(), said.len());
    ended.unwrap().unwrap();
    assert!(heard == said, "of seed {seed} came {} bytes instead of {}, or others", heard.len(), said.len());
}

async fn both_ways(peer: Peer, speaks: u64, hears: u64) {
    let (from, to) = peer.into_halves();
    tokio::join!(speak(to, speaks), listen(from, hears));
}

/// The client's end of a tunnel, whose number stands in its path.
async fn client(mut peer: Peer, number: u64, opening: OwnedSemaphorePermit) {
    peer.send(HANDSHAKE.replace("/ws/", &format!("/ws/{number}/"))).await;
    assert_eq!(status(&peer.head().await), "101");
    drop(opening);
    both_ways(peer, number, number + TUNNELS).await;
}

async fn server(mut peer: Peer) {
    let head = peer.head().await;
    let number = head.split('/').nth(2).unwrap().parse::<u64>().unwrap();
    peer.send(ACCEPTED).await;
    both_ways(peer, number + TUNNELS, number).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tunnels_carry_every_byte() {
    let backend = Backend::new().await;
    let proxy = proxy("connect_timeout: 1m", &[("/", backend.address)]);
    let mut ends = JoinSet::new();
    ends.spawn(async move {
        let mut ends = JoinSet::new();
        for _ in 0..TUNNELS {
            ends.spawn(server(backend.accept().await));
        }
        ends.join_all().await;
    });
    let opening = Arc::new(Semaphore::new(AT_ONCE));
    for number in 0..TUNNELS {
        let place = within(Arc::clone(&opening).acquire_owned()).await.unwrap();
        ends.spawn(client(Peer::https(&proxy).await, number, place));
    }
    while let Some(end) = within(ends.join_next()).await {
        end.unwrap();
    }
    until(|| proxy.totals().open_connections() == 0).await;
    assert_eq!(proxy.totals().open_tunnels(), 0);
}
