//! A new process takes over: listeners, WebSockets and idle connections, whatever state they are in.

use std::net::SocketAddr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::peers;
use crate::process::{OK, Running, served};
use crate::rig::{ACCEPTED, Backend, HANDSHAKE, HTTPS, Peer, field, status, within};

/// A process that is no child of the test's, ended with it.
pub(crate) struct Heir(pub(crate) i32);

impl Heir {
    /// The process that the running one says it hands over to.
    pub(crate) fn of(running: &mut Running) -> Self {
        let line = running.expect("handing over to process ");
        Self(line.trim().rsplit(' ').next().unwrap().parse().unwrap())
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}

#[tokio::test]
async fn sigusr2_hands_listeners_and_live_tunnels_to_a_new_process() {
    let backend = Backend::new().await;
    let mut running = Running::start(backend.address);
    let mut tunnels = Vec::new();
    for _ in 0..20 {
        tunnels.push(opened(running.address, &backend).await);
    }
    // Half a frame is under way, and one client has ended its sending.
    tunnels[0].0.send(b"\x81\x85\0\0\0\0he").await;
    tunnels[0].1.expect(b"\x81\x85\0\0\0\0he").await;
    tokio::io::AsyncWriteExt::shutdown(&mut tunnels[1].0.stream).await.unwrap();
    tunnels[1].1.expect_end().await;
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    for round in 0..50_u32 {
        for (client, server) in tunnels.iter_mut().skip(2) {
            client.send(round.to_be_bytes()).await;
            server.expect(round.to_be_bytes()).await;
            server.send(round.to_le_bytes()).await;
            client.expect(round.to_le_bytes()).await;
        }
        served(running.address, &backend).await;
    }
    assert_eq!(running.wait(), Some(0));
    served(running.address, &backend).await;
    tunnels[0].0.send(b"llo").await;
    tunnels[0].1.expect(b"llo").await;
    tunnels[1].1.send(b"still").await;
    tunnels[1].0.expect(b"still").await;
    for (client, server) in tunnels.iter_mut().skip(2) {
        client.send(b"after").await;
        server.expect(b"after").await;
    }
    drop(heir);
}

#[tokio::test]
async fn inherited_tunnels_count_for_their_client() {
    let backend = Backend::new().await;
    let mut running = Running::start(backend.address);
    let (address, upstream) = (running.address, backend.address);
    running.configure(&format!(
        "listen: \"{address}\"\nmax_connections_per_client: 2\n\
         routes: [{{ path: /, upstream: \"{upstream}\" }}]\n"
    ));
    running.signal(Signal::SIGHUP);
    running.expect("reloaded");
    let mut tunnels = Vec::new();
    for _ in 0..2 {
        tunnels.push(opened(address, &backend).await);
    }
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    assert_eq!(running.wait(), Some(0));
    // Both tunnels have arrived once both carry a message.
    for (client, server) in &mut tunnels {
        client.send(b"x").await;
        server.expect(b"x").await;
    }
    let mut third = Peer::to(address).await;
    third.send(format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert!(third.is_over().await);
    drop(tunnels.pop());
    backend_takes_one(address, &backend).await;
    drop(heir);
}

/// Connects until the proxy lets a connection through: it learns of an ended one in its own time.
async fn backend_takes_one(address: SocketAddr, backend: &Backend) {
    within(async {
        loop {
            let mut client = Peer::to(address).await;
            client.send(format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            tokio::select! {
                mut server = backend.accept() => {
                    server.head().await;
                    return;
                }
                over = client.is_over() => assert!(over),
            }
        }
    })
    .await;
}

/// A WebSocket through the program.
pub(crate) async fn opened(address: SocketAddr, backend: &Backend) -> (Peer, Peer) {
    let mut client = Peer::to(address).await;
    client.send(format!("{HTTPS}{HANDSHAKE}")).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(ACCEPTED).await;
    assert_eq!(status(&client.head().await), "101");
    (client, server)
}

#[tokio::test]
async fn a_tunnel_whose_peer_does_not_read_moves_with_what_waits_for_it() {
    let backend = Backend::new().await;
    let mut running = Running::start(backend.address);
    let (mut client, mut server) = opened(running.address, &backend).await;
    let (mut upwards, mut deaf) = opened(running.address, &backend).await;
    let sent: Vec<u8> =
        (0..5_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let expected = sent.clone();
    let (down, up) = (sent.clone(), sent);
    let down = tokio::spawn(async move {
        server.send(&down).await;
        server
    });
    let up = tokio::spawn(async move {
        upwards.send(&up).await;
        upwards
    });
    // Both are stuck once what the kernel and the proxy hold for the one is all that it takes.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!down.is_finished() && !up.is_finished(), "nothing held the senders back");
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    assert_eq!(running.wait(), Some(0), "the old process waits for nobody");
    assert!(client.take(expected.len()).await == expected);
    assert!(deaf.take(expected.len()).await == expected);
    let (mut server, mut upwards) = (down.await.unwrap(), up.await.unwrap());
    client.send("up").await;
    server.expect("up").await;
    deaf.send("down").await;
    upwards.expect("down").await;
    drop(heir);
}

#[tokio::test]
async fn a_kept_connection_goes_on_in_the_new_process() {
    let backend = Backend::new().await;
    // One worker, whose kept connection to the backend serves the requests in turn.
    let mut running = Running::start_with("exec \"$0\" --config proxy.yaml", backend.address, "workers: 1");
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    // One between two requests, one before its first, one that is answered only after the hand-over.
    let mut between = Peer::to(running.address).await;
    between.send(format!("{HTTPS}{get}")).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(between.answer().await.1, "ok");
    let mut fresh = Peer::to(running.address).await;
    fresh.send(HTTPS).await;
    let mut busy = Peer::to(running.address).await;
    busy.send(format!("{HTTPS}{get}")).await;
    server.head().await;
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    let mut later = Backend::accept(&backend);
    for client in [&mut between, &mut fresh] {
        client.send(get).await;
        let mut other = later.await;
        let head = other.head().await;
        assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.1"));
        other.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        let (head, body) = client.answer().await;
        assert_eq!((field(&head, "connection"), body.as_str()), (None, "ok"));
        later = backend.accept();
    }
    server.send(OK).await;
    let (head, body) = busy.answer().await;
    assert_eq!((field(&head, "connection"), body.as_str()), (None, "ok"));
    assert_eq!(running.wait(), Some(0));
    busy.send(get).await;
    let mut other = later.await;
    other.head().await;
    other.send(OK).await;
    assert_eq!(busy.answer().await.1, "ok");
    drop(heir);
}

#[tokio::test]
async fn only_the_new_process_answers_health_checks() {
    let backend = Backend::new().await;
    let health = peers::free();
    let mut running = Running::start_with(
        "exec \"$0\" --config proxy.yaml",
        backend.address,
        &format!("health: \"{health}\"\nhealth_while_draining: fail"),
    );
    // A request under way keeps the old process alive.
    let mut busy = Peer::to(running.address).await;
    busy.send(format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut server = backend.accept().await;
    server.head().await;
    running.signal(Signal::SIGUSR2);
    let heir = Heir::of(&mut running);
    for _ in 0..50 {
        let mut check = Peer::to(health).await;
        let (head, _) = check.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(status(&head), "200");
    }
    server.send(OK).await;
    busy.answer().await;
    assert_eq!(running.wait(), Some(0));
    drop(heir);
}

#[tokio::test]
async fn a_process_that_is_still_taking_over_hands_on_after_that() {
    let backend = Backend::new().await;
    let mut running = Running::start(backend.address);
    // A request under way keeps the first process alive.
    let mut busy = Peer::to(running.address).await;
    busy.send(format!("{HTTPS}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut server = backend.accept().await;
    server.head().await;
    let (mut client, mut other) = opened(running.address, &backend).await;
    running.signal(Signal::SIGUSR2);
    let second = Heir::of(&mut running);
    kill(Pid::from_raw(second.0), Signal::SIGUSR2).unwrap();
    running.expect("the process before is still handing over");
    client.send("on").await;
    other.expect("on").await;
    server.send(OK).await;
    assert_eq!(busy.answer().await.1, "ok");
    assert_eq!(running.wait(), Some(0));
    // Without being asked again.
    let third = Heir::of(&mut running);
    client.send("and on").await;
    other.expect("and on").await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(busy.answer().await.1, "ok");
    drop((second, third));
}
