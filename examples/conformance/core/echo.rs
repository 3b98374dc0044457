//! The connection without a hub that sends back what it gets.

use tickhub::{Closed, ConnectionHandler, ConnectionOptions, Message, Peer, Server};

use super::SECOND;
use crate::events::Events;

struct Echo(Events);

impl ConnectionHandler for Echo {
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        self.0.note(&peer.id(), "connected");
    }

    fn on_receive(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) {
        match bytes {
            b"close" => peer.close(1000, ""),
            b"throw" => peer.fail("asked to fail"),
            b"abort" => peer.abort(),
            _ => peer.send(Message::new(bytes)).ignore(),
        }
    }

    fn on_close(&mut self, peer: &mut Peer<'_>, _: &Closed) {
        self.0.note(&peer.id(), "ended");
    }
}

pub(super) fn serve(server: Server, events: &Events, connection: &ConnectionOptions) -> Server {
    let fast = ConnectionOptions { poll_timeout: SECOND, ..connection.clone() };
    let mounts = [("/echo", connection.clone()), ("/echo-fast", fast)];
    mounts.into_iter().fold(server, |server, (path, options)| {
        let events = events.clone();
        server.connection(path, move |_| Echo(events.clone()), options)
    })
}
