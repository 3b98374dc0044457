//! One entry in the timer wheel for everything that has a next moment.

use crate::base::Moment;

/// Remembers for when a thing stands in the timer wheel, so that it stands there once.
///
/// The wheel cannot cancel, and most alarms are moved to a later time on every message. So a
/// later time costs nothing: the wheel rings at the old one, the owner finds nothing due and asks
/// again. Only an earlier time makes a new entry.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    set_for: Moment,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { set_for: NEVER }
    }
}

impl Alarm {
    /// Whether an entry for `at` must be put into the wheel.
    pub fn needs(&mut self, at: Moment) -> bool {
        let earlier = at < self.set_for;
        if earlier {
            self.set_for = at;
        }
        earlier
    }

    /// Whether the entry that rang `now` is the one that counts, and not a superseded one.
    pub fn rang(&mut self, now: Moment) -> bool {
        let due = self.set_for <= now;
        if due {
            self.set_for = NEVER;
        }
        due
    }
}

const NEVER: Moment = Moment::from_nanos(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_time_makes_an_entry() {
        let at = Moment::from_nanos;
        let mut alarm = Alarm::default();
        assert!(alarm.needs(at(10)));
        assert!(!alarm.needs(at(20)));
        assert!(alarm.needs(at(5)));
        assert!(alarm.rang(at(5)));
        assert!(!alarm.rang(at(10)), "the superseded entry rings in vain");
        assert!(alarm.needs(at(20)));
    }
}
