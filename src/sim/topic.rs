//! The plain WebSocket of the simulator: one topic, numbered.

use super::ledger::Books;
use crate::hub::Closed;
use crate::raw::{Message, Peer, WebSocket};

/// Everything that anybody says reaches everybody who is there.
pub(super) struct SimTopic {
    books: Books,
}

impl SimTopic {
    pub(super) fn new(books: Books) -> Self {
        Self { books }
    }
}

/// The name under which its messages stand in the ledger.
pub(super) const TOPIC: &str = "topic";

impl WebSocket for SimTopic {
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        let id = peer.id().to_string();
        let mut books = self.books.borrow_mut();
        books.connected(&id, None);
        let visit = books.visits.get_mut(&id).expect("it came just now");
        visit.ticks_before = u64::MAX;
        if peer.subscribe(TOPIC).is_ok() {
            books.joined(&id, TOPIC);
        }
        let welcome = format!("welcome {id}");
        peer.send(Message::Text(&welcome)).ignore();
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, _: Message<'_>) {
        let place = self.books.borrow_mut().say(TOPIC, 0, 0);
        peer.publish(TOPIC, Message::Text(&place.to_string())).ignore();
    }

    fn on_close(&mut self, peer: &mut Peer<'_>, _: &Closed) {
        self.books.borrow_mut().disconnected(&peer.id().to_string());
    }
}
