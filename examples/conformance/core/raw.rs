//! WebSockets without a hub: the echo, with a few settings.

use tickhub::http::Response;
use tickhub::{Compression, Message, Origins, Peer, RawOptions, Server, WebSocket};

use super::SECOND;

struct Echo;

impl WebSocket for Echo {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        match message {
            Message::Text("ServerClose") => peer.close(1000, "Closing from Server"),
            Message::Text("ServerCloseOutput") => peer.close_output(4001, "bye"),
            Message::Text("ServerAbort") => peer.abort(),
            other => peer.send(other).ignore(),
        }
    }
}

pub(super) fn serve(server: Server) -> Server {
    let plain = RawOptions {
        message_bytes_max: 1 << 20,
        allowed_origins: Origins::Any,
        otherwise: Some(|_| Response::new(400).body(b"WebSocket expected".as_slice())),
        ..RawOptions::default()
    };
    let each_second = RawOptions { keep_alive_interval: Some(SECOND), ..plain.clone() };
    let pings = RawOptions { keep_alive_timeout: Some(SECOND), ..each_second.clone() };
    let origins = RawOptions {
        allowed_origins: Origins::list(["http://good.example", "http://Mixed.Example"]),
        ..plain.clone()
    };
    let any_origin = RawOptions { allowed_origins: Origins::list(["*"]), ..plain.clone() };
    let deflate = RawOptions { compression: Some(Compression::default()), ..plain.clone() };
    let alone = Compression { server_no_context_takeover: true, ..Compression::default() };
    let alone = RawOptions { compression: Some(alone), ..plain.clone() };
    let small = Compression { server_max_window_bits: 11, ..Compression::default() };
    let small = RawOptions { compression: Some(small), ..plain.clone() };
    let beta = RawOptions { sub_protocols: vec!["beta".into()], ..plain.clone() };
    server
        .websocket("/raw/echo", plain, |_| Echo)
        .websocket("/raw/origins", origins, |_| Echo)
        .websocket("/raw/any-origin", any_origin, |_| Echo)
        .websocket("/raw/pong", each_second, |_| Echo)
        .websocket("/raw/ping", pings, |_| Echo)
        .websocket("/raw/subprotocol", beta, |_| Echo)
        .websocket("/raw/deflate", deflate, |_| Echo)
        .websocket("/raw/deflate-no-context", alone, |_| Echo)
        .websocket("/raw/deflate-11", small, |_| Echo)
}
