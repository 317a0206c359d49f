//! One worker: a thread with a runtime of its own that accepts, serves and keeps the coarse clock.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::connection::{self, Place};
use super::handover::Passed;
use super::permits::Permit;
use super::state::{Phase, Shared, Worker};
use super::upgraded;
use crate::proxy::observe::{Counter, Entry, Reject, Totals};
use crate::proxy::stream::Stream;
use crate::proxy::tunnel::{Limits as TunnelLimits, Registry};
use crate::proxy::upstream::Pool;

/// The coarse clock's tick: idle tunnels are found that exactly.
const TICK: Duration = Duration::from_secs(1);
/// More than the allocator keeps for later; never touched, so that it takes no memory.
const NUDGE: usize = 8 << 20;
/// How often a drain looks whether it is over.
const DRAIN_TICK: Duration = Duration::from_millis(20);
/// For how long after the drain's end tunnels may still finish their closing handshake.
const GRACE: Duration = Duration::from_secs(5);
/// The part of the drain over which the goodbyes are spread.
const GOODBYES: f64 = 0.25;
/// The wait after `accept` failed for want of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);

impl Worker {
    /// Serves on the listeners until the proxy has drained or is stopped.
    pub(super) fn run(shared: &Arc<Shared>, index: usize, listeners: Vec<StdListener>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let metrics = shared.metrics.get(index).cloned().unwrap_or_default();
        let worker = Arc::new(Self {
            shared: Arc::clone(shared),
            metrics,
            pool: Pool::default(),
            tunnels: Arc::new(Registry::default()),
        });
        let served = runtime.block_on(async {
            let mut accepting = JoinSet::new();
            for listener in listeners {
                accepting.spawn(accept(Arc::clone(&worker), TcpListener::from_std(listener)?));
            }
            if let Some(mut inherited) = shared.claim(index) {
                let heir = Arc::clone(&worker);
                tokio::spawn(async move {
                    while let Some(passed) = inherited.recv().await {
                        match passed {
                            Passed::Tunnel(tunnel) => upgraded::resume(&heir, *tunnel),
                            Passed::Idle(idle) => connection::resume(&heir, *idle),
                        }
                        heir.shared.has_arrived();
                    }
                });
            }
            worker.keep_time(accepting).await;
            Ok(())
        });
        // Dropped, it would wait for a resolver that does not answer.
        runtime.shutdown_background();
        served
    }

    /// The clock: idle tunnels, stale backend connections, and the course of a drain.
    async fn keep_time(&self, mut accepting: JoinSet<()>) {
        let mut phase = self.shared.phase.subscribe();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let began = Instant::now();
        let serving = async {
            loop {
                ticks.tick().await;
                self.tick(began);
            }
        };
        tokio::select! {
            () = serving => {}
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
        }
        // The listeners first take what already waits in their queues, then close.
        while accepting.join_next().await.is_some() {}
        self.pool.clear();
        let mut cut = None;
        loop {
            let now = *phase.borrow();
            let limits = self.shared.live().config.limits;
            let elapsed = match now {
                Phase::Draining(since) | Phase::HandingOver(since) => since.elapsed(),
                Phase::Serving | Phase::Stopped => Duration::MAX,
            };
            if self.shared.all_arrived() && self.open_connections() == 0 {
                return;
            }
            if matches!(now, Phase::HandingOver(_)) && self.shared.has_heir() {
                // Again and again, since handshakes that were under way become tunnels.
                self.tunnels.hand_over();
            }
            let goodbyes = limits.drain.mul_f64(1.0 - GOODBYES);
            if now == Phase::Stopped || elapsed >= limits.drain.saturating_add(GRACE) {
                self.tunnels.cut();
                // One more turn of the loop lets the cut tunnels write their log lines.
                if cut.is_some_and(|since: Instant| since.elapsed() > DRAIN_TICK * 5) {
                    return;
                }
                cut.get_or_insert_with(Instant::now);
            } else if elapsed >= goodbyes {
                let span = limits.drain.saturating_sub(goodbyes).as_secs_f64();
                let share =
                    if span > 0.0 { elapsed.saturating_sub(goodbyes).as_secs_f64() / span } else { 1.0 };
                self.tunnels.go_away(share);
            }
            self.tick(began);
            sleep(DRAIN_TICK).await;
        }
    }

    fn tick(&self, began: Instant) {
        let seconds = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        let limits = self.shared.live().config.limits;
        let limits = TunnelLimits {
            idle: seconds(limits.tunnel_idle).max(1),
            ping: limits.ping_interval.map(|interval| seconds(interval).max(1)),
            ping_backend: limits.ping_backend,
        };
        self.tunnels.advance(seconds(began.elapsed()), limits);
        self.pool.sweep();
        // The allocator gives back what was freed a while ago only while pages are freed: this is one.
        drop(std::hint::black_box(Vec::<u8>::with_capacity(NUDGE)));
    }

    /// Connections open on this worker.
    fn open_connections(&self) -> u64 {
        Totals::of(std::slice::from_ref(&self.metrics)).open_connections()
    }

    /// Tunnels open on all workers.
    pub(super) fn open_tunnels(&self) -> usize {
        usize::try_from(Totals::of(&self.shared.metrics).open_tunnels()).unwrap_or(usize::MAX)
    }

    pub(super) fn log(&self, entry: &Entry) {
        if !self.shared.access_log.log(entry) {
            self.metrics.add(Counter::LogDropped, 1);
        }
    }
}

/// Accepts until the proxy stops serving, never more than `max_connections` at a time.
async fn accept(worker: Arc<Worker>, listener: TcpListener) {
    let mut phase = worker.shared.phase.subscribe();
    let mut waiting = None;
    let serving = async {
        loop {
            match listener.accept().await {
                Ok(accepted) => {
                    // A permit is taken only now: a listener to which nobody comes holds none that another one needs.
                    waiting = Some(accepted);
                    let permit = worker.shared.permits.take().await;
                    serve(&worker, waiting.take(), Some(permit));
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    worker.reject(Reject::Accept, "accept", error);
                    sleep(BACK_OFF).await;
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
    }
    serve(&worker, waiting.take(), None);
    if matches!(*worker.shared.phase.borrow(), Phase::HandingOver(_)) {
        // The other process has this very socket, and its queue.
        return;
    }
    // What the kernel accepted before must not be reset by closing the listener, be it more than may be open at a time:
    // each ends with its answer. Asked of the kernel itself, as the reactor may not have heard of the last ones yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        serve(&worker, stream.ok().map(|stream| (stream, peer)), worker.shared.permits.try_take());
    }
}

fn serve(worker: &Arc<Worker>, accepted: Option<(TcpStream, SocketAddr)>, permit: Option<Permit>) {
    let Some((stream, peer)) = accepted else { return };
    let place = Place::take(worker, permit);
    tokio::spawn(connection::serve(Stream::Tcp(stream), peer, place));
}

/// Errors of a connection that failed before it was accepted; the next one may be fine.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
