//! WebSockets without a hub: the echo, with a few settings.

use tickhub::{Message, Peer, RawOptions, Server, WebSocket};

use super::SECOND;

struct Echo;

impl WebSocket for Echo {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        match message {
            Message::Text("ServerClose") => peer.close(1000, "Closing from Server"),
            Message::Text("ServerCloseOutput") => peer.close(4001, "bye"),
            Message::Text("ServerAbort") => peer.abort(),
            other => peer.send(other).ignore(),
        }
    }
}

pub(super) fn serve(server: Server) -> Server {
    let plain = RawOptions { message_bytes_max: 1 << 20, ..RawOptions::default() };
    server
        .websocket("/raw/echo", plain.clone(), |_| Echo)
        .websocket(
            "/raw/pong",
            RawOptions { keep_alive_interval: Some(SECOND), ..plain.clone() },
            |_| Echo,
        )
        .websocket(
            "/raw/subprotocol",
            RawOptions { subprotocols: vec!["beta".into()], ..plain },
            |_| Echo,
        )
}
