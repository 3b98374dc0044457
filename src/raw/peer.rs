//! What handlers of plain WebSockets and of connections without a hub are given.

use std::convert::Infallible;

use crate::auth::Identity;
use crate::base::{ConnectionId, ConnectionKey};
use crate::hub::{Clients, Closed, Delivery, HubError, Registry};
use crate::protocol::http::RequestHead;
use crate::protocol::websocket::Kind;
use crate::transport::Transport;

/// One message. Text and binary are kept apart, as the client sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Valid UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// A text if the bytes are one (UTF-8), and a binary message if not.
    pub fn new(bytes: &'a [u8]) -> Self {
        simdutf8::basic::from_utf8(bytes).map_or(Self::Binary(bytes), Self::Text)
    }

    /// The bytes of the message, whichever kind it is.
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }
}

/// The connection that a callback of [`WebSocket`] or [`ConnectionHandler`] is about, and what it
/// can reach.
///
/// [`WebSocket`]: super::WebSocket
/// [`ConnectionHandler`]: super::ConnectionHandler
pub struct Peer<'a> {
    registry: &'a mut Registry,
    world: u16,
    key: ConnectionKey,
}

impl<'a> Peer<'a> {
    pub(super) fn new(registry: &'a mut Registry, world: u16, key: ConnectionKey) -> Self {
        Self { registry, world, key }
    }

    /// The name of this connection in the server.
    pub fn id(&self) -> ConnectionId {
        self.registry.get(self.key).map_or(ConnectionId::NONE, |connection| connection.id)
    }

    /// The request that opened its transport.
    pub fn request(&self) -> Option<&RequestHead> {
        self.registry.get(self.key)?.request.as_deref()
    }

    /// Who opened it, if a scheme could tell.
    pub fn identity(&self) -> Option<&Identity> {
        self.registry.get(self.key)?.identity.as_deref()
    }

    /// What carries it.
    pub fn transport(&self) -> Option<Transport> {
        self.registry.get(self.key)?.transport
    }

    /// Sends one message to this connection. Event streams and polls carry its bytes, and no kind.
    pub fn send(&mut self, message: Message<'_>) -> Delivery {
        let queued = self.registry.queue::<Infallible>(self.key, message.kind(), |out| {
            out.extend_from_slice(message.as_bytes());
            Ok(())
        });
        match queued {
            Ok(delivery) => delivery,
            Err(never) => match never {},
        }
    }

    /// Subscribes this connection to a topic. Twice is no error.
    ///
    /// # Errors
    ///
    /// When the name is longer, or the connection in more topics, than its options allow.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), HubError> {
        let id = self.id();
        Clients::new(self.registry, self.world).add_to_group(id, topic)
    }

    /// Ends a subscription. No error if there was none.
    pub fn unsubscribe(&mut self, topic: &str) {
        let id = self.id();
        Clients::new(self.registry, self.world).remove_from_group(id, topic);
    }

    /// Sends one message to all subscribers of a topic, this connection included if it is one.
    pub fn publish(&mut self, topic: &str, message: Message<'_>) -> Delivery {
        Clients::new(self.registry, self.world)
            .group(topic)
            .send_raw(message.kind(), message.as_bytes())
    }

    /// Sends one message to all connections of this path.
    pub fn send_all(&mut self, message: Message<'_>) -> Delivery {
        Clients::new(self.registry, self.world).all().send_raw(message.kind(), message.as_bytes())
    }

    /// Ends the connection in an orderly way: with a close code and a reason of at most 123 bytes
    /// over a WebSocket (RFC 6455 §7.4), with the last chunk of an event stream, with 204 for a
    /// poll. What was sent before arrives before.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.registry.end_with(self.key, Closed::Aborted, Some(code), reason);
    }

    /// Sends a Close frame and goes on reading: messages come in until the client's Close does, or
    /// `close_timeout` has passed. Nothing more can be sent. Without a WebSocket this is
    /// [`Peer::close`].
    pub fn close_output(&mut self, code: u16, reason: &str) {
        self.registry.close_output(self.key, code, reason);
    }

    /// Ends the connection with an error: close code 1011 over a WebSocket, 500 for a poll; an
    /// event stream just ends. The client does not read `detail`, `on_close` does.
    pub fn fail(&mut self, detail: impl Into<String>) {
        self.registry.end(self.key, Closed::Failed(detail.into()));
    }

    /// Cuts the connection: no Close frame, no last chunk, 204 for a poll.
    pub fn abort(&mut self) {
        self.registry.end_with(self.key, Closed::Aborted, None, "");
    }
}
