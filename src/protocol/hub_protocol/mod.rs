//! The hub protocol of ASP.NET Core: nine kinds of messages and how they are written.
//!
//! A [`RecordBuffer`] cuts what arrives into records, [`HubProtocolKind::read`] turns one record
//! into a [`HubMessage`] that borrows from it, and the `write_*` functions of
//! [`HubProtocolKind`] append whole records to a vector. The first record of a connection is the
//! [`handshake`], which is JSON whatever protocol it chooses.
//!
//! This module does not know connections, methods or time, and it keeps no state between
//! messages except the unfinished record in a [`RecordBuffer`].

pub mod errors;
pub mod handshake;

mod arguments;
mod bytes;
mod date_time;
mod framing;
mod json;
mod messagepack;
mod names;
mod numbered;
mod payload;
mod text;
mod value;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use self::classic::Failure;

pub(crate) use arguments::OwnedArguments;
pub use arguments::{ArgumentSink, Arguments, ToArguments};
pub use bytes::Bytes;
pub use date_time::{DateTime, DateTimeOffset, InvalidDateTime};
pub use framing::{RECEIVE_BYTES_MAX, RecordBuffer};
pub(super) use json::classic;
pub use names::{MESSAGEPACK_EXTENSION, MESSAGEPACK_FULL_WIDTH};
pub use numbered::{Inbound, Outbound, STATEFUL_BUFFER_BYTES};
pub use payload::{Argument, BindingError, Payload};
pub use text::Text;
pub use value::Value;

/// A hub protocol: how messages are encoded on one connection, chosen by its handshake (§3.2).
///
/// Everything that depends on the encoding is a method here, so that the choice is made once per
/// message and above the loop over an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HubProtocolKind {
    /// JSON text, each record ended by the byte 0x1E (§3.4).
    Json,
    /// MessagePack arrays, each behind its length (§3.5).
    MessagePack,
    /// What clients of classic SignalR 2.x speak: JSON objects without an end mark
    /// ([`classic`](crate::protocol::classic)). No handshake chooses it.
    ///
    /// It has calls, results and errors alone. An id is here the JSON of the id of the call
    /// ([`classic::Id`]). Calls name their hub, so they are written by [`classic::write_call`] and
    /// read by [`classic::Invocation`].
    Classic,
}

/// One message of the hub protocol (§3.3), borrowed from the record it was read from.
///
/// Texts are owned only when the record spelled them with escapes.
#[derive(Debug)]
pub enum HubMessage<'a> {
    /// Type 1: calls a method; the caller waits for a completion when there is an id.
    Invocation(Invocation<'a>),
    /// Type 2: one item of a stream.
    StreamItem {
        /// The id of the stream; never empty.
        invocation_id: Cow<'a, str>,
        /// The item; null is an item too.
        item: Payload<'a>,
    },
    /// Type 3: the end of a call or of a stream.
    Completion {
        /// The id of the call or of the stream; never empty.
        invocation_id: Cow<'a, str>,
        /// How it ended.
        outcome: Outcome<'a>,
    },
    /// Type 4: calls a method that answers with a stream. Its id is always there.
    StreamInvocation(Invocation<'a>),
    /// Type 5: asks to end a stream early.
    CancelInvocation {
        /// The id of the stream; never empty.
        invocation_id: Cow<'a, str>,
    },
    /// Type 6: a sign of life.
    Ping,
    /// Type 7: the connection ends.
    Close {
        /// Why, when it ends because of an error.
        error: Option<Cow<'a, str>>,
        /// Whether the client may connect again by itself.
        allow_reconnect: bool,
    },
    /// Type 8: everything up to this number was received (§5.3).
    Ack {
        /// The number, as the peer wrote it.
        sequence_id: i64,
    },
    /// Type 9: the number of the next message that is sent (§5.2).
    Sequence {
        /// The number, as the peer wrote it.
        sequence_id: i64,
    },
    /// A type that does not exist. It is skipped (COR-079).
    Unknown {
        /// The number that the peer wrote.
        message_type: i32,
    },
}

/// A call of a method, with or without a stream as its answer (types 1 and 4).
#[derive(Debug)]
pub struct Invocation<'a> {
    /// The id that the answer carries. `None` when the caller wants no answer, which an empty id
    /// means too (COR-082); always there when the answer is a stream.
    pub invocation_id: Option<Cow<'a, str>>,
    /// The name of the method as the caller spelled it. May be empty, which names no method.
    pub target: Cow<'a, str>,
    /// The arguments, not yet bound to types.
    pub arguments: Arguments<'a>,
    /// The ids of the streams that the caller sends along, in the order of the parameters.
    pub stream_ids: StreamIds<'a>,
}

