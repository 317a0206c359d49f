//! Every byte of many tunnels at once, with odd sizes, readers that stall, and ends that come at different times.

use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::rig::{ACCEPTED, Backend, HANDSHAKE, Peer, proxy, status, until, within};

const TUNNELS: u64 = 1000;

/// Bytes that differ from tunnel to tunnel (a linear congruential generator).
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let length = usize::from(next()) * usize::from(next()) * 2;
    (0..length).map(|_| next()).collect()
}

fn checksum(bytes: &[u8]) -> (usize, u64) {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    (bytes.len(), hasher.finish())
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
    let mut heard = Vec::new();
    from.read_to_end(&mut heard).await.unwrap();
    assert_eq!(checksum(&heard), checksum(&bytes(seed)), "of seed {seed}");
}

async fn both_ways(peer: Peer, speaks: u64, hears: u64) {
    let (from, to) = peer.stream.into_split();
    tokio::join!(speak(to, speaks), listen(from, hears));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tunnels_carry_every_byte() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let mut ends = Vec::new();
    for at in 0..TUNNELS {
        let mut client = Peer::https(&proxy).await;
        client.send(HANDSHAKE).await;
        let mut server = backend.accept().await;
        server.head().await;
        server.send(ACCEPTED).await;
        assert_eq!(status(&client.head().await), "101");
        ends.push(tokio::spawn(both_ways(client, at, at + TUNNELS)));
        ends.push(tokio::spawn(both_ways(server, at + TUNNELS, at)));
    }
    for end in ends {
        within(end).await.unwrap();
    }
    until(|| proxy.totals().open_connections() == 0).await;
}
