//! What is on its way to one client: shared frames, bounded.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::{Batch, Checklist, Mistake, Moment, Pool, Shared};

/// How much may wait for one client, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Above this many bytes nothing more is read from the client, above half as many streams wait
    /// (default 256 KiB).
    pub soft_bytes: usize,
    /// Above this many bytes the connection ends (default 1 MiB). One frame may exceed it when
    /// nothing else waits, so that a single large message can be sent at all.
    pub hard_bytes: usize,
    /// Without any progress for this long the connection ends (default 10 s).
    pub stall_timeout: Duration,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            soft_bytes: 256 * 1024,
            hard_bytes: 1024 * 1024,
            stall_timeout: Duration::from_secs(10),
        }
    }
}

impl OutboxLimits {
    /// Everything that is wrong with these limits.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        checks.require_some("soft_bytes", self.soft_bytes as u64);
        checks.require(
            self.hard_bytes >= self.soft_bytes,
            "hard_bytes",
            self.hard_bytes,
            format!("it must not be less than soft_bytes, which is {}", self.soft_bytes),
        );
        checks.require_time("stall_timeout", self.stall_timeout);
        checks.into_mistakes()
    }
}

/// A frame did not fit: the client reads too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// One or several whole messages, framed for the transport of the connection.
#[derive(Debug)]
struct Frame {
    bytes: Shared,
    /// Whether messages are in it; if not, a control frame or the head of a response.
    has_messages: bool,
}

/// The queue of one connection (or of one socket that speaks HTTP).
///
/// Frames in front of `taken` are with the driver. They are forgotten when the kernel took them
/// ([`Outbox::on_sent`]); what a stateful connection sends is kept elsewhere, until its client has
/// it ([`Stateful`](super::Stateful)).
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Frame>,
    bytes: usize,
    taken: u32,
    /// Bytes of the front frame that were sent, when it is sent in slices.
    front_sent: usize,
    in_flight_since: Option<Moment>,
}

impl Outbox {
    /// Queues a frame that others share. Costs a reference, never a copy.
    pub fn push(&mut self, frame: &Shared, limits: &OutboxLimits) -> Result<(), Overflow> {
        self.room_for(frame.len(), limits)?;
        self.push_over(frame);
        Ok(())
    }

    /// Like [`Outbox::push`], outside of the limits: whoever queues it bounds it.
    pub fn push_over(&mut self, frame: &Shared) {
        self.bytes += frame.len();
        self.frames.push_back(Frame { bytes: frame.clone(), has_messages: true });
    }

    /// Queues one message for this client alone: joined to the last frame while that is still
    /// ours, so that the answers of one turn leave together and cost no allocation.
    pub fn append(
        &mut self,
        frame: &[u8],
        limits: &OutboxLimits,
        pool: &mut Pool,
    ) -> Result<(), Overflow> {
        self.append_framed(&[], frame, limits, pool)
    }

    /// Like [`Outbox::append`], for a frame whose header lies elsewhere than its payload: both
    /// are copied to where they are sent from, and nowhere else.
    pub fn append_framed(
        &mut self,
        header: &[u8],
        payload: &[u8],
        limits: &OutboxLimits,
        pool: &mut Pool,
    ) -> Result<(), Overflow> {
        self.room_for(header.len() + payload.len(), limits)?;
        self.write(header, payload, true, pool);
        Ok(())
    }

    /// Queues bytes that are no message: a response head, a control frame. They bypass the
    /// limits, because whoever writes them bounds them (one pong, one close frame).
    pub fn append_control(&mut self, bytes: &[u8], pool: &mut Pool) {
        self.write(&[], bytes, false, pool);
    }

    /// The next batch for the driver, unless one is in flight or nothing waits.
    pub fn take(&mut self, now: Moment, joiner: &mut Joiner, pool: &mut Pool) -> Option<Batch> {
        if self.in_flight_since.is_some() {
            return None;
        }
        let start = self.taken as usize;
        let front = self.frames.get(start)?;
        let batch = if front.bytes.len() > LARGE_FRAME_BYTES {
            // Large frames are sent from where they lie, in slices, so that progress shows.
            let end = (self.front_sent + SLICE_BYTES).min(front.bytes.len());
            let batch = Batch::new(front.bytes.clone(), self.front_sent, end);
            self.front_sent = end;
            if end == front.bytes.len() {
                self.front_sent = 0;
                self.taken += 1;
            }
            batch
        } else {
            let count = self.count_small(start);
            self.taken += count as u32;
            if count == 1 {
                Batch::whole(front.bytes.clone())
            } else {
                let frames = self.frames.range(start..start + count).map(|frame| &frame.bytes);
                Batch::whole(joiner.join(frames, pool))
            }
        };
        self.in_flight_since = Some(now);
        Some(batch)
    }

