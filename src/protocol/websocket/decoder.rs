//! Frames on their way in, decoded where they lie.

use std::borrow::Cow;
use std::mem;

use tungstenite::protocol::frame::coding::CloseCode;

use super::Role;
use super::encoder::{COMPRESSED, CONTROL_BYTES_MAX, HEADER_BYTES_MAX};
use super::mask::unmask;
use super::utf8::Utf8;

/// Reads the frames of one direction of one socket, from pieces of any size.
///
/// It holds no payload: data is handed out as it comes. Between frames it owns no heap memory;
/// only a header or a control frame that is cut by the end of the input is kept until the rest
/// is there.
#[derive(Debug)]
pub struct Decoder {
    /// The beginning of a header or of a control frame's payload, while the rest is missing.
    straddle: Option<Box<Straddle>>,
    /// Payload bytes of the current frame that were not read yet.
    frame_left: u64,
    /// Bytes that the frames of the current message announced so far.
    message_bytes: u64,
    /// Frames of the current message so far; zero between messages.
    fragments: u32,
    /// The mask, turned to fit the next payload byte.
    mask: [u8; 4],
    stage: Stage,
    role: Role,
    kind: Kind,
    utf8: Utf8,
    /// Whether the current frame ends its message.
    fin: bool,
    /// Whether no piece of the current message was handed out yet.
    first: bool,
    /// Messages may be compressed.
    deflate: bool,
    /// Whether the current message is.
    compressed: bool,
}

/// How much of a message is taken. Passed with each call, because all sockets share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, judged on what its frames announce. `None`: no limit, for receivers
    /// that treat the pieces as a stream and count for themselves (COR-116).
    pub message_bytes_max: Option<u64>,
    /// Frames of one message (T-FRAG).
    pub fragments_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes_max: None, fragments_max: 1024 }
    }
}

/// The two kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8, checked.
    Text,
    /// Any bytes.
    Binary,
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A piece of a message, unmasked in place. A message comes in one piece or in many, which
    /// need not be its fragments. A piece is empty only when it ends a message.
    Data {
        /// Text or binary, the same for all pieces of a message.
        kind: Kind,
        /// The payload. A piece of text may begin and end inside a character.
        bytes: &'a mut [u8],
        /// Whether this begins a message.
        first: bool,
        /// Whether this ends the message.
        last: bool,
        /// Whether the message is compressed: what it says is neither counted nor checked yet.
        compressed: bool,
    },
    /// To be answered with a Pong that carries the same bytes (RFC 6455 §5.5.2).
    Ping(Cow<'a, [u8]>),
    /// A sign of life (RFC 6455 §5.5.3).
    Pong(Cow<'a, [u8]>),
    /// The last thing in this direction; whatever follows is discarded (RFC 6455 §5.5.1).
    Close {
        /// The code, if there was one; always one that may be sent back.
        code: Option<u16>,
        /// The reason, often empty.
        reason: Cow<'a, str>,
    },
}

/// The peer broke the protocol: answer with a Close frame of this code, then end the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Violation {
    /// 1002 (protocol), 1007 (no UTF-8) or 1009 (too big), RFC 6455 §7.4.1.
    pub code: u16,
    /// What was wrong, for logs.
    pub text: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Data,
    Control(Control),
    /// After a Close frame or a violation: nothing is decoded any more.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Close,
    Ping,
    Pong,
}

#[derive(Debug)]
struct Straddle {
    len: u8,
    bytes: [u8; CONTROL_BYTES_MAX],
}

/// A parsed frame header.
struct Header {
    /// How many bytes it took.
    len: usize,
    mask: [u8; 4],
    payload_bytes: u64,
}

impl Decoder {
    /// A decoder for a socket that was just upgraded.
    pub fn new(role: Role) -> Self {
        Self {
            straddle: None,
            frame_left: 0,
            message_bytes: 0,
            fragments: 0,
            mask: [0; 4],
            stage: Stage::Header,
            role,
            kind: Kind::Binary,
            utf8: Utf8::default(),
            fin: false,
            first: false,
            deflate: false,
            compressed: false,
        }
    }

    /// The same decoder, for a socket on which compression was agreed on (RFC 7692).
    #[must_use]
    pub fn with_compression(self) -> Self {
        Self { deflate: true, ..self }
    }

