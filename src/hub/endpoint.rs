//! One hub behind a path: from bytes to records, handshake, keep-alive, time-outs, the end.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::Hub;
use super::application::{Application, InputEnd, Piece};
use super::call::Local;
use super::clients::Clients;
use super::closed::Closed;
use super::context::Context;
use super::delivery::kind_of;
use super::dispatch::{Flow, Manner};
use super::ending::Parting;
use super::methods::Methods;
use super::options::HubOptions;
use super::rate_limit::{Buckets, Charge};
use super::registry::Registry;
use super::running::{Task, Underway};
use super::stateful::queue_unnumbered;
use super::tasks::Tasks;
use crate::base::{ConnectionKey, Moment, SideTable, TaskKey};
use crate::protocol::hub_protocol::errors::DetailedErrors;
use crate::protocol::hub_protocol::handshake::{self, Refusal, Request};
use crate::protocol::hub_protocol::{HubMessage, HubProtocolKind};
use crate::protocol::websocket::Kind;
use crate::transport::{Connection, Framing, NEVER, Stage, Transport};

/// A hub, its method table, and what it keeps for each connection.
pub(crate) struct HubEndpoint<H: Hub> {
    pub(super) hub: H,
    pub(super) world: u16,
    pub(super) options: HubOptions,
    pub(super) methods: Rc<Methods<H>>,
    pub(super) states: SideTable<ConnectionKey, H::State>,
    /// Only of hubs with a rate limit.
    pub(super) buckets: SideTable<ConnectionKey, Buckets>,
    pub(super) local: Rc<Local<H>>,
    pub(super) tasks: Tasks<Task>,
    /// Kept for its memory.
    pub(super) woken: VecDeque<TaskKey>,
    pub(super) underway: SideTable<ConnectionKey, Underway>,
    /// When each timer of the method table is due next.
    due: Vec<Moment>,
}

impl<H: Hub> HubEndpoint<H> {
    pub(crate) fn new(hub: H, world: u16, options: HubOptions, registry: &Registry) -> Self {
        let mut methods = Methods::new();
        H::methods(&mut methods);
        let due = methods.timers.iter().map(|timer| registry.now + timer.period).collect();
        Self {
            hub,
            world,
            options,
            methods: Rc::new(methods),
            states: SideTable::default(),
            buckets: SideTable::default(),
            local: Rc::default(),
            tasks: Tasks::new(registry.ring.clone()),
            woken: VecDeque::new(),
            underway: SideTable::default(),
            due,
        }
    }

    /// What tasks of others share with this hub.
    pub(crate) fn local(&self) -> &Rc<Local<H>> {
        &self.local
    }

