//! The MessagePack hub protocol as peers see it: what is read, what is refused and in which words,
//! what is written, byte for byte. The vectors come from the protocol's description and from
//! recorded conversations with the original server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tickhub::protocol::hub_protocol::{
    BindingError, HubMessage, HubProtocolKind, Invocation, Outcome, ProtocolError,
    RECEIVE_BYTES_MAX, RecordBuffer, Text,
};

const PACKED: HubProtocolKind = HubProtocolKind::MessagePack;

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A message in words, for comparison.
fn describe(message: HubMessage<'_>) -> String {
    fn call(kind: &str, call: Invocation<'_>) -> String {
        let Invocation { invocation_id, target, mut arguments, stream_ids } = call;
        let mut text = format!("{kind} {invocation_id:?} {target}(");
        while let Some(payload) = arguments.take_payload() {
            let _ = write!(text, "{};", hex(payload.as_bytes()));
        }
        let ids: Vec<_> = stream_ids.iter().collect();
        assert_eq!(ids.len(), stream_ids.len());
        let _ = write!(text, "{}) {ids:?}", arguments.count());
        text
    }
    match message {
        HubMessage::Invocation(invocation) => call("invocation", invocation),
        HubMessage::StreamInvocation(invocation) => call("stream invocation", invocation),
        HubMessage::StreamItem { invocation_id, item } => {
            format!("item {invocation_id} {}", hex(item.as_bytes()))
        }
        HubMessage::Completion { invocation_id, outcome } => match outcome {
            Outcome::Nothing => format!("completion {invocation_id}"),
            Outcome::Result(result) => {
                format!("completion {invocation_id} result {}", hex(result.as_bytes()))
            }
            Outcome::Error(error) => format!("completion {invocation_id} error {error}"),
        },
        HubMessage::CancelInvocation { invocation_id } => format!("cancel {invocation_id}"),
        HubMessage::Ping => "ping".into(),
        HubMessage::Close { error, allow_reconnect } => {
            format!("close {error:?} {allow_reconnect}")
        }
        HubMessage::Ack { sequence_id } => format!("ack {sequence_id}"),
        HubMessage::Sequence { sequence_id } => format!("sequence {sequence_id}"),
        HubMessage::Unknown { message_type } => format!("unknown {message_type}"),
    }
}

/// The messages in `pieces`, as a server reads them, and how it ended.
fn read_pieces(
    pieces: &[&[u8]],
    bytes_max: Option<usize>,
) -> (Vec<String>, Result<(), ProtocolError>) {
    let mut buffer = RecordBuffer::default();
    buffer.speak(PACKED);
    let mut messages = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut input = piece.as_mut_slice();
        loop {
            let message = match buffer.next(&mut input, bytes_max) {
                Ok(Some(record)) => PACKED.read(record).map(describe),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            };
            match message {
                Ok(message) => messages.push(message),
                Err(error) => return (messages, Err(error)),
            }
        }
        assert!(input.is_empty());
    }
    (messages, buffer.finish())
}

/// The only message in a frame.
fn read(frame: &str) -> String {
    let (messages, end) = read_pieces(&[&bytes(frame)], Some(RECEIVE_BYTES_MAX));
    assert_eq!((messages.len(), end), (1, Ok(())), "{frame}");
    messages.into_iter().next().expect("one")
}

/// What is wrong with a frame.
fn refused(frame: &str) -> String {
    let (messages, end) = read_pieces(&[&bytes(frame)], None);
    assert_eq!(messages, [""; 0], "{frame}");
    let error = end.expect_err(frame);
    error.to_string()
}

/// A call in which `arguments` are the bytes of the array.
fn call_with(arguments: &[u8]) -> Vec<u8> {
    let mut record = bytes("95 01 80 a1 31 a3 41 64 64");
    record.extend_from_slice(arguments);
    record
}

/// Takes two integers from a call, as a method does.
fn bind(record: &mut [u8]) -> Result<(i32, i32), BindingError> {
    match PACKED.read(record).expect("a call is read, whatever its arguments are") {
        HubMessage::Invocation(mut call) => {
            call.arguments.expect_count(2)?;
            Ok((call.arguments.take::<i32>()?, call.arguments.take::<i32>()?))
        }
        other => panic!("{other:?}"),
    }
}

