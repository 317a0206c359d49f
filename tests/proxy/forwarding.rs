//! Requests and answers on their way: routes, fields, bodies, connections kept, failures.

use elbws::proxy::observe::{Counter, Reject};

use crate::rig::{Backend, HTTP, Peer, field, nobody, proxy, start, status, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")
}

#[tokio::test]
async fn the_longest_prefix_decides_the_backend() {
    let (web, api) = (Backend::new().await, Backend::new().await);
    let proxy = proxy("", &[("/", web.address), ("/api", api.address)]);
    for (path, backend) in [("/", &web), ("/apish", &web), ("/api/x", &api), ("/api?a=b", &api)] {
        let mut client = Peer::https(&proxy).await;
        client.send(get(path)).await;
        let head = backend.accept().await.head().await;
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{head}");
    }
}

#[tokio::test]
async fn a_request_without_a_route_is_404() {
    let web = Backend::new().await;
    let proxy = proxy("reason_header: true", &[("/web/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    let (head, _) = client.ask(&get("/")).await;
    assert_eq!((status(&head), field(&head, "x-elbws-reason")), ("404", Some("no_route")));
}

#[tokio::test]
async fn spoofed_x_forwarded_for_is_replaced() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\n\r\n")
        .await;
    let head = web.accept().await.head().await;
    assert_eq!(head.matches("192.0.2.1").count(), 3, "{head}");
    assert!(!head.contains("6.6.6.6"), "{head}");
    assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn visitors_over_plain_http_are_sent_to_https() {
    let web = Backend::new().await;
    let proxy = proxy("redirect_http: true\nhsts: { max_age: 1h }", &[("/", web.address)]);
    let mut client = Peer::connect(&proxy).await;
    client.send(HTTP).await;
    for _ in 0..2 {
        let (head, _) =
            client.ask("GET /a?b HTTP/1.1\r\nHost: example.com:80\r\nX-Forwarded-Proto: https\r\n\r\n").await;
        assert_eq!((status(&head), field(&head, "location")), ("301", Some("https://example.com/a?b")));
    }
    let mut client = Peer::https(&proxy).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n").await;
    let mut server = web.accept().await;
    server.head().await;
    server.send(OK).await;
    let (head, _) = client.answer().await;
    assert_eq!((status(&head), field(&head, "strict-transport-security")), ("200", Some("max-age=3600")));
}

#[tokio::test]
async fn one_backend_connection_serves_request_after_request() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut first = Peer::https(&proxy).await;
    first.send(get("/1")).await;
    let mut server = web.accept().await;
    for at in 1..4 {
        assert!(server.head().await.starts_with(&format!("GET /{at} ")));
        server.send(OK).await;
        assert_eq!(first.answer().await.1, "ok");
        if at == 1 {
            first.send(get("/2")).await;
        } else if at == 2 {
            let mut second = Peer::https(&proxy).await;
            second.send(get("/3")).await;
            first = second;
        }
    }
    assert_eq!(proxy.totals().get(Counter::UpstreamConnections), 1);
    assert_eq!(proxy.totals().get(Counter::UpstreamReused), 2);
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_without_the_client_noticing() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(get("/1")).await;
    let mut server = web.accept().await;
    server.head().await;
    server.send(OK).await;
    client.answer().await;
    client.send(get("/2")).await;
    server.head().await;
    // Hangs up after the request came, before a byte of the answer: GET may be sent again.
    drop(server);
    let mut again = web.accept().await;
    again.head().await;
    again.send(OK).await;
    assert_eq!(client.answer().await.1, "ok");
    assert_eq!(proxy.totals().get(Counter::Retries), 1);
}

#[tokio::test]
async fn a_post_that_may_have_been_handled_is_not_sent_again() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(get("/1")).await;
    let mut server = web.accept().await;
    server.head().await;
    server.send(OK).await;
    client.answer().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
    server.head().await;
    server.expect("hi").await;
    drop(server);
    assert_eq!(status(&client.answer().await.0), "502");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    let post = "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    client.send(format!("{}{post}{}", get("/1"), get("/3"))).await;
    let mut server = web.accept().await;
    for (path, body) in [("/1", ""), ("/2", "2\r\nhi\r\n0\r\n\r\n"), ("/3", "")] {
        let head = server.head().await;
        assert_eq!(head.split(' ').nth(1), Some(path));
        server.expect(body).await;
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{path}")).await;
        assert_eq!(client.answer().await.1, path);
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut server = web.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;
    for word in ["one", "three", "eleven"] {
        let chunk = format!("{:x}\r\n{word}\r\n", word.len());
        client.send(&chunk).await;
        server.expect(&chunk).await;
        server.send(&chunk).await;
        client.expect(&chunk).await;
    }
    client.send("0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\n").await;
    server.expect("0\r\nX-Sum: 1\r\n\r\n").await;
    server.send("0\r\nX-Sum: 2\r\n\r\n").await;
    client.expect("0\r\nX-Sum: 2\r\n\r\n").await;
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let body: Vec<u8> =
        (0..3_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let mut client = Peer::https(&proxy).await;
    let mut server = {
        let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        client.send(head).await;
        web.accept().await
    };
    server.head().await;
    let ((), received) = tokio::join!(client.send(&body), server.take(body.len()));
    assert!(received == body);
    server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    client.head().await;
    let ((), received) = tokio::join!(server.send(&body), client.take(body.len()));
    assert!(received == body);
}

#[tokio::test]
async fn the_backend_decides_about_100_continue() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    let mut server = web.accept().await;
    assert_eq!(field(&server.head().await, "expect"), Some("100-continue"));
    server.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("hi").await;
    server.expect("hi").await;
    server.send(OK).await;
    assert_eq!(client.answer().await.1, "ok");
}

#[tokio::test]
async fn an_answer_to_head_has_a_length_but_no_body() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = web.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n").await;
    assert_eq!(field(&client.head().await, "content-length"), Some("500"));
    client.send(get("/next")).await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.answer().await.1, "ok");
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks_and_a_close() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut server = web.accept().await;
    assert!(server.head().await.starts_with("GET / HTTP/1.1\r\nHost: \r\n"));
    server
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .await;
    let head = client.head().await;
    assert_eq!((field(&head, "transfer-encoding"), field(&head, "connection")), (None, Some("close")));
    assert_eq!(client.rest().await, b"abcde");
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_relayed_to_its_end() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(get("/")).await;
    let mut server = web.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\n\r\nuntil").await;
    server.send(" the end").await;
    drop(server);
    assert_eq!(field(&client.head().await, "connection"), Some("close"));
    assert_eq!(client.rest().await, b"until the end");
}

