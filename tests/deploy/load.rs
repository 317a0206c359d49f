//! Visitors who stay while something changes behind the load balancer: WebSockets that talk, and requests that come new.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::running::PATIENCE;
use crate::world::{DOMAIN, World};

/// How long anything may take that a visitor waits for.
const DEADLINE: Duration = Duration::from_secs(20);
/// How many visitors come at the same time, at most.
const AT_ONCE: usize = 50;
/// Between two requests.
const REQUESTS: Duration = Duration::from_millis(20);
/// Before somebody comes again who was turned away.
const AGAIN: Duration = Duration::from_millis(100);
/// How many failures are described.
const DESCRIBED: usize = 20;

/// What visitors met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Messages that came back as they were sent.
    pub(crate) echoed: usize,
    /// Requests that were answered, by the name of who did.
    pub(crate) answered: BTreeMap<String, usize>,
    /// WebSockets that could not be opened.
    pub(crate) failed_connects: usize,
    /// Requests that were not answered with 200.
    pub(crate) failed_requests: usize,
    /// Messages that did not come back.
    pub(crate) lost: usize,
    /// Messages that came back as others, or out of order.
    pub(crate) damaged: usize,
    /// WebSockets that ended before the visitor left.
    pub(crate) closed: usize,
    /// What the first failures were.
    pub(crate) failures: Vec<String>,
}

impl Counts {
    /// Checks that nobody noticed anything.
    #[track_caller]
    pub(crate) fn assert_unharmed(&self) {
        let Self { failed_connects, failed_requests, lost, damaged, closed, .. } = self;
        let failed = [failed_connects, failed_requests, lost, damaged, closed];
        assert!(failed.into_iter().all(|count| *count == 0), "{self:#?}");
        assert!(self.echoed > 0 && self.answered.values().sum::<usize>() > 0, "{self:#?}");
        println!("unharmed: {} messages, requests {:?}", self.echoed, self.answered);
    }
}

/// Visitors through the load balancer's port 443, until they are told to leave.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    visitors: JoinSet<()>,
    tally: Arc<Mutex<Counts>>,
}

/// What a visitor knows.
#[derive(Clone)]
struct Visitor {
    at: SocketAddr,
    tls: TlsConnector,
    /// Between two messages.
    pace: Duration,
    admitted: Arc<Semaphore>,
    /// How many WebSockets have had their first message back.
    talking: watch::Sender<usize>,
    tally: Arc<Mutex<Counts>>,
}

impl Load {
    /// Opens so many WebSockets, each of which says something a few times a second, and sends requests meanwhile, each on
    /// a connection of its own; returns once every WebSocket has been answered.
    pub(crate) async fn start(world: &World, tunnels: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::<Mutex<Counts>>::default();
        let visitor = Visitor {
            at: world.listener(443).await,
            tls: world.connector().await,
            // Many say less each: it is the proxy that is to be busy, not this machine.
            pace: Duration::from_millis(100).max(Duration::from_millis(4) * u32::try_from(tunnels).unwrap()),
            admitted: Arc::new(Semaphore::new(AT_ONCE)),
            talking: watch::Sender::new(0),
            tally: Arc::clone(&tally),
        };
        let mut visitors = JoinSet::new();
        for number in 0..tunnels {
            visitors.spawn(visitor.clone().stay(number, stopped.clone()));
        }
        visitors.spawn(visitor.clone().ask(stopped));
        let mut talking = visitor.talking.subscribe();
        let all = timeout(PATIENCE, talking.wait_for(|count| *count >= tunnels)).await;
        assert!(all.is_ok(), "{:#?}", tally.lock().unwrap());
        Self { stop, visitors, tally }
    }

    /// What was met so far.
    pub(crate) fn so_far(&self) -> Counts {
        self.tally.lock().unwrap().clone()
    }

    /// Goes on until what was met is enough.
    pub(crate) async fn until(&self, enough: impl Fn(&Counts) -> bool) {
        let met = async {
            while !enough(&self.so_far()) {
                sleep(REQUESTS).await;
            }
        };
        assert!(timeout(PATIENCE, met).await.is_ok(), "{:#?}", self.so_far());
    }

    /// Has everybody wait for what is still to come back, and leave.
    pub(crate) async fn finish(mut self) -> Counts {
        self.stop.send_replace(true);
        while let Some(left) = self.visitors.join_next().await {
            left.unwrap();
        }
        self.so_far()
    }
}

