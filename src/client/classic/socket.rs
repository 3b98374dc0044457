//! One of the two sockets: what was asked on it, and the answer as far as it came.

use super::machine::CallId;
use crate::base::Moment;
use crate::protocol::http::ResponseReader;
use crate::protocol::websocket::{Decoder, Role};

/// One of the two sockets of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// For the WebSocket, the stream or the polls.
    Receive,
    /// For everything else that is asked.
    Send,
}

impl Lane {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Receive, Self::Send];
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Negotiate,
    /// A WebSocket, checked with this key.
    Upgrade(String),
    /// A stream of events or scripts.
    Stream,
    Poll,
    Start,
    Call(CallId),
    Abort,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) is_there: bool,
    pub(super) output: Vec<u8>,
    pub(super) reader: ResponseReader,
    pub(super) asked: Option<Asked>,
    pub(super) status: u16,
    /// The server closes it behind the answer.
    pub(super) is_last: bool,
    /// The answer; of a stream the line that has not ended.
    pub(super) body: Vec<u8>,
    /// The first event of a stream has come.
    pub(super) has_begun: bool,
    /// It has become a WebSocket.
    pub(super) frames: Option<Decoder>,
    pub(super) gives_up_at: Option<Moment>,
}

impl Socket {
    pub(super) fn new() -> Self {
        Self {
            is_there: false,
            output: Vec::new(),
            reader: ResponseReader::default(),
            asked: None,
            status: 0,
            is_last: false,
            body: Vec::new(),
            has_begun: false,
            frames: None,
            gives_up_at: None,
        }
    }

    pub(super) fn connected() -> Self {
        Self { is_there: true, ..Self::new() }
    }

    pub(super) fn becomes_websocket(&mut self) {
        self.frames = Some(Decoder::new(Role::Client));
    }

    /// The next line of a stream that is whole, without its end.
    pub(super) fn next_line(&mut self) -> Option<Vec<u8>> {
        let end = memchr::memchr(b'\n', &self.body)?;
        let mut line: Vec<u8> = self.body.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }
}