    /// The hub and everybody connected to it.
    pub(crate) fn enter<'a>(&'a mut self, registry: &'a mut Registry) -> (&'a mut H, Clients<'a>) {
        (&mut self.hub, Clients::new(registry, self.world))
    }

    /// Works through records until they end, the turn's share is used up, or one has to wait.
    fn process(&mut self, registry: &mut Registry, key: ConnectionKey, bytes: &mut [u8]) {
        let Some(connection) = registry.get_mut(key) else { return };
        if let Some(stateful) = &mut connection.stateful {
            stateful.looked_at = 0;
        }
        let mut records = std::mem::take(&mut connection.records);
        let mut speaks = connection.hub.speaks;
        let mut input = bytes;
        let mut count = 0;
        loop {
            if count == RECORDS_PER_PIECE_MAX && !input.is_empty() {
                if let Some(connection) = registry.get_mut(key) {
                    connection.backlog.extend_from_slice(input);
                }
                registry.wait(key);
                break;
            }
            let record = match records.next(&mut input, self.options.maximum_receive_message_size) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => {
                    self.too_long(registry, key, error);
                    break;
                }
            };
            count += 1;
            match self.on_record(registry, key, record) {
                Flow::Next if speaks.is_none() => {
                    // This was the handshake. What is behind it is framed as it has chosen.
                    speaks = registry.get(key).and_then(|connection| connection.hub.speaks);
                    if let Some(protocol) = speaks {
                        records.speak(protocol);
                    }
                }
                Flow::Next => {}
                // Behind the call that ended it may be what its last words wait for.
                Flow::Ended if registry.get(key).is_some_and(Connection::owes_last_words) => {}
                Flow::Ended => break,
                Flow::Blocked => {
                    // The message and what is behind it wait until a running call has ended (§6.4)
                    // or an upload has room (§3.7).
                    if let Some(connection) = registry.get_mut(key)
                        && let Some(protocol) = connection.hub.speaks
                    {
                        connection.hub.blocked = true;
                        connection.silent_at = NEVER;
                        protocol.write_record(&mut connection.backlog, record);
                        connection.backlog.extend_from_slice(input);
                    }
                    break;
                }
            }
        }
        let now = registry.now;
        let mut looks_ahead = false;
        if let Some(connection) = registry.get_mut(key)
            && (connection.stage != Stage::Closing || connection.owes_last_words())
        {
            connection.records = records;
            looks_ahead = connection.stateful.is_some() && !connection.backlog.is_empty();
            if count > 0 && connection.hub.armed && !connection.hub.blocked {
                // Any message is a sign of life (COR-115).
                connection.silent_at = now + self.options.client_timeout_interval;
            }
        }
        registry.mark(key);
        if looks_ahead {
            self.look_ahead(registry, key);
        }
    }

    /// Works through what came before the input ended, whatever the share of a turn is: it is
    /// bounded by what may wait. What is behind a busy hub has nobody left to answer to.
    fn process_rest(&mut self, registry: &mut Registry, key: ConnectionKey) {
        while let Some(connection) = registry.get_mut(key)
            && connection.stage == Stage::Open
            && !connection.hub.blocked
            && !connection.backlog.is_empty()
        {
            let mut rest = std::mem::take(&mut connection.backlog);
            self.process(registry, key, &mut rest);
        }
    }

    /// Works through what had to wait.
    pub(super) fn go_on(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let Some(connection) = registry.get_mut(key) else { return };
        let is_over = connection.stage == Stage::Closing && !connection.owes_last_words();
        if is_over || connection.hub.blocked {
            return;
        }
        let mut backlog = std::mem::take(&mut connection.backlog);
        self.process(registry, key, &mut backlog);
    }

    fn too_long(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        error: crate::protocol::hub_protocol::ProtocolError,
    ) {
        match registry.get(key).map(|connection| connection.stage) {
            Some(Stage::Handshaking) => self.refuse(registry, key, &Refusal::Canceled),
            _ => registry.end(
                key,
                Closed::Protocol { type_name: error.type_name, detail: error.detail.into() },
            ),
        }
    }

    fn on_record(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        record: &mut [u8],
    ) -> Flow {
        let Some(connection) = registry.get(key) else { return Flow::Ended };
        match (connection.stage, connection.hub.speaks) {
            (Stage::Handshaking, _) => self.on_handshake(registry, key, record),
            (Stage::Open, _) if connection.hub.connecting => Flow::Blocked,
            (Stage::Open, Some(protocol)) => {
                let has_numbers = connection.stateful.is_some();
                let charge = self.charge(registry.now, key, record.len());
                let flow = match protocol.read(record) {
                    Ok(message) if has_numbers => {
                        self.on_numbered(registry, key, protocol, message, charge)
                    }
                    Ok(message) => self.on_charged(registry, key, protocol, message, charge),
                    Err(error) => {
                        let detail = error.detail.into();
                        registry.end(key, Closed::Protocol { type_name: error.type_name, detail });
                        Flow::Ended
                    }
                };
                if flow == Flow::Blocked {
                    self.refund(key, charge);
                }
                flow
            }
            (Stage::Closing, Some(protocol)) if connection.owes_last_words() => {
                Self::on_late_record(registry, key, protocol, record)
            }
            _ => Flow::Ended,
        }
    }

    /// A message that is within its limits, or is not.
    pub(super) fn on_charged(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        protocol: HubProtocolKind,
        message: HubMessage<'_>,
        charge: Charge,
    ) -> Flow {
        match charge {
            Charge::Excess => self.on_excess(registry, key, protocol, message),
            Charge::Free | Charge::Paid(_) => self.on_message(registry, key, message),
        }
    }

    pub(super) fn on_message(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        message: HubMessage<'_>,
    ) -> Flow {
        match message {
            HubMessage::Invocation(invocation) => {
                self.on_invocation(registry, key, Manner::Plain, invocation)
            }
            HubMessage::StreamInvocation(invocation) => {
                self.on_invocation(registry, key, Manner::Stream, invocation)
            }
            HubMessage::StreamItem { invocation_id, item } => {
                self.on_stream_item(registry, key, &invocation_id, item)
            }
            HubMessage::Completion { invocation_id, outcome } => {
                self.on_completion(registry, key, &invocation_id, outcome)
            }
            HubMessage::CancelInvocation { invocation_id } => {
                self.on_cancel(registry, key, &invocation_id);
                Flow::Next
            }
            HubMessage::Ping => {
                if let Some(connection) = registry.get_mut(key) {
                    connection.hub.armed = true;
                }
                Flow::Next
            }
            HubMessage::Close { error, .. } => {
                let closed = match error {
                    Some(error) => Closed::ByClientWithError(error.into_owned()),
                    None => Closed::ByClient,
                };
                registry.end(key, closed);
                Flow::Ended
            }
            // Acknowledgements mean nothing without stateful reconnect (§5.3), and types that
            // nobody knows yet are skipped (COR-079).
            HubMessage::Ack { .. } | HubMessage::Sequence { .. } | HubMessage::Unknown { .. } => {
                Flow::Next
            }
        }
    }

    fn on_handshake(&mut self, registry: &mut Registry, key: ConnectionKey, record: &[u8]) -> Flow {
        let transport = registry.get(key).and_then(|connection| connection.transport);
        let binary = transport.is_none_or(Transport::is_binary);
        let allowed = &self.options.supported_protocols;
        let chosen = Request::read(record)
            .and_then(|request| Ok((request.choose(allowed, binary)?, request.version)));
        let (protocol, version) = match chosen {
            Ok(chosen) => chosen,
            Err(refusal) => {
                self.refuse(registry, key, &refusal);
                return Flow::Ended;
            }
        };
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return Flow::Ended };
        connection.hub.speaks = Some(protocol);
        let may_be_stateful =
            connection.hub.may_be_stateful && connection.framing == Framing::WebSocket;
        if !connection.polls() {
            // A poll that is answered every 90 s keeps itself alive (COR-057).
            connection.ping_at = now + self.options.keep_alive_interval;
        }
        registry.enter(key);
        // The kind of messages has changed by now: the answer to a binary protocol is binary, the
        // refusals above are text (COR-034).
        queue(registry, key, |out| out.extend_from_slice(handshake::ACCEPTED));
        if may_be_stateful && version >= handshake::VERSION_STATEFUL {
            registry.begin_numbers(key, self.options.stateful_reconnect_buffer_size);
        }
        self.states.insert(key, H::State::default());
        if self.options.rate_limit.is_some() {
            self.buckets.insert(key, Buckets::default());
        }
        self.on_connected(registry, key)
    }

    /// Answers a handshake with an error; no Close message follows (COR-068).
    fn refuse(&mut self, registry: &mut Registry, key: ConnectionKey, refusal: &Refusal) {
        let detailed = DetailedErrors(self.options.enable_detailed_errors);
        tracing::debug!(reason = refusal.text(DetailedErrors(true)), "handshake refused");
        // The stage is not `Open`, so this goes out as bytes that are no message.
        let mut body = Vec::new();
        refusal.write(&mut body, detailed);
        registry.answer(key, Kind::Text, &body);
        registry.end(key, Closed::Handshake);
    }

    /// A connection has ended: the hub hears of it, if it heard of its beginning.
    pub(super) fn disconnect(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        reason: &Closed,
        was_connected: bool,
    ) -> Parting {
        self.buckets.remove(key);
        let Some(mut state) = self.states.remove(key).filter(|_| was_connected) else {
            return Parting::Done;
        };
        let mut context = Context::new(registry, self.world, key, &mut state);
        let (hub, methods) = (&mut self.hub, &self.methods);
        match contained(|| methods.disconnect(hub, &mut context, reason)) {
            Ok(Ok(())) => Parting::Done,
            Ok(Err(error)) => {
                tracing::warn!(%error, "on_disconnected failed");
                Parting::Failed
            }
            Err(panic) => {
                registry.count_panic();
                tracing::error!(panic, "on_disconnected panicked");
                Parting::Failed
            }
        }
    }

    /// Runs the timers that are due: once each, however many periods were missed (D8).
    fn run_timers(&mut self, registry: &mut Registry) {
        let now = registry.now;
        let methods = self.methods.clone();
        for (timer, due) in methods.timers.iter().zip(&mut self.due) {
            if *due > now {
                continue;
            }
            *due = next_tick(*due, timer.period, now);
            let mut clients = Clients::new(registry, self.world);
            let hub = &mut self.hub;
            if let Err(panic) = contained(|| (timer.run)(hub, &mut clients)) {
                registry.count_panic();
                tracing::error!(panic, "a timer of a hub panicked");
            }
        }
    }
}

