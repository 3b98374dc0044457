//! What a user of the library writes for a plain WebSocket.

use std::convert::Infallible;
use std::time::Duration;

use crate::base::{ConnectionId, ConnectionKey};
use crate::hub::{Clients, Closed, Delivery, HubError, Registry};
use crate::protocol::http::RequestHead;
use crate::protocol::websocket::{self, Kind};
use crate::transport::{ConnectionOptions, OutboxLimits};

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

/// One message. Text and binary are kept apart, as the client sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Valid UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
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

/// The socket that a callback of [`WebSocket`] is about, and what it can reach.
pub struct Peer<'a> {
    registry: &'a mut Registry,
    world: u16,
    key: ConnectionKey,
}

impl<'a> Peer<'a> {
    pub(super) fn new(registry: &'a mut Registry, world: u16, key: ConnectionKey) -> Self {
        Self { registry, world, key }
    }

    /// The name of this socket in the server.
    pub fn id(&self) -> ConnectionId {
        self.registry.get(self.key).map_or(ConnectionId::NONE, |connection| connection.id)
    }

    /// The request that opened the socket.
    pub fn request(&self) -> Option<&RequestHead> {
        self.registry.get(self.key)?.request.as_deref()
    }

    /// Sends one message to this socket.
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

    /// Subscribes this socket to a topic. Twice is no error.
    ///
    /// # Errors
    ///
    /// When the name is longer, or the socket in more topics, than its options allow.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), HubError> {
        let id = self.id();
        Clients::new(self.registry, self.world).add_to_group(id, topic)
    }

    /// Ends a subscription. No error if there was none.
    pub fn unsubscribe(&mut self, topic: &str) {
        let id = self.id();
        Clients::new(self.registry, self.world).remove_from_group(id, topic);
    }

    /// Sends one message to all subscribers of a topic, this socket included if it is one.
    pub fn publish(&mut self, topic: &str, message: Message<'_>) -> Delivery {
        Clients::new(self.registry, self.world)
            .group(topic)
            .send_raw(message.kind(), message.as_bytes())
    }

    /// Sends one message to all sockets of this path.
    pub fn send_all(&mut self, message: Message<'_>) -> Delivery {
        Clients::new(self.registry, self.world).all().send_raw(message.kind(), message.as_bytes())
    }

    /// Ends the socket with a close code and a reason of at most 123 bytes (RFC 6455 §7.4).
    pub fn close(&mut self, code: u16, reason: &str) {
        self.registry.end_with(self.key, Closed::Aborted, Some(code), reason);
    }

    /// Cuts the socket without a Close frame.
    pub fn abort(&mut self) {
        self.registry.end_with(self.key, Closed::Aborted, None, "");
    }
}

/// Limits and times of a plain WebSocket path.
#[derive(Clone, Debug)]
pub struct RawOptions {
    /// The largest message in bytes (default 64 KiB); more is answered with close code 1009.
    pub message_bytes_max: usize,
    /// Fragments of one message at most (default 1 024, T-FRAG).
    pub fragments_max: u32,
    /// How often an unsolicited Pong is sent (default 2 min, §9.1); `None` for never.
    pub keep_alive_interval: Option<Duration>,
    /// How long the other end may take to answer our Close (default 5 s).
    pub close_timeout: Duration,
    /// Subprotocols that are spoken here, best first; the first one that the client offers is
    /// chosen.
    pub subprotocols: Vec<String>,
    /// Bounds of what waits for a slow client.
    pub outbox: OutboxLimits,
}

impl Default for RawOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024,
            fragments_max: 1024,
            keep_alive_interval: Some(Duration::from_mins(2)),
            close_timeout: Duration::from_secs(5),
            subprotocols: Vec::new(),
            outbox: OutboxLimits::default(),
        }
    }
}

impl RawOptions {
    /// The part that lower layers need.
    pub(crate) fn connection(&self) -> ConnectionOptions {
        ConnectionOptions {
            // A message in the making is bounded by its own limit, not by the buffer of a hub.
            application_max_buffer_bytes: usize::MAX,
            close_timeout: self.close_timeout,
            websocket: websocket::Limits {
                message_bytes_max: Some(self.message_bytes_max as u64),
                fragments_max: self.fragments_max,
            },
            outbox: self.outbox.clone(),
            ..ConnectionOptions::default()
        }
    }
}
