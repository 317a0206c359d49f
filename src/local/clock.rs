//! The clock of the local AWS: the system's, or one that a test sets and moves.

use time::OffsetDateTime;

/// Where `now` comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A time that stands still until it is set again.
    Fixed(OffsetDateTime),
}

impl Clock {
    /// The present moment in UTC.
    #[must_use]
    pub fn now(self) -> OffsetDateTime {
        match self {
            Self::System => OffsetDateTime::now_utc(),
            Self::Fixed(now) => now,
        }
    }
}
