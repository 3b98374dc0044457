//! One path without a hub: from pieces to what its handler reads.

use std::time::Duration;

use super::peer::Peer;
use super::reading::Reading;
use crate::base::{ConnectionKey, Moment, SideTable};
use crate::hub::{Application, Closed, InputEnd, Parting, Piece, Registry, contained};
use crate::protocol::websocket::{self, Kind, OpCode};
use crate::transport::{NEVER, Stage, Transport};

/// A handler and what it needs to be called.
pub(crate) struct RawEndpoint<R> {
    handler: R,
    world: u16,
    keep_alive: KeepAlive,
    /// How many Pings were sent to a connection.
    pings: SideTable<ConnectionKey, u64>,
}

/// What keeps the sockets of an endpoint alive, and finds dead ones (§9.1).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeepAlive {
    /// How often a frame is sent.
    pub(crate) interval: Option<Duration>,
    /// How long nothing may come after it; then the frame is a Ping.
    pub(crate) timeout: Option<Duration>,
}

impl<R: Reading> RawEndpoint<R> {
    pub(crate) fn new(handler: R, world: u16, keep_alive: KeepAlive) -> Self {
        Self { handler, world, keep_alive, pings: SideTable::default() }
    }

    /// Calls the handler. A panic ends the connection that caused it, and nothing else.
    fn call(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        work: impl FnOnce(&mut R, &mut Peer<'_>),
    ) {
        let mut peer = Peer::new(registry, self.world, key);
        let handler = &mut self.handler;
        if let Err(panic) = contained(|| work(handler, &mut peer)) {
            registry.count_panic();
            tracing::error!(panic, "a handler without a hub panicked; its connection ends");
            registry.end(key, Closed::Failed(panic));
        }
    }

    fn keep_alive(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return };
        if connection.output_closed {
            return;
        }
        let Some(timeout) = self.keep_alive.timeout else {
            // Only where nothing waits anyway: what waits keeps the path open as well.
            if connection.outbox.is_empty() {
                registry.control(key, |out| websocket::write_frame(out, OpCode::Pong, b""));
            }
            return;
        };
        connection.silent_at = connection.silent_at.min(now + timeout);
        let count = self.pings.get(key).map_or(1, |count| count + 1);
        self.pings.insert(key, count);
        let payload = count.to_be_bytes();
        registry.control(key, |out| websocket::write_frame(out, OpCode::Ping, &payload));
    }

    fn hand_over(&mut self, registry: &mut Registry, key: ConnectionKey, kind: Kind, bytes: &[u8]) {
        self.call(registry, key, |handler, peer| handler.received(peer, kind, bytes));
    }
}

impl<R: Reading> Application for RawEndpoint<R> {
    fn opened(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        if let Some(connection) = registry.get_mut(key)
            && connection.transport == Some(Transport::WebSockets)
        {
            connection.ping_at = self.keep_alive.interval.map_or(NEVER, |interval| now + interval);
        }
        registry.enter(key);
        self.call(registry, key, R::opened);
    }

    fn received(&mut self, registry: &mut Registry, key: ConnectionKey, piece: Piece<'_>) {
        let Some(connection) = registry.get_mut(key) else { return };
        if connection.stage != Stage::Open {
            return;
        }
        connection.silent_at = NEVER;
        let is_whole = piece.last || !R::JOINS;
        if is_whole && connection.backlog.is_empty() {
            self.hand_over(registry, key, piece.kind, piece.bytes);
            return;
        }
        connection.backlog.extend_from_slice(piece.bytes);
        if is_whole {
            let bytes = std::mem::take(&mut connection.backlog);
            self.hand_over(registry, key, piece.kind, &bytes);
        }
    }

    fn heard(&mut self, registry: &mut Registry, key: ConnectionKey) {
        if let Some(connection) = registry.get_mut(key) {
            connection.silent_at = NEVER;
        }
    }

    /// What was posted before the transport came (COR-027). The beginning of a message waits for
    /// its end, and for nothing else.
    fn resume(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let Some(connection) = registry.get_mut(key) else { return };
        if !R::JOINS && connection.stage == Stage::Open && !connection.backlog.is_empty() {
            let bytes = std::mem::take(&mut connection.backlog);
            self.hand_over(registry, key, Kind::Binary, &bytes);
        }
    }

    fn alarm(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return };
        if connection.stage_ends <= now {
            // No answer to the Close frame after which we went on reading (COR-041).
            registry.end_with(key, Closed::Aborted, None, "");
            return;
        }
        if connection.silent_at <= now {
            registry.end_with(key, Closed::Silent, None, "");
            return;
        }
        if let Some(interval) = self.keep_alive.interval
            && connection.ping_at <= now
        {
            connection.ping_at = now + interval;
            self.keep_alive(registry, key);
        }
    }

    fn input_ended(&mut self, registry: &mut Registry, key: ConnectionKey, end: InputEnd<'_>) {
        self.resume(registry, key);
        match end {
            InputEnd::Closed { code, reason } => {
                let (code, reason) = R::farewell(code, reason);
                registry.end_with(key, Closed::ByClient, Some(code), reason);
            }
            InputEnd::Lost => registry.end(key, Closed::Lost),
        }
    }

    fn closed(&mut self, registry: &mut Registry, key: ConnectionKey, reason: &Closed) -> Parting {
        self.pings.remove(key);
        self.call(registry, key, |handler, peer| handler.closed(peer, reason));
        Parting::Done
    }

    fn turn(&mut self, _: &mut Registry) {}

    fn deadline(&self) -> Option<Moment> {
        None
    }
}
