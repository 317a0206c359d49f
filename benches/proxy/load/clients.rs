//! Clients that do one kind of operation again and again, and what the proxy spent meanwhile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::process;

/// Bytes of an answer's body.
pub(crate) const BODY: usize = 1024;
const PROXY: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HANDSHAKE: &[u8] = b"GET /ws/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// What is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message there and back through a tunnel.
    Echo(usize),
    /// A request on a kept connection.
    Get,
    /// A new connection with one request.
    ConnectGet,
    /// A new connection with one handshake.
    ConnectUpgrade,
}

impl Kind {
    pub(crate) fn named(name: &str, size: usize) -> Option<Self> {
        Some(match name {
            "echo" => Self::Echo(size),
            "get" => Self::Get,
            "connect-get" => Self::ConnectGet,
            "connect-upgrade" => Self::ConnectUpgrade,
            _ => return None,
        })
    }
}

/// One connection to the proxy.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Client {
    async fn open(address: SocketAddr, first: &[u8]) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&[PROXY, first].concat()).await?;
        Ok(Self { stream, input: Vec::with_capacity(4096), output: Vec::new() })
    }

    /// A connection that has had one answer.
    pub(crate) async fn get(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = Self::open(address, GET).await?;
        client.answer().await?;
        Ok(client)
    }

    /// An open tunnel.
    pub(crate) async fn tunnel(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = Self::open(address, HANDSHAKE).await?;
        let head = client.head().await?;
        ensure!(client.input.starts_with(b"HTTP/1.1 101 "), "no tunnel: {}", client.input.escape_ascii());
        client.input.drain(..head);
        ensure!(client.input.is_empty(), "more than a handshake");
        client.input = Vec::new();
        Ok(client)
    }

    async fn head(&mut self) -> anyhow::Result<usize> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.input, b"\r\n\r\n") {
                return Ok(end + 4);
            }
            ensure!(self.stream.read_buf(&mut self.input).await? > 0, "the proxy hung up");
        }
    }

    async fn answer(&mut self) -> anyhow::Result<()> {
        let whole = self.head().await? + BODY;
        ensure!(self.input.starts_with(b"HTTP/1.1 200 "), "no 200");
        while self.input.len() < whole {
            ensure!(self.stream.read_buf(&mut self.input).await? > 0, "the proxy hung up");
        }
        self.input.clear();
        Ok(())
    }

    async fn request(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(GET).await?;
        self.answer().await
    }

    /// Sends a message and reads until it is back.
    pub(crate) async fn echo(&mut self, size: usize, fill: u8) -> anyhow::Result<()> {
        self.output.clear();
        header(&mut self.output, size, true);
        self.output.resize(self.output.len() + size, fill);
        self.stream.write_all(&self.output).await?;
        let mut whole = usize::MAX;
        self.input.clear();
        while self.input.len() < whole {
            self.input.reserve(64 * 1024);
            ensure!(self.stream.read_buf(&mut self.input).await? > 0, "the proxy hung up");
            if let Some((head, payload)) = frame_length(&self.input) {
                whole = head + payload;
            }
        }
        let back = self.input.get(whole - size..).context("too short")?;
        ensure!(
            back.len() == size && back.first() == Some(&fill) && back.last() == Some(&fill),
            "another message"
        );
        Ok(())
    }

    /// Gives back the memory of the last message.
    pub(crate) fn forget(&mut self) {
        (self.input, self.output) = (Vec::new(), Vec::new());
    }
}

/// Appends the header of a binary frame.
pub(crate) fn header(out: &mut Vec<u8>, size: usize, masked: bool) {
    let mask = if masked { 0x80 } else { 0 };
    out.push(0x82);
    match (u16::try_from(size), u8::try_from(size)) {
        (_, Ok(short @ 0..=125)) => out.push(mask + short),
        (Ok(medium), _) => {
            out.push(mask + 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        (Err(_), _) => {
            out.push(mask + 127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend_from_slice(&[1, 2, 3, 4]);
    }
}

/// The lengths of the header and of the payload of the frame that `input` begins with.
pub(crate) fn frame_length(input: &[u8]) -> Option<(usize, usize)> {
    let [_, second, rest @ ..] = input else { return None };
    let (extended, payload) = match second & 0x7F {
        126 => (2, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
        short => (0, usize::from(short)),
    };
    Some((2 + extended + if second & 0x80 == 0 { 0 } else { 4 }, payload))
}

/// Does `kind` on `crowd` connections for `span`; figures of the operations, and the processor time of `pids`.
pub(crate) async fn measure(
    address: SocketAddr,
    pids: &[u32],
    crowd: usize,
    span: Duration,
    kind: Kind,
) -> anyhow::Result<Value> {
    let mut clients = Vec::new();
    for _ in 0..crowd {
        clients.push(match kind {
            Kind::Echo(size) => {
                let mut client = Client::tunnel(address).await?;
                client.echo(size, b'a').await?;
                Some(client)
            }
            Kind::Get => Some(Client::get(address).await?),
            Kind::ConnectGet | Kind::ConnectUpgrade => None,
        });
    }
    let (before, began) = (process::nanoseconds(pids)?, Instant::now());
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(repeat(client, address, kind, began + span));
    }
    let mut took = Vec::new();
    while let Some(task) = tasks.join_next().await {
        took.append(&mut task??);
    }
    let (spent, seconds) = (process::nanoseconds(pids)? - before, began.elapsed().as_secs_f64());
    took.sort_unstable();
    let operations = u32::try_from(took.len())?;
    let at = |share: usize| {
        took.get((took.len() * share / 100).min(took.len() - 1)).map(|one| u64::try_from(one.as_micros()))
    };
    #[expect(clippy::cast_precision_loss, reason = "a second has 1e9 of them, a double holds 9e15")]
    let cpu = spent as f64 / 1000.0 / f64::from(operations);
    Ok(json!({
        "operations": operations,
        "cpu_us": cpu,
        "per_second": f64::from(operations) / seconds,
        "p50_us": at(50).transpose()?,
        "p99_us": at(99).transpose()?,
    }))
}

async fn repeat(
    client: Option<Client>,
    address: SocketAddr,
    kind: Kind,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let (mut client, mut took) = (client, Vec::new());
    let mut began = Instant::now();
    while began < end {
        match (kind, &mut client) {
            (Kind::Echo(size), Some(client)) => client.echo(size, b'e').await?,
            (Kind::Get, Some(client)) => client.request().await?,
            (Kind::ConnectUpgrade, _) => drop(Client::tunnel(address).await?),
            (_, _) => drop(Client::get(address).await?),
        }
        let now = Instant::now();
        took.push(now - began);
        began = now;
    }
    Ok(took)
}
