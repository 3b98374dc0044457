//! What a connection of classic SignalR keeps beyond one of ASP.NET Core: the messages that its
//! client may ask for again, and the request over which it receives.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::auth::KeyRing;
use crate::base::{Moment, Pool, Shared, SocketKey};

/// How much is kept for one client, to be sent again when it asks (§7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Messages at most; never fewer than 32 (default 1 000; `DefaultMessageBufferSize`).
    pub messages: usize,
    /// Bytes at most; one message is kept whatever its size (default 256 KiB).
    pub bytes: usize,
    /// How long a message is kept: nobody comes back for it later (default 100 s, §6.1).
    pub age: Duration,
}

/// The last messages to one client, each in an envelope of its own.
///
/// The number of a message is its place among all messages of the shard; the cursor that a client
/// hands back is the number of the last one it has seen (§7.3).
#[derive(Debug, Default)]
pub struct Replay {
    messages: VecDeque<Kept>,
    bytes: usize,
    /// When the oldest message was kept, beside what each new one changes anyway: the oldest lies
    /// in memory that is touched when it is dropped, and not before.
    oldest_at: Moment,
    /// The number of the last message that was dropped.
    dropped: u64,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    at: Moment,
    envelope: Shared,
}

impl Replay {
    /// Keeps one more message, and drops what is too much.
    pub fn push(
        &mut self,
        number: u64,
        envelope: &Shared,
        now: Moment,
        limits: &ReplayLimits,
        pool: &mut Pool,
    ) {
        self.bytes += envelope.len();
        if self.messages.is_empty() {
            self.oldest_at = now;
        }
        self.messages.push_back(Kept { number, at: now, envelope: envelope.clone() });
        while self.messages.len() > limits.messages
            || self.bytes > limits.bytes && self.messages.len() > 1
            || self.is_too_old(now, limits.age)
        {
            self.drop_oldest(pool);
        }
    }

    /// Drops what is too old.
    pub fn expire(&mut self, now: Moment, age: Duration, pool: &mut Pool) {
        while self.is_too_old(now, age) {
            self.drop_oldest(pool);
        }
    }

    /// The number and the envelope of each message behind a cursor, in order.
    pub fn after(&self, cursor: u64) -> impl Iterator<Item = (u64, &Shared)> {
        let start = self.messages.partition_point(|kept| kept.number <= cursor);
        self.messages.range(start..).map(|kept| (kept.number, &kept.envelope))
    }

    /// Whether there are messages behind a cursor.
    pub fn has_after(&self, cursor: u64) -> bool {
        self.messages.back().is_some_and(|last| last.number > cursor)
    }

    /// Whether messages behind a cursor are not there any more (LEG-105).
    pub fn is_overrun(&self, cursor: u64) -> bool {
        self.dropped > cursor
    }

    /// How many messages are kept.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops all.
    pub fn clear(&mut self, pool: &mut Pool) {
        while !self.messages.is_empty() {
            self.drop_oldest(pool);
        }
    }

    /// Whether there is an oldest message, and nobody comes back for it.
    fn is_too_old(&self, now: Moment, age: Duration) -> bool {
        !self.messages.is_empty() && self.oldest_at + age <= now
    }

    fn drop_oldest(&mut self, pool: &mut Pool) {
        if let Some(kept) = self.messages.pop_front() {
            self.bytes -= kept.envelope.len();
            self.dropped = kept.number;
            self.oldest_at = self.messages.front().map_or(self.oldest_at, |oldest| oldest.at);
            pool.give(kept.envelope);
        }
    }
}

/// How far a connection is with its beginning (§1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// `OnConnected` did not run.
    #[default]
    Not,
    /// It runs, in so many hubs.
    Running(u16),
    /// It ran.
    Done,
    /// It failed.
    Failed,
}

/// The part of a connection that only classic SignalR needs.
#[derive(Debug)]
pub struct Classic {
    /// What may be sent again.
    pub replay: Replay,
    /// Bounds of that.
    pub limits: ReplayLimits,
    /// What its tokens are made with.
    pub keys: Rc<KeyRing>,
    /// The worlds of the hubs that the present receive request listens to.
    pub hubs: SmallVec<[u16; 2]>,
    /// The worlds of all hubs that keep something for it.
    pub met: SmallVec<[u16; 2]>,
    /// Callers may read the details of errors.
    pub detailed: bool,
    /// How far its beginning is.
    pub start: Start,
    /// It failed in some hub.
    pub start_failed: bool,
    /// Sockets of `/start` requests that wait for the end of that.
    pub starts: SmallVec<[SocketKey; 1]>,
    /// It had a receive request at some time: its end is told to its hubs.
    pub was_attached: bool,
    /// The client knows no `/start`: it is initialised when `OnConnected` has ended.
    pub starts_at_once: bool,
    /// What the next envelope says besides messages.
    pub notices: Notices,
    /// The number at which its groups changed last.
    pub groups_changed: u64,
    /// The long poll that waits, if there is one.
    pub poll: Option<LongPoll>,
    /// The code with which its WebSocket is closed when its receive request is answered.
    pub close_code: u16,
    /// Text of a WebSocket message that is still coming in.
    pub text: Vec<u8>,
    /// Calls that run.
    pub calls: u32,
}

