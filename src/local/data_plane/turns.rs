//! Whose turn it is, and chance.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

/// Counters by what takes turns.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<String, usize>>);

impl Turns {
    /// How many turns there were before this one.
    pub(super) fn next(&self, of: &str) -> usize {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(of.to_owned()).or_default();
        let before = *turn;
        *turn = turn.wrapping_add(1);
        before
    }
}

/// Any of so many; 0 of none.
pub(super) fn any_of(count: usize) -> usize {
    let random = RandomState::new().hash_one(count);
    usize::try_from(random % count.max(1) as u64).unwrap_or_default()
}

/// A number in [0, 1).
pub(super) fn chance() -> f64 {
    let random = RandomState::new().hash_one(0) >> 40;
    #[expect(clippy::cast_precision_loss, reason = "24 bits")]
    let share = random as f64 / f64::from(1 << 24);
    share
}

/// So many hexadecimal digits that were not there before.
pub(super) fn digits(count: usize) -> String {
    let random = RandomState::new();
    let mut digits = String::new();
    for block in 0_u64.. {
        if digits.len() >= count {
            break;
        }
        let _ = write!(digits, "{:016x}", random.hash_one(block));
    }
    digits.truncate(count);
    digits
}
