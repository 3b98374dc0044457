//! The WebSocket protocol (RFC 6455): handshake, frames in, frames out. Pure, for both sides.
//!
//! [`Decoder`] unmasks in place and hands out pieces of messages as they arrive; it never joins
//! them and never copies them. What a message means, when to ping, and how long to wait for a
//! Close belong to the layers above. One extension is known, [`deflate`]; without it a set reserved
//! bit is a violation.

#![expect(clippy::mut_mut, reason = "input is taken from the front of a writable slice")]

mod decoder;
pub mod deflate;
mod encoder;
mod handshake;
mod mask;
mod utf8;

pub use decoder::{Decoder, Event, Kind, Limits, Violation};
pub use encoder::{
    HEADER_BYTES_MAX, OpCode, write_close, write_compressed_header, write_frame, write_header,
    write_masked_frame,
};
pub use handshake::{
    Verdict, check_response, offered_subprotocols, write_request, write_response, wrong_version,
};
pub use mask::unmask;
pub use utf8::Utf8;

/// Which end of the socket we are. It decides which direction is masked (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We accepted the socket: frames we receive must be masked, frames we send must not be.
    Server,
    /// We opened the socket: frames we receive must not be masked, frames we send must be.
    Client,
}
