//! System calls per operation, counted by strace: nearly free of noise, so the figures are held here.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::load;
use crate::peers;
use crate::process::Running;
use crate::rig::{Backend, HANDSHAKE, HTTPS, Peer, status, within};

/// Connections that are busy at the same time.
const CROWD: usize = 8;

/// Counts the system calls of a process and its threads while `work` runs.
async fn calls(strace: &Path, process: u32, work: impl Future<Output = usize>) -> Option<f64> {
    let mut tracer = Command::new(strace)
        .args(["-f", "-c", "-p", &process.to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(tracer.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    if !line.contains("attached") {
        // Forbidden, as containers and the Yama module do.
        let _ = tracer.kill();
        let _ = tracer.wait();
        return None;
    }
    let operations = work.await;
    kill(Pid::from_raw(i32::try_from(tracer.id()).unwrap()), Signal::SIGINT).unwrap();
    let mut summary = String::new();
    said.read_to_string(&mut summary).unwrap();
    tracer.wait().unwrap();
    let total = summary.lines().rev().find(|line| line.ends_with("total"));
    let total = total.map_or(0, |line| line.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap());
    Some(f64::from(total) / f64::from(u32::try_from(operations).unwrap()))
}

/// Runs the same on several connections at a time and says how many operations that were.
async fn crowd<F: Future<Output = usize> + Send + 'static>(one: impl Fn() -> F) -> usize {
    let tasks: JoinSet<usize> = (0..CROWD).map(|_| one()).collect();
    within(tasks.join_all()).await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_takes_few_system_calls() {
    let Some(strace) = peers::find("strace") else { return };
    let backend = Backend::new().await;
    let upstream = backend.address;
    let serving = tokio::spawn(load::serve(backend));
    let running =
        Running::start_by("echo 'workers: 1' >> proxy.yaml && exec \"$0\" --config proxy.yaml", upstream);
    let (address, process) = (running.address, running.process());
    if calls(&strace, process, async { 1 }).await.is_none() {
        peers::skip("strace may not trace here");
        return;
    }
    let mut found = Vec::new();
    for (name, size, target) in [("relay of 64 B", 64, 2.3), ("relay of 16 KiB", 16 * 1024, 2.5)] {
        let mut tunnels = Vec::new();
        for _ in 0..CROWD {
            let mut client = Peer::to(address).await;
            client.send(format!("{HTTPS}{HANDSHAKE}")).await;
            assert_eq!(status(&client.head().await), "101");
            tunnels.push(client);
        }
        let tunnels = std::sync::Mutex::new(tunnels);
        let echoes = crowd(|| {
            let mut client = tunnels.lock().unwrap().pop().unwrap();
            async move {
                for _ in 0..100 {
                    client.send(vec![b'x'; size]).await;
                    client.take(size).await;
                }
                // Each echo is relayed there and back.
                200
            }
        });
        found.push((name, calls(&strace, process, echoes).await.unwrap(), target));
    }
    let mut clients = Vec::new();
    for _ in 0..CROWD {
        let mut client = Peer::to(address).await;
        client.send(HTTPS).await;
        client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
    }
    let clients = std::sync::Mutex::new(clients);
    let requests = crowd(|| {
        let mut client = clients.lock().unwrap().pop().unwrap();
        async move {
            for _ in 0..100 {
                assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.1.len(), 1024);
            }
            100
        }
    });
    found.push(("keep-alive request", calls(&strace, process, requests).await.unwrap(), 4.6));
    let gets = crowd(move || async move {
        for _ in 0..25 {
            let mut client = Peer::to(address).await;
            assert_eq!(client.ask(&format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await.1.len(), 1024);
        }
        25
    });
    found.push(("connection with a GET", calls(&strace, process, gets).await.unwrap(), 12.0));
    let upgrades = crowd(move || async move {
        for _ in 0..25 {
            let mut client = Peer::to(address).await;
            client.send(format!("{HTTPS}{HANDSHAKE}")).await;
            assert_eq!(status(&client.head().await), "101");
            client.stream.shutdown().await.unwrap();
            client.expect_end().await;
        }
        25
    });
    found.push(("connection with an upgrade", calls(&strace, process, upgrades).await.unwrap(), 27.0));
    serving.abort();
    for (name, count, target) in &found {
        eprintln!("system calls per {name}: {count:.2} (at most {target})");
    }
    for (name, count, target) in found {
        assert!(count >= 1.0, "{name}: {count:.2} system calls, so they were not counted");
        assert!(count <= target, "{name}: {count:.2} system calls, at most {target}");
    }
}
