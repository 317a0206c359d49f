//! One client connection: its PROXY header, then its requests in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant as Deadline, timeout};

use super::admit::admit;
use super::client::{ClientIo, NoHead};
use super::exchange::{self, Outcome};
use super::handover::{Passed, PassedIdle, Visit, detach};
use super::permits::Permit;
use super::plan::{self, Forward, Plan};
use super::reply::Reply;
use super::state::{ClientPlace, Phase, Worker};
use super::upgraded;
use super::visitor::{Visitor, canonical, is_trusted};
use crate::proxy::config::{Accept, Limits};
use crate::proxy::http::{HeadError, Scanner};
use crate::proxy::observe::{Beginning, Counter, Reject};
use crate::proxy::proxy_protocol::Addresses;
use crate::proxy::stream::Stream;

/// Counts a connection in and out.
pub(super) struct Place {
    pub(super) worker: Arc<Worker>,
    /// None where a process before, or the kernel, had admitted it already.
    _permit: Option<Permit>,
    client: Option<ClientPlace>,
}

impl Place {
    /// A place for a connection that was just accepted.
    pub(super) fn take(worker: &Arc<Worker>, permit: Option<Permit>) -> Self {
        worker.metrics.add(Counter::Connections, 1);
        Self { worker: Arc::clone(worker), _permit: permit, client: None }
    }

    /// The address that the connection counts for, where its number is limited.
    pub(super) fn client(&self) -> Option<IpAddr> {
        self.client.as_ref().map(ClientPlace::address)
    }

    /// Counts an inherited connection for its client, even beyond the limit: it was admitted before.
    pub(super) fn count_for(&mut self, address: IpAddr) {
        self.client = self.worker.shared.admit_client(address, u32::MAX);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.metrics.add(Counter::ConnectionsEnded, 1);
    }
}

/// Serves a connection to its end, or until a tunnel takes it over.
pub(super) async fn serve(stream: Stream, peer: SocketAddr, place: Place) {
    let mut client = ClientIo::new(stream, false);
    let mut place = place;
    let peer = canonical(peer);
    let Some(visitor) = admit(&mut client, peer, &place.worker).await else { return };
    let live = place.worker.shared.live();
    // All visitors of a load balancer without header share its address.
    let counts = !(visitor.bare && is_trusted(&live.config.trusted, peer.ip()));
    if let Some(limit) = live.config.limits.max_connections_per_client.filter(|_| counts) {
        place.client = place.worker.shared.admit_client(visitor.address.ip(), limit);
        if place.client.is_none() {
            place.worker.reject(Reject::ClientLimit, visitor.address.ip(), "too many connections");
            return;
        }
    }
    drop(live);
    requests(client, peer, &visitor, place).await;
}

async fn requests(mut client: ClientIo, peer: SocketAddr, visitor: &Visitor, place: Place) {
    let worker = Arc::clone(&place.worker);
    loop {
        let limits = worker.shared.live().config.limits;
        let wait = if client.served { limits.keep_alive } else { limits.request_timeout };
        let head = read_head(&mut client, &worker, &limits, wait).await;
        if visitor.bare && !client.served && !client.input.is_empty() {
            worker.metrics.began(Beginning::Bare);
        }
        let body = !is_head(&client.input);
        let length = match head {
            Ok(length) => length,
            Err(NoHead::Over) => {
                if !client.served && client.input.is_empty() {
                    worker.metrics.add(Counter::ConnectionsEmpty, 1);
                }
                return;
            }
            Err(NoHead::Ending) => return leave(client, peer, visitor, &place),
            Err(NoHead::TimedOut) => {
                worker.reject(
                    Reject::RequestTimeout,
                    visitor.address,
                    "the request head did not end in time",
                );
                return refuse(&mut client, &worker, &Reply::new(408, "request_timeout"), body).await;
            }
            Err(NoHead::Refused(error)) => {
                return refuse_head(&mut client, &worker, visitor, error, body).await;
            }
        };
        client.served = true;
        let started = Instant::now();
        // Only now: the configuration may have changed while the connection was idle.
        let live = worker.shared.live();
        let head = client.input.get(..length).unwrap_or_default();
        let plan = plan::plan(head, &live, visitor, peer, worker.shared.access_log.is_on());
        client.input.drain(..length);
        if client.input.is_empty() {
            client.input = Vec::new();
        }
        drop(live);
        match plan {
            Plan::Refuse(error) => return refuse_head(&mut client, &worker, visitor, error, body).await,
            Plan::Answer { reply, keep_alive, entry } => {
                if reply.status == 404 {
                    worker.reject(Reject::NoRoute, visitor.address, "no route for the request");
                }
                let keep_alive = keep_alive && !worker.shared.is_draining();
                let sent = send(&mut client, &worker, &reply, keep_alive, body).await;
                if let Some(mut entry) = entry {
                    (entry.status, entry.bytes_sent) = (reply.status, reply.body_length(body));
                    entry.duration = started.elapsed();
                    worker.log(&entry);
                }
                match sent {
                    Ok(()) if keep_alive => {}
                    Ok(()) => return client.linger().await,
                    Err(_) => return,
                }
            }
            Plan::Forward(forward) => match forward_one(&mut client, &worker, *forward, started).await {
                Outcome::Again => {}
                Outcome::Close => return,
                Outcome::Linger => return client.linger().await,
                Outcome::Tunnel(upgraded) => return upgraded::tunnel(client, *upgraded, place),
            },
        }
        if worker.shared.is_draining() && client.input.is_empty() {
            return client.linger().await;
        }
    }
}

