//! Tunnels over real sockets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Limits, Registry};
use super::*;

const LIMITS: Limits = Limits { idle: 10, ping: None, ping_backend: false };

/// The far ends of a running tunnel, and what it returns.
struct Ends {
    client: TcpStream,
    backend: TcpStream,
    registry: Arc<Registry>,
    ended: tokio::task::JoinHandle<Ended>,
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (far, near) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (far.unwrap(), near.unwrap().0)
}

async fn tunnel() -> Ends {
    let ((client, near_client), (backend, near_backend)) = (pair().await, pair().await);
    let registry = Arc::new(Registry::default());
    let relay = Relay::new(near_client, near_backend, Vec::new(), Vec::new(), registry.register());
    Ends { client, backend, registry, ended: tokio::spawn(relay) }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("within 10 s")
}

#[tokio::test]
async fn half_close_is_relayed_and_the_other_half_still_works() {
    let mut ends = tunnel().await;
    ends.client.write_all(b"last words").await.unwrap();
    ends.client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    within(ends.backend.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"last words");
    ends.backend.write_all(b"answer").await.unwrap();
    drop(ends.backend);
    let mut answer = Vec::new();
    within(ends.client.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"answer");
    let ended = within(ends.ended).await.unwrap();
    assert_eq!((ended.by, ended.how, ended.up, ended.down), (Side::Client, "closed", 10, 6));
}

