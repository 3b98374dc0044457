//! The JSON hub protocol (§3.4): one record in, one message out, and the other way round.

pub(in super::super) mod classic;

mod any_case;
mod escape;
mod handshake;
mod lenient;
mod members;
mod message;
mod parts;
mod scan;
mod value;
mod write;

pub(super) use escape::write_text;
pub(super) use handshake::{read_handshake_request, read_handshake_response};
pub(super) use message::{read, stream_ids};
pub(super) use value::{read_text, read_value};
pub(super) use write::*;