/// What an envelope says besides messages (§3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// `S`: the connection is initialised.
    pub initialized: bool,
    /// `G`: its groups have changed.
    pub groups: bool,
    /// `T`: the server is going down.
    pub terminate: bool,
    /// Nothing, but a poll ends because of it: a command was carried out (§5.4).
    pub nothing: bool,
}

impl Notices {
    /// Whether there is anything to say.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// A long poll that waits.
#[derive(Debug)]
pub struct LongPoll {
    /// The number of the last message that its client has seen.
    pub cursor: u64,
    /// What its client calls the function to which the answer is handed (§1.9).
    pub callback: Option<Box<str>>,
    /// How long the client is to wait before it polls again (`L`).
    pub delay: Duration,
}

impl Classic {
    /// A connection that has not received anything.
    pub fn new(limits: ReplayLimits, keys: Rc<KeyRing>, detailed: bool) -> Self {
        Self {
            replay: Replay::default(),
            limits,
            keys,
            hubs: SmallVec::new(),
            met: SmallVec::new(),
            detailed,
            start: Start::Not,
            start_failed: false,
            starts: SmallVec::new(),
            was_attached: false,
            starts_at_once: false,
            notices: Notices::default(),
            groups_changed: 0,
            poll: None,
            close_code: 1000,
            text: Vec::new(),
            calls: 0,
        }
    }

    /// Whether the poll that waits can be answered.
    pub fn has_answer(&self) -> bool {
        let poll = self.poll.as_ref();
        poll.is_some_and(|poll| self.notices.any() || self.replay.has_after(poll.cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ReplayLimits =
        ReplayLimits { messages: 3, bytes: 10, age: Duration::from_secs(100) };

    fn kept(texts: &[&str]) -> (Replay, Pool) {
        let (mut replay, mut pool) = (Replay::default(), Pool::default());
        for (number, text) in (1..).zip(texts) {
            let envelope = Shared::new(text.as_bytes().to_vec());
            replay.push(number, &envelope, Moment::START, &LIMITS, &mut pool);
        }
        (replay, pool)
    }

    fn numbers(replay: &Replay, cursor: u64) -> Vec<u64> {
        replay.after(cursor).map(|(number, _)| number).collect()
    }

    #[test]
    fn leg_102_what_is_behind_the_cursor_comes_again() {
        let (replay, _) = kept(&["a", "b", "c"]);
        assert_eq!(numbers(&replay, 0), [1, 2, 3]);
        assert_eq!(numbers(&replay, 2), [3]);
        assert_eq!(numbers(&replay, 3), [0; 0]);
        assert!(replay.has_after(2) && !replay.has_after(3) && !replay.is_overrun(0));
    }

    #[test]
    fn leg_105_too_many_messages_push_out_the_oldest() {
        let (replay, _) = kept(&["a", "b", "c", "d"]);
        assert_eq!(numbers(&replay, 0), [2, 3, 4]);
        assert!(replay.is_overrun(0) && !replay.is_overrun(1));
    }

    #[test]
    fn too_many_bytes_push_out_the_oldest_and_the_newest_stays() {
        let (replay, _) = kept(&["12345", "12345"]);
        assert_eq!((replay.len(), replay.bytes()), (2, 10), "at the limit");
        let (replay, _) = kept(&["12345", "123456"]);
        assert_eq!(numbers(&replay, 0), [2], "one past it");
        let (replay, _) = kept(&["1", "12345678901"]);
        assert_eq!((numbers(&replay, 0), replay.bytes()), (vec![2], 11), "one of any size");
    }

    #[test]
    fn messages_grow_old() {
        let (mut replay, mut pool) = kept(&["a", "b"]);
        let (age, end) = (LIMITS.age, Moment::START + LIMITS.age);
        replay.expire(
            Moment::from_nanos(end.since(Moment::START).as_nanos() as u64 - 1),
            age,
            &mut pool,
        );
        assert_eq!(replay.len(), 2);
        replay.expire(end, age, &mut pool);
        assert!(replay.is_empty() && replay.bytes() == 0 && replay.is_overrun(1));
    }
}
