//! One simulated TCP connection: two byte queues and what became of each end.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::base::Moment;
use crate::io::listen::USER_TIMEOUT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) peer: SocketAddr,
    /// What the client wrote and the server has not received.
    to_server: VecDeque<u8>,
    /// What the server sent and the client has not read.
    to_client: VecDeque<u8>,
    /// The client sends no more.
    pub(super) client_fin: bool,
    /// The server sends no more.
    pub(super) server_fin: bool,
    /// How the connection broke.
    pub(super) broken: Option<ErrorKind>,
    /// Nothing passes in either direction any more, and nobody is told.
    pub(super) vanished: bool,
    /// The client takes nothing until then.
    pub(super) window_shut_until: Moment,
    /// Since when the server's bytes have not moved on.
    stalled_since: Option<Moment>,
    server_open: bool,
    client_open: bool,
}

impl Wire {
    pub(super) fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            client_fin: false,
            server_fin: false,
            broken: None,
            vanished: false,
            window_shut_until: Moment::START,
            stalled_since: None,
            server_open: true,
            client_open: true,
        }
    }

    pub(super) fn is_forgotten(&self) -> bool {
        !self.server_open && !self.client_open
    }

    /// Breaks the connection for both ends, unless it is broken.
    pub(super) fn reset(&mut self) {
        self.broken.get_or_insert(ErrorKind::ConnectionReset);
    }

    pub(super) fn close(&mut self, side: Side, reset: bool) {
        let unread = match side {
            Side::Server => {
                self.server_open = false;
                self.server_fin = true;
                !self.to_server.is_empty()
            }
            Side::Client => {
                self.client_open = false;
                self.client_fin = true;
                !self.to_client.is_empty()
            }
        };
        // A close with unread bytes is a reset, as in TCP: the other end must learn that they
        // were never read.
        if (reset || unread) && !self.vanished {
            self.reset();
        }
    }

    /// The client writes; how much the window took.
    pub(super) fn write_client(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(WINDOW_BYTES - self.to_server.len());
        if !self.vanished && self.server_open {
            self.to_server.extend(&bytes[..count]);
        } else if !self.vanished {
            self.reset();
        }
        count
    }

    /// The client reads at most `max` bytes.
    pub(super) fn read_client(&mut self, max: usize, into: &mut Vec<u8>) -> usize {
        let count = if self.vanished { 0 } else { max.min(self.to_client.len()) };
        if count > 0 {
            self.stalled_since = None;
        }
        into.extend(self.to_client.drain(..count));
        count
    }

    /// Bytes that wait for the client.
    pub(super) fn unread_client(&self) -> usize {
        if self.vanished { 0 } else { self.to_client.len() }
    }

    /// Bytes that wait for the server.
    pub(super) fn unread_server(&self) -> usize {
        self.to_server.len()
    }

    /// The server receives the next `count` bytes.
    pub(super) fn receive(&mut self, into: &mut [u8]) {
        for byte in into {
            *byte = self.to_server.pop_front().expect("no more is received than is there");
        }
    }

    /// The client's direction ends after `count` of the bytes that wait.
    pub(super) fn cut(&mut self, count: usize) {
        self.to_server.truncate(count);
        self.client_fin = true;
    }

    /// What the window towards the client takes now.
    pub(super) fn room(&self, now: Moment) -> usize {
        if now < self.window_shut_until { 0 } else { WINDOW_BYTES - self.to_client.len() }
    }

    /// The server sends, no more than there is room for. A client that is gone answers with a
    /// reset.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        if !self.client_open && !self.vanished {
            self.reset();
        } else {
            self.to_client.extend(bytes);
        }
    }

    /// Breaks the connection when the server's bytes have not moved for too long.
    pub(super) fn check_stall(&mut self, now: Moment, is_blocked: bool) {
        let unacknowledged = self.vanished && !self.to_client.is_empty();
        if !is_blocked && !unacknowledged {
            self.stalled_since = None;
            return;
        }
        let since = *self.stalled_since.get_or_insert(now);
        if now.since(since) >= USER_TIMEOUT {
            self.broken.get_or_insert(ErrorKind::TimedOut);
        }
    }
}

/// Bytes on their way, in each direction.
const WINDOW_BYTES: usize = 64 * 1024;