/// How a call or a stream ended (type 3).
#[derive(Debug)]
pub enum Outcome<'a> {
    /// Neither result nor error: the end of a stream, or a client that has nothing to answer.
    Nothing,
    /// A result; null is a result too (COR-072).
    Result(Payload<'a>),
    /// An error text, possibly empty.
    Error(Cow<'a, str>),
}

/// The ids of the streams that come along with a call, read from the record one by one.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamIds<'a> {
    encoded: Option<(HubProtocolKind, &'a [u8])>,
    count: usize,
}

impl<'a> StreamIds<'a> {
    /// The ids in an encoded array, which was read before.
    fn new(protocol: HubProtocolKind, encoded: &'a [u8], count: usize) -> Self {
        Self { encoded: Some((protocol, encoded)), count }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none, as for most calls.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ids in the order of the parameters.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let of = |kind| self.encoded.filter(|(protocol, _)| *protocol == kind);
        let json = of(HubProtocolKind::Json).map(|(_, ids)| json::stream_ids(ids));
        let packed = of(HubProtocolKind::MessagePack).map(|(_, ids)| messagepack::stream_ids(ids));
        json.into_iter().flatten().chain(packed.into_iter().flatten())
    }
}

/// The peer broke the hub protocol: the connection ends with a Close message (§3.10).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{type_name}: {detail}")]
pub struct ProtocolError {
    /// The name under which the peer is told, for instance `InvalidDataException`.
    pub type_name: &'static str,
    /// What was wrong, in the words of the original (COR-080).
    pub detail: String,
}

impl ProtocolError {
    /// The name of nearly all protocol errors.
    pub const INVALID_DATA: &'static str = "InvalidDataException";

    pub(crate) fn invalid_data(detail: impl Into<String>) -> Self {
        Self { type_name: Self::INVALID_DATA, detail: detail.into() }
    }
}

/// A value of ours could not be written. The connection that it was meant for ends (§3.10).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{type_name}: {detail}")]
pub struct WriteError {
    /// The name under which the peer is told.
    pub type_name: &'static str,
    /// What the value's own serializer said.
    pub detail: String,
}

impl WriteError {
    pub(crate) fn new(cause: &impl fmt::Display) -> Self {
        Self { type_name: "InvalidOperationException", detail: cause.to_string() }
    }
}

/// Why the functions that know no hub cannot read or write a call.
const CLASSIC_NAMES_HUBS: &str = "A classic message names its hub.";

/// Appends `text` as JSON, for the other documents of this layer.
pub(super) fn write_json_text(out: &mut Vec<u8>, text: &str) {
    json::write_text(out, text);
}

/// The id of a classic call as its caller knows it. While the call runs, the number under which its
/// answer is kept and a colon stand in front.
pub(crate) fn shown(id: &str) -> &str {
    match id.split_once(':') {
        Some((number, id)) if number.bytes().all(|byte| byte.is_ascii_digit()) => id,
        _ => id,
    }
}

impl HubProtocolKind {
    /// Every protocol that a handshake may choose.
    pub const ALL: &'static [Self] = &[Self::Json, Self::MessagePack];

    /// Those, and the one that needs no handshake; each at its [`index`](Self::index).
    pub(crate) const WITH_CLASSIC: &'static [Self] =
        &[Self::Json, Self::MessagePack, Self::Classic];

    /// The protocol with this name; letter case does not matter (§3.2).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// The name in the handshake.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
            Self::Classic => "classic",
        }
    }

    /// Whether its records are bytes that a text-only transport cannot carry.
    pub const fn is_binary(self) -> bool {
        match self {
            Self::Json | Self::Classic => false,
            Self::MessagePack => true,
        }
    }

    /// Its place in a table with one entry for each.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Appends a record that was read before, as it came from the wire.
    pub(crate) fn write_record(self, out: &mut Vec<u8>, record: &[u8]) {
        match self {
            Self::Json => {
                out.extend_from_slice(record);
                out.push(framing::RECORD_SEPARATOR);
            }
            Self::MessagePack => messagepack::write_record(out, record),
            Self::Classic => out.extend_from_slice(record),
        }
    }

    /// The record in one whole frame that was written here.
    pub(crate) fn unframed(self, frame: &mut [u8]) -> &mut [u8] {
        match self {
            Self::Json => {
                let end = frame.len() - 1;
                &mut frame[..end]
            }
            Self::MessagePack => messagepack::unframed(frame),
            Self::Classic => frame,
        }
    }

    /// Reads one record, without its end mark or its prefix. The message borrows from the record, which is
    /// writable because texts are unescaped where they stand.
    ///
    /// # Errors
    ///
    /// What the peer did wrong, in the words of the original (§3.4.2). Classic messages name a hub
    /// and are no [`HubMessage`]: they are refused here.
    pub fn read(self, record: &mut [u8]) -> Result<HubMessage<'_>, ProtocolError> {
        match self {
            Self::Json => json::read(record),
            Self::MessagePack => messagepack::read(record),
            Self::Classic => Err(ProtocolError::invalid_data(CLASSIC_NAMES_HUBS)),
        }
    }

    /// Appends an invocation (type 1). Without an id nobody answers (COR-074).
    ///
    /// # Errors
    ///
    /// An argument could not be written, or the protocol is [`HubProtocolKind::Classic`]; `out` is
    /// then as before.
    pub fn write_invocation<A: ToArguments + ?Sized>(
        self,
        out: &mut Vec<u8>,
        invocation_id: Option<&str>,
        target: &str,
        arguments: &A,
    ) -> Result<(), WriteError> {
        match self {
            Self::Json => json::write_invocation(out, invocation_id, target, arguments, &[]),
            Self::MessagePack => {
                messagepack::write_invocation(out, invocation_id, target, arguments, &[])
            }
            Self::Classic => Err(WriteError::new(&CLASSIC_NAMES_HUBS)),
        }
    }

    /// Appends an invocation (type 1) that sends streams along, as clients do.
    ///
    /// # Errors
    ///
    /// An argument could not be written; `out` is then as before.
    pub fn write_invocation_with_streams<A: ToArguments + ?Sized>(
        self,
        out: &mut Vec<u8>,
        invocation_id: Option<&str>,
        target: &str,
        arguments: &A,
        stream_ids: &[&str],
    ) -> Result<(), WriteError> {
        match self {
            Self::Json => json::write_invocation(out, invocation_id, target, arguments, stream_ids),
            Self::MessagePack => {
                messagepack::write_invocation(out, invocation_id, target, arguments, stream_ids)
            }
            Self::Classic => Err(WriteError::new(&CLASSIC_NAMES_HUBS)),
        }
    }

    /// Appends a call whose answer is a stream (type 4), as clients do.
    ///
    /// # Errors
    ///
    /// An argument could not be written; `out` is then as before.
    pub fn write_stream_invocation<A: ToArguments + ?Sized>(
        self,
        out: &mut Vec<u8>,
        invocation_id: &str,
        target: &str,
        arguments: &A,
        stream_ids: &[&str],
    ) -> Result<(), WriteError> {
        match self {
            Self::Json => {
                json::write_stream_invocation(out, invocation_id, target, arguments, stream_ids)
            }
            Self::MessagePack => messagepack::write_stream_invocation(
                out,
                invocation_id,
                target,
                arguments,
                stream_ids,
            ),
            Self::Classic => Err(WriteError::new(&CLASSIC_NAMES_HUBS)),
        }
    }

    /// Appends an item of a stream (type 2). A null item is written (COR-075). Classic has no
    /// streams: nothing is written.
    ///
    /// # Errors
    ///
    /// The item could not be written; `out` is then as before.
    pub fn write_stream_item<T: Serialize + ?Sized>(
        self,
        out: &mut Vec<u8>,
        invocation_id: &str,
        item: &T,
    ) -> Result<(), WriteError> {
        match self {
            Self::Json => json::write_stream_item(out, invocation_id, item),
            Self::MessagePack => messagepack::write_stream_item(out, invocation_id, item),
            Self::Classic => Ok(()),
        }
    }

    /// Appends a completion with a result (type 3); `()` is written as null (COR-072), and in
    /// classic not at all (LEG-048).
    ///
    /// # Errors
    ///
    /// The result could not be written; `out` is then as before.
    pub fn write_result<T: Serialize + ?Sized>(
        self,
        out: &mut Vec<u8>,
        invocation_id: &str,
        result: &T,
    ) -> Result<(), WriteError> {
        match self {
            Self::Json => json::write_result(out, invocation_id, result),
            Self::MessagePack => messagepack::write_result(out, invocation_id, result),
            Self::Classic => classic::write_result(out, shown(invocation_id), result, None),
        }
    }

    /// Appends a completion with an error (type 3).
    pub fn write_error(self, out: &mut Vec<u8>, invocation_id: &str, error: &str) {
        match self {
            Self::Json => json::write_error(out, invocation_id, error),
            Self::MessagePack => messagepack::write_error(out, invocation_id, error),
            Self::Classic => {
                classic::write_error(out, shown(invocation_id), &Failure::plain(error), None);
            }
        }
    }

    /// Appends a completion with neither result nor error, the end of a stream (COR-076); in classic
    /// it is a result that is null.
    pub fn write_end(self, out: &mut Vec<u8>, invocation_id: &str) {
        match self {
            Self::Json => json::write_end(out, invocation_id),
            Self::MessagePack => messagepack::write_end(out, invocation_id),
            Self::Classic => {
                classic::write_result(out, shown(invocation_id), &(), None)
                    .expect("nothing is written");
            }
        }
    }

    /// Appends a wish to end a stream early (type 5), as clients do. Nothing in classic.
    pub fn write_cancel(self, out: &mut Vec<u8>, invocation_id: &str) {
        match self {
            Self::Json => json::write_cancel(out, invocation_id),
            Self::MessagePack => messagepack::write_cancel(out, invocation_id),
            Self::Classic => {}
        }
    }

    /// Appends a ping (type 6). Nothing in classic, where each transport has its own sign of life.
    pub fn write_ping(self, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::write_ping(out),
            Self::MessagePack => messagepack::write_ping(out),
            Self::Classic => {}
        }
    }

    /// Appends a close message (type 7). `allow_reconnect` is written only when true (§3.4.1).
    /// Nothing in classic, where the end of the transport says it.
    pub fn write_close(self, out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
        match self {
            Self::Json => json::write_close(out, error, allow_reconnect),
            Self::MessagePack => messagepack::write_close(out, error, allow_reconnect),
            Self::Classic => {}
        }
    }

    /// Appends an acknowledgement (type 8). Nothing in classic, whose clients name a cursor.
    pub fn write_ack(self, out: &mut Vec<u8>, sequence_id: i64) {
        match self {
            Self::Json => json::write_ack(out, sequence_id),
            Self::MessagePack => messagepack::write_ack(out, sequence_id),
            Self::Classic => {}
        }
    }

    /// Appends a sequence message (type 9). Nothing in classic.
    pub fn write_sequence(self, out: &mut Vec<u8>, sequence_id: i64) {
        match self {
            Self::Json => json::write_sequence(out, sequence_id),
            Self::MessagePack => messagepack::write_sequence(out, sequence_id),
            Self::Classic => {}
        }
    }
}
