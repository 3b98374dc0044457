//! The end of a connection, from the reason to the last frame.

use super::closed::Closed;
use super::registry::Registry;
use crate::base::ConnectionKey;

/// A connection that is about to leave all tables, and what is still to be said to its client.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) key: ConnectionKey,
    pub(crate) closed: Closed,
    /// The code of the Close frame; none, when nobody reads it.
    pub(super) code: Option<u16>,
    pub(super) reason: Box<str>,
}

/// What the application says to the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The connection leaves.
    Done,
    /// It leaves, and the application has failed: the Close frame says so.
    Failed,
    /// The application is not done with its beginning, and is told of the end again after that.
    Later,
}

impl Registry {
    /// The application has heard of an end: the Close frame, or the last chunk, is queued, and the
    /// connection leaves its world. False: it stays until [`Registry::resume_ending`].
    pub(crate) fn part(&mut self, ending: Ending, parting: Parting) -> bool {
        let key = ending.key;
        if parting == Parting::Later {
            self.postponed.insert(key, ending);
            return false;
        }
        let failed = parting == Parting::Failed;
        if let Some(connection) = self.connections.get_mut(key)
            && let Some(code) = ending.code
            && !connection.output_closed
        {
            let code = if failed && code == NORMAL { INTERNAL_ERROR } else { code };
            connection.failed |= failed;
            self.frame.clear();
            connection.framing.write_end(&mut self.frame, code, &ending.reason);
            if connection.owes_last_words()
                && let Some(stateful) = &mut connection.stateful
            {
                stateful.last_words.extend_from_slice(&self.frame);
            } else if !self.frame.is_empty() {
                connection.outbox.append_control(&self.frame, &mut self.pool);
            }
        }
        self.leave(key);
        self.mark(key);
        true
    }

    /// What an end had to wait for is over.
    pub(super) fn resume_ending(&mut self, key: ConnectionKey) {
        self.ending.extend(self.postponed.remove(&key));
    }
}

const NORMAL: u16 = 1000;
const INTERNAL_ERROR: u16 = 1011;