    /// A batch is back from the driver; on a transport where that is the acknowledgement, what
    /// was in it is forgotten.
    pub fn on_sent(&mut self, pool: &mut Pool) {
        self.in_flight_since = None;
        for _ in 0..self.taken {
            let frame = self.frames.pop_front().expect("taken frames are in the queue");
            self.bytes -= frame.bytes.len();
            pool.give(frame.bytes);
        }
        self.taken = 0;
    }

    /// The socket is gone, and with it everything that waits and is in flight.
    pub fn clear(&mut self, pool: &mut Pool) {
        for frame in self.frames.drain(..) {
            pool.give(frame.bytes);
        }
        *self = Self { frames: std::mem::take(&mut self.frames), ..Self::default() };
    }

    /// Takes everything that waits, for an answer of one length. It is kept until
    /// [`Outbox::on_sent`]; [`Outbox::put_back`] makes it wait again.
    pub fn take_all(&mut self, now: Moment) -> impl ExactSizeIterator<Item = &Shared> {
        debug_assert!(self.taken == 0 && self.front_sent == 0, "one answer at a time");
        self.in_flight_since = Some(now);
        self.taken = u32::try_from(self.frames.len()).expect("memory ends before");
        self.frames.iter().map(|frame| &frame.bytes)
    }

    /// An answer did not arrive: all of it waits again, last words too.
    pub fn put_back(&mut self) {
        self.in_flight_since = None;
        self.taken = 0;
    }

    /// Forgets the messages that were not begun to be sent, so that last words come next. What is
    /// no message stays: without the answer to its upgrade a client cannot read anything.
    pub fn drop_waiting(&mut self, pool: &mut Pool) {
        let begun = self.taken as usize + usize::from(self.front_sent > 0);
        let mut waiting = self.frames.split_off(begun);
        for frame in waiting.drain(..) {
            if frame.has_messages {
                self.bytes -= frame.bytes.len();
                pool.give(frame.bytes);
            } else {
                self.frames.push_back(frame);
            }
        }
    }

    /// Bytes that wait or are in flight.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.in_flight_since.is_none()
    }

    /// Whether a batch is with the driver.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight_since.is_some()
    }

    /// Since when the batch that is with the driver has been there.
    pub fn in_flight_since(&self) -> Option<Moment> {
        self.in_flight_since
    }

    /// How many of the frames from `start` on are small and leave together; the first is small.
    fn count_small(&self, start: usize) -> usize {
        if self.frames.len() == start + 1 {
            return 1;
        }
        let mut bytes = 0;
        let small = self.frames.range(start..).take_while(|frame| {
            bytes += frame.bytes.len();
            bytes <= SLICE_BYTES && frame.bytes.len() <= LARGE_FRAME_BYTES
        });
        small.count()
    }

    /// Bytes that wait behind the oldest frame, and whether the sum is right: for the simulator.
    #[cfg(feature = "sim")]
    pub(crate) fn check(&self) -> Result<usize, String> {
        let sum: usize = self.frames.iter().map(|frame| frame.bytes.len()).sum();
        if sum != self.bytes {
            return Err(format!("{} bytes are counted, {sum} wait", self.bytes));
        }
        Ok(sum - self.frames.front().map_or(0, |frame| frame.bytes.len()))
    }

    fn room_for(&self, bytes: usize, limits: &OutboxLimits) -> Result<(), Overflow> {
        if self.bytes > 0 && self.bytes + bytes > limits.hard_bytes {
            return Err(Overflow);
        }
        Ok(())
    }

    fn write(&mut self, header: &[u8], payload: &[u8], has_messages: bool, pool: &mut Pool) {
        let len = header.len() + payload.len();
        self.bytes += len;
        let waiting = self.frames.len() > self.taken as usize;
        if waiting
            && let Some(last) = self.frames.back_mut()
            && last.has_messages == has_messages
            && last.bytes.len() + len <= LARGE_FRAME_BYTES
            && let Some(open) = last.bytes.only()
        {
            open.extend_from_slice(header);
            open.extend_from_slice(payload);
            return;
        }
        let frame = pool.fill(|open| {
            open.extend_from_slice(header);
            open.extend_from_slice(payload);
        });
        self.frames.push_back(Frame { bytes: frame, has_messages });
    }
}