/// Gives an idle connection to the process that takes over, or closes it where there is none.
fn leave(client: ClientIo, peer: SocketAddr, visitor: &Visitor, place: &Place) {
    let shared = &place.worker.shared;
    if !matches!(*shared.phase.borrow(), Phase::HandingOver(_)) {
        return;
    }
    let visit = Visit {
        peer,
        source: visitor.address,
        destination: visitor.destination,
        vpc_endpoint: visitor.vpc_endpoint.clone(),
        tlvs: visitor.tlvs.clone(),
        bare: Some(visitor.bare),
        counted: place.client.is_some(),
        served: client.served,
    };
    if let Ok(client) = detach(client.stream) {
        // Without an heir it is closed, as a drain closes it.
        let _ = shared.bequeath(Passed::Idle(Box::new(PassedIdle { client, visit })));
    }
}

/// Goes on with an idle connection of the process before.
pub(super) fn resume(worker: &Arc<Worker>, idle: PassedIdle) {
    let PassedIdle { client, visit } = idle;
    let Ok(stream) = TcpStream::from_std(client.into()) else { return };
    let permit = worker.shared.permits.try_take();
    let mut place = Place::take(worker, permit);
    if visit.counted {
        place.count_for(visit.source.ip());
    }
    let pair = Addresses { source: visit.source, destination: visit.destination };
    let live = worker.shared.live();
    let mut visitor = Visitor::new(pair, visit.vpc_endpoint, &live.config);
    visitor.tlvs = visit.tlvs;
    visitor.bare = visit.bare.unwrap_or(live.config.accept == Accept::Off);
    let client = ClientIo::new(Stream::Tcp(stream), visit.served);
    tokio::spawn(async move { requests(client, visit.peer, &visitor, place).await });
}

/// Boxed, so that a connection that waits for its next request does not hold an exchange's memory.
async fn forward_one(client: &mut ClientIo, worker: &Worker, forward: Forward, started: Instant) -> Outcome {
    Box::pin(exchange::run(client, worker, forward, started)).await
}

/// Reads up to the end of the next request's head and returns its length.
async fn read_head(
    client: &mut ClientIo,
    worker: &Worker,
    limits: &Limits,
    wait: Duration,
) -> Result<usize, NoHead> {
    if client.input.is_empty() {
        client.begin(worker, wait).await?;
    }
    let mut scanner = Scanner::default();
    let mut blank_seen = false;
    let mut look = |input: &mut Vec<u8>| loop {
        match scanner.scan(input, limits.max_head) {
            // One empty line before a request is tolerated (RFC 9112, section 2.2).
            Ok(Some(2)) if input.starts_with(b"\r\n") && !blank_seen => {
                blank_seen = true;
                input.drain(..2);
                scanner = Scanner::default();
            }
            Ok(found) => return Ok(found),
            Err(error) => return Err(NoHead::Refused(error)),
        }
    };
    if let Some(length) = look(&mut client.input)? {
        return Ok(length);
    }
    client.stream.acknowledge();
    let deadline = Deadline::now() + limits.header_timeout;
    loop {
        match client.fill_before(deadline).await {
            None => return Err(NoHead::TimedOut),
            Some(Ok(0) | Err(_)) => return Err(NoHead::Over),
            Some(Ok(_)) => {}
        }
        if let Some(length) = look(&mut client.input)? {
            return Ok(length);
        }
    }
}

/// Whether what came is a HEAD request, whose answer has no body, well-formed or not.
fn is_head(input: &[u8]) -> bool {
    input.starts_with(b"HEAD ")
}

async fn refuse_head(
    client: &mut ClientIo,
    worker: &Worker,
    visitor: &Visitor,
    error: HeadError,
    body: bool,
) {
    let (cause, reason) = match error {
        HeadError::TooLarge => (Reject::HeadTooLarge, "head_too_large"),
        HeadError::Malformed(_)
        | HeadError::Version
        | HeadError::Method
        | HeadError::Expectation
        | HeadError::WebSocketVersion => (Reject::BadRequest, "bad_request"),
    };
    worker.reject(cause, visitor.address, error);
    refuse(client, worker, &Reply::new(error.status(), reason), body).await;
}

/// Answers and ends the connection; `body` is false for HEAD.
async fn refuse(client: &mut ClientIo, worker: &Worker, reply: &Reply, body: bool) {
    if send(client, worker, reply, false, body).await.is_ok() {
        client.linger().await;
    }
}

/// Answers; `body` is false for HEAD.
async fn send(
    client: &mut ClientIo,
    worker: &Worker,
    reply: &Reply,
    keep_alive: bool,
    body: bool,
) -> io::Result<()> {
    worker.metrics.answered(reply.status);
    let live = worker.shared.live();
    let bytes = reply.render(keep_alive, body, live.config.reason_header);
    let limit = live.config.limits.request_timeout;
    timeout(limit, client.stream.write_all(&bytes)).await?
}
