//! Timers by the hundred thousand: insertion and expiry in constant time, no cancellation.
//!
//! A user that no longer wants its timer looks at its own state when the token comes back; a user
//! that wants to be called later inserts the token again. That is cheaper than finding an entry
//! to take it out, and connections move their alarms with every message.

use super::Moment;

/// A hierarchical timer wheel: seven levels of 64 slots, each level 64 times as coarse as the one
/// below it.
///
/// Time moves in ticks of [`Wheel::TICK_NANOS`]. A token never comes early, and at most one tick
/// late when `expire` is called in time. All entries live in one slab and each slot is a list
/// through it, so that nothing is allocated once the slab has its size.
#[derive(Debug)]
pub struct Wheel<T> {
    /// The tick that the slots are relative to: everything before it has expired.
    now: u64,
    slots: Box<[[Slot; SLOTS]; LEVELS]>,
    /// For each level, which slots are not empty.
    occupied: [u64; LEVELS],
    entries: Vec<Entry<T>>,
    /// The first unused entry.
    free: u32,
    len: usize,
}

/// A list of entries: new ones join at the end, so that equal ticks expire in order of insertion.
#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    tick: u64,
    next: u32,
    token: T,
}

impl<T: Copy> Wheel<T> {
    /// The length of a tick, about 4.2 ms. A power of two, so that a moment becomes a tick by a
    /// shift, and so large that seven levels cover all of time.
    pub const TICK_NANOS: u64 = 1 << TICK_BITS;

    /// An empty wheel at `now`.
    pub fn new(now: Moment) -> Self {
        Self {
            now: now.as_nanos() >> TICK_BITS,
            slots: Box::new([[Slot::EMPTY; SLOTS]; LEVELS]),
            occupied: [0; LEVELS],
            entries: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// How many tokens wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Has `token` come back at `at`, or at the next [`expire`](Self::expire) if that is past.
    pub fn insert(&mut self, at: Moment, token: T) {
        // Rounded up, so that it does not come early; the end of time is the last tick.
        let tick = at.as_nanos().div_ceil(Self::TICK_NANOS).min(TICK_MAX);
        let entry = Entry { tick, next: NONE, token };
        let index = if self.free == NONE {
            let index = self.entries.len();
            assert!(index < NONE as usize, "there are fewer than 2^32 - 1 timers");
            self.entries.push(entry);
            index as u32
        } else {
            let index = self.free;
            self.free = std::mem::replace(&mut self.entries[index as usize], entry).next;
            index
        };
        self.len += 1;
        self.link(index);
    }

    /// When `expire` should be called next. It may be earlier than the earliest token (entries
    /// then move to a finer level), never later than that token's tick.
    pub fn next_deadline(&self) -> Option<Moment> {
        let (_, _, tick) = self.next_slot()?;
        Some(Moment::from_nanos(tick << TICK_BITS))
    }

    /// Hands every token whose moment has come to `expired`, in the order of their ticks.
    pub fn expire(&mut self, now: Moment, expired: &mut impl FnMut(T)) {
        let now = now.as_nanos() >> TICK_BITS;
        while let Some((level, slot, tick)) = self.next_slot() {
            if tick > now {
                break;
            }
            self.now = self.now.max(tick);
            let mut index = self.unlink_all(level, slot);
            while index != NONE {
                let Entry { tick, next, token } = self.entries[index as usize];
                if tick <= self.now {
                    self.entries[index as usize].next = self.free;
                    self.free = index;
                    self.len -= 1;
                    expired(token);
                } else {
                    self.link(index);
                }
                index = next;
            }
        }
        // Time does not go back, whatever the caller says.
        self.now = self.now.max(now);
    }

    /// The level, slot and beginning of the slot that comes next.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        // No slot of this level lies behind the current one: those have been emptied.
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = LEVEL_BITS * level as u32;
        let round = self.now >> shift >> LEVEL_BITS << LEVEL_BITS;
        let tick = (round | slot as u64) << shift;
        Some((level, slot, tick.max(self.now)))
    }

    /// Puts an entry into the slot where it belongs, seen from `self.now`.
    fn link(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.next = NONE;
        let tick = entry.tick.max(self.now);
        // The level is that of the highest digit in which the tick differs from now.
        let level = match (tick ^ self.now).checked_ilog2() {
            Some(bit) => bit / LEVEL_BITS,
            None => 0,
        };
        let slot = (tick >> (LEVEL_BITS * level)) as usize % SLOTS;
        let level = level as usize;
        self.occupied[level] |= 1 << slot;
        let Slot { first, last } = &mut self.slots[level][slot];
        if *last == NONE {
            *first = index;
        } else {
            self.entries[*last as usize].next = index;
        }
        *last = index;
    }

    /// Empties a slot and returns the first of its entries.
    fn unlink_all(&mut self, level: usize, slot: usize) -> u32 {
        self.occupied[level] &= !(1 << slot);
        std::mem::replace(&mut self.slots[level][slot], Slot::EMPTY).first
    }
}

impl Slot {
    const EMPTY: Self = Self { first: NONE, last: NONE };
}

/// No entry.
const NONE: u32 = u32::MAX;
const TICK_BITS: u32 = 22;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 7;
const TICK_MAX: u64 = u64::MAX >> TICK_BITS;
const _: () = assert!(
    TICK_BITS + LEVEL_BITS * LEVELS as u32 == u64::BITS,
    "the levels cover every moment, so that no timer is too far away"
);

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = Wheel::<u32>::TICK_NANOS;

