//! Stateful reconnect (§5): messages are numbered and kept until the client has them, so that it
//! may lose its WebSocket, come back on another, and miss nothing.
//!
//! A connection that lost its socket is *parked*: it stays in its world and its groups, and what
//! is sent to it is kept. Nobody waits for it; when it is not resumed in time it ends.

use std::time::Duration;

use super::Hub;
use super::closed::Closed;
use super::context::Context;
use super::delivery::kind_of;
use super::dispatch::Flow;
use super::endpoint::{HubEndpoint, contained, queue};
use super::rate_limit::Charge;
use super::registry::Registry;
use crate::base::{ConnectionKey, Moment, Shared};
use crate::protocol::hub_protocol::{HubMessage, HubProtocolKind, ProtocolError, RecordBuffer};
use crate::transport::{Connection, NEVER, Overflow, Stage, Stateful};

/// What all connections of a shard keep for their clients, together.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) connections: usize,
    pub(super) bytes: usize,
    pub(super) bytes_max: usize,
}

impl Kept {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { connections: 0, bytes: 0, bytes_max }
    }

    /// Queues a frame for a connection whose messages are numbered: kept, and handed to its outbox
    /// as soon as it may be sent.
    pub(super) fn queue(
        &mut self,
        connection: &mut Connection,
        frame: Shared,
        bytes: usize,
        now: Moment,
    ) -> Result<(), Overflow> {
        let Connection { stateful: Some(stateful), outbox, options, .. } = connection else {
            return connection.outbox.push(&frame, &connection.options.outbox);
        };
        let outbound = &mut stateful.outbound;
        let held = outbound.held_bytes();
        if held > 0 && held + bytes > options.outbox.hard_bytes {
            return Err(Overflow);
        }
        // Over the limit of the shard everybody still has a fair share, so that those who never
        // acknowledge harm nobody else (T-SR).
        let share = self.bytes_max / self.connections.max(1);
        if self.bytes + bytes > self.bytes_max && outbound.bytes() + bytes > share {
            return Err(Overflow);
        }
        outbound.push(frame, bytes);
        self.bytes += bytes;
        stateful.release(outbox);
        if stateful.progress_until == NEVER && !stateful.is_parked && stateful.outbound.is_holding()
        {
            stateful.progress_until = now + options.outbox.stall_timeout;
        }
        Ok(())
    }
}

impl Registry {
    /// Limits what stateful connections keep together.
    pub(crate) fn limit_kept(&mut self, bytes_max: usize) {
        self.kept.bytes_max = bytes_max;
    }

