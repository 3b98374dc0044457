//! Calls of classic clients that were not answered yet. The answer goes where the call came from:
//! over the WebSocket, or as the answer to the request that brought it (§4.2).

use super::super::registry::Registry;
use super::ClientState;
use crate::base::{ConnectionKey, SocketKey};
use crate::protocol::classic::{Failure, errors, write_error};

/// Where the answer to a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyPath {
    /// Over the WebSocket that brought the call; lost with it, though the client come back.
    WebSocket(SocketKey),
    /// To the request on this socket.
    Request(SocketKey),
}

/// A call that is about to be made.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) path: ReplyPath,
    /// Hub and method as the client spelled them.
    pub(crate) hub: Box<str>,
    pub(crate) method: Box<str>,
    /// The id that the answer carries, as JSON.
    pub(crate) id: Box<str>,
    /// What it sent as the state of the hub.
    pub(crate) state: ClientState,
    /// The query of the request that brought it; over a WebSocket that of the upgrade counts.
    pub(crate) query: Option<Box<str>>,
}

impl Asked {
    /// Hub and method, for error texts.
    pub(in crate::hub) fn called(&self) -> (&str, &str) {
        (&self.hub, &self.method)
    }
}

/// A call that was not answered yet.
#[derive(Debug)]
pub(super) struct Reply {
    connection: ConnectionKey,
    asked: Asked,
}

/// The answer to a call that came as a request.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) socket: SocketKey,
    pub(crate) body: Vec<u8>,
}

impl Registry {
    /// Remembers where a call is to be answered. The number stands in front of its id while it
    /// runs.
    pub(crate) fn expect_reply(&mut self, connection: ConnectionKey, asked: Asked) -> u64 {
        let number = self.classic.next_reply;
        self.classic.next_reply += 1;
        self.classic.replies.insert(number, Reply { connection, asked });
        if let Some(classic) = self.get_mut(connection).and_then(|known| known.classic.as_mut()) {
            classic.calls += 1;
        }
        number
    }

    /// What a call was, by the id it has while it runs.
    pub(in crate::hub) fn asked(&self, id: &str) -> Option<&Asked> {
        Some(&self.classic.replies.get(&number_of(id)?)?.asked)
    }

    /// The state that came with a call.
    pub(in crate::hub) fn client_state(&mut self, number: Option<u64>) -> &mut ClientState {
        let reply = number.and_then(|number| self.classic.replies.get_mut(&number));
        if let Some(reply) = reply {
            return &mut reply.asked.state;
        }
        self.classic.nobody = ClientState::default();
        &mut self.classic.nobody
    }

    /// The query of the request that brought a call, if it was not the WebSocket.
    pub(in crate::hub) fn query_of(&self, number: u64) -> Option<&str> {
        self.classic.replies.get(&number)?.asked.query.as_deref()
    }

    /// What a call has changed in the state of its client, as JSON.
    pub(in crate::hub) fn changes_of(&self, number: Option<u64>) -> Option<String> {
        self.classic.replies.get(&number?)?.asked.state.changes()
    }

    /// Answers a call with the completion that was written under its id.
    pub(crate) fn reply(&mut self, id: &str, mut record: Vec<u8>) {
        let Some(reply) = number_of(id).and_then(|number| self.classic.replies.remove(&number))
        else {
            return;
        };
        let Reply { connection: key, asked } = reply;
        if let Some(changes) = asked.state.changes() {
            add_state(&mut record, &changes);
        }
        let mut carrier = None;
        if let Some(connection) = self.get_mut(key) {
            carrier = connection.socket.filter(|_| connection.is_open());
            if let Some(classic) = &mut connection.classic {
                classic.calls -= 1;
            }
        }
        match asked.path {
            ReplyPath::Request(socket) => {
                self.classic.returned.push(Returned { socket, body: record });
            }
            ReplyPath::WebSocket(socket) if carrier == Some(socket) => {
                self.write_to_stream(key, &record);
            }
            ReplyPath::WebSocket(_) => {}
        }
    }

    /// A connection has ended, and with it its calls: requests that wait for their results are told
    /// so, though the methods go on.
    pub(in crate::hub) fn fail_replies(&mut self, key: ConnectionKey) {
        let classic = self.get(key).and_then(|connection| connection.classic.as_deref());
        if classic.is_none_or(|classic| classic.calls == 0) {
            return;
        }
        let of_it = |_: &u64, reply: &mut Reply| reply.connection == key;
        let lost: Vec<Reply> =
            self.classic.replies.extract_if(of_it).map(|(_, reply)| reply).collect();
        for Reply { asked, .. } in lost {
            if let ReplyPath::Request(socket) = asked.path {
                let text = errors::invocation_failed(&asked.hub, &asked.method);
                let mut body = Vec::new();
                write_error(&mut body, &asked.id, &Failure::plain(&text), None);
                self.classic.returned.push(Returned { socket, body });
            }
        }
    }

    /// Nobody waits for the answer to a call any more.
    pub(crate) fn give_up_reply(&mut self, number: u64) {
        let Some(reply) = self.classic.replies.remove(&number) else { return };
        let connection = self.get_mut(reply.connection);
        if let Some(classic) = connection.and_then(|known| known.classic.as_mut()) {
            classic.calls -= 1;
        }
    }

    /// Whether a call was not answered yet.
    #[cfg(feature = "sim")]
    pub(crate) fn is_asked(&self, number: u64) -> bool {
        self.classic.replies.contains_key(&number)
    }

    /// Takes the answers to requests.
    pub(crate) fn take_returned(&mut self) -> Vec<Returned> {
        std::mem::take(&mut self.classic.returned)
    }
}

/// The number in front of an id.
pub(in crate::hub) fn number_of(id: &str) -> Option<u64> {
    id.split_once(':')?.0.parse().ok()
}

/// Adds what has changed in the state of a client to a message for it, which is an object.
pub(super) fn add_state(message: &mut Vec<u8>, changes: &str) {
    message.pop();
    message.extend_from_slice(b",\"S\":");
    message.extend_from_slice(changes.as_bytes());
    message.push(b'}');
}
