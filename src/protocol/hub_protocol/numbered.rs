//! Stateful reconnect: the numbers of messages, and what is kept until the peer has it (§5).
//!
//! Only messages of types 1 to 5 are numbered, in each direction by itself. The numbers are not on
//! the wire: they follow from the position. [`Inbound`] counts what comes in, [`Outbound`] keeps
//! what goes out. Servers and clients use both in the same way.

use std::collections::VecDeque;

use super::{HubMessage, ProtocolError};

/// What is kept for a peer by default, in bytes of records (`StatefulReconnectBufferSize`, §4.1).
pub const STATEFUL_BUFFER_BYTES: usize = 100_000;

/// What has come in from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// The number of the next message.
    next: u64,
    /// The highest number that was processed.
    latest: u64,
    /// The highest number that the peer was told of.
    reported: u64,
    /// A new transport is there, and the peer has not said yet where it goes on.
    awaits_sequence: bool,
}

impl Default for Inbound {
    fn default() -> Self {
        Self { next: 1, latest: 0, reported: 0, awaits_sequence: false }
    }
}

impl Inbound {
    /// Counts a message. Whether it is new: one that came before is dropped (COR-145).
    ///
    /// # Errors
    ///
    /// It comes on a new transport before the [`HubMessage::Sequence`], so that its number is
    /// unknown: to guess would be to run a call twice, or not at all.
    pub fn receive(&mut self) -> Result<bool, ProtocolError> {
        if self.awaits_sequence {
            return Err(broken("A message was received before the sequence ID of its transport."));
        }
        let number = self.next;
        self.next += 1;
        let is_new = number > self.latest;
        if is_new {
            self.latest = number;
        }
        Ok(is_new)
    }

    /// The message that was counted last, and was new, will come once more.
    pub fn take_back(&mut self) {
        self.next -= 1;
        self.latest -= 1;
    }

    /// The peer says which number its next message has.
    ///
    /// # Errors
    ///
    /// It leaves a gap (COR-146), or is no number of a message.
    pub fn on_sequence(&mut self, sequence_id: i64) -> Result<(), ProtocolError> {
        match u64::try_from(sequence_id) {
            // Not only up to `next`: when a transport is lost in the middle of what was sent again,
            // that is lower than what we have, and have acknowledged.
            Ok(number @ 1..) if number <= self.latest + 1 => {
                self.next = number;
                self.awaits_sequence = false;
                Ok(())
            }
            Ok(1..) => Err(broken("Sequence ID greater than amount of messages we've received.")),
            _ => Err(broken("Sequence IDs begin at 1.")),
        }
    }

    /// A new transport is there.
    pub fn await_sequence(&mut self) {
        self.awaits_sequence = true;
    }

    /// Whether the peer has to say first where it goes on.
    pub fn awaits_sequence(&self) -> bool {
        self.awaits_sequence
    }

    /// What the next acknowledgement says, if there is something new.
    pub fn report(&mut self) -> Option<i64> {
        (self.latest > self.reported).then(|| self.report_again()).flatten()
    }

    /// What the newest acknowledgement says, for a peer that may not have got it.
    pub fn report_again(&mut self) -> Option<i64> {
        self.reported = self.latest;
        i64::try_from(self.latest).ok().filter(|number| *number > 0)
    }

    /// Whether something came that was not acknowledged.
    pub fn owes_report(&self) -> bool {
        self.latest > self.reported
    }
}

/// What went out to a peer, kept until it is acknowledged. `F` is a message in the form in which
/// it is sent.
///
/// The oldest are *released*: they may be sent. As soon as these have more bytes than the limit,
/// those behind them are *held* until an acknowledgement comes (§5.4). The check precedes the
/// message, so that one of any size passes.
#[derive(Clone, Debug)]
pub struct Outbound<F> {
    kept: VecDeque<(F, usize)>,
    /// The number of the oldest that is kept, or of the next.
    first: u64,
    released: usize,
    released_bytes: usize,
    held_bytes: usize,
    limit: usize,
}

