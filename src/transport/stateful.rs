//! What a connection with stateful reconnect has beside its outbox (§5).

use super::{NEVER, Outbox};
use crate::base::{Moment, Shared};
use crate::protocol::hub_protocol::{Inbound, Outbound};

/// The part of a connection that outlives its sockets, made when its handshake switched stateful
/// reconnect on.
#[derive(Debug)]
pub struct Stateful {
    /// Messages for the client, framed, until it has acknowledged them.
    pub outbound: Outbound<Shared>,
    /// The numbers of the client's messages.
    pub inbound: Inbound,
    /// It has no socket; somebody may come back until `Connection::stage_ends`.
    pub is_parked: bool,
    /// When the client is told what has come.
    pub ack_at: Moment,
    /// Until when the client has to acknowledge something, because messages wait for that.
    pub progress_until: Moment,
    /// Close message and Close frame, which wait behind the messages that are held.
    pub last_words: Vec<u8>,
    /// Bytes at the front of the backlog in which acknowledgements were looked for.
    pub looked_at: usize,
}

impl Stateful {
    /// Nothing was numbered yet. `limit` is `StatefulReconnectBufferSize`.
    pub fn new(limit: usize) -> Self {
        Self {
            outbound: Outbound::new(limit),
            inbound: Inbound::default(),
            is_parked: false,
            ack_at: NEVER,
            progress_until: NEVER,
            last_words: Vec::new(),
            looked_at: 0,
        }
    }

    /// Hands what may be sent to the outbox of the socket, if there is one; otherwise it is sent
    /// when somebody comes back.
    pub fn release(&mut self, outbox: &mut Outbox) {
        while let Some(frame) = self.outbound.release() {
            if !self.is_parked {
                outbox.push_over(frame);
            }
        }
    }

    /// Sends everything once more that was sent and not acknowledged; how many messages.
    pub fn replay(&self, outbox: &mut Outbox) -> u64 {
        let released = self.outbound.released();
        let count = released.len() as u64;
        released.for_each(|frame| outbox.push_over(frame));
        count
    }

    /// The earliest moment at which something is due.
    pub fn deadline(&self) -> Moment {
        self.ack_at.min(self.progress_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_nobody_is_there_nothing_is_queued_and_then_all_of_it() {
        let mut outbox = Outbox::default();
        let mut stateful = Stateful::new(3);
        for text in ["ab", "cd", "ef"] {
            stateful.outbound.push(Shared::new(text.into()), 2);
        }
        stateful.is_parked = true;
        stateful.release(&mut outbox);
        assert!(outbox.is_empty());
        assert_eq!(stateful.replay(&mut outbox), 2, "the third waits for an acknowledgement");
        assert_eq!(outbox.bytes(), 4);
        stateful.is_parked = false;
        assert!(stateful.outbound.acknowledge(1, drop));
        stateful.release(&mut outbox);
        assert_eq!(outbox.bytes(), 6);
    }
}
