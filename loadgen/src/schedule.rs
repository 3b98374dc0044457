//! When things are to happen: the measured part of a run, and the sends of an open loop.

use std::time::Duration;

use tickhub::base::Moment;

/// The measured part of a run; what comes before it is warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its first moment.
    pub(crate) begins: Moment,
    /// The first moment after it.
    pub(crate) ends: Moment,
}

impl Window {
    /// A window that begins when the warm-up is over.
    pub(crate) fn after(now: Moment, warm_up: Duration, length: Duration) -> Self {
        let begins = now + warm_up;
        Self { begins, ends: begins + length }
    }

    /// Whether `moment` is measured.
    pub(crate) fn holds(&self, moment: Moment) -> bool {
        self.begins <= moment && moment < self.ends
    }
}

/// An open loop: message `n` is to leave `n` periods after the beginning, whatever became of the
/// ones before it. A late message keeps its intended time, so that whoever held it up pays for it.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    begins: Moment,
    ends: Moment,
    hertz: u32,
    sent: u64,
}

impl Schedule {
    /// `hertz` messages a second from `begins` until before `ends`.
    pub(crate) fn new(begins: Moment, ends: Moment, hertz: u32) -> Self {
        assert!(hertz > 0, "an open loop has a rate");
        Self { begins, ends, hertz, sent: 0 }
    }

    /// When the next message is to leave; `None` when the last one has left.
    pub(crate) fn next(&self) -> Option<Moment> {
        // From the number, not from the message before: roundings must not add up.
        let nanos = u128::from(self.sent) * 1_000_000_000 / u128::from(self.hertz);
        let at = self.begins + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        (at < self.ends).then_some(at)
    }

    /// Takes the next message if it is due: the moment that was intended for it.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<Moment> {
        let at = self.next().filter(|at| *at <= now)?;
        self.sent += 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_window_has_a_beginning_and_no_end_of_its_own() {
        let window = Window::after(at(5), Duration::from_millis(10), Duration::from_millis(20));
        assert_eq!(window, Window { begins: at(15), ends: at(35) });
        assert!(!window.holds(Moment::from_nanos(14_999_999)));
        assert!(window.holds(at(15)));
        assert!(window.holds(Moment::from_nanos(34_999_999)));
        assert!(!window.holds(at(35)));
    }

    #[test]
    fn messages_leave_on_time_and_one_by_one() {
        let mut schedule = Schedule::new(at(100), at(200), 100);
        assert_eq!(schedule.next(), Some(at(100)));
        assert_eq!(schedule.take_due(at(99)), None);
        assert_eq!(schedule.take_due(at(100)), Some(at(100)));
        assert_eq!(schedule.take_due(at(100)), None);
        assert_eq!(schedule.next(), Some(at(110)));
    }

    #[test]
    fn a_stall_does_not_move_the_intended_times() {
        let mut schedule = Schedule::new(at(0), at(1000), 100);
        let late: Vec<_> = std::iter::from_fn(|| schedule.take_due(at(35))).collect();
        assert_eq!(late, [at(0), at(10), at(20), at(30)]);
        assert_eq!(schedule.next(), Some(at(40)));
    }

    #[test]
    fn an_uneven_period_does_not_drift() {
        let mut schedule = Schedule::new(at(0), at(60_000), 60);
        let all = std::iter::from_fn(|| schedule.take_due(at(100_000))).collect::<Vec<_>>();
        assert_eq!(all.len(), 3600);
        assert_eq!(all[60], at(1000));
        assert_eq!(all[3540], at(59_000));
        assert_eq!(schedule.next(), None);
    }
}
