//! What a user of the library writes for a path without a hub.

use super::peer::{Message, Peer};
use crate::hub::Closed;

/// The server side of plain WebSockets: one value per shard for all sockets of a path.
///
/// ```
/// use tickhub::{Message, Peer, WebSocket};
///
/// struct Echo;
///
/// impl WebSocket for Echo {
///     fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
///         peer.send(message).ignore();
///     }
/// }
/// ```
pub trait WebSocket: 'static {
    /// A socket has opened.
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        let _ = peer;
    }

    /// A whole message has come.
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>);

    /// The socket has ended. It is still in its topics, but nothing reaches it any more.
    fn on_close(&mut self, peer: &mut Peer<'_>, reason: &Closed) {
        let _ = (peer, reason);
    }
}

/// The server side of connections without a hub: bytes over any transport of SignalR, one value
/// per shard for all connections of a path.
///
/// Clients negotiate, and take a WebSocket, an event stream or polls, as for a hub; there is no
/// handshake, and nothing is pinged. A WebSocket gets an unsolicited Pong every 2 minutes, so that
/// a client that has vanished is found out; whoever wants that for the other transports sends
/// something now and then.
///
/// ```
/// use tickhub::{ConnectionHandler, Message, Peer};
///
/// struct Echo;
///
/// impl ConnectionHandler for Echo {
///     fn on_receive(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) {
///         peer.send(Message::new(bytes)).ignore();
///     }
/// }
/// ```
pub trait ConnectionHandler: 'static {
    /// A connection has its transport.
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        let _ = peer;
    }

    /// Bytes have come, in pieces of any size: neither WebSocket messages nor POSTs are kept
    /// apart or together (§0.3).
    fn on_receive(&mut self, peer: &mut Peer<'_>, bytes: &[u8]);

    /// The connection has ended. It is still in its topics, but nothing reaches it any more.
    fn on_close(&mut self, peer: &mut Peer<'_>, reason: &Closed) {
        let _ = (peer, reason);
    }
}