    /// Takes the next event from the front of `input`. `None`: all of `input` was used up and
    /// more is needed, or the socket has ended.
    ///
    /// # Errors
    ///
    /// A [`Violation`], once; everything behind it is discarded.
    #[inline]
    pub fn next<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Event<'a>>, Violation> {
        let result = self.advance(input, limits);
        if result.is_err() {
            self.end(input);
        }
        result
    }

    /// Whether the decoder stands between two messages (and between two frames), so that the
    /// end of the socket cuts nothing.
    pub fn is_between_messages(&self) -> bool {
        self.fragments == 0
            && self.straddle.is_none()
            && matches!(self.stage, Stage::Header | Stage::Ended)
    }

    /// Whether a Close frame or a violation came: whatever is behind it is discarded.
    pub fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    fn advance<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Event<'a>>, Violation> {
        loop {
            match self.stage {
                Stage::Header => {
                    let Some(header) = self.take_header(input)? else { return Ok(None) };
                    self.frame_left = header.payload_bytes;
                    self.mask = header.mask;
                    if self.stage == Stage::Data {
                        self.count(limits)?;
                    }
                }
                Stage::Data => {
                    if let Some(event) = self.take_piece(input)? {
                        return Ok(Some(event));
                    }
                    if self.stage == Stage::Data {
                        return Ok(None);
                    }
                }
                Stage::Control(control) => return self.take_control(control, input),
                Stage::Ended => {
                    self.end(input);
                    return Ok(None);
                }
            }
        }
    }

    fn end(&mut self, input: &mut &mut [u8]) {
        self.stage = Stage::Ended;
        self.straddle = None;
        *input = &mut [];
    }

    /// Takes a whole header, or keeps what there is of it.
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, Violation> {
        if self.straddle.is_none() {
            if let Some(header) = self.parse_header(input)? {
                take(input, header.len);
                return Ok(Some(header));
            }
            if !input.is_empty() {
                let rest = take(input, usize::MAX);
                self.straddle = Some(Box::new(Straddle::new(rest)));
            }
            return Ok(None);
        }
        // Byte by byte: a header is short, and this way it never takes one byte too many.
        while !input.is_empty() {
            let byte = take(input, 1);
            let mut straddle = self.straddle.take().expect("a header was begun");
            straddle.push(byte);
            let header = self.parse_header(straddle.as_slice())?;
            if header.is_some() {
                return Ok(header);
            }
            self.straddle = Some(straddle);
        }
        Ok(None)
    }

    /// Parses a header, judging each byte as soon as it is there. Sets the stage, and what the
    /// frame means for its message, when the header is complete.
    fn parse_header(&mut self, bytes: &[u8]) -> Result<Option<Header>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let inside = self.fragments > 0;
        // Of the reserved bits, one on the first frame of a message (RFC 7692 §6).
        let compressed = first & COMPRESSED != 0;
        if first & 0x70 != 0
            && !(self.deflate && first & 0x70 == COMPRESSED && matches!(first & 0x0f, 1 | 2))
        {
            return violation("a reserved bit is set");
        }
        let stage = match first & 0x0f {
            0x0 if !inside => return violation("a continuation of nothing"),
            0x1 | 0x2 if inside => return violation("a new message inside a fragmented one"),
            0x0..=0x2 => Stage::Data,
            0x8..=0xa if !fin => return violation("a control frame is fragmented"),
            0x8 => Stage::Control(Control::Close),
            0x9 => Stage::Control(Control::Ping),
            0xa => Stage::Control(Control::Pong),
            _ => return violation("an unknown op code"),
        };

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        match (self.role, masked) {
            (Role::Server, false) => return violation("a frame from a client is not masked"),
            (Role::Client, true) => return violation("a frame from a server is masked"),
            _ => {}
        }
        let length = second & 0x7f;
        if usize::from(length) > CONTROL_BYTES_MAX && stage != Stage::Data {
            return violation("a control frame is longer than 125 bytes");
        }
        let (payload_bytes, at) = match length {
            126 => {
                let Some(field) = bytes.get(2..).and_then(<[u8]>::first_chunk) else {
                    return Ok(None);
                };
                let long = u16::from_be_bytes(*field);
                if long < 126 {
                    return violation("a length is not in its shortest form");
                }
                (u64::from(long), 4)
            }
            127 => {
                let Some(field) = bytes.get(2..).and_then(<[u8]>::first_chunk) else {
                    return Ok(None);
                };
                let long = u64::from_be_bytes(*field);
                if long >> 63 != 0 {
                    return violation("a length has its top bit set");
                }
                if u16::try_from(long).is_ok() {
                    return violation("a length is not in its shortest form");
                }
                (long, 10)
            }
            short => (u64::from(short), 2),
        };
        let (mask, len) = if masked {
            let Some(mask) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
                return Ok(None);
            };
            (*mask, at + 4)
        } else {
            ([0; 4], at)
        };
        debug_assert!(len <= HEADER_BYTES_MAX, "the longest header is known");

        self.stage = stage;
        if stage == Stage::Data {
            self.fin = fin;
            if first & 0x0f != 0 {
                self.kind = if first & 0x0f == 1 { Kind::Text } else { Kind::Binary };
                self.first = true;
                self.compressed = compressed;
                self.message_bytes = 0;
                self.utf8 = Utf8::default();
            }
        }
        Ok(Some(Header { len, mask, payload_bytes }))
    }

    /// Counts the frame that was just announced against the limits of its message.
    fn count(&mut self, limits: &Limits) -> Result<(), Violation> {
        self.fragments += 1;
        if self.fragments > limits.fragments_max {
            return Err(Violation { code: 1009, text: "a message has too many fragments" });
        }
        self.message_bytes = self.message_bytes.saturating_add(self.frame_left);
        // What comes out of a compressed message is counted elsewhere; what cannot be compressed
        // becomes longer, but not by that much.
        let (times, more) = if self.compressed { (2, 64) } else { (1, 0) };
        let max =
            limits.message_bytes_max.map(|max| max.saturating_mul(times).saturating_add(more));
        if max.is_some_and(|max| self.message_bytes > max) {
            return Err(Violation { code: 1009, text: "a message is too big" });
        }
        Ok(())
    }

    /// Takes what there is of a data frame. `None` with the stage still at [`Stage::Data`] asks
    /// for more input; otherwise the frame ended with nothing to tell.
    fn take_piece<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        let bytes = take(input, usize::try_from(self.frame_left).unwrap_or(usize::MAX));
        self.frame_left -= bytes.len() as u64;
        let ends_frame = self.frame_left == 0;
        let last = ends_frame && self.fin;
        if ends_frame {
            self.stage = Stage::Header;
        }
        if self.role == Role::Server {
            self.mask = unmask(bytes, self.mask);
        }
        if self.kind == Kind::Text
            && !self.compressed
            && (!self.utf8.accept(bytes) || (last && !self.utf8.is_complete()))
        {
            return Err(Violation { code: 1007, text: "a text is not UTF-8" });
        }
        if last {
            self.fragments = 0;
        } else if bytes.is_empty() {
            return Ok(None);
        }
        let first = mem::take(&mut self.first);
        Ok(Some(Event::Data { kind: self.kind, bytes, first, last, compressed: self.compressed }))
    }

    /// Takes a whole control frame, or keeps what there is of it.
    fn take_control<'a>(
        &mut self,
        control: Control,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Event<'a>>, Violation> {
        let left =
            usize::try_from(self.frame_left).expect("at most 125, as its header was checked");
        let piece = take(input, left);
        self.frame_left -= piece.len() as u64;
        if self.role == Role::Server {
            self.mask = unmask(piece, self.mask);
        }
        let payload: Cow<'a, [u8]> = match self.straddle.take() {
            None if self.frame_left == 0 => Cow::Borrowed(piece),
            None => {
                if !piece.is_empty() {
                    self.straddle = Some(Box::new(Straddle::new(piece)));
                }
                return Ok(None);
            }
            Some(mut straddle) => {
                straddle.push(piece);
                if self.frame_left > 0 {
                    self.straddle = Some(straddle);
                    return Ok(None);
                }
                Cow::Owned(straddle.as_slice().to_vec())
            }
        };
        self.stage = Stage::Header;
        let event = match control {
            Control::Ping => Event::Ping(payload),
            Control::Pong => Event::Pong(payload),
            Control::Close => {
                // What is behind it is still to be seen, until it is asked for: then it goes.
                self.stage = Stage::Ended;
                read_close(payload)?
            }
        };
        Ok(Some(event))
    }
}