impl Visitor {
    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.tally.lock().unwrap());
    }

    fn failed(&self, what: &str, count: impl FnOnce(&mut Counts)) {
        self.count(|counts| {
            count(counts);
            if counts.failures.len() < DESCRIBED {
                counts.failures.push(what.to_owned());
            }
        });
    }

    /// Comes again whenever the WebSocket ends.
    async fn stay(self, number: usize, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let admitted = self.admitted.acquire().await.unwrap();
            let opened = self.open().await;
            drop(admitted);
            match opened {
                Ok(socket) => self.talk(number, socket, &mut stop).await,
                Err(error) => {
                    self.failed(&format!("tunnel {number}: {error}"), |counts| counts.failed_connects += 1);
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.at).await?;
        stream.set_nodelay(true)?;
        self.tls.connect(ServerName::try_from(DOMAIN).unwrap(), stream).await
    }

    async fn open(&self) -> Result<WebSocketStream<TlsStream<TcpStream>>, String> {
        let open = async {
            let stream = self.connect().await.map_err(|error| error.to_string())?;
            let opened = client_async(format!("wss://{DOMAIN}/ws/"), stream).await;
            opened.map(|(socket, _)| socket).map_err(|error| error.to_string())
        };
        timeout(DEADLINE, open).await.unwrap_or_else(|_| Err("not open in time".to_owned()))
    }

    /// Says numbered messages and checks what comes back, until told to leave or cut off.
    async fn talk(
        &self,
        number: usize,
        mut socket: WebSocketStream<TlsStream<TcpStream>>,
        stop: &mut watch::Receiver<bool>,
    ) {
        let (mut sent, mut heard, mut leaving) = (0, 0, false);
        let mut latest = Instant::now();
        let mut pace = interval(self.pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            if leaving && heard == sent {
                // Whoever has all he waited for minds no more.
                let _ = timeout(DEADLINE, socket.close(None)).await;
                return;
            }
            tokio::select! {
                _ = pace.tick(), if !leaving => {
                    if let Err(error) = socket.send(Message::text(message(number, sent))).await {
                        break error.to_string();
                    }
                    sent += 1;
                }
                next = socket.next() => match next {
                    Some(Ok(Message::Text(text))) => {
                        latest = Instant::now();
                        if text.as_str() == message(number, heard) {
                            self.count(|counts| counts.echoed += 1);
                        } else {
                            let what = format!("tunnel {number}: {text:.40} in place of message {heard}");
                            self.failed(&what, |counts| counts.damaged += 1);
                        }
                        heard += 1;
                        if heard == 1 {
                            self.talking.send_modify(|count| *count += 1);
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(other)) => break format!("it got {other:?}"),
                    Some(Err(error)) => break error.to_string(),
                    None => break "it ended".to_owned(),
                },
                () = sleep_until(latest + DEADLINE) => break format!("silent for {DEADLINE:?}"),
                _ = stop.changed(), if !leaving => leaving = true,
            }
        };
        let lost = usize::saturating_sub(sent, heard);
        self.failed(&format!("tunnel {number}, {lost} messages lost: {end}"), |counts| {
            counts.closed += 1;
            counts.lost += lost;
        });
    }

    /// Sends one request after the other.
    async fn ask(self, mut stop: watch::Receiver<bool>) {
        let mut pace = interval(REQUESTS);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = pace.tick() => {}
                _ = stop.changed() => return,
            }
            let asked = timeout(DEADLINE, self.request()).await;
            match asked.unwrap_or_else(|_| Err("not answered in time".to_owned())) {
                Ok(name) => self.count(|counts| *counts.answered.entry(name).or_default() += 1),
                Err(error) => {
                    self.failed(&format!("request: {error}"), |counts| counts.failed_requests += 1);
                }
            }
        }
    }

    /// The body that is answered.
    async fn request(&self) -> Result<String, String> {
        let mut stream = self.connect().await.map_err(|error| format!("connecting: {error}"))?;
        let request = format!("GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| format!("asking: {error}"))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(|error| format!("{error} after {answer:?}"))?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && !body.is_empty() => {
                Ok(body.to_owned())
            }
            _ => Err(format!("answered {answer:?}")),
        }
    }
}

/// Messages of all lengths up to some hundred bytes.
fn message(tunnel: usize, number: usize) -> String {
    format!("{tunnel}/{number} {}", "x".repeat((tunnel * 31 + number * 7) % 400))
}
