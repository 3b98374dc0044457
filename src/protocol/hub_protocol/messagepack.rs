//! The MessagePack hub protocol (§3.5): one record in, one message out, and the other way round.
//!
//! A record is the body of a frame: one array, whose first item is the type. `rmp` knows markers
//! and headers; the rest is here: which items count and what they must be, typed values, and that nothing is built by a length that was only announced (T-MPLEN).

mod message;
mod prefix;
mod scan;
mod serialize;
mod value;
mod write;

pub(super) use message::{ARGUMENT_DEPTH, read, stream_ids};
pub(super) use prefix::{Prefix, unframed};
pub(super) use scan::value_len;
pub(super) use value::{read_text, read_value};
pub(super) use write::*;
