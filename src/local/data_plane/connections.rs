//! The open byte connections by load balancer and instance: idle ones are ended, those of instances that left too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::local::state::State;
use crate::local::state::elb::LoadBalancer;
use crate::proxy::tunnel::{Limits, Registration, Registry};

/// How finely time is measured: idle connections end up to two of these late, never early.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// An instance behind a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    region: String,
    load_balancer: String,
    instance: String,
}

/// The connections to one instance.
#[derive(Debug, Default)]
struct Lot {
    registry: Arc<Registry>,
    /// When the instance left, while connections to it drain.
    left: Option<u32>,
}

/// Every open byte connection.
pub(super) struct Connections {
    started: Instant,
    now: AtomicU32,
    lots: Mutex<BTreeMap<Key, Lot>>,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), now: AtomicU32::new(0), lots: Mutex::default() }
    }

    /// Adds a connection, until the registration is dropped.
    pub(super) fn register(&self, region: &str, load_balancer: &str, instance: &str) -> Registration {
        let key = Key {
            region: region.to_owned(),
            load_balancer: load_balancer.to_owned(),
            instance: instance.to_owned(),
        };
        let mut lots = self.lots.lock().unwrap_or_else(PoisonError::into_inner);
        let lot = lots.entry(key).or_default();
        // A new registry's clock stands at the beginning; nothing is in it that could be ended.
        let never = Limits { idle: u32::MAX, ping: None, ping_backend: false };
        lot.registry.advance(self.now.load(Ordering::Relaxed), never);
        lot.registry.register()
    }

    /// Moves the clock on, and ends what is idle or drained by now.
    pub(super) fn tick(&self, state: &State) {
        let now = ticks(self.started.elapsed());
        self.now.store(now, Ordering::Relaxed);
        let mut lots = self.lots.lock().unwrap_or_else(PoisonError::into_inner);
        lots.retain(|_, lot| !lot.registry.is_empty());
        for (key, lot) in lots.iter_mut() {
            let region = state.regions.get(&key.region);
            let load_balancer = region.and_then(|region| region.elb.load_balancers.get(&key.load_balancer));
            // Its sockets close with a load balancer, and take their connections along.
            let Some(load_balancer) = load_balancer else { continue };
            let idle = ticks(Duration::from_secs(load_balancer.attributes.idle_timeout.into()));
            // One more, since a tick may have begun long before the last byte.
            lot.registry.advance(now, Limits { idle: idle + 1, ping: None, ping_backend: false });
            lot.drain(now, load_balancer, &key.instance);
        }
    }
}

impl Lot {
    fn drain(&mut self, now: u32, load_balancer: &LoadBalancer, instance: &str) {
        if load_balancer.instances.iter().any(|registered| registered == instance) {
            self.left = None;
            return;
        }
        let left = *self.left.get_or_insert(now);
        let draining = load_balancer.attributes.draining;
        let timeout = if draining.enabled { draining.timeout } else { 0 };
        if now - left >= ticks(Duration::from_secs(timeout.into())) {
            self.registry.cut();
        }
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX - 1)
}
