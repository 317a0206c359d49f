//! elbws-proxy behind an Application load balancer: whom it believes about the visitor, and what it keeps open.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::world::{Instance, World};

/// Port 80 reaches the proxy as well: the redirect is its own.
const SPEC: &str = "\
load_balancer:
  type: application
  listeners:
    - { port: 443, protocol: https }
    - { port: 80, protocol: http, default_action: { forward: default } }
proxy:
  redirect_http: true
  routes: [{ path: /, upstream: \"127.0.0.1:8000\" }]
";
const METRICS: u16 = 9145;

/// An application that answers with the head of what it is asked, over kept connections.
fn application(listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                while let Some(head) = head(&mut stream).await {
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    })
}

/// The next head; none at the end.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Asks, and returns the answer's head and what it says of the request that the application got, in lower case.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), headers: &str) -> (String, String) {
    let request = format!("GET /a?b=c HTTP/1.1\r\nHost: chat.localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(stream).await.expect("an answer");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap().to_ascii_lowercase())
}

/// How many connections the proxy has accepted.
async fn connections(world: &World, instance: &Instance) -> u64 {
    let mut stream = TcpStream::connect(world.at(instance, METRICS)).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).await.unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix("elbws_proxy_connections_total "));
    count.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_believes_the_load_balancer_and_nobody_else() {
    let world = World::start().await;
    let instance = world.launch(1).await;
    let _application = application(TcpListener::bind(world.at(&instance, 8000)).await.unwrap());
    let https = 443 + world.offset;
    let config = format!(
        "accept: off\ntrusted: [127.65.0.0/16]\nredirect_http: true\nhttps_port: {https}\nmetrics: \"{}\"",
        world.at(&instance, METRICS)
    );
    let _proxy = world.run_proxy(&instance, &config);
    let spec = world.spec("application", SPEC);
    world.apply(&spec, &[]).await;

    // Over plain http, whatever the visitor says: the load balancer says http, and the proxy redirects.
    for said in
        ["", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Port: 443\r\n", "Forwarded: proto=https\r\n"]
    {
        let mut visitor = TcpStream::connect(world.listener(80).await).await.unwrap();
        let (answer, _) = ask(&mut visitor, said).await;
        assert!(answer.starts_with("HTTP/1.1 301 "), "{said}: {answer}");
        let location = format!("location: https://chat.localhost:{https}/a?b=c\r\n");
        assert!(answer.to_ascii_lowercase().contains(&location), "{said}: {answer}");
    }

    // Over https. What the visitor says of itself is gone but for what the load balancer vouches for.
    let mut visitor = world.tls(443).await;
    let spoofed = "X-Forwarded-For: 10.9.9.9, 10.9.9.8\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n\
        Forwarded: for=10.9.9.9;proto=http\r\nX-Real-IP: 10.9.9.9\r\n";
    let (answer, seen) = ask(&mut visitor, spoofed).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!seen.contains("10.9.9.") && !seen.contains("proto=http;"), "{seen}");
    for field in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: https",
        "x-forwarded-port: 443",
        "x-real-ip: 127.0.0.1",
        "forwarded: for=127.0.0.1;proto=https;host=",
    ] {
        assert!(seen.contains(&format!("\r\n{field}")), "{field}: {seen}");
    }

    // The load balancer keeps its connection to the proxy.
    let before = connections(&world, &instance).await;
    for _ in 0..5 {
        let (answer, _) = ask(&mut visitor, "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_eq!(connections(&world, &instance).await, before, "no connection is new");

    // Somebody who comes to the proxy past the load balancer is not believed, neither about a redirect nor about
    // who they are.
    for said in ["http", "https"] {
        let mut stranger = TcpStream::connect(world.at(&instance, 80)).await.unwrap();
        let spoofed = format!("X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Proto: {said}\r\n");
        let (answer, seen) = ask(&mut stranger, &spoofed).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{said}: {answer}");
        assert!(seen.contains("\r\nx-forwarded-for: 127.0.0.1\r\n") && !seen.contains("10.9.9."), "{seen}");
        assert!(seen.contains("\r\nx-forwarded-proto: http\r\n"), "{seen}");
    }
    world.stop().await;
}
