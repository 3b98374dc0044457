//! Who is connected, who is not, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use tickhub::base::Moment;

use crate::stats::Times;

/// The state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its turn has not come.
    Waiting,
    /// On its way since then.
    Opening(Moment),
    /// The handshake was answered.
    Open,
    /// It never opened.
    Failed,
    /// It was open, and ended before we wanted it to.
    Lost,
}

/// How many connections are in which state, and how they got there.
#[derive(Debug)]
pub(crate) struct Census {
    /// On their way.
    pub(crate) opening: usize,
    /// Open now.
    pub(crate) open: usize,
    /// Ever opened.
    pub(crate) opened: usize,
    /// Never opened.
    pub(crate) failed: usize,
    /// Opened, and ended too early.
    pub(crate) lost: usize,
    /// What went wrong, and how often. The names are bounded, for a server could make them up.
    pub(crate) failures: BTreeMap<String, u64>,
    /// From the first packet to the answer of the handshake.
    pub(crate) connect_times: Times,
    /// When the last one opened.
    pub(crate) last_opened: Option<Moment>,
    /// We have begun to leave: nothing that ends now is counted.
    pub(crate) is_leaving: bool,
}

impl Census {
    /// Nobody is there yet.
    pub(crate) fn new() -> Self {
        Self {
            opening: 0,
            open: 0,
            opened: 0,
            failed: 0,
            lost: 0,
            failures: BTreeMap::new(),
            connect_times: Times::new(),
            last_opened: None,
            is_leaving: false,
        }
    }

    /// A connection sets out.
    pub(crate) fn on_start(&mut self, now: Moment, state: &mut State) {
        *state = State::Opening(now);
        self.opening += 1;
    }

    /// Its handshake was answered.
    pub(crate) fn on_open(&mut self, now: Moment, state: &mut State) {
        let State::Opening(since) = *state else { return };
        *state = State::Open;
        self.opening -= 1;
        self.open += 1;
        self.opened += 1;
        self.last_opened = Some(now);
        self.connect_times.record(now.since(since));
    }

    /// It has ended.
    pub(crate) fn on_end(&mut self, state: &mut State, why: Option<String>) {
        if self.is_leaving {
            return;
        }
        match *state {
            State::Opening(_) => {
                *state = State::Failed;
                self.opening -= 1;
                self.failed += 1;
            }
            State::Open => {
                *state = State::Lost;
                self.open -= 1;
                self.lost += 1;
            }
            State::Waiting | State::Failed | State::Lost => return,
        }
        self.complain(why.unwrap_or_else(|| "the server ended the connection".into()));
    }

    /// Those whose turn never came.
    pub(crate) fn give_up(&mut self, count: usize, limit: Duration) {
        self.failed += count;
        for _ in 0..count {
            self.complain(format!("not opened within {} s", limit.as_secs()));
        }
    }

    /// Counts something that went wrong.
    pub(crate) fn complain(&mut self, what: String) {
        let is_known = self.failures.contains_key(&what);
        let name = if is_known || self.failures.len() < NAMES_MAX { what } else { OTHERS.into() };
        *self.failures.entry(name).or_default() += 1;
    }
}

const NAMES_MAX: usize = 16;
const OTHERS: &str = "other reasons";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_is_counted_once() {
        let mut census = Census::new();
        let mut states = [State::Waiting; 3];
        for state in &mut states {
            census.on_start(Moment::START, state);
        }
        census.on_open(Moment::from_nanos(5), &mut states[0]);
        census.on_open(Moment::from_nanos(9), &mut states[1]);
        census.on_end(&mut states[1], Some("reset".into()));
        census.on_end(&mut states[1], Some("again".into()));
        census.on_end(&mut states[2], None);
        assert_eq!((census.opening, census.open, census.opened), (0, 1, 2));
        assert_eq!((census.failed, census.lost), (1, 1));
        assert_eq!(
            census.failures.keys().collect::<Vec<_>>(),
            ["reset", "the server ended the connection"]
        );
        census.is_leaving = true;
        census.on_end(&mut states[0], None);
        assert_eq!((census.open, census.lost), (1, 1));
    }

    #[test]
    fn the_names_of_failures_are_bounded() {
        let mut census = Census::new();
        (0..1000).for_each(|number| census.complain(format!("reason {number}")));
        assert_eq!(census.failures.len(), NAMES_MAX + 1);
        assert_eq!(census.failures.values().sum::<u64>(), 1000);
    }
}
