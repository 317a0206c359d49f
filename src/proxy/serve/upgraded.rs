//! From an answered handshake, or a process before, to a tunnel in a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::client::ClientIo;
use super::connection::Place;
use super::handover::{Passed, PassedTunnel, Passport};
use super::state::Worker;
use crate::proxy::observe::{Counter, Entry, TunnelEntry};
use crate::proxy::stream::Stream;
use crate::proxy::tunnel::Relay;
use crate::proxy::upstream::{InUse, Upstream};

/// A backend that answered 101.
pub(super) struct Upgraded {
    pub(super) upstream: Stream,
    /// Frames that came with the answer.
    pub(super) first: Vec<u8>,
    pub(super) in_use: InUse,
    pub(super) entry: Option<Box<Entry>>,
    pub(super) started: Instant,
}

/// Joins the two connections in a task of its own, so that the HTTP future's memory is given back.
pub(super) fn tunnel(client: ClientIo, upgraded: Upgraded, place: Place) {
    let Upgraded { upstream, first, in_use, entry, started } = upgraded;
    place.worker.metrics.add(Counter::Tunnels, 1);
    let registration = place.worker.tunnels.register();
    let relay = Relay::new(client.stream, upstream, client.input, first, registration);
    tokio::spawn(Tunnel { relay: Some(relay), place, in_use, entry, started, held: 0 });
}

/// Goes on with a tunnel of the process before.
pub(super) fn resume(worker: &Arc<Worker>, tunnel: PassedTunnel) {
    let Ok((parts, passport)) = tunnel.parts() else { return };
    let permit = worker.shared.permits.try_take();
    let mut place = Place::take(worker, permit);
    if let Some(address) = passport.client {
        place.count_for(address);
    }
    let live = worker.shared.live();
    let known = live.upstreams().into_iter().find(|one| one.address == passport.upstream);
    let upstream = known.unwrap_or_else(|| Arc::new(Upstream::new(passport.upstream.clone())));
    worker.metrics.add(Counter::Tunnels, 1);
    let relay = Relay::resume(parts, worker.tunnels.register());
    let now = Instant::now();
    let started = now.checked_sub(Duration::from_millis(passport.age_ms)).unwrap_or(now);
    let entry = passport.entry;
    tokio::spawn(Tunnel {
        relay: Some(relay),
        place,
        in_use: InUse::new(&upstream),
        entry,
        started,
        held: 0,
    });
}

/// A running tunnel with what is to be said at its end. Not an `async` block, which would hold the relay
/// twice: once as what it captured and once as what it awaits.
struct Tunnel {
    /// Gone once another process has it.
    relay: Option<Relay<Stream, Stream>>,
    place: Place,
    in_use: InUse,
    entry: Option<Box<Entry>>,
    started: Instant,
    /// What of the relay's memory is in the metrics.
    held: usize,
}

impl Tunnel {
    /// Keeps the metrics exact; a relay that holds nothing costs them nothing.
    fn account(&mut self, held: usize) {
        if held != self.held {
            self.place.worker.metrics.hold(self.held, held);
            self.held = held;
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.account(0);
    }
}

impl Future for Tunnel {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(relay) = &mut self.relay else { return Poll::Ready(()) };
        let polled = Pin::new(&mut *relay).poll(context);
        let held = relay.held();
        self.account(held);
        let ended = ready!(polled);
        let handed = if ended.how == "handover" { self.relay.take() } else { None };
        if let Some(relay) = handed {
            let passport = Passport {
                state: None,
                upstream: self.in_use.upstream().address.clone(),
                age_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
                client: self.place.client(),
                entry: self.entry.take(),
            };
            let worker = &self.place.worker;
            worker.metrics.add(Counter::TunnelsEnded, 1);
            let passed = PassedTunnel::of(relay.into_parts(), passport);
            let passed = passed.map(|tunnel| Passed::Tunnel(Box::new(tunnel)));
            if let Ok(Err(Passed::Tunnel(tunnel))) = passed.map(|one| worker.shared.bequeath(one)) {
                // The other process died meanwhile; here it goes on as before.
                resume(worker, *tunnel);
            }
            return Poll::Ready(());
        }
        let worker = &self.place.worker;
        worker.metrics.add(Counter::TunnelsEnded, 1);
        worker.metrics.add(Counter::BytesUp, ended.up);
        worker.metrics.add(Counter::BytesDown, ended.down);
        let started = self.started;
        if let Some(mut entry) = self.entry.take() {
            (entry.status, entry.bytes_received, entry.bytes_sent) = (101, ended.up, ended.down);
            entry.duration = started.elapsed();
            let close_code = ended.close_code;
            entry.tunnel = Some(TunnelEntry { closed_by: ended.by.as_str(), how: ended.how, close_code });
            self.place.worker.log(&entry);
        }
        Poll::Ready(())
    }
}
