//! What the rest of the proxy may ask of a running tunnel, and the list of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// The handle by which a tunnel is found idle, told to close or cut.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// When a byte last moved, in the registry's ticks.
    last_active: AtomicU32,
    asked: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

/// What a tunnel is asked to do; later ones outrank earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// Nothing: relay.
    Nothing = 0,
    /// Send Close 1001 to both peers at a frame boundary, then end.
    GoAway = 1,
    /// End now: silent for too long.
    Idle = 2,
    /// End now: the drain is over.
    Cut = 3,
}

impl Control {
    /// Notes that a byte moved at `tick`.
    pub(super) fn touch(&self, tick: u32) {
        self.last_active.store(tick, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) -> Ask {
        match self.asked.load(Ordering::Acquire) {
            0 => Ask::Nothing,
            1 => Ask::GoAway,
            2 => Ask::Idle,
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

    fn ask(&self, ask: Ask) {
        if self.asked.fetch_max(ask as u8, Ordering::AcqRel) < ask as u8 {
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// The running tunnels of one worker, with a coarse clock so that no timer is armed per message.
#[derive(Debug, Default)]
pub struct Registry {
    tick: AtomicU32,
    next: AtomicU64,
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

    /// Moves the clock to `tick` and ends tunnels that were silent for `idle` ticks.
    pub fn advance(&self, tick: u32, idle: u32) {
        self.tick.store(tick, Ordering::Relaxed);
        for control in self.lock().values() {
            if tick.saturating_sub(control.last_active.load(Ordering::Relaxed)) >= idle {
                control.ask(Ask::Idle);
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

    pub(super) fn touch(&self) {
        self.control.touch(self.registry.now());
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}
