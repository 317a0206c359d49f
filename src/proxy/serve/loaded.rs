//! When the configuration in force was loaded, and what depends on that.

use std::time::{Instant, SystemTime};

use crate::proxy::config::Config;
use crate::proxy::observe::{Beginning, Totals};

/// The moment at which a configuration came into force.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) at: SystemTime,
    /// Until when a header is optional, by both clocks: one that is set back does not lengthen it.
    header_optional_until: Option<(SystemTime, Instant)>,
    /// How many connections had begun in each way before.
    before: [u64; Beginning::ALL.len()],
}

impl Loaded {
    pub(super) fn now(config: &Config, totals: &Totals) -> Self {
        let at = SystemTime::now();
        let ends = config.header_optional_until.and_then(|until| {
            let left = until.duration_since(at).ok()?;
            Some((until, Instant::now().checked_add(left)?))
        });
        let before = Beginning::ALL.map(|beginning| totals.get(beginning.counter()));
        Self { at, header_optional_until: ends, before }
    }

    /// Whether a connection that is accepted now may begin without a header that is asked for otherwise.
    pub(super) fn header_is_optional(&self) -> bool {
        self.header_optional_until
            .is_some_and(|(wall, clock)| SystemTime::now() < wall && Instant::now() < clock)
    }

    /// The connections since then, by what they began with.
    pub(super) fn begun(&self, totals: &Totals) -> impl Iterator<Item = (Beginning, u64)> {
        let counted = Beginning::ALL.map(|beginning| totals.get(beginning.counter()));
        let since = std::array::from_fn::<_, { Beginning::ALL.len() }, _>(|at| {
            let before = self.before.get(at).copied().unwrap_or(0);
            counted.get(at).copied().unwrap_or(0).saturating_sub(before)
        });
        Beginning::ALL.into_iter().zip(since)
    }
}
