//! What the rest of the proxy may ask of a running tunnel, and the list of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// The handle by which a tunnel is found idle, told to close or cut.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// When a byte last moved, in the registry's ticks.
    last_active: AtomicU32,
    asked: AtomicU8,
    /// When a ping was last asked for.
    last_ping: AtomicU32,
    ping: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// What a tunnel is asked to do; later ones outrank earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// Nothing: relay.
    Nothing = 0,
    /// Stop, so that another process can go on.
    HandOver = 1,
    /// Send Close 1001 to both peers at a frame boundary, then end.
    GoAway = 2,
    /// End now: silent for too long.
    Idle = 3,
    /// End now: the drain is over.
    Cut = 4,
}

impl Control {
    /// Notes that a byte moved at `tick`.
    pub(super) fn touch(&self, tick: u32) {
        self.last_active.store(tick, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) -> Ask {
        match self.asked.load(Ordering::Acquire) {
            0 => Ask::Nothing,
            1 => Ask::HandOver,
            2 => Ask::GoAway,
            3 => Ask::Idle,
            _ => Ask::Cut,
        }
    }

    /// Remembers whom to wake when something is asked.
    pub(super) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Whether a ping is due; asked for once.
    pub(super) fn take_ping(&self) -> bool {
        self.ping.load(Ordering::Relaxed) && self.ping.swap(false, Ordering::Relaxed)
    }

    fn ask(&self, ask: Ask) {
        if self.asked.fetch_max(ask as u8, Ordering::AcqRel) < ask as u8 {
            self.wake();
        }
    }

    fn ask_ping(&self, tick: u32) {
        self.last_ping.store(tick, Ordering::Relaxed);
        self.ping.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What silence leads to, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Ends a tunnel.
    pub idle: u32,
    /// Pings the client; `None` for never.
    pub ping: Option<u32>,
    /// Whether the backend is pinged as well.
    pub ping_backend: bool,
}

/// The running tunnels of one worker, with a coarse clock so that no timer is armed per message.
#[derive(Debug, Default)]
pub struct Registry {
    tick: AtomicU32,
    next: AtomicU64,
    pings_backend: AtomicBool,
    running: Mutex<BTreeMap<u64, Arc<Control>>>,
}

impl Registry {
    /// Adds a tunnel; dropping the registration takes it out again.
    pub fn register(self: &Arc<Self>) -> Registration {
        let control = Arc::new(Control::default());
        control.touch(self.now());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, Arc::clone(&control));
        Registration { registry: Arc::clone(self), id, control }
    }

    /// How many tunnels are running.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no tunnel is running.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves the clock to `tick`: tunnels that were silent for too long are ended, others pinged.
    pub fn advance(&self, tick: u32, limits: Limits) {
        self.tick.store(tick, Ordering::Relaxed);
        self.pings_backend.store(limits.ping_backend, Ordering::Relaxed);
        for control in self.lock().values() {
            let active = control.last_active.load(Ordering::Relaxed);
            if tick.saturating_sub(active) >= limits.idle {
                control.ask(Ask::Idle);
            } else if let Some(interval) = limits.ping {
                let since = active.max(control.last_ping.load(Ordering::Relaxed));
                if tick.saturating_sub(since) >= interval {
                    control.ask_ping(tick);
                }
            }
        }
    }

    /// Asks tunnels to say goodbye: those whose place in the jitter lies below `share` (0 to 1).
    pub fn go_away(&self, share: f64) {
        for (id, control) in self.lock().iter() {
            if jitter(*id) < share {
                control.ask(Ask::GoAway);
            }
        }
    }

    /// Asks every tunnel to stop for another process to go on.
    pub fn hand_over(&self) {
        for control in self.lock().values() {
            control.ask(Ask::HandOver);
        }
    }

    /// Cuts every tunnel.
    pub fn cut(&self) {
        for control in self.lock().values() {
            control.ask(Ask::Cut);
        }
    }

    pub(super) fn now(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Control>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in [0, 1) for each tunnel, evenly spread however few there are (the golden ratio's multiples).
fn jitter(id: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "only the order of magnitude matters")]
    let turns = id as f64 * 0.618_033_988_749_895;
    turns.fract()
}

/// A tunnel's place in the [`Registry`].
#[derive(Debug)]
pub struct Registration {
    registry: Arc<Registry>,
    id: u64,
    control: Arc<Control>,
}

impl Registration {
    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    pub(super) fn pings_backend(&self) -> bool {
        self.registry.pings_backend.load(Ordering::Relaxed)
    }

    pub(super) fn touch(&self) {
        self.control.touch(self.registry.now());
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goodbyes_are_spread_evenly_and_never_taken_back() {
        let registry = Arc::new(Registry::default());
        let tunnels: Vec<Registration> = (0..1000).map(|_| registry.register()).collect();
        let told = || tunnels.iter().filter(|one| one.control().asked() == Ask::GoAway).count();
        for percent in [0, 1, 10, 50, 49, 90, 100] {
            registry.go_away(f64::from(percent) / 100.0);
            let expected = if percent == 49 { 500 } else { usize::try_from(percent).unwrap() * 10 };
            assert!(told().abs_diff(expected) <= 5, "{} at {percent} %", told());
        }
        assert_eq!(told(), 1000);
    }
}
