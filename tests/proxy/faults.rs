//! Peers that break off midway, and a program that runs out of descriptors.

use tokio::io::AsyncWriteExt as _;

use crate::load;
use crate::peers;
use crate::process::{Running, served};
use crate::rig::{ACCEPTED, Backend, HANDSHAKE, HTTPS, Peer, proxy, status, tunnel, until, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn an_answer_that_a_backends_reset_cuts_is_never_taken_for_the_whole() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    for begun in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        // Ended by the connection's end, which a reset is not.
        "HTTP/1.1 200 OK\r\n\r\nhalf",
    ] {
        let mut client = Peer::https(&proxy).await;
        client.send(GET).await;
        let mut server = backend.accept().await;
        server.head().await;
        server.send(begun).await;
        assert_eq!(status(&client.head().await), "200");
        server.reset();
        client.expect_reset().await;
    }
    until(|| proxy.totals().open_connections() == 0).await;
}

#[tokio::test]
async fn a_backend_that_resets_during_an_upload_is_a_502() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    for method in ["POST", "PUT"] {
        let mut client = Peer::https(&proxy).await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbegin")).await;
        let mut server = backend.accept().await;
        server.head().await;
        server.expect("begin").await;
        server.reset();
        assert_eq!(status(&client.head().await), "502", "{method}");
    }
}

#[tokio::test]
async fn an_upload_whose_client_vanishes_never_looks_whole() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    for framing in ["Content-Length: 100\r\n\r\nbegin", "Transfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"] {
        let mut client = Peer::https(&proxy).await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        let mut server = backend.accept().await;
        server.head().await;
        let begun = if framing.starts_with('C') { "begin" } else { "5\r\nbegin\r\n" };
        server.expect(begun).await;
        client.reset();
        // It ends before the body does; no last chunk is made up for it.
        server.expect_end().await;
    }
    until(|| proxy.totals().open_connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_vanishes_midway_through_an_answer_frees_its_backend() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(GET).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
    client.head().await;
    client.reset();
    let megabyte = vec![0; 1 << 20];
    within(async { while server.stream.write_all(&megabyte).await.is_ok() {} }).await;
    until(|| proxy.totals().open_connections() == 0).await;
    // What was left of that answer reaches nobody else.
    let mut next = Peer::https(&proxy).await;
    next.send(GET).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(next.answer().await.1, "ok");
}

#[tokio::test]
async fn a_tunnel_that_is_reset_while_its_other_end_does_not_read_ends_at_once() {
    let backend = Backend::new().await;
    let proxy = proxy("", &[("/", backend.address)]);
    let (client, mut server) = tunnel(&proxy, &backend).await;
    let writer = tokio::spawn(async move {
        let megabyte = vec![0; 1 << 20];
        while server.stream.write_all(&megabyte).await.is_ok() {}
    });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!writer.is_finished(), "nothing held the sender back");
    client.reset();
    within(writer).await.unwrap();
    until(|| proxy.totals().open_tunnels() == 0 && proxy.totals().open_connections() == 0).await;
}

#[tokio::test]
async fn running_out_of_descriptors_ends_nothing() {
    let backend = Backend::new().await;
    let mut running = Running::start_by("ulimit -n 64 && exec \"$0\" --config proxy.yaml", backend.address);
    let mut client = Peer::to(running.address).await;
    client.send(format!("{HTTPS}{HANDSHAKE}")).await;
    let mut server = backend.accept().await;
    server.head().await;
    server.send(ACCEPTED).await;
    client.head().await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(Peer::to(running.address).await);
    }
    running.expect("elbws-proxy: rejected accept: accept: Too many open files");
    client.send(b"still").await;
    server.expect(b"still").await;
    drop(crowd);
    served(running.address, &backend).await;
}

#[tokio::test]
async fn a_backend_is_not_blamed_for_descriptors_that_the_proxy_lacks() {
    let backend = Backend::new().await;
    let upstream = backend.address;
    let serving = tokio::spawn(load::serve(backend));
    let metrics = peers::free();
    let command = "ulimit -n 64 && exec \"$0\" --config proxy.yaml";
    let mut running = Running::start_with(command, upstream, &format!("workers: 1\nmetrics: \"{metrics}\""));
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let mut client = Peer::to(running.address).await;
        client.send(HTTPS).await;
        crowd.push(client);
    }
    running.expect("elbws-proxy: rejected accept: accept: Too many open files");
    // Not one descriptor is left to connect with.
    for client in crowd.iter_mut().take(5) {
        assert_eq!(status(&client.ask(GET).await.0), "502");
    }
    drop(crowd);
    let (_, text) = Peer::to(metrics).await.ask("GET /status HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let text: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(text["upstreams"][0]["ejected"], false, "{text}");
    let mut client = Peer::to(running.address).await;
    client.send(HTTPS).await;
    assert_eq!(status(&client.ask(GET).await.0), "200");
    serving.abort();
}