/// The table of §3.5; COR-084, COR-085, COR-087.
#[test]
fn the_dumps_of_the_description_are_read() {
    for (frame, expected) in [
        ("0d 96 01 80 a1 37 a3 41 64 64 92 28 02 90", r#"invocation Some("7") Add(28;02;2) []"#),
        ("0c 95 01 80 a1 37 a3 41 64 64 92 28 02", r#"invocation Some("7") Add(28;02;2) []"#),
        (
            "11 96 01 81 a1 6b a1 76 a1 37 a3 41 64 64 92 28 02 90",
            r#"invocation Some("7") Add(28;02;2) []"#,
        ),
        (
            "10 96 01 80 c0 a6 4e 6f 74 69 66 79 91 a2 68 69 90",
            "invocation None Notify(a2 68 69;1) []",
        ),
        (
            "10 96 01 80 a1 33 a6 43 6f 6e 63 61 74 90 91 a1 32",
            r#"invocation Some("3") Concat(0) ["2"]"#,
        ),
        (
            "18 96 01 80 c0 aa 6e 65 77 4d 65 73 73 61 67 65 92 a3 61 6e 6e a2 68 69 90",
            "invocation None newMessage(a3 61 6e 6e;a2 68 69;2) []",
        ),
        (
            "10 96 01 80 a2 73 31 a7 47 65 74 4e 61 6d 65 90 90",
            r#"invocation Some("s1") GetName(0) []"#,
        ),
        ("0b 95 03 80 a2 73 31 03 a3 61 6e 6e", "completion s1 result a3 61 6e 6e"),
        ("06 94 02 80 a1 34 64", "item 4 64"),
        ("06 94 02 80 a1 34 c0", "item 4 c0"),
        ("07 95 03 80 a1 37 03 2a", "completion 7 result 2a"),
        ("07 95 03 80 a1 37 03 c0", "completion 7 result c0"),
        ("0b 95 03 80 a1 37 01 a4 62 6f 6f 6d", "completion 7 error boom"),
        ("06 94 03 80 a1 37 02", "completion 7"),
        (
            "10 96 04 80 a1 34 a7 43 6f 75 6e 74 65 72 91 03 90",
            r#"stream invocation Some("4") Counter(03;1) []"#,
        ),
        ("05 93 05 80 a1 34", "cancel 4"),
        ("02 91 06", "ping"),
        ("04 93 07 c0 c2", "close None false"),
        ("03 92 07 c0", "close None false"),
        ("07 93 07 a3 62 79 65 c3", r#"close Some("bye") true"#),
        ("03 92 08 24", "ack 36"),
        ("05 92 08 cd 01 2c", "ack 300"),
        ("03 92 09 05", "sequence 5"),
    ] {
        assert_eq!(read(frame), expected, "{frame}");
    }
}

/// COR-084, COR-085, COR-086, COR-087.
#[test]
fn the_dumps_of_the_description_are_written() {
    type Write = fn(&mut Vec<u8>);
    let writes: &[(&str, Write)] = &[
        ("0d 96 01 80 a1 37 a3 41 64 64 92 28 02 90", |out| {
            PACKED.write_invocation(out, Some("7"), "Add", &(40, 2)).expect("written");
        }),
        ("10 96 01 80 c0 a6 4e 6f 74 69 66 79 91 a2 68 69 90", |out| {
            PACKED.write_invocation(out, None, "Notify", &("hi",)).expect("written");
        }),
        ("10 96 01 80 a1 33 a6 43 6f 6e 63 61 74 90 91 a1 32", |out| {
            PACKED
                .write_invocation_with_streams(out, Some("3"), "Concat", &(), &["2"])
                .expect("written");
        }),
        ("18 96 01 80 c0 aa 6e 65 77 4d 65 73 73 61 67 65 92 a3 61 6e 6e a2 68 69 90", |out| {
            PACKED.write_invocation(out, None, "newMessage", &["ann", "hi"]).expect("written");
        }),
        ("10 96 01 80 a2 73 31 a7 47 65 74 4e 61 6d 65 90 90", |out| {
            PACKED.write_invocation(out, Some("s1"), "GetName", &()).expect("written");
        }),
        ("0b 95 03 80 a2 73 31 03 a3 61 6e 6e", |out| {
            PACKED.write_result(out, "s1", "ann").expect("written");
        }),
        ("06 94 02 80 a1 34 64", |out| {
            PACKED.write_stream_item(out, "4", &100).expect("written");
        }),
        ("06 94 02 80 a1 34 c0", |out| {
            PACKED.write_stream_item(out, "4", &None::<u8>).expect("written");
        }),
        ("07 95 03 80 a1 37 03 2a", |out| {
            PACKED.write_result(out, "7", &42_i64).expect("written");
        }),
        ("07 95 03 80 a1 37 03 c0", |out| PACKED.write_result(out, "7", &()).expect("written")),
        ("0b 95 03 80 a1 37 01 a4 62 6f 6f 6d", |out| PACKED.write_error(out, "7", "boom")),
        ("06 94 03 80 a1 37 02", |out| PACKED.write_end(out, "7")),
        ("10 96 04 80 a1 34 a7 43 6f 75 6e 74 65 72 91 03 90", |out| {
            PACKED.write_stream_invocation(out, "4", "Counter", &(3,), &[]).expect("written");
        }),
        ("05 93 05 80 a1 34", |out| PACKED.write_cancel(out, "4")),
        ("02 91 06", |out| PACKED.write_ping(out)),
        ("04 93 07 c0 c2", |out| PACKED.write_close(out, None, false)),
        ("07 93 07 a3 62 79 65 c3", |out| PACKED.write_close(out, Some("bye"), true)),
        ("03 92 08 24", |out| PACKED.write_ack(out, 36)),
        ("05 92 08 cd 01 2c", |out| PACKED.write_ack(out, 300)),
        ("03 92 09 05", |out| PACKED.write_sequence(out, 5)),
    ];
    let (mut all, mut expected) = (Vec::new(), String::new());
    for (frame, write) in writes {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(hex(&out), *frame);
        write(&mut all);
        let _ = write!(expected, "{}{frame}", if expected.is_empty() { "" } else { " " });
    }
    assert_eq!(hex(&all), expected, "each is appended");
}

/// `msgpack-protocol-errors`; COR-088, COR-089. `None` stands for any detail.
#[test]
fn what_breaks_the_protocol() {
    for (frame, detail) in [
        (
            "0d 96 01 c0 a1 31 a5 53 65 76 65 6e 90 90",
            Some("Reading map length for 'headers' failed."),
        ),
        ("01 05", None),
        ("01 90", Some("Reading 'messageType' as Int32 failed.")),
        ("03 91 a1 78", Some("Reading 'messageType' as Int32 failed.")),
        ("02 91 c1", Some("Reading 'messageType' as Int32 failed.")),
        ("0a 91 cf ff ff ff ff ff ff ff ff", Some("Reading 'messageType' as Int32 failed.")),
        ("06 91 ce 80 00 00 00", Some("Reading 'messageType' as Int32 failed.")),
        ("08 96 01 80 a1 31 c0 90 90", Some("Null or empty target for Invocation message.")),
        ("08 96 01 80 a1 31 a0 90 90", Some("Null or empty target for Invocation message.")),
        (
            "10 96 01 80 a1 31 a7 43 6f 6c 6c 65 63 74 90 91 a0",
            Some("Null or empty value in streamIds received."),
        ),
        ("05 94 02 80 c0 01", Some("Null or empty invocation ID for StreamItem message.")),
        (
            "0f 96 04 80 a0 a7 43 6f 75 6e 74 65 72 91 01 90",
            Some("Null or empty invocation ID for StreamInvocation message."),
        ),
        ("04 93 05 80 c0", Some("Null or empty invocation ID for CancelInvocation message.")),
        ("05 94 03 80 a0 02", Some("Null or empty invocation ID for Completion message.")),
        ("06 94 03 80 a1 31 04", Some("Invalid invocation result kind.")),
        ("06 94 03 80 a1 31 00", Some("Invalid invocation result kind.")),
        ("05 93 03 80 a1 31", Some("Reading 'resultKind' as Int32 failed.")),
        ("06 94 03 80 a1 31 03", None),
        ("05 96 01 80 a1 37", Some("Reading array length for 'message' failed.")),
        ("0a 95 cd 00 01 80 a1 37 a0 90 90", Some("Null or empty target for Invocation message.")),
        ("00", None),
        ("03 93 07 c0", Some("Reading array length for 'message' failed.")),
        ("04 93 07 c0 00", Some("Reading 'allowReconnect' as Boolean failed.")),
        ("03 92 07 05", Some("Reading 'error' as String failed.")),
        ("03 92 08 c0", Some("Reading 'sequenceId' as Int64 failed.")),
        ("0b 92 08 cf ff ff ff ff ff ff ff ff", Some("Reading 'sequenceId' as Int64 failed.")),
        ("08 95 01 81 01 a1 76 c0 90", Some("Reading 'headers[0].Key' as String failed.")),
        ("08 95 01 81 a1 6b 05 c0 90", Some("Reading 'headers[0].Value' as String failed.")),
        ("09 95 01 81 a0 a1 76 c0 a1 78", None),
        ("09 95 01 81 a1 6b a0 c0 a1 78", None),
        ("09 95 01 de ff ff a1 6b a1 76", Some("Reading map length for 'headers' failed.")),
        ("06 93 05 80 a2 ff fe", Some("Reading 'invocationId' as String failed.")),
        ("06 93 05 80 c4 01 31", Some("Reading 'invocationId' as String failed.")),
    ] {
        let expected = "InvalidDataException: ";
        let error = refused(frame);
        assert!(error.starts_with(expected), "{frame}: {error}");
        match detail {
            Some(detail) => assert_eq!(error[expected.len()..], *detail, "{frame}"),
            None => assert!(error.len() > expected.len(), "{frame}"),
        }
    }
    for prefix in ["ff ff ff ff 0f 00", "80 80 80 80 80 01 00", "ff ff ff ff 08", "80 80 80 80 ff"]
    {
        let expected = "FormatException: Messages over 2GB in size are not supported.";
        assert_eq!(refused(prefix), expected, "{prefix}");
    }
}

/// `msgpack-protocol-errors`; COR-090.
#[test]
fn what_does_not_matter_does_not_matter() {
    let add = r#"invocation Some("7") Add(28;02;2) []"#;
    for frame in [
        "10 96 01 80 a1 37 a3 41 64 64 92 28 02 90 00 00 00",
        "10 98 01 80 a1 37 a3 41 64 64 92 28 02 90 01 a1 78",
        "8d 00 96 01 80 a1 37 a3 41 64 64 92 28 02 90",
        "8d 80 80 80 00 96 01 80 a1 37 a3 41 64 64 92 28 02 90",
        "0f 96 cd 00 01 80 a1 37 a3 41 64 64 92 28 02 90",
        "15 96 d3 00 00 00 00 00 00 00 01 80 a1 37 a3 41 64 64 92 28 02 90",
        "0f 96 01 de 00 00 a1 37 a3 41 64 64 92 28 02 90",
        "0f dc 00 06 01 80 a1 37 a3 41 64 64 92 28 02 90",
        "15 dd 00 00 00 05 01 80 d9 01 37 db 00 00 00 03 41 64 64 92 28 02",
        "15 96 01 82 a1 6b a1 76 a1 6b a1 76 a1 37 a3 41 64 64 92 28 02 90",
    ] {
        assert_eq!(read(frame), add, "{frame}");
    }
    assert_eq!(read("08 96 01 80 a0 a1 78 90 90"), "invocation None x(0) []", "no id");
    for (frame, message_type) in [("02 91 0a", 10), ("03 92 00 c1", 0), ("02 91 e0", -32)] {
        assert_eq!(read(frame), format!("unknown {message_type}"), "it is skipped");
    }
}

/// `msgpack-results`, `msgpack-protocol-errors`: such a call fails, the connection stays.
#[test]
fn arguments_that_do_not_fit_concern_their_call_alone() {
    for (arguments, expected) in [
        ("92 28 02", Ok((40, 2))),
        ("92 cd 00 28 d3 00 00 00 00 00 00 00 02", Ok((40, 2))),
        ("92 d2 80 00 00 00 ce 7f ff ff ff", Ok((i32::MIN, i32::MAX))),
        ("dd 00 00 00 02 01 02", Ok((1, 2))),
        ("91 01", Err(BindingError::Count { provided: 1, expected: 2 })),
        ("93 01 02 03", Err(BindingError::Count { provided: 3, expected: 2 })),
        ("92 a1 78 02", Err(BindingError::Argument { number: 1 })),
        ("92 01 c0", Err(BindingError::Argument { number: 2 })),
        ("92 01 cb 40 00 00 00 00 00 00 00", Err(BindingError::Argument { number: 2 })),
        ("92 01 ce 80 00 00 00", Err(BindingError::Argument { number: 2 })),
        ("92 01 c3", Err(BindingError::Argument { number: 2 })),
        // Values that are none, or are cut off.
        ("92 01 c1", Err(BindingError::Argument { number: 2 })),
        ("92 c1 01", Err(BindingError::Argument { number: 1 })),
        ("92 01 a5 78", Err(BindingError::Argument { number: 2 })),
        // No array, or one that is longer than the message.
        ("", Err(BindingError::Missing)),
        ("c0", Err(BindingError::Missing)),
        ("80", Err(BindingError::Missing)),
        ("92 01", Err(BindingError::Missing)),
        ("dd ff ff ff ff 01 02", Err(BindingError::Missing)),
    ] {
        assert_eq!(bind(&mut call_with(&bytes(arguments))), expected, "{arguments}");
    }
    let texts = [
        (
            BindingError::Argument { number: 3 },
            "Error binding argument 3. Make sure that the types of the provided values match the \
             types of the hub method being invoked.",
        ),
        (BindingError::Missing, "Reading array length for 'arguments' failed."),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
    // Stream ids behind arguments that are none are not looked for.
    let frame = "0d 96 01 80 a1 31 a5 53 65 76 65 6e c0 90";
    assert_eq!(read(frame), r#"invocation Some("1") Seven(0) []"#);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    #[serde(rename = "X")]
    x: i32,
    #[serde(rename = "LongName")]
    long_name: Option<String>,
    #[serde(rename = "Next")]
    next: Option<Box<Point>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Colour {
    Green,
}

/// `rmp-serde`'s name for an extension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "_ExtStruct")]
struct Extension((i8, ByteBuf));

/// `msgpack-types`: there and back, byte for byte.
#[test]
fn typed_values() {
    fn back<T: Serialize + serde::de::DeserializeOwned>(encoded: &str) {
        let mut record = call_with(&[&[0x91], bytes(encoded).as_slice()].concat());
        let HubMessage::Invocation(mut call) = PACKED.read(&mut record).expect("a call") else {
            panic!("a call");
        };
        let value: T = call.arguments.take::<T>().expect(encoded);
        let mut out = Vec::new();
        PACKED.write_result(&mut out, "7", &value).expect("written");
        let at = out.len() - bytes(encoded).len();
        assert_eq!(hex(&out[at..]), encoded);
    }
    for encoded in ["00", "7f", "cc 80", "cc ff", "cd 01 00", "ce 00 01 00 00", "ce 7f ff ff ff"] {
        back::<i32>(encoded);
    }
    for encoded in ["ff", "e0", "d0 df", "d0 80", "d1 ff 7f", "d2 ff ff 7f ff", "d2 80 00 00 00"] {
        back::<i32>(encoded);
    }
    back::<i64>("cf 7f ff ff ff ff ff ff ff");
    back::<i64>("d3 80 00 00 00 00 00 00 00");
    back::<u64>("cf ff ff ff ff ff ff ff ff");
    for encoded in ["cb 3f f8 00 00 00 00 00 00", "cb 80 00 00 00 00 00 00 00"] {
        back::<f64>(encoded);
    }
    back::<f32>("ca 3f 00 00 00");
    back::<bool>("c3");
    back::<Option<i32>>("c0");
    back::<Option<i32>>("05");
    back::<String>("a7 68 c3 a9 f0 9f 98 80");
    back::<Vec<Option<String>>>("92 a1 61 c0");
    back::<ByteBuf>("c4 00");
    back::<ByteBuf>("c4 03 00 01 ff");
    back::<BTreeMap<String, i32>>("82 a1 61 01 a1 62 02");
    back::<Colour>("a5 47 72 65 65 6e");
    back::<Point>(
        "83 a1 58 01 a8 4c 6f 6e 67 4e 61 6d 65 a1 6e a4 4e 65 78 74 83 a1 58 02 a8 4c 6f 6e 67 4e \
         61 6d 65 c0 a4 4e 65 78 74 c0",
    );
    for timestamp in [
        "d6 ff 5e 0d 5d a5",
        "d7 ff 1d 6f 32 f0 5e 0d 5d a5",
        "c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff",
    ] {
        back::<Extension>(timestamp);
    }
    // Of two forms the one that is not for people is taken: this is how types tell MessagePack
    // from JSON, as a date has to.
    back::<std::net::Ipv4Addr>("94 01 02 03 04");

    // A whole number is a float as well: JavaScript writes it as an integer.
    let mut record = call_with(&bytes("92 05 cb 3f e0 00 00 00 00 00 00"));
    let HubMessage::Invocation(mut call) = PACKED.read(&mut record).expect("a call") else {
        panic!("a call");
    };
    assert_eq!(call.arguments.take::<f64>(), Ok(5.0));
    assert_eq!(call.arguments.take::<f32>(), Ok(0.5));
}

#[test]
fn a_text_is_borrowed() {
    let mut record = call_with(&bytes("94 a2 68 69 d9 02 68 69 c4 02 68 69 a2 ff fe"));
    let place = record.as_ptr_range();
    let HubMessage::Invocation(mut call) = PACKED.read(&mut record).expect("a call") else {
        panic!("a call");
    };
    assert!(matches!(call.target, std::borrow::Cow::Borrowed(_)));
    for _ in 0..2 {
        let text = call.arguments.take::<Text>().expect("a text");
        assert_eq!(text, "hi");
        assert!(place.contains(&text.as_str().as_ptr()));
    }
    for number in [3, 4] {
        let error = call.arguments.take::<Text>().expect_err("bytes are no text");
        assert_eq!(error, BindingError::Argument { number });
    }
}

/// COR-088.
#[test]
fn lengths_around_the_borders_of_the_prefix() {
    for (body, prefix) in
        [(127, "7f"), (128, "80 01"), (16_383, "ff 7f"), (16_384, "80 80 01"), (20_000, "a0 9c 01")]
    {
        // `95 03 80 a1 37 03`, and a text with its header.
        let header = if body < 256 { 2 } else { 3 };
        let text = "x".repeat(body - 6 - header);
        let mut out = Vec::new();
        PACKED.write_result(&mut out, "7", &text).expect("written");
        let length = bytes(prefix).len();
        assert_eq!((hex(&out[..length]).as_str(), out.len()), (prefix, body + length));
        let read = |bytes_max| read_pieces(&[&out], Some(bytes_max));
        assert_eq!(read(out.len()).0.len(), 1, "the prefix counts");
        let text = format!(
            "InvalidDataException: The maximum message size of {}B was exceeded. The message size \
             can be configured in AddHubOptions.",
            out.len() - 1
        );
        assert_eq!(read(out.len() - 1).1.expect_err("too long").to_string(), text);
        // Nothing behind the prefix is needed to see it.
        let (_, end) = read_pieces(&[&out[..length]], Some(out.len() - 1));
        assert_eq!(end.expect_err("too long").to_string(), text);
    }
}

/// COR-092, `msgpack-framing`.
#[test]
fn cut_at_any_two_bytes_the_messages_are_the_same() {
    let long = "x".repeat(300);
    let mut frames = bytes("0d 96 01 80 a1 37 a3 41 64 64 92 28 02 90 02 91 06");
    PACKED.write_invocation(&mut frames, None, "Say", &(long, [1, 2])).expect("written");
    frames.extend(bytes("8d 80 00 96 01 80 a1 32 a5 53 65 76 65 6e 90 90"));
    let whole = read_pieces(&[&frames], None);
    assert_eq!((whole.0.len(), &whole.1), (4, &Ok(())));
    for first in 0..=frames.len() {
        for second in first..=frames.len() {
            let pieces = [&frames[..first], &frames[first..second], &frames[second..]];
            assert_eq!(read_pieces(&pieces, Some(400)), whole);
        }
    }
    let single: Vec<_> = frames.chunks(1).collect();
    assert_eq!(read_pieces(&single, None), whole);
    for cut in 1..frames.len() {
        let (messages, end) = read_pieces(&[&frames[..cut]], None);
        assert!(whole.0.starts_with(&messages));
        if let Err(error) = end {
            assert_eq!(error.detail, "Connection terminated while reading a message.");
        }
    }
}

#[test]
fn a_handshake_and_what_follows_in_one_piece() {
    let mut piece =
        b"{\"protocol\":\"messagepack\",\"version\":1}\x1e\x02\x91\x06\x02\x91".to_vec();
    let mut input = piece.as_mut_slice();
    let mut buffer = RecordBuffer::default();
    let record = buffer.next(&mut input, None).expect("no limit").expect("a handshake");
    assert!(record.ends_with(b"}"));
    buffer.speak(PACKED);
    assert_eq!(buffer.next(&mut input, None), Ok(Some([0x91, 0x06].as_mut_slice())));
    assert_eq!(buffer.next(&mut input, None), Ok(None));
    assert_eq!(buffer.pending_len(), 2);
    let mut rest = [0x06];
    let record = buffer.next(&mut rest.as_mut_slice(), None);
    assert_eq!(record, Ok(Some([0x91, 0x06].as_mut_slice())));
}

/// What is announced is not believed (T-MPLEN): arrays, maps, texts, bytes and extensions of up to
/// 2^32-1, wherever a value may stand.
#[test]
fn announced_lengths_build_nothing() {
    let announcements = [
        "dd ff ff ff ff",
        "df ff ff ff ff",
        "df 80 00 00 00",
        "db ff ff ff ff",
        "c6 ff ff ff ff",
        "c9 ff ff ff ff 01",
        "dc ff ff",
        "de 80 00",
        "da ff ff",
        "c5 ff ff",
        "c8 ff ff ff",
        "9f",
        "8f",
        "bf",
        "d8 ff",
    ];
    for announcement in announcements.map(bytes) {
        for behind in [&[][..], &[0xc0], &[0xc0; 100]] {
            let value = [&announcement, behind].concat();
            let count = bind(&mut call_with(&value));
            assert!(matches!(count, Err(BindingError::Missing | BindingError::Count { .. })));
            let inside = bind(&mut call_with(&[&[0x92, 0x01], value.as_slice()].concat()));
            let end = behind.len() < 100 || announcement.len() > 2;
            if end {
                assert_eq!(inside, Err(BindingError::Argument { number: 2 }), "{}", hex(&value));
            }
            for front in ["92 07", "95 01", "94 02 80 a1 31", "95 03 80 a1 31 03", "93 05 80"] {
                let mut record = [bytes(front), value.clone()].concat();
                let _ = PACKED.read(&mut record).map(describe);
            }
        }
    }
    // A record that never comes takes no room.
    let mut buffer = RecordBuffer::default();
    buffer.speak(PACKED);
    let mut prefix = bytes("ff ff ff ff 07 96");
    assert_eq!(buffer.next(&mut prefix.as_mut_slice(), None), Ok(None));
    assert_eq!(buffer.pending_len(), 6);
    assert!(buffer.capacity() <= 64, "{} bytes", buffer.capacity());
}

/// T-DEPTH: on a stack of 128 KiB.
#[test]
fn depth_is_bounded_and_needs_no_stack() {
    #[derive(Debug, Deserialize)]
    struct Deep(#[expect(dead_code, reason = "it is read only to be deep")] Vec<Deep>);

    let check = || {
        for depth in [10_usize, 61, 62, 63, 64, 65, 1_000, 1_000_000] {
            for open in [&[0x91_u8][..], &[0x81, 0xa0], &[0x81]] {
                let arrays = open == [0x91];
                let mut value = open.repeat(depth - 1);
                value.push(if arrays { 0x90 } else { 0x80 });
                // A map whose keys are maps has values, too.
                if open == [0x81] {
                    value.extend(std::iter::repeat_n(0xc0, depth - 1));
                }
                // The innermost container is empty and has no inside.
                let fits = depth <= 63;
                let mut record = call_with(&[&[0x91], value.as_slice()].concat());
                let HubMessage::Invocation(mut call) = PACKED.read(&mut record).expect("a call")
                else {
                    panic!("a call");
                };
                assert_eq!(call.arguments.count(), 1);
                if arrays {
                    let taken = call.arguments.take::<Deep>();
                    assert_eq!(taken.is_ok(), fits, "{depth}");
                } else {
                    assert_eq!(call.arguments.take_payload().is_some(), fits, "{depth}");
                }
                // In the places of headers, ids, results and of what is skipped.
                for front in
                    ["95 01", "95 01 81 a1 6b", "95 03 80 a1 31 03", "94 02 80 a1 31", "92 0b"]
                {
                    let mut record = [bytes(front), value.clone()].concat();
                    let _ = PACKED.read(&mut record).map(|_| ());
                }
            }
        }
    };
    let small = thread::Builder::new().stack_size(128 * 1024).spawn(check);
    small.expect("a thread").join().expect("no overflow");
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(
        input in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0..300_usize,
    ) {
        let cut = cut.min(input.len());
        let whole = read_pieces(&[&input], Some(RECEIVE_BYTES_MAX));
        let pieces = read_pieces(&[&input[..cut], &input[cut..]], Some(RECEIVE_BYTES_MAX));
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn arbitrary_items_do_no_harm(
        message_type in 0..11_u8,
        items in prop::collection::vec(item(), 0..8),
    ) {
        let mut record = vec![0x90 | (items.len() as u8 + 1), message_type];
        record.extend(items.concat());
        let mut again = record.clone();
        let _ = PACKED.read(&mut again).map(describe);
        if let Ok(HubMessage::Invocation(mut call)) = PACKED.read(&mut record) {
            let _ = call.arguments.take::<Vec<Option<String>>>();
            let _ = call.arguments.take::<Point>();
            let _ = call.arguments.take::<serde_json::Value>();
        }
    }

    #[test]
    fn what_is_written_is_read(
        id in prop::option::of(".{1,40}"),
        target in ".{1,300}",
        text in ".{0,400}",
        numbers in prop::collection::vec(any::<i64>(), 0..40),
        ids in prop::collection::vec(".{1,40}", 0..4),
    ) {
        let mut out = Vec::new();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        PACKED
            .write_invocation_with_streams(
                &mut out, id.as_deref(), &target, &(&text, &numbers), &ids,
            )
            .expect("written");
        let mut buffer = RecordBuffer::default();
        buffer.speak(PACKED);
        let mut input = out.as_mut_slice();
        let record = buffer.next(&mut input, None).expect("no limit").expect("whole");
        let HubMessage::Invocation(mut call) = PACKED.read(record).expect("a call") else {
            panic!("a call");
        };
        prop_assert_eq!(call.invocation_id.as_deref(), id.as_deref());
        prop_assert_eq!(&call.target, &target);
        prop_assert_eq!(call.stream_ids.iter().collect::<Vec<_>>(), ids);
        prop_assert_eq!(call.arguments.take::<String>(), Ok(text));
        prop_assert_eq!(call.arguments.take::<Vec<i64>>(), Ok(numbers));
    }
}

/// Items that are often nearly right.
fn item() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "80",
        "c0",
        "a1 31",
        "a3 41 64 64",
        "90",
        "92 28 02",
        "81 a1 6b a1 76",
        "91 a1 32",
        "03",
        "01",
        "c3",
        "a0",
        "c4 01 07",
        "d6 ff 00 00 00 00",
        "cb 3f f8 00 00 00 00 00 00",
        "dd 00 00 00 01 05",
        "9f",
        "c1",
        "d9 ff",
    ]);
    prop_oneof![4 => known.prop_map(bytes), 1 => prop::collection::vec(any::<u8>(), 0..12)]
}
