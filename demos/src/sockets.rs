//! Plain WebSockets and plain HTTP: what comes in goes out.

use tickhub::http::Response;
use tickhub::{
    Compression, ConnectionHandler, ConnectionOptions, Message, OutboxLimits, Peer, RawOptions,
    Server, WebSocket,
};

struct Echo;

impl WebSocket for Echo {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        peer.send(message).ignore();
    }
}

/// What one sends, all receive.
struct Broadcast;

impl WebSocket for Broadcast {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        peer.send_all(message).ignore();
    }
}

/// The same for bytes over any transport.
struct Bytes;

impl ConnectionHandler for Bytes {
    fn on_receive(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) {
        peer.send(Message::new(bytes)).ignore();
    }
}

pub(crate) fn serve(server: Server) -> Server {
    let echo = RawOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        // A message of the largest size in fragments of 1 KiB.
        fragments_max: 16 * 1024,
        outbox: OutboxLimits { hard_bytes: 4 * MESSAGE_BYTES_MAX, ..OutboxLimits::default() },
        ..RawOptions::default()
    };
    let broadcast = RawOptions {
        outbox: OutboxLimits { hard_bytes: MESSAGE_BYTES_MAX, ..OutboxLimits::default() },
        ..RawOptions::default()
    };
    let deflate = RawOptions { compression: Some(Compression::default()), ..RawOptions::default() };
    server
        .websocket("/ws/echo", echo, |_| Echo)
        .websocket("/ws/broadcast", broadcast, |_| Broadcast)
        .websocket("/ws/deflate", deflate.clone(), |_| Echo)
        .websocket("/ws/deflate/broadcast", deflate, |_| Broadcast)
        .connection("/bytes", |_| Bytes, ConnectionOptions::default())
        .http("/echo", |request| {
            Response::new(200)
                .content_type(request.header("content-type").unwrap_or("application/octet-stream"))
                .body(request.body().to_vec())
        })
}

const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
