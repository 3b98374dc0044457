//! The two ways to read what a client sends: as messages, and as bytes.

use super::handler::{ConnectionHandler, WebSocket};
use super::peer::{Message, Peer};
use crate::hub::Closed;
use crate::protocol::websocket::Kind;

/// A handler as its endpoint sees it. What it calls is user code, which may panic.
pub(crate) trait Reading: 'static {
    /// Whether the pieces of a message are joined before they are handed over.
    const JOINS: bool;

    fn opened(&mut self, peer: &mut Peer<'_>);

    fn received(&mut self, peer: &mut Peer<'_>, kind: Kind, bytes: &[u8]);

    fn closed(&mut self, peer: &mut Peer<'_>, reason: &Closed);

    /// What answers a Close frame of the client.
    fn farewell(code: Option<u16>, reason: &str) -> (u16, &str);
}

/// A plain WebSocket.
pub(crate) struct Messages<W>(pub(crate) W);

impl<W: WebSocket> Reading for Messages<W> {
    const JOINS: bool = true;

    fn opened(&mut self, peer: &mut Peer<'_>) {
        self.0.on_open(peer);
    }

    fn received(&mut self, peer: &mut Peer<'_>, kind: Kind, bytes: &[u8]) {
        let message = match kind {
            Kind::Binary => Message::Binary(bytes),
            Kind::Text => match simdutf8::basic::from_utf8(bytes) {
                Ok(text) => Message::Text(text),
                // It was checked when it came in; a safe language asks again.
                Err(_) => return,
            },
        };
        self.0.on_message(peer, message);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, reason: &Closed) {
        self.0.on_close(peer, reason);
    }

    /// The same code and reason come back (RFC 6455 §5.5.1).
    fn farewell(code: Option<u16>, reason: &str) -> (u16, &str) {
        (code.unwrap_or(1000), reason)
    }
}

/// A connection without a hub.
pub(crate) struct Bytes<C>(pub(crate) C);

impl<C: ConnectionHandler> Reading for Bytes<C> {
    const JOINS: bool = false;

    fn opened(&mut self, peer: &mut Peer<'_>) {
        self.0.on_open(peer);
    }

    fn received(&mut self, peer: &mut Peer<'_>, _: Kind, bytes: &[u8]) {
        self.0.on_receive(peer, bytes);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, reason: &Closed) {
        self.0.on_close(peer, reason);
    }

    /// As for a hub (§2.2).
    fn farewell(_: Option<u16>, _: &str) -> (u16, &str) {
        (1000, "")
    }
}