impl<F> Outbound<F> {
    /// Nothing was sent yet; more than `limit` unacknowledged bytes hold back what follows.
    pub fn new(limit: usize) -> Self {
        let (released, released_bytes, held_bytes) = (0, 0, 0);
        Self { kept: VecDeque::new(), first: 1, released, released_bytes, held_bytes, limit }
    }

    /// Keeps a message of so many bytes; [`Outbound::release`] says when it may be sent.
    pub fn push(&mut self, message: F, bytes: usize) {
        self.kept.push_back((message, bytes));
        self.held_bytes += bytes;
    }

    /// The next message that may be sent and was not released before.
    pub fn release(&mut self) -> Option<&F> {
        if self.released_bytes > self.limit {
            return None;
        }
        let (message, bytes) = self.kept.get(self.released)?;
        self.released += 1;
        self.released_bytes += bytes;
        self.held_bytes -= bytes;
        Some(message)
    }

    /// What was released and not acknowledged, the oldest first.
    pub fn released(&self) -> impl ExactSizeIterator<Item = &F> {
        self.kept.range(..self.released).map(|(message, _)| message)
    }

    /// The peer has everything up to a number; what it has is handed to `forget`. Whether that was
    /// anything: a number that was acknowledged before means nothing, and one beyond what was
    /// released means all of that.
    pub fn acknowledge(&mut self, sequence_id: i64, mut forget: impl FnMut(F)) -> bool {
        let until = u64::try_from(sequence_id).unwrap_or(0);
        let mut is_any = false;
        while self.released > 0
            && self.first <= until
            && let Some((message, bytes)) = self.kept.pop_front()
        {
            self.first += 1;
            self.released -= 1;
            self.released_bytes -= bytes;
            forget(message);
            is_any = true;
        }
        is_any
    }

    /// The number of the oldest message that is not acknowledged: what a Sequence says. When
    /// everything is, the number of the next (COR-144).
    pub fn first_number(&self) -> i64 {
        i64::try_from(self.first).expect("nobody sends 2^63 messages")
    }

    /// Bytes that were not acknowledged, held ones too.
    pub fn bytes(&self) -> usize {
        self.released_bytes + self.held_bytes
    }

    /// Bytes that wait until an acknowledgement makes room.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether something waits until an acknowledgement makes room.
    pub fn is_holding(&self) -> bool {
        self.released < self.kept.len()
    }

    /// Takes everything out.
    pub fn drain(&mut self) -> impl Iterator<Item = F> {
        (self.released, self.released_bytes, self.held_bytes) = (0, 0, 0);
        self.kept.drain(..).map(|(message, _)| message)
    }

    /// Whether the sums are right: for the simulator.
    #[cfg(feature = "sim")]
    pub(crate) fn check(&self) -> Result<(), String> {
        let sum = |messages: std::collections::vec_deque::Iter<'_, (F, usize)>| -> usize {
            messages.map(|(_, bytes)| bytes).sum()
        };
        let sums = (sum(self.kept.range(..self.released)), sum(self.kept.range(self.released..)));
        if sums != (self.released_bytes, self.held_bytes) {
            return Err(format!("{sums:?} bytes are kept, not as counted"));
        }
        let last = self.released.checked_sub(1).map_or(0, |last| self.kept[last].1);
        if self.released_bytes - last > self.limit {
            return Err(format!("{} bytes are released", self.released_bytes));
        }
        Ok(())
    }
}

impl HubMessage<'_> {
    /// Whether it has a number: types 1 to 5 (COR-149).
    pub fn is_numbered(&self) -> bool {
        matches!(
            self,
            Self::Invocation(_)
                | Self::StreamItem { .. }
                | Self::Completion { .. }
                | Self::StreamInvocation(_)
                | Self::CancelInvocation { .. }
        )
    }
}

