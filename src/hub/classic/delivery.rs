//! Messages to classic clients: numbered, kept for a while, sent again to those who come back.

use super::super::delivery::Delivery;
use super::super::registry::Registry;
use crate::base::{ConnectionKey, Pool, Shared};
use crate::protocol::classic::jsonp::Callback;
use crate::protocol::classic::{Cursor, Envelope, messages_in};
use crate::protocol::hub_protocol::HubProtocolKind;
use crate::protocol::websocket::Kind;
use crate::transport::{Classic, Framing, LongPoll, Notices, Outbox};

impl Registry {
    /// Where a client stands that has seen everything so far.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { epoch: self.classic.epoch, number: self.classic.number }
    }

    /// The number of the last message that a client has seen; nothing, if the cursor comes from
    /// somewhere else (LEG-103).
    pub(crate) fn number_at(&self, cursor: &str) -> Option<u64> {
        let cursor: Cursor = cursor.parse().ok()?;
        (cursor.epoch == self.classic.epoch && cursor.number <= self.classic.number)
            .then_some(cursor.number)
    }

    /// Queues the call in the scratch memory of the classic protocol for those of the audience who
    /// speak it: one number, one envelope, framed once for each form.
    pub(in crate::hub) fn deliver_classic(&mut self) -> Delivery {
        self.classic.number += 1;
        let cursor = self.cursor();
        let body = &self.bodies[HubProtocolKind::Classic.index()];
        let kept = self.pool.fill(|out| Envelope::at(cursor).write(out, [&body[..]]));
        let mut framed: [Option<Shared>; Framing::COUNT] = Default::default();
        let mut delivery = Delivery::default();
        for &slot in &self.audience {
            let Some((key, connection)) = self.connections.at_slot_mut(slot) else { continue };
            if !connection.is_open() || connection.hub.speaks != Some(HubProtocolKind::Classic) {
                continue;
            }
            let Some(classic) = connection.classic.as_deref_mut() else { continue };
            let (pool, limits) = (&mut self.pool, &classic.limits);
            classic.replay.push(cursor.number, &kept, self.now, limits, pool);
            if connection.socket.is_some() && classic.poll.is_none() && !connection.is_answered {
                let framing = connection.framing;
                let frame = framed[framing as usize].get_or_insert_with(|| {
                    pool.fill(|out| framing.write(out, Kind::Text, kept.as_slice()))
                });
                if connection.outbox.push(frame, &connection.options.outbox).is_err() {
                    // What waits is kept: the client comes back for it, if it can.
                    connection.outbox.drop_waiting(pool);
                    connection.is_answered = true;
                    write_request_end(&mut connection.outbox, framing, pool);
                }
            }
            delivery.queued += 1;
            if !connection.dirty {
                connection.dirty = true;
                self.dirty.push(key);
            }
        }
        self.counters.sent += u64::from(delivery.queued);
        for shared in framed.into_iter().flatten() {
            self.pool.give(shared);
        }
        self.pool.give(kept);
        delivery
    }

    /// Queues one message of a `PersistentConnection`, which is any JSON, for everybody whom
    /// `select` names.
    pub(crate) fn broadcast_element(
        &mut self,
        select: impl FnOnce(&Self, &mut Vec<u32>),
        element: &[u8],
    ) -> Delivery {
        self.select(select);
        if self.audience.is_empty() {
            return Delivery::default();
        }
        let body = &mut self.bodies[HubProtocolKind::Classic.index()];
        body.clear();
        body.extend_from_slice(element);
        self.deliver_classic()
    }

    /// Changes what the next envelope says besides messages. On a stream it leaves at once.
    pub(crate) fn notify(&mut self, key: ConnectionKey, change: impl FnOnce(&mut Notices)) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(classic) = &mut connection.classic else { return };
        change(&mut classic.notices);
        if classic.poll.is_none() && !connection.is_answered && connection.socket.is_some() {
            // A stream says nothing where there is nothing to say.
            classic.notices.nothing = false;
            self.write_notices(key, self.classic.number);
        }
        self.mark(key);
    }

    /// A connection has joined or left a group: its client is given a new token for those that it
    /// is in (§7.6). Joining twice changes nothing, but ends a poll.
    pub(in crate::hub) fn groups_changed(&mut self, key: ConnectionKey, has_changed: bool) {
        let number = self.classic.number;
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(classic) = &mut connection.classic else { return };
        if has_changed {
            classic.groups_changed = number + 1;
            self.classic.number += 1;
        }
        self.notify(key, |notices| {
            notices.groups |= has_changed;
            notices.nothing = true;
        });
    }

    /// Queues the notices of a connection on its stream, in an envelope without messages, for a
    /// client that has seen everything up to a number.
    fn write_notices(&mut self, key: ConnectionKey, number: u64) {
        let Some(notices) = self.take_notices(key) else { return };
        let groups = notices.groups.then(|| self.groups_token(key));
        let envelope = Envelope {
            cursor: Cursor { number, ..self.cursor() },
            initialized: notices.initialized,
            terminates: notices.terminate,
            groups_token: groups.as_deref(),
            poll_delay_ms: None,
        };
        let mut body = Vec::new();
        envelope.write(&mut body, std::iter::empty());
        self.write_to_stream(key, &body);
    }

    fn take_notices(&mut self, key: ConnectionKey) -> Option<Notices> {
        let classic = self.connections.get_mut(key)?.classic.as_mut()?;
        Some(std::mem::take(&mut classic.notices)).filter(|notices| notices.any())
    }

    /// Queues bytes on the stream of a connection, in its form, outside of all limits.
    pub(crate) fn write_to_stream(&mut self, key: ConnectionKey, body: &[u8]) {
        let Some(framing) = self.connections.get(key).map(|connection| connection.framing) else {
            return;
        };
        self.control(key, |out| framing.write(out, Kind::Text, body));
    }

    /// Queues what a client has missed that comes back on a stream, and what was to be said to it.
    /// What is kept is bounded, so this is (§7.2).
    pub(crate) fn replay(&mut self, key: ConnectionKey, cursor: u64) {
        self.note_overrun(key, cursor);
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(classic) = &connection.classic else { return };
        if classic.replay.has_after(cursor) {
            // A token stands in front of the messages, at the old cursor: who loses it on the way
            // must not have a cursor behind it.
            self.write_notices(key, cursor);
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(classic) = &connection.classic else { return };
        let framing = connection.framing;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        let mut count = 0;
        for (_, envelope) in classic.replay.after(cursor) {
            framing.write(&mut frame, Kind::Text, envelope.as_slice());
            count += 1;
        }
        if count > 0 {
            connection.outbox.append_control(&frame, &mut self.pool);
            self.counters.replayed += count;
        }
        self.frame = frame;
        self.write_notices(key, self.classic.number);
        self.mark(key);
    }

    fn note_overrun(&mut self, key: ConnectionKey, cursor: u64) {
        let Some(connection) = self.connections.get(key) else { return };
        if let Some(classic) = &connection.classic
            && classic.replay.is_overrun(cursor)
        {
            self.counters.overrun += 1;
            tracing::warn!(id = %connection.id, kept = classic.replay.len(),
                "a classic client has missed messages that are not kept any more; raise default_message_buffer_size or message_buffer_bytes_max");
        }
    }

    /// Answers the poll that waits, if there is something to say: all that its client has not
    /// seen, in one envelope (§5.4).
    pub(crate) fn answer_long_poll(&mut self, key: ConnectionKey) {
        let Some(classic) = self.connections.get(key).and_then(|known| known.classic.as_deref())
        else {
            return;
        };
        if classic.has_answer() {
            self.end_long_poll(key);
        }
    }

    /// Answers the poll that waits, though there be nothing to say.
    pub(crate) fn end_long_poll(&mut self, key: ConnectionKey) {
        let Some(classic) = self.connections.get_mut(key).and_then(|known| known.classic.as_mut())
        else {
            return;
        };
        let Some(LongPoll { cursor, callback, delay }) = classic.poll.take() else { return };
        self.note_overrun(key, cursor);
        let notices = self.take_notices(key);
        let is_idle = notices.is_none();
        let notices = notices.unwrap_or_default();
        let groups = notices.groups.then(|| self.groups_token(key));
        let head = self.cursor();
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(classic) = connection.classic.as_deref_mut() else { return };
        let messages = || classic.replay.after(cursor).take(MESSAGES_PER_POLL_MAX);
        let last = messages().last().map(|(number, _)| number);
        let is_all = last.is_none_or(|last| !classic.replay.has_after(last));
        // Who was told nothing stands where it stood (LEG-094).
        let number = match last {
            Some(last) if !is_all => last,
            None if is_idle => cursor,
            _ => head.number,
        };
        let envelope = Envelope {
            cursor: Cursor { number, ..head },
            initialized: notices.initialized,
            terminates: notices.terminate,
            groups_token: groups.as_deref(),
            poll_delay_ms: (!delay.is_zero()).then_some(delay.as_millis() as u64),
        };
        let mut body = Vec::new();
        envelope.write(&mut body, messages().map(|(_, kept)| messages_in(kept.as_slice())));
        // It was looked at when the poll came.
        if let Some(callback) = callback.as_deref().and_then(|name| Callback::parse(name).ok()) {
            let json = std::mem::take(&mut body);
            callback.write(&mut body, &json);
        }
        connection.is_answered = true;
        self.write_to_stream(key, &body);
        self.end_request(key);
    }

    /// Queues what ends the receive request of a connection, which goes on. A WebSocket is closed
    /// by the shard when this is seen.
    pub(crate) fn end_request(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.is_answered = true;
        write_request_end(&mut connection.outbox, connection.framing, &mut self.pool);
        self.mark(key);
    }

    /// A kept message is dropped with its connection.
    pub(in crate::hub) fn forget_replay(&mut self, classic: Option<Box<Classic>>) {
        if let Some(mut classic) = classic {
            classic.replay.clear(&mut self.pool);
        }
    }
}

/// Queues what ends an answer that was begun; a WebSocket gets its Close frame from the shard.
fn write_request_end(outbox: &mut Outbox, framing: Framing, pool: &mut Pool) {
    if !framing.is_websocket() {
        let mut end = Vec::new();
        framing.write_end(&mut end, 1000, "");
        if !end.is_empty() {
            outbox.append_control(&end, pool);
        }
    }
}

/// Messages in the answer to one poll at most (§5.0).
const MESSAGES_PER_POLL_MAX: usize = 5000;
