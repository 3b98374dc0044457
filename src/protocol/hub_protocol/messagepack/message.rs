//! From the bytes of one record to a message: which items an array must have, what they must be,
//! and in which words they are refused (§3.5, `msgpack-protocol-errors`).

use std::borrow::Cow;

use super::scan::{Malformed, Scanner};
use crate::protocol::hub_protocol::arguments::Counted;
use crate::protocol::hub_protocol::{
    Arguments, HubMessage, HubProtocolKind, Invocation, Outcome, Payload, ProtocolError, StreamIds,
};

/// Containers around an item of a message, and around an argument.
const ITEM_DEPTH: usize = 1;
pub(in super::super) const ARGUMENT_DEPTH: usize = 2;

type Result<T> = std::result::Result<T, ProtocolError>;

/// Reads one record, without its prefix. What is behind the items that count is not looked at.
pub(in super::super) fn read(record: &mut [u8]) -> Result<HubMessage<'_>> {
    // Places in a record are kept in 32 bits; the prefix allows no more than 31.
    let mut scanner = Scanner::new(record);
    let items = scanner.array().map_err(|_| no_length("array", "message"))?;
    let message_type = scanner.short_integer().map_err(|_| no_value("messageType", "Int32"))?;
    let at = scanner.position();
    match message_type {
        1 | 4 => call(record, at, items, message_type == 4),
        2 => {
            let mut scanner = headers(record, at)?;
            let id_at = scanner.position();
            required_id(&mut scanner, "StreamItem")?;
            let item_at = scanner.position();
            let (before, item) = value(record, item_at, "item")?;
            let invocation_id = id_in(before, id_at, "StreamItem")?;
            Ok(HubMessage::StreamItem { invocation_id, item })
        }
        3 => completion(record, at),
        5 => {
            let invocation_id = required_id(&mut headers(record, at)?, "CancelInvocation")?;
            Ok(HubMessage::CancelInvocation { invocation_id: Cow::Borrowed(invocation_id) })
        }
        6 => Ok(HubMessage::Ping),
        7 => close(record, at, items),
        8 => Ok(HubMessage::Ack { sequence_id: sequence_id(record, at)? }),
        9 => Ok(HubMessage::Sequence { sequence_id: sequence_id(record, at)? }),
        message_type => Ok(HubMessage::Unknown { message_type }),
    }
}

/// The ids in an array of texts that was read before.
pub(in super::super) fn stream_ids(encoded: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let mut scanner = Scanner::new(encoded);
    let count = scanner.array().unwrap_or(0);
    (0..count).map_while(move |_| scanner.text().ok().map(Cow::Borrowed))
}

fn call(record: &mut [u8], at: usize, items: usize, streams: bool) -> Result<HubMessage<'_>> {
    let kind = if streams { "StreamInvocation" } else { "Invocation" };
    let mut scanner = headers(record, at)?;
    let id_at = scanner.position();
    let has_id = if streams {
        required_id(&mut scanner, kind)?;
        true
    } else {
        // An empty id is none.
        optional_text(&mut scanner, "invocationId")?.is_some_and(|id| !id.is_empty())
    };
    if optional_text(&mut scanner, "target")?.is_none_or(str::is_empty) {
        return Err(refused(format!("Null or empty target for {kind} message.")));
    }
    let passed = arguments(&mut scanner);
    let (arguments_at, arguments_end) = (passed.start, scanner.position());
    let mut stream_id_count = 0;
    // Behind arguments that cannot be passed nobody knows where anything is. The call fails, and
    // the connection stays: the prefix says where the next message begins.
    if items > 5 && passed.is_whole {
        let count = scanner.array().map_err(|_| no_length("array", "streamIds"))?;
        for _ in 0..count {
            if optional_text(&mut scanner, "streamIds")?.is_none_or(str::is_empty) {
                return Err(refused("Null or empty value in streamIds received."));
            }
        }
        stream_id_count = count;
    }
    let (before, rest) = record.split_at_mut(arguments_at);
    let (encoded, after) = rest.split_at_mut(arguments_end - arguments_at);
    let stream_ids = match stream_id_count {
        0 => StreamIds::default(),
        count => StreamIds::new(HubProtocolKind::MessagePack, after, count),
    };
    let mut texts = Scanner::at(before, id_at);
    let id = optional_text(&mut texts, "invocationId")?;
    let target = optional_text(&mut texts, "target")?.unwrap_or_default();
    let invocation = Invocation {
        invocation_id: id.filter(|_| has_id).map(Cow::Borrowed),
        target: Cow::Borrowed(target),
        arguments: Arguments::counted(encoded, passed.count),
        stream_ids,
    };
    Ok(if streams {
        HubMessage::StreamInvocation(invocation)
    } else {
        HubMessage::Invocation(invocation)
    })
}

