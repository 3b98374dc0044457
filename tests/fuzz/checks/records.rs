//! Records of either hub protocol: the same in every cut, and the same when written again.

use std::fmt::Write as _;

use tickhub::Value;
use tickhub::protocol::hub_protocol::{
    HubMessage, HubProtocolKind, Invocation, Outcome, Payload, RecordBuffer,
};

/// Cuts `bytes` into records in two ways and reads each.
pub(super) fn check(protocol: HubProtocolKind, data: &[u8]) -> Vec<Vec<u8>> {
    let (cuts, bytes) = super::cuts(data);
    let records = split(protocol, bytes, &[]);
    assert_eq!(records, split(protocol, bytes, &cuts), "it depends on the cut");
    for record in &records.0 {
        read_and_write(protocol, record);
    }
    records.0
}

const RECORD_BYTES_MAX: usize = 8192;

fn split(protocol: HubProtocolKind, bytes: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, String) {
    let mut buffer = RecordBuffer::default();
    buffer.speak(protocol);
    let (mut records, mut refused) = (Vec::new(), String::new());
    super::in_pieces(bytes, cuts, |piece| {
        let mut input = piece;
        while refused.is_empty() {
            match buffer.next(&mut input, Some(RECORD_BYTES_MAX)) {
                Ok(Some(record)) => records.push(record.to_vec()),
                Ok(None) => break,
                Err(error) => refused = error.to_string(),
            }
        }
        assert!(buffer.capacity() <= 2 * RECORD_BYTES_MAX, "memory follows what came");
    });
    (records, refused)
}

/// Reads a record, and if it is a message: writes what was understood and reads that.
fn read_and_write(protocol: HubProtocolKind, record: &[u8]) {
    let mut first = record.to_vec();
    let Ok(message) = protocol.read(&mut first) else { return };
    let mut written = Vec::new();
    let Some(expected) = understand(protocol, message, &mut written) else { return };
    let mut buffer = RecordBuffer::default();
    buffer.speak(protocol);
    let mut input = &mut written[..];
    let again = buffer.next(&mut input, None).expect("we frame well").expect("and whole");
    let again = protocol.read(again).expect("what we write is a message");
    let understood = understand(protocol, again, &mut Vec::new());
    assert_eq!(understood.as_deref(), Some(&*expected));
}

/// The message in words, and written by ourselves; nothing when it holds what only its sender's
/// types could read (an extension, a number beyond ours).
fn understand(
    protocol: HubProtocolKind,
    message: HubMessage<'_>,
    out: &mut Vec<u8>,
) -> Option<String> {
    let value = |payload: Payload<'_>| payload.read::<Value>().ok();
    Some(match message {
        HubMessage::Invocation(call) => {
            let (text, id, target, arguments, ids) = call_parts(call)?;
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            protocol
                .write_invocation_with_streams(out, id.as_deref(), &target, &arguments, &ids)
                .expect("values can be written");
            format!("call {text}")
        }
        HubMessage::StreamInvocation(call) => {
            let (text, id, target, arguments, ids) = call_parts(call)?;
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let id = id.expect("a stream has an id");
            protocol
                .write_stream_invocation(out, &id, &target, &arguments, &ids)
                .expect("values can be written");
            format!("stream call {text}")
        }
        HubMessage::StreamItem { invocation_id, item } => {
            let item = value(item)?;
            protocol.write_stream_item(out, &invocation_id, &item).expect("a value");
            format!("item {invocation_id} {item:?}")
        }
        HubMessage::Completion { invocation_id, outcome } => match outcome {
            Outcome::Nothing => {
                protocol.write_end(out, &invocation_id);
                format!("end {invocation_id}")
            }
            Outcome::Result(result) => {
                let result = value(result)?;
                protocol.write_result(out, &invocation_id, &result).expect("a value");
                format!("result {invocation_id} {result:?}")
            }
            Outcome::Error(error) => {
                protocol.write_error(out, &invocation_id, &error);
                format!("error {invocation_id} {error}")
            }
        },
        HubMessage::CancelInvocation { invocation_id } => {
            protocol.write_cancel(out, &invocation_id);
            format!("cancel {invocation_id}")
        }
        HubMessage::Ping => {
            protocol.write_ping(out);
            "ping".to_owned()
        }
        HubMessage::Close { error, allow_reconnect } => {
            protocol.write_close(out, error.as_deref(), allow_reconnect);
            format!("close {error:?} {allow_reconnect}")
        }
        HubMessage::Ack { sequence_id } => {
            protocol.write_ack(out, sequence_id);
            format!("ack {sequence_id}")
        }
        HubMessage::Sequence { sequence_id } => {
            protocol.write_sequence(out, sequence_id);
            format!("sequence {sequence_id}")
        }
        HubMessage::Unknown { .. } => return None,
    })
}

type Parts = (String, Option<String>, String, Vec<Value>, Vec<String>);

fn call_parts(call: Invocation<'_>) -> Option<Parts> {
    let Invocation { invocation_id, target, mut arguments, stream_ids } = call;
    let mut values = Vec::new();
    while let Some(payload) = arguments.take_payload() {
        values.push(payload.read::<Value>().ok()?);
    }
    if values.len() != arguments.count() {
        return None;
    }
    let ids: Vec<String> = stream_ids.iter().map(std::borrow::Cow::into_owned).collect();
    assert_eq!(ids.len(), stream_ids.len());
    let id = invocation_id.map(std::borrow::Cow::into_owned);
    let mut text = format!("{id:?} {target} {ids:?}");
    for value in &values {
        write!(text, " {value:?}").expect("a string takes everything");
    }
    Some((text, id, target.into_owned(), values, ids))
}
