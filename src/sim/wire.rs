//! A client that speaks bytes and believes nothing: for tests that check each of them.

use super::world::World;
use crate::base::{Moment, Rng};
use crate::client::BEHIND_CLOSE;
use crate::io::sim::{Read, SimPeer};
use crate::protocol::http::{Incoming, Limits, ResponseHead, ResponseReader, write_request};
use crate::protocol::websocket::{self, Decoder, Event, OpCode, Role, write_masked_frame};

/// One TCP connection of a client. What it writes is heard at once: each write lets the world
/// settle.
#[derive(Debug)]
pub struct Wire {
    peer: Option<SimPeer>,
    decoder: Decoder,
    /// Bytes that were read and not looked at.
    unread: Vec<u8>,
    message: Vec<u8>,
    /// How the server's direction ended.
    end: Option<Read>,
}

/// What the server sent on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    /// A whole message of either kind, still compressed.
    Compressed(websocket::Kind, Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A Close frame.
    Close(Option<u16>, String),
    /// The server's direction ended (FIN).
    End,
    /// The connection was reset.
    Reset,
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The head.
    pub head: ResponseHead,
    /// The body as a text; what is none was replaced.
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Wire {
    /// A connection without a word.
    ///
    /// # Panics
    ///
    /// When nobody listens.
    pub fn tcp(world: &mut World) -> Self {
        let peer = world.connect().expect("the server listens");
        world.settle();
        let decoder = Decoder::new(Role::Client).with_compression();
        Self { peer: Some(peer), decoder, unread: Vec::new(), message: Vec::new(), end: None }
    }

    /// A WebSocket to `target`.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub fn websocket(world: &mut World, target: &str) -> Self {
        Self::websocket_with(world, target, &[])
    }

    /// A WebSocket to `target`, asked for with more headers.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub fn websocket_with(world: &mut World, target: &str, headers: &[(&str, &str)]) -> Self {
        let mut wire = Self::tcp(world);
        let answer = wire.upgrade(world, target, headers);
        assert_eq!(answer.head.status(), 101, "the WebSocket opens");
        wire
    }

    /// A hub connection with an answered handshake, without negotiation.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub fn hub(world: &mut World, target: &str) -> Self {
        let mut wire = Self::websocket(world, target);
        wire.text(world, r#"{"protocol":"json","version":1}"#);
        let heard = wire.hear(world);
        assert_eq!(heard.first().map(String::as_str), Some("{}"), "the handshake is answered");
        // What `on_connected` sent comes behind it, for the test to hear.
        for record in heard.iter().skip(1).rev() {
            let mut frame = Vec::new();
            let record = format!("{record}\u{1e}");
            websocket::write_frame(&mut frame, OpCode::Text, record.as_bytes());
            wire.unread.splice(0..0, frame);
        }
        wire
    }

    /// Asks for a WebSocket and returns the answer.
    pub fn upgrade(&mut self, world: &mut World, target: &str, more: &[(&str, &str)]) -> Answer {
        let mut request = Vec::new();
        websocket::write_request(&mut request, target, "sim", [7; 16], more);
        self.bytes(world, &request);
        self.answer(world)
    }

    /// Sends a request and returns the answer.
    pub fn request(&mut self, world: &mut World, method: &str, target: &str) -> Answer {
        let mut request = Vec::new();
        write_request(&mut request, method, target, "sim", &[], &[]);
        self.bytes(world, &request);
        self.answer(world)
    }

    /// Sends a request with headers and a body, and waits for no answer.
    pub fn ask(
        &mut self,
        world: &mut World,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) {
        let mut request = Vec::new();
        write_request(&mut request, method, target, "sim", headers, body);
        self.bytes(world, &request);
    }

    /// Reads one answer over HTTP.
    ///
    /// # Panics
    ///
    /// When none came.
    pub fn answer(&mut self, world: &mut World) -> Answer {
        self.try_answer(world).expect("a whole answer came")
    }

    /// Reads one answer over HTTP, if one is there.
    ///
    /// # Panics
    ///
    /// When what came is no answer.
    pub fn try_answer(&mut self, world: &mut World) -> Option<Answer> {
        world.settle();
        self.read_all(world);
        let mut unread = self.unread.clone();
        let mut reader = ResponseReader::default();
        let mut input = unread.as_mut_slice();
        let (mut head, mut body) = (None, Vec::new());
        loop {
            match reader.next(&mut input, &LIMITS).expect("an answer that can be read")? {
                Incoming::Head(found) => head = Some(found),
                Incoming::Body(piece) => body.extend_from_slice(piece),
                Incoming::End => break,
            }
        }
        self.unread = input.to_vec();
        let text = String::from_utf8_lossy(&body).into_owned();
        Some(Answer { head: head.expect("a head comes before the end"), body: text, bytes: body })
    }

    /// Writes bytes, all of them, and lets the world settle.
    pub fn bytes(&mut self, world: &mut World, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(peer) = &self.peer else { return };
            let taken = peer.write(rest);
            rest = &rest[taken..];
            world.settle();
            if taken == 0 {
                // A full window, or a connection that is gone.
                return;
            }
        }
    }

    /// Writes what the window takes, and returns how much that was.
    pub fn offer(&mut self, world: &mut World, bytes: &[u8]) -> usize {
        let taken = self.peer.as_ref().map_or(0, |peer| peer.write(bytes));
        world.settle();
        taken
    }

    /// Writes what the window takes, without a turn of the server; how much that was.
    pub fn offer_unheard(&mut self, bytes: &[u8]) -> usize {
        self.peer.as_ref().map_or(0, |peer| peer.write(bytes))
    }

    /// Adds what came since the last look to `text`; false when the server's direction has ended.
    pub fn read_text(&mut self, world: &mut World, text: &mut String) -> bool {
        self.read_all(world);
        text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.unread)));
        self.end.is_none()
    }

    /// Sends one record in a text message of its own; the record separator is added.
    pub fn text(&mut self, world: &mut World, record: &str) {
        self.frame(world, OpCode::Text, true, format!("{record}\u{1e}").as_bytes());
    }

    /// Sends one frame.
    pub fn frame(&mut self, world: &mut World, code: OpCode, fin: bool, payload: &[u8]) {
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        write_masked_frame(&mut bytes, code, fin, [1, 2, 3, 4], payload);
        self.bytes(world, &bytes);
    }

    /// Sends a Close frame.
    pub fn close_frame(&mut self, world: &mut World, code: u16, reason: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        self.frame(world, OpCode::Close, true, &payload);
    }

    /// What came since the last look, as frames.
    ///
    /// # Panics
    ///
    /// When the server breaks the protocol.
    pub fn frames(&mut self, world: &mut World) -> Vec<Frame> {
        world.settle();
        self.read_all(world);
        let mut unread = std::mem::take(&mut self.unread);
        let mut input = unread.as_mut_slice();
        let mut frames = Vec::new();
        let limits = websocket::Limits::default();
        assert!(input.is_empty() || !self.decoder.has_ended(), "{BEHIND_CLOSE}");
        while let Some(event) = self.decoder.next(&mut input, &limits).expect("frames in order") {
            match event {
                Event::Data { kind, bytes, last, compressed, .. } => {
                    self.message.extend_from_slice(bytes);
                    if last {
                        let message = std::mem::take(&mut self.message);
                        frames.push(match kind {
                            _ if compressed => Frame::Compressed(kind, message),
                            websocket::Kind::Text => {
                                Frame::Text(String::from_utf8(message).expect("checked UTF-8"))
                            }
                            websocket::Kind::Binary => Frame::Binary(message),
                        });
                    }
                }
                Event::Ping(payload) => frames.push(Frame::Ping(payload.into_owned())),
                Event::Pong(payload) => frames.push(Frame::Pong(payload.into_owned())),
                Event::Close { code, reason } => {
                    assert!(input.is_empty(), "{BEHIND_CLOSE}");
                    frames.push(Frame::Close(code, reason.into_owned()));
                }
            }
        }
        match self.end.take() {
            Some(Read::End) => frames.push(Frame::End),
            Some(Read::Broken) => frames.push(Frame::Reset),
            _ => {}
        }
        frames
    }

    /// The records that came since the last look, without their separators.
    ///
    /// # Panics
    ///
    /// When something else came, or a text that does not consist of whole records (COR-040).
    pub fn hear(&mut self, world: &mut World) -> Vec<String> {
        let mut records = Vec::new();
        for frame in self.frames(world) {
            let Frame::Text(text) = frame else { panic!("{frame:?} came, not a text") };
            let whole = text.strip_suffix('\u{1e}').expect("whole records");
            records.extend(whole.split('\u{1e}').map(str::to_owned));
        }
        records
    }

    /// How many bytes the server has not received of what was written.
    pub fn unreceived(&self) -> usize {
        self.peer.as_ref().map_or(0, SimPeer::unreceived)
    }

    /// How many bytes wait to be read.
    pub fn unread(&self) -> usize {
        self.peer.as_ref().map_or(0, SimPeer::unread)
    }

    /// Ends our direction.
    pub fn shutdown(&mut self, world: &mut World) {
        if let Some(peer) = &self.peer {
            peer.shutdown();
        }
        world.settle();
    }

    /// Takes nothing until `until`.
    pub fn shut_window(&mut self, until: Moment) {
        if let Some(peer) = &self.peer {
            peer.shut_window(until);
        }
    }

    /// Is no more, and tells nobody.
    pub fn vanish(&mut self) {
        if let Some(peer) = &self.peer {
            peer.vanish();
        }
    }

    /// Breaks the connection.
    pub fn reset(&mut self, world: &mut World) {
        if let Some(peer) = self.peer.take() {
            peer.reset();
        }
        world.settle();
    }

    /// Closes both directions.
    pub fn close(mut self, world: &mut World) {
        self.peer = None;
        world.settle();
    }

    fn read_all(&mut self, world: &mut World) {
        let Some(peer) = &self.peer else { return };
        loop {
            match peer.read(READ_BYTES, &mut self.unread) {
                Read::Bytes(_) => world.settle(),
                Read::Nothing => return,
                end @ (Read::End | Read::Broken) => {
                    self.end = Some(end);
                    self.peer = None;
                    world.settle();
                    return;
                }
            }
        }
    }
}

/// A mask that nobody can foresee, for frames whose bytes do not matter.
pub(super) fn mask(rng: &mut Rng) -> [u8; 4] {
    let bits = rng.bits().to_le_bytes();
    [bits[0], bits[1], bits[2], bits[3]]
}

const LIMITS: Limits = Limits {
    line_bytes_max: 8 * 1024,
    headers_bytes_max: 32 * 1024,
    headers_max: 100,
    body_bytes_max: 16 * 1024 * 1024,
    chunk_overhead_bytes_max: 8 * 1024,
};

const READ_BYTES: usize = 64 * 1024;
