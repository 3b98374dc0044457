//! What the shard asks of whatever stands behind a path: a hub, or a raw endpoint.

use super::closed::Closed;
use super::ending::Parting;
use super::registry::Registry;
use crate::base::{ConnectionKey, Moment};
use crate::protocol::websocket::Kind;

/// One part of a message from a client, as it came.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    /// Text or binary.
    pub(crate) kind: Kind,
    /// The bytes, unmasked, writable, lent for the call.
    pub(crate) bytes: &'a mut [u8],
    /// Whether this ends the WebSocket message.
    pub(crate) last: bool,
}

/// How the input of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputEnd<'a> {
    /// With a Close frame.
    Closed {
        /// Its code, if it had one.
        code: Option<u16>,
        /// Its reason, often empty.
        reason: &'a str,
    },
    /// Without: the TCP connection ended or broke.
    Lost,
}

/// What stands behind a path. Owns the user's code; knows connections, not sockets.
pub(crate) trait Application: 'static {
    /// A transport is there for the first time.
    fn opened(&mut self, registry: &mut Registry, key: ConnectionKey);

    /// Bytes came in.
    fn received(&mut self, registry: &mut Registry, key: ConnectionKey, piece: Piece<'_>);

    /// A sign of life without data: a Ping or a Pong.
    fn heard(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let _ = (registry, key);
    }

    /// Input that had to wait can be tried again.
    fn resume(&mut self, registry: &mut Registry, key: ConnectionKey);

    /// Something may be due for this connection.
    fn alarm(&mut self, registry: &mut Registry, key: ConnectionKey);

    /// The client sends no more.
    fn input_ended(&mut self, registry: &mut Registry, key: ConnectionKey, end: InputEnd<'_>);

    /// A connection that had lost its socket has another one; the answer to the upgrade is queued.
    fn resumed(&mut self, _registry: &mut Registry, _key: ConnectionKey) {}

    /// The connection has ended; it leaves all tables right after this, unless the answer is
    /// that it has to wait.
    fn closed(&mut self, registry: &mut Registry, key: ConnectionKey, reason: &Closed) -> Parting;

    /// Once a turn: timers and tasks.
    fn turn(&mut self, registry: &mut Registry);

    /// When the next turn is due at the latest.
    fn deadline(&self) -> Option<Moment>;

    /// The first disagreement between its tables and those of the registry: for the simulator.
    #[cfg(feature = "sim")]
    fn check(&self, registry: &Registry) -> Result<(), String> {
        let _ = registry;
        Ok(())
    }

    /// Whether nothing is left of anybody: for the simulator.
    #[cfg(feature = "sim")]
    fn is_quiet(&self) -> bool {
        true
    }
}
