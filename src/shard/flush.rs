//! The end of a turn: the only place that sends.

use super::Engine;
use crate::base::{ConnectionKey, SocketKey};
use crate::io::Op;
use crate::protocol::websocket::{self, OpCode};
use crate::transport::{SocketStage, Stage};

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

    fn flush_connection(&mut self, key: ConnectionKey) {
        self.arm_connection(key);
        let Some(connection) = self.registry.get_mut(key) else { return };
        connection.dirty = false;
        let polls = connection.polls();
        let socket = connection.socket.filter(|_| !polls);
        if polls {
            self.flush_poll(key);
        }
        match socket.and_then(|key| Some((key, &self.sockets.get(key)?.stage))) {
            Some((socket, SocketStage::WebSocket(_))) => self.flush_websocket(key, socket),
            Some((socket, SocketStage::EventStream(_))) => self.flush_stream(key, socket),
            _ => {}
        }
        self.regulate_posts(key);
    }

    fn flush_websocket(&mut self, key: ConnectionKey, socket_key: SocketKey) {
        let Some((connection, pool, _)) = self.registry.connection_and_buffers(key) else { return };
        let Some(socket) = self.sockets.get_mut(socket_key) else { return };
        let SocketStage::WebSocket(websocket) = &mut socket.stage else { return };

        // The newest ping is answered when the socket has room; older ones need no answer.
        if !connection.outbox.is_in_flight()
            && let Some(payload) = websocket.pong.take()
            && connection.stage != Stage::Closing
        {
            let mut frame = Vec::with_capacity(payload.len() + 2);
            websocket::write_frame(&mut frame, OpCode::Pong, &payload);
            connection.outbox.append_control(&frame, pool);
        }
        let ended = websocket.peer_closed || socket.finished;
        if self.send_next(key, socket_key) {
            self.regulate(socket_key, key);
            return;
        }
        let Some(connection) = self.registry.get(key) else { return };
        if connection.stage == Stage::Closing && connection.outbox.is_empty() {
            // Both Close frames have passed, or nobody waits for one any more.
            if ended {
                self.close_socket(socket_key, false);
            } else if connection.cut {
                self.close_socket(socket_key, true);
            }
            return;
        }
        self.regulate(socket_key, key);
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

    /// Reads from a socket only while its connection can take more (back-pressure).
    fn regulate(&mut self, socket_key: SocketKey, key: ConnectionKey) {
        let Some(connection) = self.registry.get(key) else { return };
        let Some(socket) = self.sockets.get_mut(socket_key) else { return };
        let pause = connection.stage != Stage::Closing && !connection.wants_input();
        if socket.paused != pause {
            socket.paused = pause;
            self.ops.push(if pause {
                Op::Pause { socket: socket_key }
            } else {
                Op::Resume { socket: socket_key }
            });
        }
    }
}

/// Connections that one turn flushes at most.
const CONNECTIONS_PER_FLUSH_MAX: usize = 512;