    fn expired(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
        let mut tokens = Vec::new();
        wheel.expire(Moment::from_nanos(now), &mut |token| tokens.push(token));
        tokens
    }

    #[test]
    fn a_token_comes_at_its_tick_and_not_before() {
        let mut wheel = Wheel::new(Moment::START);
        wheel.insert(Moment::from_nanos(1), 7);
        assert_eq!(wheel.next_deadline(), Some(Moment::from_nanos(TICK)));
        assert!(expired(&mut wheel, TICK - 1).is_empty());
        assert_eq!(expired(&mut wheel, TICK), [7]);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn what_is_past_comes_with_the_next_call() {
        let mut wheel = Wheel::new(Moment::from_nanos(1000 * TICK));
        wheel.insert(Moment::START, 1);
        wheel.insert(Moment::from_nanos(1000 * TICK), 2);
        assert_eq!(wheel.next_deadline(), Some(Moment::from_nanos(1000 * TICK)));
        assert_eq!(expired(&mut wheel, 1000 * TICK), [1, 2]);
    }

    #[test]
    fn never_is_kept_and_a_century_is_crossed_in_a_few_steps() {
        let mut wheel = Wheel::new(Moment::START);
        let century = Duration::from_hours(24 * 365 * 100);
        wheel.insert(Moment::START + Duration::MAX, 1);
        wheel.insert(Moment::START + century, 2);
        let mut steps = 0;
        let mut found = Vec::new();
        while found.is_empty() {
            let deadline = wheel.next_deadline().expect("two tokens wait");
            wheel.expire(deadline, &mut |token| found.push(token));
            steps += 1;
        }
        assert_eq!(found, [2]);
        assert!(steps <= LEVELS, "{steps} steps");
        assert_eq!(wheel.len(), 1);
    }

    #[test]
    fn the_slab_stops_growing() {
        let mut wheel = Wheel::new(Moment::START);
        for round in 0..10_000_u64 {
            wheel.insert(Moment::from_nanos((round * 977) % (round + 1) * TICK), 0);
            wheel.insert(Moment::from_nanos((round + 5) * TICK), 0);
            let _ = expired(&mut wheel, round * TICK);
        }
        assert!(wheel.entries.len() < 16, "{} entries", wheel.entries.len());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Advance(u64),
        /// Sleeps until the wheel wants to be woken.
        Sleep,
    }

    fn spans() -> impl Strategy<Value = u64> {
        // As many short ones as long ones: a level is six bits.
        (0..55_u32, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => spans().prop_map(Step::Insert),
            1 => spans().prop_map(Step::Advance),
            2 => Just(Step::Sleep),
        ];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Against a heap of (tick, order of insertion).
        #[test]
        fn expires_what_a_heap_expires(start in spans(), steps in steps()) {
            let mut now = start;
            let mut wheel = Wheel::new(Moment::from_nanos(now));
            let mut heap = BinaryHeap::new();
            for (token, step) in (0_u32..).zip(steps) {
                match step {
                    Step::Insert(span) => {
                        wheel.insert(Moment::from_nanos(now + span), token);
                        let at = now + span;
                        heap.push(Reverse((at.div_ceil(TICK).max(now / TICK), at, token)));
                    }
                    Step::Advance(span) => now += span,
                    Step::Sleep => {
                        if let Some(deadline) = wheel.next_deadline() {
                            now = now.max(deadline.as_nanos());
                        }
                    }
                }
                let mut actual: Vec<(u64, u32)> = Vec::new();
                let mut ticks = std::collections::BTreeMap::new();
                for Reverse((tick, at, token)) in &heap {
                    ticks.insert(*token, (*tick, *at));
                }
                wheel.expire(Moment::from_nanos(now), &mut |token| actual.push((ticks[&token].0, token)));
                let mut expected = Vec::new();
                while let Some(Reverse((tick, at, token))) = heap.peek().copied() {
                    if tick > now / TICK {
                        break;
                    }
                    heap.pop();
                    prop_assert!(at <= now, "never early");
                    expected.push((tick, token));
                }
                prop_assert!(actual.is_sorted_by_key(|(tick, _)| *tick), "in order of ticks");
                actual.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(actual, expected);
                prop_assert_eq!(wheel.len(), heap.len());
                if let Some(Reverse((tick, ..))) = heap.peek() {
                    let deadline = wheel.next_deadline().expect("a token waits").as_nanos();
                    prop_assert!(deadline <= tick * TICK, "never later than the earliest token");
                    prop_assert!(deadline > now, "and something happens until then");
                } else {
                    prop_assert_eq!(wheel.next_deadline(), None);
                }
            }
        }
    }
}
