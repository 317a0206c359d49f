//! Many tunnels at rest, and tunnels whose client does not read: what they cost the proxy, and that nothing is lost.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::clients::{Client, header};
use super::process;

/// After what time memory is looked at.
const SETTLED: Duration = Duration::from_secs(5);
/// For how long the processor time of stalled tunnels is watched.
const WATCHED: Duration = Duration::from_secs(2);
/// Bytes of each message towards a client that does not read, and their number.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 1024;

/// Opens `count` tunnels, sends a message of `size` bytes on each, and closes them.
pub(crate) async fn idle(
    address: SocketAddr,
    pids: &[u32],
    count: usize,
    size: usize,
) -> anyhow::Result<Value> {
    let anonymous = || process::memory(pids, "RssAnon");
    let resident = || process::memory(pids, "VmRSS");
    let start = (anonymous()?, resident()?);
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let mut opening = JoinSet::new();
        for _ in clients.len()..count.min(clients.len() + 64) {
            opening.spawn(Client::tunnel(address));
        }
        while let Some(client) = opening.join_next().await {
            clients.push(client??);
        }
    }
    sleep(SETTLED / 5).await;
    let open = (anonymous()?, resident()?);
    let mut lost = 0;
    for some in clients.chunks_mut(64) {
        for client in some {
            lost += usize::from(!matches!(timeout(SETTLED, client.echo(size, b'i')).await, Ok(Ok(()))));
            client.forget();
        }
    }
    sleep(SETTLED).await;
    let used = (anonymous()?, resident()?);
    clients.clear();
    sleep(SETTLED).await;
    let closed = (anonymous()?, resident()?);
    let per_tunnel = |now: u64| now.saturating_sub(start.0) / (count.max(1) as u64);
    Ok(json!({
        "tunnels": count,
        "lost": lost,
        "bytes_per_tunnel_fresh": per_tunnel(open.0),
        "bytes_per_tunnel_used": per_tunnel(used.0),
        "rss_start": start.1, "rss_open": open.1, "rss_used": used.1, "rss_closed": closed.1,
        "anonymous_start": start.0, "anonymous_closed": closed.0,
    }))
}

/// Opens `count` tunnels whose clients send much and read nothing; prints a line once they are stuck, waits for one
/// on standard input, then reads everything.
pub(crate) async fn stall(address: SocketAddr, pids: &[u32], count: usize) -> anyhow::Result<Value> {
    let before = process::memory(pids, "RssAnon")?;
    let mut tasks = JoinSet::new();
    let (sender, read) = tokio::sync::watch::channel(false);
    for _ in 0..count {
        let client = Client::tunnel(address).await?;
        let mut read = read.clone();
        tasks.spawn(async move {
            let (mut input, mut output) = client.stream.into_split();
            let writing = tokio::spawn(async move {
                let mut message = Vec::new();
                header(&mut message, PIECE, true);
                message.resize(message.len() + PIECE, b's');
                for _ in 0..PIECES {
                    output.write_all(&message).await?;
                }
                std::io::Result::Ok(output)
            });
            read.wait_for(|read| *read).await?;
            let (mut left, mut buffer) = (PIECES * (PIECE + 10), vec![0; PIECE]);
            while left > 0 {
                let count = input.read(&mut buffer).await?;
                ensure!(count > 0, "the proxy hung up");
                left -= count.min(left);
            }
            writing.await??;
            anyhow::Ok(())
        });
    }
    sleep(SETTLED).await;
    let user = process::memory(pids, "RssAnon")?.saturating_sub(before) / (count.max(1) as u64);
    let spent = process::nanoseconds(pids)?;
    sleep(WATCHED).await;
    let spent = process::nanoseconds(pids)? - spent;
    std::io::Write::write_all(&mut std::io::stdout(), b"stuck\n")?;
    let _ = tokio::io::stdin().read_u8().await;
    sender.send_replace(true);
    let mut lost = 0;
    while let Some(task) = tasks.join_next().await {
        lost += usize::from(task?.is_err());
    }
    Ok(json!({
        "tunnels": count,
        "lost": lost,
        "user_bytes": user,
        "cpu_ns_per_second": spent / WATCHED.as_secs(),
        "bytes_each_way": PIECES * PIECE,
    }))
}
