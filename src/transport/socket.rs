//! One TCP connection: HTTP first, then what it was upgraded to.

use std::rc::Rc;

use super::{Alarm, Outbox};
use crate::auth::Identity;
use crate::base::{ConnectionKey, Moment, TaskKey};
use crate::protocol::http::{Headers, ReplyTo, RequestReader};
use crate::protocol::websocket::{Decoder, Kind};

/// The state of one TCP connection.
#[derive(Debug)]
pub struct Socket {
    /// What is spoken on it.
    pub stage: SocketStage,
    /// Its entry in the timer wheel.
    pub alarm: Alarm,
    /// The driver was told not to read from it.
    pub paused: bool,
    /// The client sends no more.
    pub finished: bool,
}

/// What is spoken on a socket.
#[derive(Debug)]
pub enum SocketStage {
    /// Requests and answers.
    Http(Box<HttpStage>),
    /// Frames for a connection.
    WebSocket(WebSocketStage),
    /// Events for a client.
    EventStream(EventStreamStage),
    /// Our direction is ended; theirs is read and discarded until it ends too, or until the time
    /// given here (T-KICK).
    Lingering(Moment),
    /// The driver was asked to close it.
    Closing,
}

/// A socket that speaks HTTP.
#[derive(Debug, Default)]
pub struct HttpStage {
    /// Reads requests.
    pub reader: RequestReader,
    /// Answers that wait to be sent.
    pub outbox: Outbox,
    /// Headers that the answer to the present request gets, whatever it will be.
    pub headers: Headers,
    /// Who the present request is from, until the connection that it opens takes it.
    pub identity: Option<Rc<Identity>>,
    /// The request whose answer is not there yet; those behind it wait in the backlog.
    pub pending: Option<Pending>,
    /// Requests behind a pending one, or behind answers that the client does not read (T-PIPE).
    pub backlog: Vec<u8>,
    /// Since when the socket has been idle, or the present request coming in.
    pub since: Moment,
    /// Bytes of the present request so far; zero when idle.
    pub request_bytes: u64,
    /// No request is read any more; the socket ends when everything is sent.
    pub closing: bool,
    /// Its outbox changed this turn.
    pub dirty: bool,
}

/// A request that is not answered at once.
#[derive(Debug)]
pub enum Pending {
    /// A poll waits for something to say (§2.4).
    Poll {
        /// Whose it is.
        connection: ConnectionKey,
        /// How it is answered.
        reply_to: ReplyTo,
    },
    /// The answer to a poll is on its way; what is in it is forgotten when all of it was sent.
    Answer {
        /// Whose it is.
        connection: ConnectionKey,
    },
    /// A POST waits until its connection takes more (§1.5).
    Post {
        /// Whose it is.
        connection: ConnectionKey,
        /// How it is answered.
        reply_to: ReplyTo,
        /// What it brings.
        body: Vec<u8>,
    },
    /// The code that makes the answer runs.
    Exchange {
        /// What it runs as.
        task: TaskKey,
        /// How it is answered.
        reply_to: ReplyTo,
    },
}

/// A socket that carries events to a client. What the client sends on it means nothing.
#[derive(Debug)]
pub struct EventStreamStage {
    /// Whose they are.
    pub connection: ConnectionKey,
    /// Requests may follow when the stream has ended.
    pub reusable: bool,
}

/// A socket that carries a connection over WebSocket.
#[derive(Debug)]
pub struct WebSocketStage {
    /// Reads frames.
    pub decoder: Decoder,
    /// Whom they are for.
    pub connection: ConnectionKey,
    /// The payload of the newest ping that was not answered yet; older ones need no answer
    /// (RFC 6455 §5.5.3).
    pub pong: Option<Box<[u8]>>,
    /// The client's Close frame has come.
    pub peer_closed: bool,
    /// The client broke the protocol: its Close frame is not waited for (RFC 6455 §7.1.7).
    pub broken: bool,
    /// What has come and waits.
    pub held: Option<Box<Held>>,
}

/// Input that waits until its connection wants more, or until the next turn: compressed, it may
/// become a thousand times as long (T-BOMB).
#[derive(Debug)]
pub struct Held {
    /// Whether the message of `piece` is text or binary.
    pub kind: Kind,
    /// The rest of a piece of a compressed message. There may be more to come out, though it is
    /// empty.
    pub piece: Vec<u8>,
    /// The message ends with that piece.
    pub last: bool,
    /// Frames behind it.
    pub input: Vec<u8>,
}

impl Socket {
    /// A socket that was just accepted.
    pub fn new(now: Moment) -> Self {
        Self {
            stage: SocketStage::Http(Box::new(HttpStage { since: now, ..HttpStage::default() })),
            alarm: Alarm::default(),
            paused: false,
            finished: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_small() {
        let bytes = size_of::<Socket>();
        assert!(bytes <= 96, "Socket has {bytes} bytes");
    }
}
