//! Frames on their way out. Nothing is fragmented: some clients cannot read fragments.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding;

use super::decoder::Kind;
use super::mask::unmask;

/// Longest frame header: two bytes, a 64-bit length, a mask (RFC 6455 §5.2).
pub const HEADER_BYTES_MAX: usize = 14;

/// The most bytes a control frame carries (RFC 6455 §5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// The bit that says that a message is compressed: RSV1 (RFC 7692 §6).
pub(super) const COMPRESSED: u8 = 0x40;

/// The kinds of frames (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpCode {
    /// A further fragment of a message.
    Continuation,
    /// The first or only fragment of a text.
    Text,
    /// The first or only fragment of a binary message.
    Binary,
    /// The last frame in its direction.
    Close,
    /// A question for a Pong.
    Ping,
    /// The answer to a Ping, or a sign of life.
    Pong,
}

impl From<Kind> for OpCode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}

impl From<OpCode> for coding::OpCode {
    fn from(code: OpCode) -> Self {
        match code {
            OpCode::Continuation => Self::Data(coding::Data::Continue),
            OpCode::Text => Self::Data(coding::Data::Text),
            OpCode::Binary => Self::Data(coding::Data::Binary),
            OpCode::Close => Self::Control(coding::Control::Close),
            OpCode::Ping => Self::Control(coding::Control::Ping),
            OpCode::Pong => Self::Control(coding::Control::Pong),
        }
    }
}

/// Writes the header of an unmasked frame with `payload_len` bytes of payload, in the shortest
/// form. The payload itself follows by other means.
#[inline]
pub fn write_header(out: &mut Vec<u8>, code: OpCode, fin: bool, payload_len: usize) {
    format(out, code, fin, payload_len, None);
}

/// Like [`write_header`], for a whole message that is compressed (RFC 7692 §6).
pub fn write_compressed_header(out: &mut Vec<u8>, code: OpCode, payload_len: usize) {
    let start = out.len();
    write_header(out, code, true, payload_len);
    out[start] |= COMPRESSED;
}

/// Writes a whole unmasked frame that ends its message. What a server sends.
///
/// # Panics
///
/// When a control frame is given more than 125 bytes: that cannot be sent (RFC 6455 §5.5).
#[inline]
pub fn write_frame(out: &mut Vec<u8>, code: OpCode, payload: &[u8]) {
    assert_fits(code, payload.len());
    write_header(out, code, true, payload.len());
    out.extend_from_slice(payload);
}

/// Writes a whole masked frame. What a client sends; `mask` must be unpredictable for whoever
/// chose the payload (RFC 6455 §10.3).
///
/// # Panics
///
/// As [`write_frame`].
pub fn write_masked_frame(
    out: &mut Vec<u8>,
    code: OpCode,
    fin: bool,
    mask: [u8; 4],
    payload: &[u8],
) {
    assert_fits(code, payload.len());
    format(out, code, fin, payload.len(), Some(mask));
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask);
}

/// Writes an unmasked Close frame. A reason that is too long is cut at a character; without a
/// code there is no reason (RFC 6455 §5.5.1).
pub fn write_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let Some(code) = code else { return write_frame(out, OpCode::Close, &[]) };
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    write_header(out, OpCode::Close, true, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn assert_fits(code: OpCode, payload_len: usize) {
    let is_data = matches!(code, OpCode::Continuation | OpCode::Text | OpCode::Binary);
    assert!(is_data || payload_len <= CONTROL_BYTES_MAX, "a control frame carries 125 bytes");
}

fn format(out: &mut Vec<u8>, code: OpCode, fin: bool, payload_len: usize, mask: Option<[u8; 4]>) {
    let header = FrameHeader {
        is_final: fin,
        rsv1: false,
        rsv2: false,
        rsv3: false,
        opcode: code.into(),
        mask,
    };
    header.format(payload_len as u64, out).expect("writing into memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(&mut out, OpCode::Binary, true, len);
        out
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(header(0), [0x82, 0]);
        assert_eq!(header(125), [0x82, 125]);
        assert_eq!(header(126), [0x82, 126, 0, 126]);
        assert_eq!(header(65_535), [0x82, 126, 0xff, 0xff]);
        assert_eq!(header(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn the_examples_of_the_specification() {
        // RFC 6455 §5.7.
        let mut out = Vec::new();
        write_frame(&mut out, OpCode::Text, b"Hello");
        assert_eq!(out, b"\x81\x05Hello");
        out.clear();
        write_masked_frame(&mut out, OpCode::Text, true, [0x37, 0xfa, 0x21, 0x3d], b"Hello");
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        out.clear();
        write_header(&mut out, OpCode::Text, false, 3);
        write_header(&mut out, OpCode::Continuation, true, 2);
        assert_eq!(out, [0x01, 3, 0x80, 2]);
    }

    #[test]
    fn a_close_reason_is_cut_at_a_character() {
        let mut out = Vec::new();
        write_close(&mut out, Some(1000), &"é".repeat(100));
        assert_eq!(out[..4], [0x88, 2 + 122, 0x03, 0xe8]);
        assert_eq!(std::str::from_utf8(&out[4..]).unwrap().chars().count(), 61);
        out.clear();
        write_close(&mut out, None, "ignored");
        assert_eq!(out, [0x88, 0]);
    }

    #[test]
    #[should_panic(expected = "125 bytes")]
    fn a_control_frame_that_is_too_long_cannot_be_written() {
        write_frame(&mut Vec::new(), OpCode::Ping, &[0; 126]);
    }
}