/// Joins small frames into one buffer, and remembers the last result: when many members of a
/// group have the same frames pending, their batch is built once.
#[derive(Debug, Default)]
pub struct Joiner {
    parts: Vec<Shared>,
    joined: Option<Shared>,
}

impl Joiner {
    fn join<'a>(
        &mut self,
        frames: impl ExactSizeIterator<Item = &'a Shared> + Clone,
        pool: &mut Pool,
    ) -> Shared {
        let known = self.parts.len() == frames.len()
            && self.parts.iter().zip(frames.clone()).all(|(part, frame)| part.same(frame));
        if known && let Some(joined) = &self.joined {
            return joined.clone();
        }
        let joined = pool.fill(|bytes| {
            for frame in frames.clone() {
                bytes.extend_from_slice(frame.as_slice());
            }
        });
        self.forget(pool);
        self.parts.extend(frames.cloned());
        self.joined = Some(joined.clone());
        joined
    }

    /// Lets go of what was remembered: at the end of every flush, so that no buffer is held back
    /// from its pool.
    pub fn forget(&mut self, pool: &mut Pool) {
        for part in self.parts.drain(..) {
            pool.give(part);
        }
        if let Some(joined) = self.joined.take() {
            pool.give(joined);
        }
    }
}

/// A frame longer than this is sent from where it lies; shorter ones are copied together, which
/// is cheaper than a gathering write up to about 1 KiB each.
const LARGE_FRAME_BYTES: usize = 16 * 1024;

