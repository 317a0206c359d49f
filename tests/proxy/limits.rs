//! How many connections there may be at a time, and what the proxy says in its own name.

use elbws::proxy::config::Config;
use elbws::proxy::serve::{Listeners, Proxy};

use crate::process::Running;
use crate::rig::{Backend, HTTP, HTTPS, Peer, field, proxy, status, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn the_last_permit_serves_whichever_worker_a_connection_came_to() {
    let backend = Backend::new().await;
    let yaml = format!(
        "listen: \"127.0.0.1:0\"\nworkers: 4\nmax_connections: 1\n\
         routes: [{{ path: /, upstream: \"{}\" }}]\n",
        backend.address
    );
    let config = Config::parse(&yaml).unwrap();
    let listeners = Listeners::bind(&config).unwrap();
    let proxy = Proxy::start(config, listeners).unwrap();
    // The kernel chooses the worker: that one would be chosen each time is as likely as 1 in 4^15.
    for _ in 0..16 {
        let mut client = Peer::https(&proxy).await;
        client.send(GET).await;
        let mut server = backend.accept().await;
        server.head().await;
        server.send(OK).await;
        assert_eq!(client.answer().await.1, "ok");
    }
}

#[tokio::test]
async fn one_connection_too_many_waits_for_another_to_end() {
    let backend = Backend::new().await;
    let proxy = proxy("max_connections: 1", &[("/", backend.address)]);
    let mut first = Peer::https(&proxy).await;
    first.send(GET).await;
    let mut server = backend.accept().await;
    server.head().await;
    let mut second = Peer::connect(&proxy).await;
    second.send(format!("{HTTPS}{GET}")).await;
    // Nobody announces that it is not served; one that is would be counted long before this answer is through.
    server.send(OK).await;
    first.answer().await;
    assert_eq!(proxy.totals().open_connections(), 1);
    drop(first);
    let mut server = backend.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(second.answer().await.1, "ok");
    drop(second);
    until(|| proxy.totals().open_connections() == 0).await;
}

#[tokio::test]
async fn no_answer_to_head_has_a_body() {
    let backend = Backend::new().await;
    let proxy = proxy("redirect_http: true", &[("/web/", backend.address)]);
    for (header, request, expected) in [
        (HTTPS, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        (HTTP, "HEAD /web/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "301"),
        (HTTPS, "HEAD /web/ HTTP/1.1\r\n\r\n", "400"),
        (HTTPS, "HEAD /web/ HTTP/1.1\r\nHost: a\r\nExpect: much\r\n\r\n", "417"),
    ] {
        let mut client = Peer::connect(&proxy).await;
        client.send(format!("{header}{request}")).await;
        let head = client.head().await;
        assert_eq!(status(&head), expected);
        assert_ne!(field(&head, "content-length"), Some("0"), "{head}");
        client.expect_end().await;
    }
}

#[tokio::test]
async fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let backend = Backend::new().await;
    let running = Running::start_by("ulimit -S -n 64 && exec \"$0\" --config proxy.yaml", backend.address);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.process())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard, ..] = files.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{files}") };
    assert_eq!(soft, hard);
    assert_ne!(soft, "64");
}