fn broken(detail: &str) -> ProtocolError {
    ProtocolError { type_name: "InvalidOperationException", detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that may be sent now.
    fn release(outbound: &mut Outbound<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| outbound.release().copied()).collect()
    }

    fn sent(limit: usize, messages: &[&'static str]) -> Outbound<&'static str> {
        let mut outbound = Outbound::new(limit);
        for message in messages.iter().copied() {
            outbound.push(message, message.len());
        }
        outbound
    }

    #[test]
    fn the_message_that_passes_the_limit_is_the_last_one() {
        let mut outbound = sent(4, &["aa", "bb", "cc", "dd"]);
        assert_eq!(release(&mut outbound), ["aa", "bb", "cc"], "4 bytes are not above 4");
        assert_eq!((outbound.bytes(), outbound.held_bytes()), (8, 2));
        assert!(outbound.acknowledge(1, |_| ()));
        assert_eq!(release(&mut outbound), ["dd"]);
        outbound.push("larger than the limit", 21);
        assert_eq!(release(&mut outbound), [""; 0]);
        assert!(outbound.acknowledge(3, |_| ()));
        assert_eq!(release(&mut outbound), ["larger than the limit"]);
    }

    #[test]
    fn odd_acknowledgements() {
        for (acks, first, is_any) in [
            (&[0][..], 1, false),
            (&[-1], 1, false),
            (&[i64::MIN], 1, false),
            (&[2], 3, true),
            (&[2, 1], 3, false),
            (&[2, 2], 3, false),
            (&[1, 99], 4, true),
            (&[i64::MAX], 4, true),
        ] {
            let mut outbound = sent(2, &["a", "b", "c", "d"]);
            assert_eq!(release(&mut outbound), ["a", "b", "c"]);
            let last = acks.iter().map(|ack| outbound.acknowledge(*ack, |_| ())).last();
            assert_eq!((outbound.first_number(), last), (first, Some(is_any)), "{acks:?}");
            assert!(outbound.is_holding(), "what was never sent cannot be acknowledged");
        }
    }

    #[test]
    fn messages_that_came_before_are_not_new() {
        let mut inbound = Inbound::default();
        assert_eq!((inbound.report(), inbound.report_again()), (None, None));
        for _ in 1..=3 {
            assert_eq!(inbound.receive(), Ok(true));
        }
        assert_eq!((inbound.report(), inbound.report()), (Some(3), None));
        inbound.await_sequence();
        assert!(inbound.receive().is_err());
        assert_eq!(inbound.on_sequence(2), Ok(()));
        assert_eq!(inbound.receive(), Ok(false));
        assert_eq!(inbound.receive(), Ok(false));
        assert_eq!(inbound.report(), None);
        assert_eq!(inbound.receive(), Ok(true));
        inbound.take_back();
        assert!(!inbound.owes_report());
        assert_eq!((inbound.receive(), inbound.report()), (Ok(true), Some(4)));
        assert_eq!((inbound.report(), inbound.report_again()), (None, Some(4)));
    }

    #[test]
    fn what_is_sent_again_may_be_cut_and_need_not_be_sent_once_more() {
        let mut inbound = Inbound::default();
        (1..=5).for_each(|_| assert_eq!(inbound.receive(), Ok(true)));
        inbound.await_sequence();
        assert_eq!((inbound.on_sequence(2), inbound.receive()), (Ok(()), Ok(false)));
        // The acknowledgement of 5 has reached the peer, and then the transport was lost.
        inbound.await_sequence();
        assert_eq!((inbound.on_sequence(6), inbound.receive()), (Ok(()), Ok(true)));
        assert!(inbound.on_sequence(8).is_err());
    }

    #[test]
    fn odd_sequences() {
        for (sequence, is_fine) in
            [(1, true), (3, true), (4, false), (0, false), (-1, false), (i64::MAX, false)]
        {
            let mut inbound = Inbound::default();
            assert_eq!((inbound.receive(), inbound.receive()), (Ok(true), Ok(true)));
            assert_eq!(inbound.on_sequence(sequence).is_ok(), is_fine, "{sequence}");
        }
    }
}