    /// Messages of a connection are numbered from now on.
    pub(super) fn begin_numbers(&mut self, key: ConnectionKey, limit: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.stateful = Some(Box::new(Stateful::new(limit)));
            self.kept.connections += 1;
        }
    }

    /// The connection has lost its socket. Whether it survives that: nothing is lost that it had
    /// for its client, and what was half received will be sent again.
    pub(super) fn park(&mut self, key: ConnectionKey) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        if !connection.is_resumable() {
            return false;
        }
        let Some(stateful) = &mut connection.stateful else { return false };
        stateful.is_parked = true;
        stateful.ack_at = NEVER;
        stateful.progress_until = NEVER;
        connection.outbox.clear(&mut self.pool);
        connection.records.clear();
        connection.backlog = Vec::new();
        connection.hub.blocked = false;
        connection.stage_ends = self.now + connection.options.disconnect_timeout;
        connection.ping_at = NEVER;
        connection.silent_at = NEVER;
        self.counters.parked += 1;
        // Streams go on as far as is kept for a client that is away.
        let makes_room = connection.frees_streams();
        if makes_room {
            self.wait(key);
        }
        self.mark(key);
        true
    }

    /// A parked connection has a socket again: it is told where we go on, what has come, and
    /// everything that it may have missed (COR-143). How many messages that are.
    fn unpark(&mut self, key: ConnectionKey) -> u64 {
        let Some(connection) = self.connections.get_mut(key) else { return 0 };
        let (Some(stateful), Some(protocol)) = (&mut connection.stateful, connection.hub.speaks)
        else {
            return 0;
        };
        stateful.is_parked = false;
        stateful.inbound.await_sequence();
        if stateful.outbound.is_holding() {
            stateful.progress_until = self.now + connection.options.outbox.stall_timeout;
        }
        let body = &mut self.bodies[protocol.index()];
        body.clear();
        protocol.write_sequence(body, stateful.outbound.first_number());
        if let Some(number) = stateful.inbound.report_again() {
            protocol.write_ack(body, number);
        }
        self.frame.clear();
        connection.framing.write(&mut self.frame, kind_of(protocol), body);
        connection.outbox.append_control(&self.frame, &mut self.pool);
        let replayed = stateful.replay(&mut connection.outbox);
        connection.stage_ends = NEVER;
        self.counters.resumed += 1;
        self.counters.replayed += replayed;
        self.mark(key);
        replayed
    }

    /// The client has everything up to a number: it is forgotten here, and what waited for that
    /// goes on.
    fn on_ack(&mut self, key: ConnectionKey, sequence_id: i64) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(stateful) = &mut connection.stateful else { return };
        let before = stateful.outbound.bytes();
        let pool = &mut self.pool;
        if !stateful.outbound.acknowledge(sequence_id, |frame| pool.give(frame)) {
            return;
        }
        self.kept.bytes -= before - stateful.outbound.bytes();
        stateful.release(&mut connection.outbox);
        let is_holding = stateful.outbound.is_holding();
        if connection.stage == Stage::Open {
            let until = self.now + connection.options.outbox.stall_timeout;
            stateful.progress_until = if is_holding { until } else { NEVER };
        }
        if !is_holding && !stateful.last_words.is_empty() {
            let words = std::mem::take(&mut stateful.last_words);
            connection.outbox.append_control(&words, &mut self.pool);
        }
        let makes_room = connection.frees_streams();
        let takes_calls = connection.hub.blocked && takes_calls(connection);
        if takes_calls {
            connection.hub.blocked = false;
        }
        if makes_room || takes_calls {
            self.wait(key);
        }
        self.mark(key);
    }

    /// Whether a connection that ends has messages to deliver before its last words, which are in
    /// `frame`. If not, nothing is kept for it any more.
    pub(super) fn keep_last_words(&mut self, key: ConnectionKey, closed: &Closed) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        let Some(stateful) = &mut connection.stateful else { return false };
        let waits = closed.waits_for_acks() && !stateful.is_parked;
        if waits && stateful.outbound.is_holding() {
            stateful.last_words.extend_from_slice(&self.frame);
            stateful.ack_at = NEVER;
            stateful.progress_until = NEVER;
            return true;
        }
        let stateful = connection.stateful.take();
        self.forget_kept(stateful);
        false
    }

    /// Nothing is kept for a connection any more.
    pub(super) fn forget_kept(&mut self, stateful: Option<Box<Stateful>>) {
        if let Some(mut stateful) = stateful {
            self.kept.connections -= 1;
            self.kept.bytes -= stateful.outbound.bytes();
            stateful.outbound.drain().for_each(|frame| self.pool.give(frame));
        }
    }
}

