//! Frames of one socket: data goes to the application, control frames end here.

use super::Engine;
use crate::base::{ConnectionKey, SocketKey};
use crate::hub::{Closed, InputEnd, Piece};
use crate::protocol::websocket::{self, Event, OpCode};
use crate::transport::{Connection, SocketStage, Stage};

impl Engine {
    pub(super) fn on_frames(&mut self, key: SocketKey, bytes: &mut [u8]) {
        let mut input = bytes;
        loop {
            let Some(socket) = self.sockets.get_mut(key) else { return };
            let SocketStage::WebSocket(stage) = &mut socket.stage else { return };
            let connection_key = stage.connection;
            let Some(connection) = self.registry.get(connection_key) else { return };
            let world = connection.world as usize;
            let event = match stage.decoder.next(&mut input, &connection.options.websocket) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(violation) => {
                    tracing::debug!(
                        code = violation.code,
                        text = violation.text,
                        "a peer broke the WebSocket protocol"
                    );
                    let closed = Closed::WebSocket { code: violation.code, detail: violation.text };
                    self.registry.end(connection_key, closed);
                    return;
                }
            };
            match event {
                Event::Data { kind, bytes, last, .. } => {
                    if connection.stage != Stage::Closing || connection.owes_last_words() {
                        let piece = Piece { kind, bytes, last };
                        self.apps[world].received(&mut self.registry, connection_key, piece);
                    }
                }
                Event::Ping(payload) => {
                    // Each ping is answered while there is room, as the original does; of those
                    // that come faster than the client reads, the newest alone (T-PING).
                    let outbox = &connection.outbox;
                    let has_room = !outbox.is_in_flight() && outbox.bytes() < PONG_ROOM_BYTES;
                    if has_room && !connection.is_silent() {
                        stage.pong = None;
                        self.registry.control(connection_key, |out| {
                            websocket::write_frame(out, OpCode::Pong, &payload);
                        });
                    } else {
                        stage.pong = Some(payload.as_ref().into());
                        self.registry.mark(connection_key);
                    }
                    self.apps[world].heard(&mut self.registry, connection_key);
                }
                Event::Pong(_) => self.apps[world].heard(&mut self.registry, connection_key),
                Event::Close { code, reason } => {
                    stage.peer_closed = true;
                    let end = InputEnd::Closed { code, reason: &reason };
                    self.on_input_ended(connection_key, end);
                    return;
                }
            }
        }
    }

    /// The TCP connection ended or broke.
    pub(super) fn on_frames_ended(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let SocketStage::WebSocket(websocket) = &mut socket.stage else { return };
        let connection = websocket.connection;
        if self.registry.get(connection).is_some_and(Connection::is_resumable) {
            // The socket is lost, and the connection with it is not.
            self.close_socket(key, false);
        } else {
            self.on_input_ended(connection, InputEnd::Lost);
        }
    }

    fn on_input_ended(&mut self, key: ConnectionKey, end: InputEnd<'_>) {
        let Some(connection) = self.registry.get(key) else { return };
        if connection.stage == Stage::Closing {
            // We said goodbye first; now both have.
            self.registry.mark(key);
            return;
        }
        let world = connection.world as usize;
        self.apps[world].input_ended(&mut self.registry, key, end);
    }
}

/// Pongs are queued one by one while fewer bytes than this wait for the client.
const PONG_ROOM_BYTES: usize = 1024;
