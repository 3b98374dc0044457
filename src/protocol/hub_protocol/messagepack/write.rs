//! Records written with the items of .NET (§3.5): calls always have six, because a client in the
//! field reads the last one without asking, completions four or five, Close three.

use rmp::encode;
use serde::Serialize;

use super::prefix::write_prefix;
use super::serialize::write_value;
use crate::protocol::hub_protocol::{ArgumentSink, ToArguments, WriteError};

/// What stands in a completion behind its id (§3.5).
const KIND_ERROR: u8 = 1;
const KIND_NOTHING: u8 = 2;
const KIND_RESULT: u8 = 3;

/// The encoder writes to memory, which takes everything.
const NEVER: &str = "a vector takes all that is written to it";

pub(in super::super) fn write_invocation<A: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    invocation_id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin(out, 6, 1);
        headers(out);
        write_optional_text(out, invocation_id);
        write_call(out, target, arguments, stream_ids)
    })
}

pub(in super::super) fn write_stream_invocation<A: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    invocation_id: &str,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin_with_id(out, 6, 4, invocation_id);
        write_call(out, target, arguments, stream_ids)
    })
}

pub(in super::super) fn write_stream_item<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    invocation_id: &str,
    item: &T,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin_with_id(out, 4, 2, invocation_id);
        write_value(out, item)
    })
}

pub(in super::super) fn write_result<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    invocation_id: &str,
    result: &T,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin_with_id(out, 5, 3, invocation_id);
        out.push(KIND_RESULT);
        write_value(out, result)
    })
}

pub(in super::super) fn write_error(out: &mut Vec<u8>, invocation_id: &str, error: &str) {
    whole(out, |out| {
        begin_with_id(out, 5, 3, invocation_id);
        out.push(KIND_ERROR);
        write_text(out, error);
    });
}

pub(in super::super) fn write_end(out: &mut Vec<u8>, invocation_id: &str) {
    whole(out, |out| {
        begin_with_id(out, 4, 3, invocation_id);
        out.push(KIND_NOTHING);
    });
}

pub(in super::super) fn write_cancel(out: &mut Vec<u8>, invocation_id: &str) {
    whole(out, |out| begin_with_id(out, 3, 5, invocation_id));
}

pub(in super::super) fn write_ping(out: &mut Vec<u8>) {
    whole(out, |out| begin(out, 1, 6));
}

pub(in super::super) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    whole(out, |out| {
        begin(out, 3, 7);
        write_optional_text(out, error);
        encode::write_bool(out, allow_reconnect).expect(NEVER);
    });
}

pub(in super::super) fn write_ack(out: &mut Vec<u8>, sequence_id: i64) {
    write_number(out, 8, sequence_id);
}

pub(in super::super) fn write_sequence(out: &mut Vec<u8>, sequence_id: i64) {
    write_number(out, 9, sequence_id);
}

/// Appends a record that was read before, with a prefix.
pub(in super::super) fn write_record(out: &mut Vec<u8>, record: &[u8]) {
    whole(out, |out| out.extend_from_slice(record));
}

fn write_number(out: &mut Vec<u8>, message_type: u8, number: i64) {
    whole(out, |out| {
        begin(out, 2, message_type);
        encode::write_sint(out, number).expect(NEVER);
    });
}

fn begin(out: &mut Vec<u8>, items: u32, message_type: u8) {
    encode::write_array_len(out, items).expect(NEVER);
    out.push(message_type);
}

/// Begins a message of a type that has headers and an id.
fn begin_with_id(out: &mut Vec<u8>, items: u32, message_type: u8, invocation_id: &str) {
    begin(out, items, message_type);
    headers(out);
    write_text(out, invocation_id);
}

/// We have nothing to say in headers (§3.12).
fn headers(out: &mut Vec<u8>) {
    encode::write_map_len(out, 0).expect(NEVER);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    encode::write_str(out, text).expect(NEVER);
}

fn write_optional_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_text(out, text),
        None => encode::write_nil(out).expect(NEVER),
    }
}

/// Frames what `write` appends.
fn whole(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    write(out);
    write_prefix(out, start);
}

/// Frames what `write` appends, or takes it back.
fn whole_or_nothing(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = out.len();
    out.push(0);
    let written = write(out);
    match written {
        Ok(()) => write_prefix(out, start),
        Err(_) => out.truncate(start),
    }
    written
}

/// The part that both kinds of calls share.
fn write_call<A: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), WriteError> {
    write_text(out, target);
    write_array_len(out, arguments.count());
    arguments.each(&mut MessagePackArguments { out })?;
    write_array_len(out, stream_ids.len());
    for stream_id in stream_ids {
        write_text(out, stream_id);
    }
    Ok(())
}

fn write_array_len(out: &mut Vec<u8>, length: usize) {
    encode::write_array_len(out, length as u32).expect(NEVER);
}

/// The elements of the array of arguments.
struct MessagePackArguments<'a> {
    out: &'a mut Vec<u8>,
}

impl ArgumentSink for MessagePackArguments<'_> {
    fn argument<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        write_value(self.out, value)
    }
}
