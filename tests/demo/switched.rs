//! A stack whose load balancer becomes one of another type under a record of Route 53: visitors who ask for the name
//! before each connection find somebody who answers, at any time.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::running::PATIENCE;
use crate::world::{Instance, World};

const CLASSIC: &str = "\
load_balancer:
  type: classic
  listeners:
    - { port: 443, protocol: https, instance_port: 8000, instance_protocol: http }
    - { port: 80, protocol: http, instance_port: 8000, instance_protocol: http }
  health_check: { target: \"HTTP:8000/\" }
proxy: false
";

/// The same visitors, served by another port of the instances.
const APPLICATION: &str = "\
load_balancer:
  type: application
  listeners:
    - { port: 443, protocol: https, default_action: { forward: web } }
    - { port: 80, protocol: http, default_action: { forward: web } }
  target_groups: { web: { port: 9000, health_check: { path: /, port: 9000 } } }
proxy: false
";
const NAME: &str = "chat.example.com";
/// Who takes longer than this between the name and the answer is too slow to blame anybody: the load balancer that the
/// name led to is there for a second after the name leads elsewhere.
const FRESH: Duration = Duration::from_millis(800);
const VISITORS: usize = 3;

fn with_record(spec: &str, more: &str) -> String {
    format!("{spec}dns: {{ zone: example.com, name: chat{more} }}\n")
}

/// An application that answers every request on an instance's port.
async fn application(world: &World, instance: &Instance, port: u16) -> JoinHandle<()> {
    let listener = TcpListener::bind(world.at(instance, port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    })
}

/// The DNS name that the record leads to, if there is one.
async fn resolved(world: &World) -> Option<String> {
    let (status, body) = world.ask("GET", &format!("/_elbws/resolve?name={NAME}&type=A"), "").await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    (status == 200).then(|| answer["dns_name"].as_str().unwrap().to_owned())
}

/// Asks for the name, connects, sends a request; returns whose answer it was, or what went wrong.
async fn visit(world: &World) -> Result<String, String> {
    let name = resolved(world).await.ok_or("the name is unknown")?;
    let balancers = world.client.load_balancers().await.unwrap();
    let found = balancers.iter().find(|balancer| balancer.dns_name == name);
    let listener = found.and_then(|found| found.listeners.iter().find(|listener| listener.port == 80));
    let address = listener.ok_or_else(|| format!("{name} does not listen"))?.address;
    let told = |error: std::io::Error| format!("{name}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(told)?;
    let request = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(told)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(told)?;
    if answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok") {
        Ok(name)
    } else {
        Err(format!("{name}: {answer}"))
    }
}

/// Visitors who come again and again until they are sent home.
struct Visitors {
    home: Arc<AtomicBool>,
    /// Whose answers came, in order, without repetitions; and how many.
    seen: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Visitors {
    fn come(world: &Arc<World>) -> Self {
        let mut visitors = Self {
            home: Arc::default(),
            seen: Arc::default(),
            count: Arc::default(),
            failed: Arc::default(),
            tasks: Vec::new(),
        };
        for _ in 0..VISITORS {
            let (world, home) = (Arc::clone(world), Arc::clone(&visitors.home));
            let (seen, count) = (Arc::clone(&visitors.seen), Arc::clone(&visitors.count));
            let failed = Arc::clone(&visitors.failed);
            visitors.tasks.push(tokio::spawn(async move {
                while !home.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    match visit(&world).await {
                        Ok(name) => {
                            let mut seen = seen.lock().unwrap();
                            if seen.last() != Some(&name) {
                                seen.push(name);
                            }
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(_) if begun.elapsed() > FRESH => {}
                        Err(error) => failed.lock().unwrap().push(error),
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }));
        }
        visitors
    }

    /// Waits until so many more have been answered.
    async fn answered(&self, more: usize) {
        let wanted = self.count.load(Ordering::Relaxed) + more;
        let waiting = async {
            while self.count.load(Ordering::Relaxed) < wanted {
                assert_eq!(*self.failed.lock().unwrap(), Vec::<String>::new());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("visitors are answered");
    }

    /// Who has answered so far.
    fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().iter().cloned().collect()
    }

    /// Sends them home; none of them was turned away. Returns whose answers came, in order.
    async fn leave(self) -> Vec<String> {
        self.home.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        assert_eq!(*self.failed.lock().unwrap(), Vec::<String>::new());
        assert!(self.count.load(Ordering::Relaxed) > 20);
        let seen = self.seen.lock().unwrap();
        seen.clone()
    }
}

/// The DNS names of the load balancers that there are.
async fn balancers(world: &World) -> BTreeSet<String> {
    let found = world.client.load_balancers().await.unwrap();
    found.into_iter().filter(|found| !found.listeners.is_empty()).map(|found| found.dns_name).collect()
}

async fn plan(world: &World, spec: &Path) -> Value {
    let output = world.run(&["plan", spec.to_str().unwrap(), "--output", "json"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_moves_visitors_to_another_type_once_it_is_healthy() {
    let world = Arc::new(World::start().await);
    world.hosted_zone("example.com").await;
    let instance = world.launch(1).await;
    let _served = application(&world, &instance, 8000).await;
    let old = world.spec("old", &with_record(CLASSIC, ""));
    let new = world.spec("new", &with_record(APPLICATION, ""));
    world.apply(&old, &[]).await;
    let first = resolved(&world).await.unwrap();
    assert_eq!(balancers(&world).await, BTreeSet::from([first.clone()]));

    let visitors = Visitors::come(&world);
    visitors.answered(10).await;
    let applying = tokio::spawn({
        let (world, new) = (Arc::clone(&world), new.clone());
        async move { world.apply(&new, &[]).await }
    });
    // The new one stands and is checked; nothing answers it yet.
    let built = async {
        while balancers(&world).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, built).await.expect("the new one is built beside");
    visitors.answered(30).await;
    assert_eq!(visitors.seen(), BTreeSet::from([first.clone()]));
    assert!(!applying.is_finished());
    let _served = application(&world, &instance, 9000).await;
    applying.await.unwrap();
    let second = resolved(&world).await.unwrap();
    assert_eq!(balancers(&world).await, BTreeSet::from([second.clone()]));
    visitors.answered(10).await;
    // Nobody was led back.
    let seen = visitors.leave().await;
    let after = seen.iter().rposition(|name| *name == first).unwrap();
    let before = seen.iter().position(|name| *name == second).unwrap();
    // Visitors who were under way at the same time may be told of in another order.
    assert!(after < before + 2 * VISITORS, "{seen:?}");
    assert_eq!(plan(&world, &new).await["changes"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_share_visitors_until_the_cutover() {
    let world = Arc::new(World::start().await);
    world.hosted_zone("example.com").await;
    let instance = world.launch(1).await;
    let _served = [application(&world, &instance, 8000).await, application(&world, &instance, 9000).await];
    let old = world.spec("old", &with_record(CLASSIC, ", weight: 1, set_identifier: old"));
    let new = world.spec("new", &with_record(APPLICATION, ", weight: 1, set_identifier: new"));
    world.apply(&old, &[]).await;
    let first = resolved(&world).await.unwrap();
    let visitors = Visitors::come(&world);
    visitors.answered(10).await;
    world.apply(&new, &[]).await;
    let both = balancers(&world).await;
    assert_eq!(both.len(), 2);
    visitors.answered(30).await;
    assert_eq!(visitors.seen(), both);
    world.apply(&new, &["--cutover"]).await;
    let left = balancers(&world).await;
    assert!(left.len() == 1 && !left.contains(&first), "{left:?}");
    visitors.answered(10).await;
    visitors.leave().await;
    assert_eq!(resolved(&world).await, left.into_iter().next());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_record_the_cutover_removes_the_old_one_after_visitors_were_led_away() {
    let world = Arc::new(World::start().await);
    let zone = world.hosted_zone("example.com").await;
    let instance = world.launch(1).await;
    let _served = [application(&world, &instance, 8000).await, application(&world, &instance, 9000).await];
    let (old, new) = (world.spec("old", CLASSIC), world.spec("new", APPLICATION));
    world.apply(&old, &[]).await;
    // This record is not the stack's: a name of somebody's own DNS.
    let lead = async |name: &str| {
        let body = format!(
            "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch>\
             <Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>{NAME}</Name><Type>A</Type>\
             <AliasTarget><HostedZoneId>Z35SXDOTRQ7X7K</HostedZoneId><DNSName>{name}</DNSName>\
             <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></ResourceRecordSet></Change></Changes>\
             </ChangeBatch></ChangeResourceRecordSetsRequest>"
        );
        let (status, answer) =
            world.ask("POST", &format!("/2013-04-01/hostedzone/{zone}/rrset"), &body).await;
        assert_eq!(status, 200, "{answer}");
    };
    let first = balancers(&world).await.into_iter().next().unwrap();
    lead(&first).await;
    let visitors = Visitors::come(&world);
    visitors.answered(10).await;
    world.apply(&new, &[]).await;
    let warned = plan(&world, &new).await["warnings"].to_string();
    assert!(warned.contains("--cutover") && warned.contains(&first), "{warned}");
    let second = balancers(&world).await.into_iter().find(|name| *name != first).unwrap();
    visitors.answered(10).await;
    assert_eq!(visitors.seen(), BTreeSet::from([first.clone()]));
    lead(&second).await;
    // Everybody who asked before has been answered.
    visitors.answered(10 * VISITORS).await;
    world.apply(&new, &["--cutover"]).await;
    assert_eq!(balancers(&world).await, BTreeSet::from([second.clone()]));
    visitors.answered(10).await;
    visitors.leave().await;
    assert_eq!(resolved(&world).await, Some(second));
}
