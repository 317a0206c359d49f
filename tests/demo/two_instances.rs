//! Two instances behind one load balancer: one dies, and comes back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::world::World;

const SPEC: &str = "\
load_balancer:
  type: classic
  listeners:
    - { port: 443, protocol: ssl, instance_port: 80, instance_protocol: tcp }
    - { port: 80, protocol: tcp, instance_port: 80, instance_protocol: tcp }
  health_check: { target: \"HTTP:8081/healthz\", interval: 10s, timeout: 5s, healthy_threshold: 2, unhealthy_threshold: 3 }
proxy:
  redirect_http: false
  routes: [{ path: /, upstream: \"127.0.0.1:8000\" }]
";
const PROXY: &str = "accept: v1\nredirect_http: false";
/// Between two checks, in place of the spec's interval.
const INTERVAL: Duration = Duration::from_millis(300);

/// An application that answers its name.
fn application(name: &'static str, listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}",
                    name.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    })
}

/// Who answers a visitor; nobody where the connection is closed.
async fn ask(world: &World) -> Option<String> {
    let mut client = TcpStream::connect(world.listener(80).await).await.ok()?;
    client.write_all(b"GET / HTTP/1.1\r\nHost: chat.localhost\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.ok()?;
    answer.split_once("\r\n\r\n").map(|(_, name)| name.to_owned())
}

/// Everybody who answers some visitors.
async fn answering(world: &World) -> BTreeSet<Option<String>> {
    let mut names = BTreeSet::new();
    for _ in 0..6 {
        names.insert(ask(world).await);
    }
    names
}

fn names(names: &[&str]) -> BTreeSet<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

/// Waits until exactly these answer, and returns how long it took.
async fn until(world: &World, expected: &[&str]) -> Duration {
    let begun = Instant::now();
    while answering(world).await != names(expected) {
        assert!(begun.elapsed() < Duration::from_mins(1), "{expected:?} never answer alone");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_proxy_dies_leaves_within_its_thresholds_and_comes_back() {
    let world = World::start().await;
    let (one, other) = (world.launch(1).await, world.launch(2).await);
    let _applications = [
        application("one", TcpListener::bind(world.at(&one, 8000)).await.unwrap()),
        application("other", TcpListener::bind(world.at(&other, 8000)).await.unwrap()),
    ];
    let _proxy = world.run_proxy(&one, PROXY);
    let dying = world.run_proxy(&other, PROXY);
    let spec = world.spec("two", SPEC);
    world.apply(&spec, &[]).await;
    until(&world, &["one", "other"]).await;

    world.client.set_health_check_interval(u32::try_from(INTERVAL.as_millis()).unwrap()).await.unwrap();
    let died = Instant::now();
    dying.kill().await;
    // A refused connection goes to the other instance at once, whatever the checks have found yet.
    until(&world, &["one"]).await;
    world.in_service(1, &spec).await;
    let left = died.elapsed();
    // Three checks in a row fail, the first of which is an interval away at most; looking takes its time.
    assert!(left > INTERVAL * 2, "{left:?}");
    assert!(left < INTERVAL * 4 + Duration::from_secs(2), "{left:?}");
    assert_eq!(answering(&world).await, names(&["one"]));
    let (_, promises) = world.probe(&spec, &[]).await;
    assert!(promises.cause("targets", "").starts_with(&other.id), "{promises:?}");

    let _proxy = world.run_proxy(&other, PROXY);
    let back = until(&world, &["one", "other"]).await;
    assert!(back > INTERVAL / 2, "two checks pass first: {back:?}");
    assert!(back < INTERVAL * 3 + Duration::from_secs(2), "{back:?}");
    world.in_service(2, &spec).await;
    world.stop().await;
}
