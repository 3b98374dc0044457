//! The paths without a hub: a topic for everybody at each of them, numbered.

use super::ledger::Books;
use crate::hub::Closed;
use crate::raw::{ConnectionHandler, Message, Peer, WebSocket};

/// Each full stop that anybody says reaches everybody who is there as a number, and a question
/// mark is answered. Whatever is sent is one line.
pub(super) struct SimTopic {
    books: Books,
    name: &'static str,
}

/// The topic of plain WebSockets, as it stands in the ledger; its path too.
pub(super) const TOPIC: &str = "/topic";

/// The topic of connections over any transport.
pub(super) const LINES: &str = "/lines";

impl SimTopic {
    pub(super) fn new(books: Books, name: &'static str) -> Self {
        Self { books, name }
    }

    fn welcome(&self, peer: &mut Peer<'_>) {
        let id = peer.id().to_string();
        let mut books = self.books.borrow_mut();
        books.listens(&id, peer.transport());
        if peer.subscribe(self.name).is_ok() {
            books.joined(&id, self.name);
        }
        let welcome = format!("welcome {id}\n");
        peer.send(Message::Text(&welcome)).ignore();
    }

    fn hear(&self, peer: &mut Peer<'_>, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'.' => {
                    let place = self.books.borrow_mut().say(self.name, 0, 0);
                    let line = format!("{place}\n");
                    peer.publish(self.name, Message::Text(&line)).ignore();
                }
                b'?' => peer.send(Message::Text("!\n")).ignore(),
                _ => {}
            }
        }
    }

    fn forget(&self, peer: &Peer<'_>) {
        self.books.borrow_mut().disconnected(&peer.id().to_string());
    }
}

impl WebSocket for SimTopic {
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        self.welcome(peer);
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        self.hear(peer, message.as_bytes());
    }

    fn on_close(&mut self, peer: &mut Peer<'_>, _: &Closed) {
        self.forget(peer);
    }
}

impl ConnectionHandler for SimTopic {
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        self.welcome(peer);
    }

    fn on_receive(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) {
        self.hear(peer, bytes);
    }

    fn on_close(&mut self, peer: &mut Peer<'_>, _: &Closed) {
        self.forget(peer);
    }
}