/// The most that one send carries: small enough that a slow client shows progress.
const SLICE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(text: &str) -> Shared {
        Shared::new(text.as_bytes().to_vec())
    }

    struct World {
        outbox: Outbox,
        limits: OutboxLimits,
        joiner: Joiner,
        pool: Pool,
    }

    fn world() -> World {
        World {
            outbox: Outbox::default(),
            limits: OutboxLimits { soft_bytes: 10, hard_bytes: 20, ..Default::default() },
            joiner: Joiner::default(),
            pool: Pool::default(),
        }
    }

    impl World {
        fn take(&mut self) -> Option<String> {
            let batch = self.outbox.take(Moment::START, &mut self.joiner, &mut self.pool)?;
            Some(String::from_utf8(batch.remaining().to_vec()).expect("tests queue text"))
        }
    }

    #[test]
    fn what_waits_leaves_together_and_once() {
        let mut w = world();
        w.outbox.push(&shared("abc"), &w.limits).expect("room");
        w.outbox.append(b"def", &w.limits, &mut w.pool).expect("room");
        w.outbox.append(b"ghi", &w.limits, &mut w.pool).expect("room");
        assert_eq!(w.take().as_deref(), Some("abcdefghi"));
        assert_eq!(w.take(), None, "one batch at a time");
        w.outbox.append(b"jkl", &w.limits, &mut w.pool).expect("room");
        assert_eq!(w.outbox.bytes(), 12);
        w.outbox.on_sent(&mut w.pool);
        assert_eq!(w.outbox.bytes(), 3);
        assert_eq!(w.take().as_deref(), Some("jkl"));
        w.outbox.on_sent(&mut w.pool);
        assert!(w.outbox.is_empty());
    }

    #[test]
    fn the_hard_limit_counts_what_waits_and_one_large_frame_passes() {
        let mut w = world();
        assert_eq!(w.outbox.push(&shared(&"x".repeat(30)), &w.limits), Ok(()));
        assert_eq!(w.outbox.push(&shared("y"), &w.limits), Err(Overflow));
        w.take();
        w.outbox.on_sent(&mut w.pool);
        assert_eq!(w.outbox.push(&shared(&"x".repeat(19)), &w.limits), Ok(()));
        assert_eq!(w.outbox.append(b"y", &w.limits, &mut w.pool), Ok(()), "at the limit");
        assert_eq!(w.outbox.append(b"z", &w.limits, &mut w.pool), Err(Overflow), "one past it");
    }

    #[test]
    fn equal_pending_frames_are_joined_once() {
        let (mut joiner, mut pool) = (Joiner::default(), Pool::default());
        let (one, two, limits) = (shared("one"), shared("two"), OutboxLimits::default());
        let batches: Vec<Batch> = (0..3)
            .map(|_| {
                let mut outbox = Outbox::default();
                outbox.push(&one, &limits).expect("room");
                outbox.push(&two, &limits).expect("room");
                outbox.take(Moment::START, &mut joiner, &mut pool).expect("frames wait")
            })
            .collect();
        let bodies: Vec<Shared> = batches.into_iter().map(Batch::into_shared).collect();
        assert!(bodies.iter().all(|body| body.same(&bodies[0]) && body.as_slice() == b"onetwo"));
    }

    #[test]
    fn a_large_frame_leaves_in_slices_without_a_copy() {
        let mut w = world();
        let large = Shared::new(vec![7; SLICE_BYTES * 2 + 5]);
        w.outbox.push(&large, &w.limits).expect("a single frame always has room");
        let mut sizes = Vec::new();
        while let Some(batch) = w.outbox.take(Moment::START, &mut w.joiner, &mut w.pool) {
            sizes.push(batch.remaining().len());
            assert!(batch.into_shared().same(&large));
            w.outbox.on_sent(&mut w.pool);
        }
        assert_eq!(sizes, [SLICE_BYTES, SLICE_BYTES, 5]);
        assert!(w.outbox.is_empty());
    }

    #[test]
    fn a_socket_that_is_gone_takes_everything_along() {
        let mut w = world();
        w.outbox.push(&shared("abc"), &w.limits).expect("room");
        w.take();
        w.outbox.append_control(b"pong", &mut w.pool);
        w.outbox.clear(&mut w.pool);
        assert!(w.outbox.is_empty() && w.outbox.bytes() == 0);
        w.outbox.push(&shared("def"), &w.limits).expect("room");
        assert_eq!(w.take().as_deref(), Some("def"));
    }

    #[test]
    fn an_answer_that_did_not_arrive_waits_again_with_its_last_words() {
        let mut w = world();
        w.outbox.push(&shared("abc"), &w.limits).expect("room");
        w.outbox.append_control(b"bye", &mut w.pool);
        assert_eq!(w.outbox.take_all(Moment::START).len(), 2);
        w.outbox.put_back();
        assert_eq!(w.outbox.bytes(), 6);
        assert_eq!(w.outbox.take_all(Moment::START).len(), 2);
        w.outbox.append(b"more", &w.limits, &mut w.pool).expect("room");
        w.outbox.on_sent(&mut w.pool);
        assert_eq!(w.take().as_deref(), Some("more"));
    }

    #[test]
    fn last_words_overtake_what_was_not_begun() {
        let mut w = world();
        let large = Shared::new(vec![7; SLICE_BYTES + 5]);
        w.outbox.push(&large, &w.limits).expect("a single frame always has room");
        w.outbox.take(Moment::START, &mut w.joiner, &mut w.pool);
        w.outbox.append_control(b"answer;", &mut w.pool);
        let limits = OutboxLimits::default();
        w.outbox.append(b"dropped", &limits, &mut w.pool).expect("room");
        w.outbox.drop_waiting(&mut w.pool);
        w.outbox.append_control(b"bye", &mut w.pool);
        w.outbox.on_sent(&mut w.pool);
        let rest = w.outbox.take(Moment::START, &mut w.joiner, &mut w.pool).expect("a slice");
        assert_eq!(rest.remaining().len(), 5, "what was begun is finished");
        w.outbox.on_sent(&mut w.pool);
        assert_eq!(w.take().as_deref(), Some("answer;bye"), "answers are no messages");
    }

    #[test]
    fn a_message_behind_a_control_frame_leaves_with_it() {
        let mut w = world();
        w.outbox.append_control(b"101", &mut w.pool);
        w.outbox.append(b"{}", &w.limits, &mut w.pool).expect("room");
        assert_eq!(w.take().as_deref(), Some("101{}"));
    }
}
