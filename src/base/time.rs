//! Time as an argument: the pure layers never ask a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in monotonic time, in nanoseconds since the shard's own beginning.
///
/// Only the difference of two moments of one shard means something. The server layer turns the
/// operating system's clock into moments; the simulator makes them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The beginning of a shard's time.
    pub const START: Self = Self(0);

    /// The moment `nanos` nanoseconds after [`Moment::START`].
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since [`Moment::START`].
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Saturates, so that "never" may be written as [`Duration::MAX`].
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_far_away_and_does_not_wrap() {
        let never = Moment::from_nanos(5) + Duration::MAX;
        assert_eq!(never.as_nanos(), u64::MAX);
        assert_eq!(Moment::START.since(never), Duration::ZERO);
    }
}
