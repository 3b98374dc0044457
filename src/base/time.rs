//! Time as an argument: the pure layers never ask a clock.

use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Which time on the wall a moment is, as it was read last. For what is dated from outside: until
/// when somebody is signed in. All else counts in moments, which no clock that is set can move
/// (T-CLOCK).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    read_at: Moment,
    time: SystemTime,
}

impl WallClock {
    /// It was `time` on the wall at the moment `read_at`.
    pub const fn new(read_at: Moment, time: SystemTime) -> Self {
        Self { read_at, time }
    }

    /// When it was read.
    pub const fn read_at(self) -> Moment {
        self.read_at
    }

    /// The time on the wall at a moment.
    pub fn time_at(self, moment: Moment) -> SystemTime {
        let time = if moment >= self.read_at {
            self.time.checked_add(moment - self.read_at)
        } else {
            self.time.checked_sub(self.read_at - moment)
        };
        time.unwrap_or(self.time)
    }

    /// The moment at which it is `time` on the wall; [`Moment::START`] for all times before it.
    pub fn moment_at(self, time: SystemTime) -> Moment {
        match time.duration_since(self.time) {
            Ok(later) => self.read_at + later,
            Err(earlier) => {
                let span = u64::try_from(earlier.duration().as_nanos()).unwrap_or(u64::MAX);
                Moment(self.read_at.0.saturating_sub(span))
            }
        }
    }
}

/// A clock that stands at the beginning of Unix time when the shard begins.
impl Default for WallClock {
    fn default() -> Self {
        Self::new(Moment::START, UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_maps_both_ways_and_saturates() {
        let at = |seconds: u64| Moment::from_nanos(seconds * 1_000_000_000);
        let day = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let wall = WallClock::new(at(100), day(5000));
        for (moment, time) in [(at(100), day(5000)), (at(0), day(4900)), (at(160), day(5060))] {
            assert_eq!(wall.time_at(moment), time);
            assert_eq!(wall.moment_at(time), moment);
        }
        assert_eq!(wall.moment_at(UNIX_EPOCH), Moment::START);
        // Five hundred years are more than a moment can count.
        let far = day(5000 + 600 * 365 * 86_400);
        assert_eq!(wall.moment_at(far), Moment::from_nanos(u64::MAX));
    }

    #[test]
    fn never_is_far_away_and_does_not_wrap() {
        let never = Moment::from_nanos(5) + Duration::MAX;
        assert_eq!(never.as_nanos(), u64::MAX);
        assert_eq!(Moment::START.since(never), Duration::ZERO);
    }
}
