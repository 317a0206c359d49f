//! What the name of a backend resolves to, asked again as DNS may have changed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Upstream;
use crate::proxy::config::UpstreamAddress;

/// How long an answer of the resolver is used.
const LIFETIME: Duration = Duration::from_secs(10);

/// What a name resolved to, and when.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    addresses: Vec<SocketAddr>,
    at: Option<Instant>,
    /// Grows with each answer that names other addresses than the one before.
    generation: u32,
    turn: usize,
}

/// Where to connect to.
#[derive(Debug)]
pub(super) struct Candidates {
    /// The next one first.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) generation: u32,
}

impl Resolved {
    fn is_fresh(&self) -> bool {
        self.is_known() && self.at.is_some_and(|at| at.elapsed() < LIFETIME)
    }

    fn is_known(&self) -> bool {
        !self.addresses.is_empty()
    }

    fn learn(&mut self, addresses: Vec<SocketAddr>) {
        let known = |address: &SocketAddr| self.addresses.contains(address);
        // Resolvers give the same addresses in another order each time.
        if addresses.len() != self.addresses.len() || !addresses.iter().all(known) {
            self.generation = self.generation.wrapping_add(1);
            self.addresses = addresses;
        }
    }

    fn candidates(&mut self) -> Candidates {
        self.turn = self.turn.wrapping_add(1);
        let mut addresses = self.addresses.clone();
        let by = self.turn % addresses.len().max(1);
        addresses.rotate_left(by);
        Candidates { addresses, generation: self.generation }
    }
}

impl Upstream {
    /// The addresses of its name; an old answer outlives a resolver that fails.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Candidates> {
        {
            let mut resolved = self.resolved();
            if resolved.is_fresh() {
                return Ok(resolved.candidates());
            }
        }
        let answer = tokio::net::lookup_host((host, port)).await.map(Iterator::collect);
        let mut resolved = self.resolved();
        match answer {
            Ok(addresses) => resolved.learn(addresses),
            Err(error) if !resolved.is_known() => return Err(error),
            Err(_) => {}
        }
        resolved.at = Some(Instant::now());
        Ok(resolved.candidates())
    }

    /// Which answer about its name connections follow; another one than before means that it has moved.
    ///
    /// An old answer is asked for again, which nobody waits for: otherwise a backend whose connections are always used
    /// again would never be looked up.
    pub(super) fn generation(self: &Arc<Self>) -> u32 {
        let UpstreamAddress::Name { .. } = &self.address else { return 0 };
        let mut resolved = self.resolved();
        if resolved.is_known() && !resolved.is_fresh() {
            // One asks for all.
            resolved.at = Some(Instant::now());
            let upstream = Arc::clone(self);
            tokio::spawn(async move { upstream.look_up_again().await });
        }
        resolved.generation
    }

    async fn look_up_again(&self) {
        let UpstreamAddress::Name { host, port } = &self.address else { return };
        if let Ok(addresses) = tokio::net::lookup_host((host.as_str(), *port)).await {
            self.resolved().learn(addresses.collect());
        }
    }

    fn resolved(&self) -> MutexGuard<'_, Resolved> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(last: &[u8]) -> Vec<SocketAddr> {
        last.iter().map(|last| SocketAddr::from(([192, 0, 2, *last], 80))).collect()
    }

    fn named() -> Arc<Upstream> {
        let upstream = Upstream::new(UpstreamAddress::Name { host: "localhost".to_owned(), port: 80 });
        // What it was when connections were opened, long ago.
        upstream.resolved().learn(addresses(&[1, 2]));
        Arc::new(upstream)
    }

    #[test]
    fn only_other_addresses_are_another_answer() {
        let mut resolved = Resolved::default();
        let mut after = |last| {
            resolved.learn(addresses(last));
            resolved.generation
        };
        assert_eq!((after(&[1, 2]), after(&[2, 1])), (1, 1));
        assert_eq!((after(&[2]), after(&[2, 3]), after(&[3, 4])), (2, 3, 4));
    }

    #[tokio::test]
    async fn a_backend_whose_connections_are_always_used_again_is_looked_up_as_well() {
        let upstream = named();
        let before = upstream.generation();
        let moved = async {
            while upstream.generation() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), moved).await.unwrap();
        let candidates = upstream.resolve("localhost", 80).await.unwrap();
        assert!(candidates.addresses.iter().all(|address| address.ip().is_loopback()), "{candidates:?}");
    }

    #[tokio::test]
    async fn the_first_answer_is_waited_for() {
        let upstream =
            Arc::new(Upstream::new(UpstreamAddress::Name { host: "localhost".to_owned(), port: 80 }));
        assert_eq!(upstream.generation(), 0);
        assert!(!upstream.resolve("localhost", 80).await.unwrap().addresses.is_empty());
    }

    #[tokio::test]
    async fn an_old_answer_outlives_a_resolver_that_fails() {
        let upstream = named();
        let candidates = upstream.resolve("no-such-name.invalid", 80).await.unwrap();
        assert_eq!(candidates.addresses.len(), 2);
        assert_eq!(candidates.generation, upstream.generation());
        let unknown = Upstream::new(upstream.address.clone());
        assert!(unknown.resolve("no-such-name.invalid", 80).await.is_err());
    }
}