impl<H: Hub> Application for HubEndpoint<H> {
    fn opened(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        if let Some(connection) = registry.get_mut(key) {
            connection.stage = Stage::Handshaking;
            connection.stage_ends = now + self.options.handshake_timeout;
            connection.hub.detailed = self.options.enable_detailed_errors;
        }
        registry.mark(key);
    }

    fn received(&mut self, registry: &mut Registry, key: ConnectionKey, piece: Piece<'_>) {
        // Boundaries of WebSocket messages mean nothing to a hub (§0.3).
        let Some(connection) = registry.get_mut(key) else { return };
        if connection.stage == Stage::Closing && !connection.owes_last_words() {
            return;
        }
        if connection.hub.blocked || !connection.backlog.is_empty() {
            connection.backlog.extend_from_slice(piece.bytes);
            let looks_ahead = connection.stateful.is_some();
            registry.mark(key);
            if looks_ahead {
                self.look_ahead(registry, key);
            }
            return;
        }
        self.process(registry, key, piece.bytes);
    }

    fn resume(&mut self, registry: &mut Registry, key: ConnectionKey) {
        self.on_room(registry, key);
        self.go_on(registry, key);
    }

    fn alarm(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return };
        if connection.stage == Stage::Handshaking && connection.stage_ends <= now {
            self.refuse(registry, key, &Refusal::Canceled);
            return;
        }
        if connection.stateful.is_some() && !Self::on_numbers_alarm(registry, key) {
            return;
        }
        let Some(connection) = registry.get_mut(key) else { return };
        let Some(protocol) = connection.hub.speaks else { return };
        if connection.silent_at <= now {
            registry.end(key, Closed::Silent);
            return;
        }
        if connection.ping_at <= now {
            // Whatever else was sent meanwhile: .NET counts from its last ping (COR-113).
            connection.ping_at = now + self.options.keep_alive_interval;
            queue_unnumbered(registry, key, |out| protocol.write_ping(out));
        }
    }

    fn input_ended(&mut self, registry: &mut Registry, key: ConnectionKey, end: InputEnd<'_>) {
        let orderly = matches!(end, InputEnd::Closed { .. });
        self.process_rest(registry, key);
        if !orderly && registry.park(key) {
            return;
        }
        let Some(connection) = registry.get(key) else { return };
        let closed = match connection.records.finish() {
            Err(error) if connection.stage == Stage::Open => {
                Closed::Protocol { type_name: error.type_name, detail: error.detail.into() }
            }
            _ if orderly => Closed::ByClient,
            _ => Closed::Lost,
        };
        // Nobody reads a Close message any more; the Close frame is answered with 1000 (COR-038).
        if let Some(connection) = registry.get_mut(key) {
            connection.hub.speaks = None;
        }
        registry.end_with(key, closed, orderly.then_some(1000), "");
    }

    fn resumed(&mut self, registry: &mut Registry, key: ConnectionKey) {
        self.on_resumed(registry, key);
    }

    fn closed(&mut self, registry: &mut Registry, key: ConnectionKey, reason: &Closed) -> Parting {
        self.abandon(registry, key);
        let Some(connection) = registry.get(key) else { return Parting::Done };
        if connection.hub.connecting {
            return Parting::Later;
        }
        let was_connected = connection.hub.connected;
        self.disconnect(registry, key, reason, was_connected)
    }

    fn turn(&mut self, registry: &mut Registry) {
        self.run_timers(registry);
        self.run_tasks(registry);
    }

    fn deadline(&self) -> Option<Moment> {
        if self.has_work() {
            return Some(Moment::START);
        }
        self.due.iter().copied().chain(self.local.clock.deadline()).min()
    }

    #[cfg(feature = "sim")]
    fn check(&self, registry: &Registry) -> Result<(), String> {
        self.check_running(registry)
    }

    #[cfg(feature = "sim")]
    fn is_quiet(&self) -> bool {
        self.states.is_empty() && self.nothing_runs()
    }
}

