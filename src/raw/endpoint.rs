//! One plain WebSocket path: from pieces to messages.

use std::any::Any;
use std::time::Duration;

use super::handler::{Message, Peer, WebSocket};
use crate::base::{ConnectionKey, Moment};
use crate::hub::{Application, Closed, InputEnd, Piece, Registry, contained};
use crate::protocol::websocket::{self, Kind, OpCode};
use crate::transport::NEVER;

/// A handler and what it needs to be called.
pub(crate) struct RawEndpoint<W> {
    handler: W,
    world: u16,
    keep_alive_interval: Option<Duration>,
}

impl<W: WebSocket> RawEndpoint<W> {
    pub(crate) fn new(handler: W, world: u16, keep_alive_interval: Option<Duration>) -> Self {
        Self { handler, world, keep_alive_interval }
    }

    fn message(&mut self, registry: &mut Registry, key: ConnectionKey, kind: Kind, bytes: &[u8]) {
        let message = match kind {
            Kind::Binary => Message::Binary(bytes),
            Kind::Text => match simdutf8::basic::from_utf8(bytes) {
                Ok(text) => Message::Text(text),
                // The decoder has checked it; a safe language asks again.
                Err(_) => return,
            },
        };
        let mut peer = Peer::new(registry, self.world, key);
        let handler = &mut self.handler;
        if let Err(panic) = contained(|| handler.on_message(&mut peer, message)) {
            panicked(registry, key, &panic);
        }
    }
}

impl<W: WebSocket> Application for RawEndpoint<W> {
    fn opened(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        if let Some(connection) = registry.get_mut(key) {
            connection.ping_at = self.keep_alive_interval.map_or(NEVER, |interval| now + interval);
        }
        registry.enter(key);
        let mut peer = Peer::new(registry, self.world, key);
        let handler = &mut self.handler;
        if let Err(panic) = contained(|| handler.on_open(&mut peer)) {
            panicked(registry, key, &panic);
        }
    }

    fn received(&mut self, registry: &mut Registry, key: ConnectionKey, piece: Piece<'_>) {
        let Some(connection) = registry.get_mut(key) else { return };
        if !connection.is_open() {
            return;
        }
        if piece.last && connection.backlog.is_empty() {
            self.message(registry, key, piece.kind, piece.bytes);
            return;
        }
        connection.backlog.extend_from_slice(piece.bytes);
        if piece.last {
            let message = std::mem::take(&mut connection.backlog);
            self.message(registry, key, piece.kind, &message);
        }
    }

    fn resume(&mut self, _: &mut Registry, _: ConnectionKey) {}

    fn alarm(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return };
        if let Some(interval) = self.keep_alive_interval
            && connection.ping_at <= now
        {
            connection.ping_at = now + interval;
            // Only where nothing waits anyway: what waits keeps the path open as well.
            if connection.outbox.is_empty() {
                registry.control(key, |out| websocket::write_frame(out, OpCode::Pong, b""));
            }
        }
    }

    fn input_ended(&mut self, registry: &mut Registry, key: ConnectionKey, end: InputEnd<'_>) {
        match end {
            // The same code and reason come back (RFC 6455 §5.5.1).
            InputEnd::Closed { code, reason } => {
                registry.end_with(key, Closed::ByClient, Some(code.unwrap_or(1000)), reason);
            }
            InputEnd::Lost => registry.end(key, Closed::Lost),
        }
    }

    fn closed(&mut self, registry: &mut Registry, key: ConnectionKey, reason: &Closed) {
        let mut peer = Peer::new(registry, self.world, key);
        let handler = &mut self.handler;
        if let Err(panic) = contained(|| handler.on_close(&mut peer, reason)) {
            registry.count_panic();
            tracing::error!(panic, "on_close of a WebSocket handler panicked");
        }
    }

    fn turn(&mut self, _: &mut Registry) {}

    fn deadline(&self) -> Option<Moment> {
        None
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// A panic ends the socket that caused it, and nothing else.
fn panicked(registry: &mut Registry, key: ConnectionKey, panic: &str) {
    registry.count_panic();
    tracing::error!(panic, "a WebSocket handler panicked; its socket ends");
    registry.end_with(key, Closed::Aborted, Some(1011), "");
}