#[tokio::test]
async fn a_part_of_an_answer_is_never_taken_for_the_whole() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(get("/")).await;
    let mut server = web.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    drop(server);
    client.expect_reset().await;
}

#[tokio::test]
async fn an_early_answer_ends_an_upload() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin").await;
    let mut server = web.accept().await;
    server.head().await;
    server.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(status(&client.head().await), "413");
    client.expect_end().await;
}

#[tokio::test]
async fn backends_that_are_down_are_passed_over() {
    let web = Backend::new().await;
    let proxy =
        start(&format!("routes: [{{ path: /, upstream: [\"{}\", \"{}\"] }}]", nobody().await, web.address));
    for _ in 0..4 {
        let mut client = Peer::https(&proxy).await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
        let mut server = web.accept().await;
        server.head().await;
        server.expect("hi").await;
        server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.answer().await.1, "ok");
    }
}

#[tokio::test]
async fn failures_of_backends_have_their_own_status() {
    let (down, web) = (nobody().await, Backend::new().await);
    let proxy = proxy("request_timeout: 100ms", &[("/down", down), ("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    assert_eq!(status(&client.ask(&get("/down")).await.0), "502");
    assert_eq!(proxy.totals().rejects(Reject::UpstreamUnreachable), 1);
    client.send(get("/slow")).await;
    let mut server = web.accept().await;
    server.head().await;
    assert_eq!(status(&client.answer().await.0), "504");
    client.send(get("/nonsense")).await;
    let mut server = web.accept().await;
    server.head().await;
    server.send("SSH-2.0-OpenSSH\r\n\r\n").await;
    assert_eq!(status(&client.answer().await.0), "502");
    client.send(get("/hangup")).await;
    web.accept().await.head().await;
    assert_eq!(status(&client.answer().await.0), "502");
}

#[tokio::test]
async fn slow_header_times_out() {
    let web = Backend::new().await;
    let proxy = proxy("header_timeout: 100ms", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send("GET / HTTP/1.1\r\nHos").await;
    assert_eq!(status(&client.head().await), "408");
    client.rest().await;
}

#[tokio::test]
async fn a_body_that_stops_times_out() {
    let web = Backend::new().await;
    let proxy = proxy("request_timeout: 100ms", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhal").await;
    let mut server = web.accept().await;
    server.head().await;
    assert_eq!(status(&client.head().await), "408");
    server.expect("hal").await;
    server.expect_end().await;
}

#[tokio::test]
async fn a_head_over_its_limit_is_431() {
    let web = Backend::new().await;
    let proxy = proxy("max_head: 2048", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(2048))).await;
    assert_eq!(status(&client.head().await), "431");
}

#[tokio::test]
async fn a_client_that_vanishes_frees_its_backend() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(get("/")).await;
    let mut server = web.accept().await;
    server.head().await;
    client.reset();
    server.expect_end().await;
    until(|| proxy.totals().open_connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_ends_its_sending_still_gets_its_answer() {
    let web = Backend::new().await;
    let proxy = proxy("", &[("/", web.address)]);
    let mut client = Peer::https(&proxy).await;
    client.send(get("/")).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    let mut server = web.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.answer().await.1, "ok");
}

#[tokio::test]
async fn a_unix_socket_serves_as_backend_and_gets_a_proxy_header_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let proxy =
        start(&format!("routes: [{{ path: /, upstream: \"unix:{}\", proxy_protocol: v1 }}]", path.display()));
    let mut client = Peer::https(&proxy).await;
    client.send(get("/")).await;
    let (mut server, _) = crate::rig::within(listener.accept()).await.unwrap();
    let expected = format!("{}GET / HTTP/1.1\r\n", crate::rig::HTTPS);
    let mut input = vec![0; expected.len()];
    tokio::io::AsyncReadExt::read_exact(&mut server, &mut input).await.unwrap();
    assert_eq!(String::from_utf8(input).unwrap(), expected);
    tokio::io::AsyncWriteExt::write_all(&mut server, OK.as_bytes()).await.unwrap();
    assert_eq!(client.answer().await.1, "ok");
}