#[tokio::test]
async fn rst_is_relayed_both_ways() {
    let mut ends = tunnel().await;
    ends.client.abort();
    drop(ends.client);
    let error = within(ends.backend.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(within(ends.ended).await.unwrap().by, Side::Client);
    let mut ends = tunnel().await;
    ends.backend.abort();
    drop(ends.backend);
    let error = within(ends.client.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn megabytes_pass_a_slow_reader_unchanged() {
    let Ends { mut client, mut backend, ended, .. } = tunnel().await;
    let sent: Vec<u8> =
        (0..4_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        backend.write_all(&sent).await.unwrap();
        backend.shutdown().await.unwrap();
        backend
    });
    let mut heard = Vec::new();
    let mut piece = [0; 1500];
    loop {
        let count = within(client.read(&mut piece)).await.unwrap();
        if count == 0 {
            break;
        }
        heard.extend_from_slice(&piece[..count]);
    }
    assert!(heard == expected);
    drop((client, within(writer).await.unwrap()));
    assert_eq!(within(ended).await.unwrap().down, 4_000_000);
}

#[tokio::test]
async fn a_long_message_passes_a_stalling_reader_unchanged_and_its_end_is_known() {
    let Ends { mut client, mut backend, registry, ended } = tunnel().await;
    let payload: Vec<u8> =
        (0..3_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let header = [&[0x82, 127][..], &(payload.len() as u64).to_be_bytes()].concat();
    let expected = [&header[..], &payload, b"\x88\x02\x03\xE9"].concat();
    let message = [header, payload].concat();
    let writer = tokio::spawn(async move {
        backend.write_all(&message).await.unwrap();
        backend
    });
    let (mut heard, mut piece) = (Vec::new(), vec![0; 100_000]);
    while heard.len() < expected.len() - 4 {
        // Nobody reads for so long that everything between is full, again and again.
        tokio::task::yield_now().await;
        let count = within(client.read(&mut piece)).await.unwrap();
        assert!(count > 0, "the end came early");
        heard.extend_from_slice(&piece[..count]);
    }
    let backend = within(writer).await.unwrap();
    registry.go_away(1.0);
    within(client.read_to_end(&mut heard)).await.unwrap();
    assert!(heard == expected);
    drop((client, backend));
    assert_eq!(within(ended).await.unwrap().down, 3_000_010);
}

#[tokio::test]
async fn goodbye_waits_for_the_frame_to_end() {
    let mut ends = tunnel().await;
    // A text frame of five bytes, of which two are still missing.
    ends.backend.write_all(b"\x81\x05hel").await.unwrap();
    let mut heard = [0; 5];
    within(ends.client.read_exact(&mut heard)).await.unwrap();
    ends.registry.go_away(1.0);
    let mut masked = [0; 8];
    within(ends.backend.read_exact(&mut masked)).await.unwrap();
    assert_eq!([masked[6] ^ masked[2], masked[7] ^ masked[3]], GOING_AWAY);
    ends.backend.write_all(b"lo\x81\x03abc").await.unwrap();
    drop(ends.backend);
    let mut rest = Vec::new();
    within(ends.client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"lo\x88\x02\x03\xE9");
    drop(ends.client);
    let ended = within(ends.ended).await.unwrap();
    assert_eq!((ended.by, ended.how), (Side::Proxy, "drain"));
}

#[tokio::test]
async fn a_silent_tunnel_is_ended_when_the_clock_passes_its_limit() {
    let mut ends = tunnel().await;
    ends.registry.advance(9, LIMITS);
    ends.client.write_all(b"x").await.unwrap();
    assert_eq!(within(ends.backend.read_u8()).await.unwrap(), b'x');
    ends.registry.advance(18, LIMITS);
    assert!(!ends.ended.is_finished());
    ends.registry.advance(19, LIMITS);
    assert_eq!(within(ends.ended).await.unwrap().how, "idle");
    assert!(ends.registry.is_empty());
}

#[tokio::test]
async fn pings_keep_a_silent_tunnel_and_their_pongs_stay_here() {
    let mut ends = tunnel().await;
    let limits = Limits { idle: 10, ping: Some(4), ping_backend: true };
    ends.registry.advance(4, limits);
    let (mut ping, mut masked) = ([0; 10], [0; 14]);
    within(ends.client.read_exact(&mut ping)).await.unwrap();
    within(ends.backend.read_exact(&mut masked)).await.unwrap();
    assert_eq!((ping[..2].to_vec(), masked[..2].to_vec()), (vec![0x89, 0x08], vec![0x89, 0x88]));
    // The pong, masked with zeros, and a text frame right behind it; in three pieces.
    let answer = [&[0x8A, 0x88, 0, 0, 0, 0][..], &ping[2..], b"\x81\x82\0\0\0\0hi"].concat();
    for piece in answer.chunks(7) {
        ends.client.write_all(piece).await.unwrap();
    }
    let mut heard = [0; 8];
    within(ends.backend.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"\x81\x82\0\0\0\0hi");
    ends.registry.advance(13, limits);
    assert!(!ends.ended.is_finished());
    drop((ends.client, ends.backend));
    let ended = within(ends.ended).await.unwrap();
    assert_eq!((ended.up, ended.down), (8, 0));
}

#[tokio::test]
async fn the_first_close_frame_says_who_closed_and_why() {
    let going_away = b"\x88\x82\0\0\0\0\x03\xE9";
    let internal_error = b"\x88\x02\x03\xF3";
    let mut ends = tunnel().await;
    ends.client.write_all(going_away).await.unwrap();
    let mut heard = [0; 8];
    within(ends.backend.read_exact(&mut heard)).await.unwrap();
    // A server answers with a code of its own, and is the first to hang up.
    ends.backend.write_all(b"\x88\x02\x03\xE8").await.unwrap();
    ends.backend.shutdown().await.unwrap();
    within(ends.client.read_to_end(&mut Vec::new())).await.unwrap();
    drop((ends.client, ends.backend));
    let ended = within(ends.ended).await.unwrap();
    assert_eq!((ended.by, ended.how, ended.close_code), (Side::Client, "closed", Some(1001)));
    let mut ends = tunnel().await;
    ends.backend.write_all(internal_error).await.unwrap();
    let mut heard = [0; 4];
    within(ends.client.read_exact(&mut heard)).await.unwrap();
    ends.client.write_all(going_away).await.unwrap();
    ends.client.shutdown().await.unwrap();
    within(ends.backend.read_to_end(&mut Vec::new())).await.unwrap();
    drop((ends.client, ends.backend));
    let ended = within(ends.ended).await.unwrap();
    assert_eq!((ended.by, ended.how, ended.close_code), (Side::Backend, "closed", Some(1011)));
}
