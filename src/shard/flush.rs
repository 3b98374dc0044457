//! The end of a turn: the only place that sends.

use super::Engine;
use super::alarms::Token;
use crate::base::{ConnectionKey, SocketKey};
use crate::io::Op;
use crate::protocol::websocket::{self, OpCode};
use crate::transport::{NEVER, SocketStage, Stage};

impl Engine {
    /// Turns what changed into operations: one send per socket at most, bounded for each turn.
    pub(super) fn flush(&mut self) {
        self.registry.take_dirty(&mut self.dirty);
        let count = self.dirty.len().min(CONNECTIONS_PER_FLUSH_MAX);
        for index in 0..count {
            let key = self.dirty[index];
            self.flush_connection(key);
        }
        // What is left is flushed by the next turn, which comes at once: input is not held up
        // for as long as a large audience takes.
        self.dirty.drain(..count);
        self.flush_http();
        let registry = &mut self.registry;
        registry.joiner.forget(&mut registry.pool);
    }

    /// A broadcast comes here once for each recipient, so each of the two is looked up once.
    fn flush_connection(&mut self, key: ConnectionKey) {
        let now = self.registry.now;
        let Some((connection, pool, joiner)) = self.registry.connection_and_buffers(key) else {
            return;
        };
        connection.dirty = false;
        let deadline = connection.deadline();
        if deadline != NEVER && connection.alarm.needs(deadline) {
            self.wheel.insert(deadline, Token::Connection(key));
        }
        if !connection.framing.is_websocket() {
            self.flush_http_transport(key);
            return;
        }
        let Some(socket_key) = connection.socket else { return };
        if connection.is_answered && !connection.departed {
            // Nobody receives over this socket any more, and the connection goes on. One that has
            // ended meanwhile has said goodbye itself.
            self.detach(key);
            self.part(key);
            return;
        }
        let Some(socket) = self.sockets.get_mut(socket_key) else { return };
        let SocketStage::WebSocket(websocket) = &mut socket.stage else { return };
        let closing = connection.stage == Stage::Closing;
        let is_held = websocket.held.is_some();

        // The newest ping is answered when the socket has room; older ones need no answer.
        if !connection.outbox.is_in_flight()
            && let Some(payload) = websocket.pong.take()
            && !connection.is_silent()
        {
            let mut frame = Vec::with_capacity(payload.len() + 2);
            websocket::write_frame(&mut frame, OpCode::Pong, &payload);
            connection.outbox.append_control(&frame, pool);
        }
        if let Some(batch) = connection.outbox.take(now, joiner, pool) {
            self.ops.push(Op::Send { socket: socket_key, batch });
            let stalled_at = now + connection.options.outbox.stall_timeout;
            if socket.alarm.needs(stalled_at) {
                self.wheel.insert(stalled_at, Token::Socket(socket_key));
            }
        } else if connection.departed && connection.outbox.is_empty() {
            // Both Close frames have passed, or nobody waits for one any more.
            if websocket.peer_closed || socket.finished {
                self.close_socket(socket_key, false);
            } else if connection.cut {
                self.close_socket(socket_key, true);
            } else if websocket.broken {
                self.part(key);
                self.linger(socket_key);
            }
            if is_held {
                self.registry.wait(key);
            }
            return;
        }
        // A socket is read only while its connection can take more (back-pressure).
        let is_wanted = closing || connection.wants_input();
        let pause = !is_wanted || is_held;
        if socket.paused != pause {
            socket.paused = pause;
            self.ops.push(if pause {
                Op::Pause { socket: socket_key }
            } else {
                Op::Resume { socket: socket_key }
            });
        }
        if is_wanted && is_held {
            self.registry.wait(key);
        }
    }

    /// The transports that are answers to HTTP requests.
    fn flush_http_transport(&mut self, key: ConnectionKey) {
        self.registry.answer_long_poll(key);
        let Some(connection) = self.registry.get(key) else { return };
        if connection.polls() {
            self.flush_poll(key);
        } else if let Some(socket) = connection.socket
            && self
                .sockets
                .get(socket)
                .is_some_and(|socket| matches!(socket.stage, SocketStage::EventStream(_)))
        {
            self.flush_stream(key, socket);
        }
        self.regulate_posts(key);
    }

    /// Hands what waits for a connection to its socket; whether there was anything.
    pub(super) fn send_next(&mut self, key: ConnectionKey, socket: SocketKey) -> bool {
        let now = self.registry.now;
        let Some((connection, pool, joiner)) = self.registry.connection_and_buffers(key) else {
            return false;
        };
        let Some(batch) = connection.outbox.take(now, joiner, pool) else { return false };
        let stalled_at = now + connection.options.outbox.stall_timeout;
        self.ops.push(Op::Send { socket, batch });
        self.arm_socket(socket, stalled_at);
        true
    }

    /// Lets waiting POSTs go on in the next turn when their connection can take more.
    fn regulate_posts(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.registry.get(key)
            && !connection.posts.is_empty()
            && connection.stage != Stage::Closing
            && connection.wants_input()
        {
            self.registry.wait(key);
        }
    }
}

/// Connections that one turn flushes at most.
const CONNECTIONS_PER_FLUSH_MAX: usize = 512;