/// Queues a message that can always be written.
pub(super) fn queue(registry: &mut Registry, key: ConnectionKey, write: impl FnOnce(&mut Vec<u8>)) {
    let speaks = registry.get(key).and_then(|connection| connection.hub.speaks);
    let kind = speaks.map_or(Kind::Text, kind_of);
    let queued = registry.queue::<std::convert::Infallible>(key, kind, |out| {
        write(out);
        Ok(())
    });
    match queued {
        Ok(delivery) => delivery.ignore(),
        Err(never) => match never {},
    }
}

/// Runs code of the user; a panic comes back as its text, for the log.
///
/// The hub and the tables stay as they are: the panicking method may have left its own hub half
/// changed, which is its author's to know, but no table of ours is changed in the middle of a
/// call into user code.
pub(crate) fn contained<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(code)).map_err(|panic| {
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => match panic.downcast::<&str>() {
                Ok(text) => (*text).to_owned(),
                Err(_) => "a panic without a text".to_owned(),
            },
        }
    })
}

/// The first moment after `now` that is a whole number of periods after `due`.
fn next_tick(due: Moment, period: Duration, now: Moment) -> Moment {
    let next = due + period;
    if next > now {
        return next;
    }
    let missed = now.since(due).as_nanos() / period.as_nanos();
    let nanos = u64::try_from((missed + 1) * period.as_nanos()).unwrap_or(u64::MAX);
    due + Duration::from_nanos(nanos)
}

/// Records of one received piece at most: what is left waits for the next turn, so that
/// nobody holds up the others (T-SEP).
const RECORDS_PER_PIECE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_do_not_drift_and_do_not_pile_up() {
        let at = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let period = Duration::from_millis(16);
        assert_eq!(next_tick(at(16), period, at(17)), at(32));
        assert_eq!(next_tick(at(16), period, at(32)), at(48));
        assert_eq!(next_tick(at(16), period, at(1000)), at(1008));
    }
}