impl<H: Hub> HubEndpoint<H> {
    /// A message of a client whose messages are numbered.
    pub(super) fn on_numbered(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        protocol: HubProtocolKind,
        message: HubMessage<'_>,
        charge: Charge,
    ) -> Flow {
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return Flow::Ended };
        let may_call = takes_calls(connection);
        let Some(stateful) = &mut connection.stateful else { return Flow::Ended };
        match message {
            HubMessage::Ack { sequence_id } => {
                registry.on_ack(key, sequence_id);
                return Flow::Next;
            }
            HubMessage::Sequence { sequence_id } => {
                let understood = stateful.inbound.on_sequence(sequence_id);
                return understood
                    .map_or_else(|error| refuse(registry, key, error), |()| Flow::Next);
            }
            HubMessage::Invocation(_) | HubMessage::StreamInvocation(_) if !may_call => {
                return Flow::Blocked;
            }
            message if !message.is_numbered() => {
                return self.on_charged(registry, key, protocol, message, charge);
            }
            _ => {}
        }
        match stateful.inbound.receive() {
            Ok(true) => stateful.ack_at = stateful.ack_at.min(now + ACK_INTERVAL),
            Ok(false) => {
                // It was paid for when it came first.
                self.refund(key, charge);
                return Flow::Next;
            }
            Err(error) => return refuse(registry, key, error),
        }
        let flow = self.on_charged(registry, key, protocol, message, charge);
        if flow == Flow::Blocked
            && let Some(connection) = registry.get_mut(key)
            && let Some(stateful) = &mut connection.stateful
        {
            stateful.inbound.take_back();
        }
        flow
    }

    /// A record of a client that was said goodbye to, behind messages that it has to acknowledge.
    pub(super) fn on_late_record(
        registry: &mut Registry,
        key: ConnectionKey,
        protocol: HubProtocolKind,
        record: &mut [u8],
    ) -> Flow {
        match protocol.read(record) {
            Ok(HubMessage::Ack { sequence_id }) => {
                registry.on_ack(key, sequence_id);
                Flow::Next
            }
            Ok(_) => Flow::Next,
            Err(_) => Flow::Ended,
        }
    }

    /// Looks for acknowledgements behind what has to wait: who sends calls ahead of them must not
    /// wait for itself.
    pub(super) fn look_ahead(&self, registry: &mut Registry, key: ConnectionKey) {
        let Some(connection) = registry.get_mut(key) else { return };
        let (Some(stateful), Some(protocol)) = (&mut connection.stateful, connection.hub.speaks)
        else {
            return;
        };
        if !stateful.outbound.is_holding() {
            return;
        }
        // A copy, because reading changes a record, and it is read again in its turn.
        let mut unseen = connection.backlog[stateful.looked_at..].to_vec();
        let mut input = unseen.as_mut_slice();
        let mut records = RecordBuffer::default();
        records.speak(protocol);
        let mut latest = None;
        while let Ok(Some(record)) =
            records.next(&mut input, self.options.maximum_receive_message_size)
        {
            if let Ok(HubMessage::Ack { sequence_id }) = protocol.read(record) {
                latest = latest.max(Some(sequence_id));
            }
        }
        stateful.looked_at = connection.backlog.len() - records.pending_len();
        if let Some(sequence_id) = latest {
            registry.on_ack(key, sequence_id);
        }
    }

    /// Something may be due for a connection with numbers. Whether the rest may be, too.
    pub(super) fn on_numbers_alarm(registry: &mut Registry, key: ConnectionKey) -> bool {
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return false };
        let (Some(stateful), Some(protocol)) = (&mut connection.stateful, connection.hub.speaks)
        else {
            return true;
        };
        if stateful.is_parked {
            if connection.stage_ends <= now {
                registry.end(key, Closed::NotResumed);
            }
            return false;
        }
        if stateful.progress_until <= now {
            registry.end(key, Closed::TooSlow(NOT_ACKNOWLEDGED));
            return false;
        }
        if stateful.ack_at <= now {
            stateful.ack_at = NEVER;
            if let Some(number) = stateful.inbound.report() {
                queue_unnumbered(registry, key, |out| protocol.write_ack(out, number));
            }
        }
        true
    }

    /// Somebody has come back to a parked connection.
    pub(super) fn on_resumed(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let replayed = registry.unpark(key);
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return };
        connection.ping_at = now + self.options.keep_alive_interval;
        if connection.hub.armed {
            connection.silent_at = now + self.options.client_timeout_interval;
        }
        let Some(state) = self.states.get_mut(key) else { return };
        let mut context = Context::new(registry, self.world, key, state);
        let hub = &mut self.hub;
        if let Err(panic) = contained(|| hub.on_resumed(&mut context, replayed)) {
            registry.count_panic();
            tracing::error!(panic, "on_resumed panicked");
        }
    }
}

/// Queues a message that has no number: a ping, an acknowledgement. Who keeps messages gets it at
/// once, past those that wait.
pub(super) fn queue_unnumbered(
    registry: &mut Registry,
    key: ConnectionKey,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let Some(connection) = registry.get(key) else { return };
    let Some(protocol) = connection.hub.speaks.filter(|_| connection.stateful.is_some()) else {
        queue(registry, key, write);
        return;
    };
    let mut body = registry.take_body();
    write(&mut body);
    registry.answer(key, kind_of(protocol), &body);
    registry.give_body(body);
}

/// Whether calls are run: not while so much waits for an acknowledgement that their answers could
/// break the limits.
fn takes_calls(connection: &Connection) -> bool {
    connection.stateful.as_ref().is_none_or(|stateful| {
        stateful.outbound.held_bytes() <= connection.options.outbox.soft_bytes
    })
}

fn refuse(registry: &mut Registry, key: ConnectionKey, error: ProtocolError) -> Flow {
    let detail = error.detail.into();
    registry.end(key, Closed::Protocol { type_name: error.type_name, detail });
    Flow::Ended
}

/// The server acknowledges once in this time, when something new came (COR-148).
const ACK_INTERVAL: Duration = Duration::from_secs(1);

/// The detail of [`Closed::TooSlow`] when no acknowledgement came.
const NOT_ACKNOWLEDGED: &str =
    "The client reads too slowly: it did not acknowledge what was sent to it.";
