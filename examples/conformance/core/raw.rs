//! WebSockets without a hub: the echo, with a few settings.

use tickhub::http::{Request, Response};
use tickhub::protocol::websocket::Verdict;
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
        .before(|request, _| expect_websocket(request))
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

/// The original leaves it to the application what a request gets that is no opening of a
/// WebSocket; ours here says the same to all of them.
fn expect_websocket(request: &Request<'_>) -> Option<Response<'static>> {
    let is_opening = matches!(Verdict::of(request), Verdict::Accept { .. });
    let is_ours = request.path().to_ascii_lowercase().starts_with("/raw/");
    (is_ours && !is_opening).then(|| Response::new(400).body(b"WebSocket expected".as_slice()))
}
