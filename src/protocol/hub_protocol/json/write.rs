//! Records written in the property order of .NET (§3.4.1).
//!
//! A property that has nothing to say is left out, never written as null: the JavaScript client
//! drops the connection for `"invocationId":null`. A result and an item are always written.

use std::io::Write as _;

use serde::Serialize;

use super::escape::write_text;
use crate::protocol::hub_protocol::framing::RECORD_SEPARATOR;
use crate::protocol::hub_protocol::{ArgumentSink, ToArguments, WriteError};

pub(in super::super) fn write_invocation<A: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    invocation_id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        out.extend_from_slice(b"{\"type\":1,");
        if let Some(invocation_id) = invocation_id {
            out.extend_from_slice(b"\"invocationId\":");
            write_text(out, invocation_id);
            out.push(b',');
        }
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
        begin(out, b'4', invocation_id);
        out.push(b',');
        write_call(out, target, arguments, stream_ids)
    })
}

pub(in super::super) fn write_stream_item<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    invocation_id: &str,
    item: &T,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin(out, b'2', invocation_id);
        out.extend_from_slice(b",\"item\":");
        write_value(out, item)
    })
}

pub(in super::super) fn write_result<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    invocation_id: &str,
    result: &T,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin(out, b'3', invocation_id);
        out.extend_from_slice(b",\"result\":");
        write_value(out, result)
    })
}

pub(in super::super) fn write_error(out: &mut Vec<u8>, invocation_id: &str, error: &str) {
    begin(out, b'3', invocation_id);
    out.extend_from_slice(b",\"error\":");
    write_text(out, error);
    end(out);
}

pub(in super::super) fn write_end(out: &mut Vec<u8>, invocation_id: &str) {
    begin(out, b'3', invocation_id);
    end(out);
}

pub(in super::super) fn write_cancel(out: &mut Vec<u8>, invocation_id: &str) {
    begin(out, b'5', invocation_id);
    end(out);
}

pub(in super::super) fn write_ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":6}\x1e");
}

pub(in super::super) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    out.extend_from_slice(b"{\"type\":7");
    if let Some(error) = error {
        out.extend_from_slice(b",\"error\":");
        write_text(out, error);
    }
    if allow_reconnect {
        out.extend_from_slice(b",\"allowReconnect\":true");
    }
    end(out);
}

pub(in super::super) fn write_ack(out: &mut Vec<u8>, sequence_id: i64) {
    out.extend_from_slice(b"{\"type\":8,\"sequenceId\":");
    write_integer(out, sequence_id);
    end(out);
}

pub(in super::super) fn write_sequence(out: &mut Vec<u8>, sequence_id: i64) {
    out.extend_from_slice(b"{\"type\":9,\"sequenceId\":");
    write_integer(out, sequence_id);
    end(out);
}

pub(in super::super) fn write_handshake_request(out: &mut Vec<u8>, protocol: &str, version: i32) {
    out.extend_from_slice(b"{\"protocol\":");
    write_text(out, protocol);
    out.extend_from_slice(b",\"version\":");
    write_integer(out, version.into());
    end(out);
}

pub(in super::super) fn write_handshake_error(out: &mut Vec<u8>, error: &str) {
    out.extend_from_slice(b"{\"error\":");
    write_text(out, error);
    end(out);
}

/// Begins a message of a type that carries an id.
fn begin(out: &mut Vec<u8>, message_type: u8, invocation_id: &str) {
    out.extend_from_slice(b"{\"type\":");
    out.push(message_type);
    out.extend_from_slice(b",\"invocationId\":");
    write_text(out, invocation_id);
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'}', RECORD_SEPARATOR]);
}

/// Ends the message that `write` began, or takes back what was written of it.
fn whole_or_nothing(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = out.len();
    let written = write(out);
    match written {
        Ok(()) => end(out),
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
    out.extend_from_slice(b"\"target\":");
    write_text(out, target);
    out.extend_from_slice(b",\"arguments\":[");
    arguments.each(&mut JsonArguments { out, is_first: true })?;
    out.push(b']');
    if !stream_ids.is_empty() {
        out.extend_from_slice(b",\"streamIds\":[");
        for (index, stream_id) in stream_ids.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(out, stream_id);
        }
        out.push(b']');
    }
    Ok(())
}

/// The elements of the array of arguments.
struct JsonArguments<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl ArgumentSink for JsonArguments<'_> {
    fn argument<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        write_value(self.out, value)
    }
}

fn write_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), WriteError> {
    serde_json::to_writer(out, value).map_err(|error| WriteError::new(&error))
}

fn write_integer(out: &mut Vec<u8>, value: i64) {
    write!(out, "{value}").expect("a vector takes all that is written to it");
}
