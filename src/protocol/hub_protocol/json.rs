//! The JSON hub protocol (§3.4): one record in, one message out, and the other way round.

mod escape;
mod message;
mod scan;
mod value;
mod write;

pub(super) use escape::write_text;
pub(super) use message::{read, read_handshake_request, read_handshake_response, stream_ids};
pub(super) use value::{read_text, read_value};
pub(super) use write::*;