impl Straddle {
    fn new(bytes: &[u8]) -> Self {
        let mut straddle = Self { len: 0, bytes: [0; CONTROL_BYTES_MAX] };
        straddle.push(bytes);
        straddle
    }

    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Splits up to `count` bytes off the front of `input`.
fn take<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let all = mem::take(input);
    let (front, rest) = all.split_at_mut(count.min(all.len()));
    *input = rest;
    front
}

fn violation<T>(text: &'static str) -> Result<T, Violation> {
    Err(Violation { code: 1002, text })
}

/// The body of a Close frame (RFC 6455 §5.5.1, §7.4).
fn read_close(payload: Cow<'_, [u8]>) -> Result<Event<'_>, Violation> {
    if payload.is_empty() {
        return Ok(Event::Close { code: None, reason: Cow::Borrowed("") });
    }
    let Some(code) = payload.first_chunk().map(|code| u16::from_be_bytes(*code)) else {
        return violation("a close code has one byte");
    };
    if !is_sendable(code) {
        return violation("a close code that must not be sent");
    }
    // 1002 and not 1007, as the original does (transcript raw-protocol-errors, socket i).
    let reason = match payload {
        Cow::Borrowed(bytes) => simdutf8::basic::from_utf8(&bytes[2..]).ok().map(Cow::Borrowed),
        Cow::Owned(mut bytes) => {
            bytes.drain(..2);
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
    };
    let Some(reason) = reason else { return violation("a close reason is not UTF-8") };
    Ok(Event::Close { code: Some(code), reason })
}

/// Whether a Close frame may carry `code` (RFC 6455 §7.4): the defined ones, those of libraries
/// (3000..=3999) and of applications (4000..=4999).
fn is_sendable(code: u16) -> bool {
    // 1004 has no meaning yet. The package refuses it as reserved, and with it 1005, 1006 and
    // 1015, which only ever stand for the lack of a frame.
    CloseCode::from(code).is_allowed()
}