/// Arguments as far as they could be passed.
struct Passed {
    count: Option<Counted>,
    /// Where the first one begins.
    start: usize,
    is_whole: bool,
}

/// Passes the arguments. Whatever is wrong with them concerns their call alone (§3.5).
fn arguments(scanner: &mut Scanner<'_>) -> Passed {
    let Ok(announced) = scanner.array() else {
        return Passed { count: None, start: scanner.position(), is_whole: false };
    };
    let start = scanner.position();
    let mut readable = 0;
    while readable < announced {
        let before = *scanner;
        if scanner.value(ARGUMENT_DEPTH).is_err() {
            *scanner = before;
            break;
        }
        readable += 1;
    }
    let count = Some(Counted { announced, readable });
    Passed { count, start, is_whole: readable == announced }
}

fn completion(record: &mut [u8], at: usize) -> Result<HubMessage<'_>> {
    let mut scanner = headers(record, at)?;
    let id_at = scanner.position();
    required_id(&mut scanner, "Completion")?;
    let kind = scanner.short_integer().map_err(|_| no_value("resultKind", "Int32"))?;
    let payload_at = scanner.position();
    let (before, outcome) = match kind {
        1 => {
            let record: &[u8] = record;
            let mut scanner = Scanner::at(record, payload_at);
            let error = optional_text(&mut scanner, "error")?.unwrap_or_default();
            (record, Outcome::Error(Cow::Borrowed(error)))
        }
        2 => (&*record, Outcome::Nothing),
        3 => {
            let (before, result) = value(record, payload_at, "argument")?;
            (before, Outcome::Result(result))
        }
        _ => return Err(refused("Invalid invocation result kind.")),
    };
    Ok(HubMessage::Completion { invocation_id: id_in(before, id_at, "Completion")?, outcome })
}

fn close(record: &[u8], at: usize, items: usize) -> Result<HubMessage<'_>> {
    let mut scanner = Scanner::at(record, at);
    let error = optional_text(&mut scanner, "error")?.map(Cow::Borrowed);
    let allow_reconnect = match items {
        // As the JavaScript client writes it.
        ..=2 => false,
        _ => scanner.bool().map_err(|_| no_value("allowReconnect", "Boolean"))?,
    };
    Ok(HubMessage::Close { error, allow_reconnect })
}

fn sequence_id(record: &[u8], at: usize) -> Result<i64> {
    Scanner::at(record, at).integer().map_err(|_| no_value("sequenceId", "Int64"))
}

/// Passes the headers, which have no meaning, but must be texts (§3.12).
fn headers(record: &[u8], at: usize) -> Result<Scanner<'_>> {
    let mut scanner = Scanner::at(record, at);
    let pairs = scanner.map().map_err(|_| no_length("map", "headers"))?;
    for pair in 0..pairs {
        for part in ["Key", "Value"] {
            let name = || format!("headers[{pair}].{part}");
            let text = scanner.text().map_err(|Malformed| no_value(&name(), "String"))?;
            if text.is_empty() {
                return Err(refused(format!("Null or empty value in {} received.", name())));
            }
        }
    }
    Ok(scanner)
}

fn optional_text<'a>(scanner: &mut Scanner<'a>, name: &str) -> Result<Option<&'a str>> {
    if scanner.passes_nil() {
        return Ok(None);
    }
    scanner.text().map(Some).map_err(|Malformed| no_value(name, "String"))
}

fn required_id<'a>(scanner: &mut Scanner<'a>, kind: &str) -> Result<&'a str> {
    optional_text(scanner, "invocationId")?
        .filter(|id| !id.is_empty())
        .ok_or_else(|| refused(format!("Null or empty invocation ID for {kind} message.")))
}

/// The id that was found at `at` before the record was taken apart.
fn id_in<'a>(before: &'a [u8], at: usize, kind: &str) -> Result<Cow<'a, str>> {
    required_id(&mut Scanner::at(before, at), kind).map(Cow::Borrowed)
}

/// Takes the value at `at` out of a record; what is before it stays to be read from.
fn value<'a>(record: &'a mut [u8], at: usize, name: &str) -> Result<(&'a [u8], Payload<'a>)> {
    let length = super::value_len(&record[at..], ITEM_DEPTH)
        .ok_or_else(|| refused(format!("Deserializing object of the {name} failed.")))?;
    let (before, rest) = record.split_at_mut(at);
    Ok((before, Payload::new(HubProtocolKind::MessagePack, &mut rest[..length])))
}

#[cold]
fn refused(detail: impl Into<String>) -> ProtocolError {
    ProtocolError::invalid_data(detail)
}

#[cold]
fn no_length(of: &str, name: &str) -> ProtocolError {
    refused(format!("Reading {of} length for '{name}' failed."))
}

#[cold]
fn no_value(name: &str, kind: &str) -> ProtocolError {
    refused(format!("Reading '{name}' as {kind} failed."))
}
