//! Everything that happens because time passes.

use super::Engine;
use crate::base::{ConnectionKey, Moment, SocketKey};
use crate::hub::Closed;
use crate::transport::{NEVER, SocketStage, Stage};

/// Whom an entry of the timer wheel wakes. Whether something is due is looked up then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Socket(SocketKey),
    Connection(ConnectionKey),
}

impl Engine {
    /// Wakes whom the wheel names.
    pub(super) fn ring_alarms(&mut self) {
        let now = self.registry.now;
        let mut rung = std::mem::take(&mut self.rung);
        self.wheel.expire(now, &mut |token| rung.push(token));
        for token in rung.drain(..) {
            match token {
                Token::Socket(key) => self.on_socket_alarm(key),
                Token::Connection(key) => self.on_connection_alarm(key),
            }
        }
        self.rung = rung;
    }

    /// Puts a socket into the wheel, unless it stands there for an earlier time already.
    pub(super) fn arm_socket(&mut self, key: SocketKey, at: Moment) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.alarm.needs(at)
        {
            self.wheel.insert(at, Token::Socket(key));
        }
    }

    /// Puts a connection into the wheel for its next deadline.
    pub(super) fn arm_connection(&mut self, key: ConnectionKey) {
        let Some(connection) = self.registry.get_mut(key) else { return };
        let at = connection.deadline();
        if at != NEVER && connection.alarm.needs(at) {
            self.wheel.insert(at, Token::Connection(key));
        }
    }

    fn on_socket_alarm(&mut self, key: SocketKey) {
        let now = self.registry.now;
        let Some(socket) = self.sockets.get_mut(key) else { return };
        if !socket.alarm.rang(now) {
            return;
        }
        match &socket.stage {
            SocketStage::Http(_) => self.on_http_alarm(key),
            SocketStage::WebSocket(websocket) => {
                let connection = websocket.connection;
                self.look_for_progress(key, connection);
            }
            SocketStage::EventStream(stream) => {
                let connection = stream.connection;
                self.look_for_progress(key, connection);
            }
            SocketStage::Farewell(outbox) => {
                if outbox.is_in_flight() {
                    // What is left does not get through.
                    self.close_socket(key, true);
                }
            }
            SocketStage::Lingering(until) if *until <= now => self.close_socket(key, true),
            SocketStage::Lingering(until) => {
                let until = *until;
                self.arm_socket(key, until);
            }
            SocketStage::Closing => {}
        }
    }

    fn on_connection_alarm(&mut self, key: ConnectionKey) {
        let now = self.registry.now;
        let Some(connection) = self.registry.get_mut(key) else { return };
        if !connection.alarm.rang(now) {
            return;
        }
        if connection.deadline() <= now {
            match connection.stage {
                // Negotiated and never used (COR-010): nobody was told of it.
                Stage::Negotiated => {
                    self.registry.leave(key);
                    self.forget(key);
                    return;
                }
                // The other end does not answer our Close (COR-041), or polls no more.
                Stage::Closing => {
                    connection.stage_ends = NEVER;
                    connection.cut = true;
                    if let Some(socket) = connection.socket {
                        self.close_socket(socket, true);
                    }
                    self.forget_unless_carried(key);
                    return;
                }
                Stage::Handshaking | Stage::Open if connection.expires_at <= now => {
                    self.registry.end(key, Closed::Expired);
                }
                Stage::Handshaking | Stage::Open => {
                    let world = connection.world as usize;
                    if connection.poll_ends <= now && connection.classic.is_none() {
                        self.on_poll_alarm(key);
                    }
                    self.apps[world].borrow_mut().alarm(&mut self.registry, key);
                }
            }
        }
        self.arm_connection(key);
    }

    /// Ends a connection whose client has not read for too long (COR-122).
    fn look_for_progress(&mut self, socket: SocketKey, key: ConnectionKey) {
        let now = self.registry.now;
        let Some(connection) = self.registry.get(key) else { return };
        let Some(since) = connection.outbox.in_flight_since() else { return };
        let until = since + connection.options.outbox.stall_timeout;
        if until > now {
            self.arm_socket(socket, until);
        } else if connection.stage == Stage::Closing || connection.is_resumable() {
            // Who may come back on another socket has lost this one, and nothing else.
            self.close_socket(socket, true);
        } else {
            self.registry.end(key, Closed::TooSlow(STALLED));
        }
    }
}

/// The detail of [`Closed::TooSlow`] when the stall time-out is the cause.
pub(super) const STALLED: &str =
    "The client reads too slowly: what was sent to it made no progress.";
