//! Frames of one socket: data goes to the application, control frames end here.

use super::Engine;
use crate::base::{ConnectionKey, SocketKey};
use crate::hub::{Closed, InputEnd, Piece};
use crate::protocol::websocket::deflate::Step;
use crate::protocol::websocket::{self, Event, Kind, OpCode, Violation};
use crate::transport::{Connection, Held, SocketStage, Stage};

impl Engine {
    pub(super) fn on_frames(&mut self, key: SocketKey, bytes: &mut [u8]) {
        self.read_frames(key, bytes, &mut Budget::default());
    }

    fn read_frames(&mut self, key: SocketKey, bytes: &mut [u8], budget: &mut Budget) {
        let mut input = bytes;
        loop {
            let Some(socket) = self.sockets.get_mut(key) else { return };
            let SocketStage::WebSocket(stage) = &mut socket.stage else { return };
            if let Some(held) = &mut stage.held {
                held.input.extend_from_slice(input);
                return;
            }
            let connection_key = stage.connection;
            let Some(connection) = self.registry.get(connection_key) else { return };
            let world = connection.world as usize;
            let event = match stage.decoder.next(&mut input, &connection.options.websocket) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(violation) => {
                    self.violated(connection_key, violation);
                    return;
                }
            };
            match event {
                Event::Data { kind, bytes, last, compressed: true, .. } => {
                    let rest = self.inflate(connection_key, kind, bytes, last, budget);
                    if let Some(rest) = rest {
                        let (piece, input) = (rest.to_vec(), input.to_vec());
                        self.hold(key, connection_key, Held { kind, piece, last, input }, budget);
                        return;
                    }
                }
                Event::Data { kind, bytes, last, .. } => {
                    if connection.stage != Stage::Closing || connection.owes_last_words() {
                        let piece = Piece { kind, bytes, last };
                        self.apps[world].borrow_mut().received(
                            &mut self.registry,
                            connection_key,
                            piece,
                        );
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
                    self.apps[world].borrow_mut().heard(&mut self.registry, connection_key);
                }
                Event::Pong(_) => {
                    self.apps[world].borrow_mut().heard(&mut self.registry, connection_key);
                }
                Event::Close { code, reason } => {
                    stage.peer_closed = true;
                    let end = InputEnd::Closed { code, reason: &reason };
                    self.on_input_ended(connection_key, end);
                    return;
                }
            }
        }
    }

    /// Inflates a piece of a message and hands over what comes out, until the connection has
    /// enough or its share of the turn is used up: then the rest is returned.
    fn inflate<'a>(
        &mut self,
        key: ConnectionKey,
        kind: Kind,
        piece: &'a [u8],
        last: bool,
        budget: &mut Budget,
    ) -> Option<&'a [u8]> {
        let mut out = std::mem::take(&mut self.inflated);
        if out.is_empty() {
            out.resize(INFLATED_BYTES, 0);
        }
        let mut input = piece;
        let rest = loop {
            let Some((connection, codecs)) = self.registry.connection_and_codecs(key) else {
                break None;
            };
            if connection.stage == Stage::Closing {
                break None;
            }
            if budget.is_used_up() || !connection.wants_input() {
                break Some(input);
            }
            let world = connection.world as usize;
            let bytes_max = connection.options.websocket.message_bytes_max;
            let Some(compressed) = &mut connection.compression else { break None };
            let step = codecs.inflate(compressed, &mut input, last, kind, &mut out, bytes_max);
            let step = match step {
                Ok(step) => step,
                Err(violation) => {
                    self.violated(key, violation);
                    break None;
                }
            };
            budget.spend(step.bytes());
            let ends = matches!(step, Step::Ended(_));
            if ends || step.bytes() > 0 {
                let piece = Piece { kind, bytes: &mut out[..step.bytes()], last: ends };
                self.apps[world].borrow_mut().received(&mut self.registry, key, piece);
            }
            if !matches!(step, Step::Full(_)) {
                break None;
            }
        };
        self.inflated = out;
        rest
    }

    /// Lets input wait: for the next turn, or until the flush finds that its connection wants
    /// more.
    fn hold(&mut self, socket: SocketKey, key: ConnectionKey, held: Held, budget: &Budget) {
        if let Some(socket) = self.sockets.get_mut(socket)
            && let SocketStage::WebSocket(stage) = &mut socket.stage
        {
            stage.held = Some(Box::new(held));
        }
        if budget.is_used_up() {
            self.registry.wait(key);
        }
        self.registry.mark(key);
    }

    /// Goes on with the input of a connection that had to wait.
    pub(super) fn resume_frames(&mut self, key: ConnectionKey) {
        let Some(socket_key) = self.registry.get(key).and_then(|known| known.socket) else {
            return;
        };
        let Some(socket) = self.sockets.get_mut(socket_key) else { return };
        let SocketStage::WebSocket(stage) = &mut socket.stage else { return };
        let Some(mut held) = stage.held.take() else { return };
        let mut budget = Budget::default();
        let rest = self.inflate(key, held.kind, &held.piece, held.last, &mut budget);
        if let Some(rest) = rest.map(<[u8]>::to_vec) {
            held.piece = rest;
            self.hold(socket_key, key, *held, &budget);
        } else {
            self.read_frames(socket_key, &mut held.input, &mut budget);
            // The socket may be read again.
            self.registry.mark(key);
        }
    }

    /// A client broke the protocol: it is told so, and that is the end.
    fn violated(&mut self, key: ConnectionKey, violation: Violation) {
        let Violation { code, text } = violation;
        tracing::debug!(code, text, "a peer broke the WebSocket protocol");
        if let Some(connection) = self.registry.get(key)
            && let Some(socket) = connection.socket
            && let Some(socket) = self.sockets.get_mut(socket)
            && let SocketStage::WebSocket(stage) = &mut socket.stage
        {
            stage.broken = true;
        }
        self.registry.end(key, Closed::WebSocket { code, detail: text });
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
        self.apps[world].borrow_mut().input_ended(&mut self.registry, key, end);
    }
}

/// How much may be inflated for one connection at a time. Others wait meanwhile.
struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(INFLATED_BYTES_PER_TURN)
    }
}

impl Budget {
    fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes.max(STEP_BYTES_MIN));
    }

    fn is_used_up(&self) -> bool {
        self.0 == 0
    }
}

/// What is inflated for one connection before the others get their turn: about a quarter of a
/// millisecond.
const INFLATED_BYTES_PER_TURN: usize = 256 * 1024;

/// So much comes out of one step at most.
const INFLATED_BYTES: usize = 16 * 1024;

/// So much a step costs at least, though little or nothing comes out of it.
const STEP_BYTES_MIN: usize = 512;

/// Pongs are queued one by one while fewer bytes than this wait for the client.
const PONG_ROOM_BYTES: usize = 1024;
