//! The JSON hub protocol as peers see it: what is read, what is refused and in which words, what
//! is written. The vectors come from the protocol's description and from recorded conversations
//! with the original server.

use std::borrow::Cow;
use std::fmt::Write as _;

use proptest::prelude::*;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tickhub::protocol::hub_protocol::{
    BindingError, HubMessage, HubProtocolKind, Invocation, Outcome, Payload, ProtocolError,
    RECEIVE_BYTES_MAX, RecordBuffer, Text, WriteError,
};

const JSON: HubProtocolKind = HubProtocolKind::Json;

/// A message in words, for comparison.
fn describe(message: HubMessage<'_>) -> String {
    fn call(kind: &str, call: Invocation<'_>) -> String {
        let Invocation { invocation_id, target, mut arguments, stream_ids } = call;
        let mut text = format!("{kind} {invocation_id:?} {target}(");
        let count = arguments.count();
        while let Some(payload) = arguments.take_payload() {
            let _ = write!(text, "{};", String::from_utf8_lossy(payload.as_bytes()));
        }
        assert_eq!(arguments.count(), count, "the count stays while arguments are taken");
        let ids: Vec<Cow<'_, str>> = stream_ids.iter().collect();
        assert_eq!(ids.len(), stream_ids.len());
        let _ = write!(text, "{count}) {ids:?}");
        text
    }
    fn raw(payload: &Payload<'_>) -> String {
        String::from_utf8_lossy(payload.as_bytes()).into_owned()
    }
    match message {
        HubMessage::Invocation(invocation) => call("invocation", invocation),
        HubMessage::StreamInvocation(invocation) => call("stream invocation", invocation),
        HubMessage::StreamItem { invocation_id, item } => {
            format!("item {invocation_id} {}", raw(&item))
        }
        HubMessage::Completion { invocation_id, outcome } => match outcome {
            Outcome::Nothing => format!("completion {invocation_id}"),
            Outcome::Result(result) => {
                format!("completion {invocation_id} result {}", raw(&result))
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

fn read(record: impl AsRef<[u8]>) -> Result<String, ProtocolError> {
    JSON.read(&mut record.as_ref().to_vec()).map(describe)
}

/// What is wrong with a record; the type name of all these is the same.
fn refused(record: impl AsRef<[u8]>) -> String {
    let error = read(&record).expect_err(&String::from_utf8_lossy(record.as_ref()));
    assert_eq!(error.type_name, "InvalidDataException");
    error.detail
}

/// What clients send (§3.4.3).
#[test]
fn messages_of_clients_are_read() {
    for (record, expected) in [
        (
            r#"{"target":"Echo","arguments":["hi"],"invocationId":"0","type":1}"#,
            r#"invocation Some("0") Echo("hi";1) []"#,
        ),
        (
            r#"{"target":"Notify","arguments":["hi"],"type":1}"#,
            r#"invocation None Notify("hi";1) []"#,
        ),
        (
            r#"{"target":"Concat","arguments":[],"invocationId":"1","streamIds":["0","a\"b"],"type":1}"#,
            r#"invocation Some("1") Concat(0) ["0", "a\"b"]"#,
        ),
        (r#"{"invocationId":"0","item":"Hello","type":2}"#, r#"item 0 "Hello""#),
        (r#"{"invocationId":"0","item":null,"type":2}"#, "item 0 null"),
        (r#"{"invocationId":"0","type":3}"#, "completion 0"),
        (r#"{"error":"bad","invocationId":"0","type":3}"#, "completion 0 error bad"),
        (r#"{"error":"","invocationId":"0","type":3}"#, "completion 0 error "),
        (r#"{"invocationId":"s1","result":10,"type":3}"#, "completion s1 result 10"),
        (r#"{"type":3,"invocationId":"s1","result":null}"#, "completion s1 result null"),
        (
            r#"{"target":"Counter","arguments":[3],"invocationId":"2","type":4}"#,
            r#"stream invocation Some("2") Counter(3;1) []"#,
        ),
        (r#"{"invocationId":"2","type":5}"#, "cancel 2"),
        (r#"{"type":6}"#, "ping"),
        (r#"{"type":7}"#, "close None false"),
        (r#"{"type":7,"error":"client trouble"}"#, r#"close Some("client trouble") false"#),
        (r#"{"type":7,"allowReconnect":true}"#, "close None true"),
        (r#"{"type":8,"sequenceId":7}"#, "ack 7"),
        (r#"{"type":8,"sequenceId":-0}"#, "ack 0"),
        (r#"{"type":9,"sequenceId":9223372036854775807}"#, "sequence 9223372036854775807"),
    ] {
        assert_eq!(read(record).as_deref(), Ok(expected), "{record}");
    }
}

/// `invoke-extra-members`, `invoke-ids`, `invoke-without-id`; COR-078, COR-081, COR-082.
#[test]
fn what_does_not_matter_does_not_matter() {
    let seven = r#"invocation Some("1") Seven(0) []"#;
    for record in [
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"more":{"a":[1,{"b":null}]},"x":1}"#,
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"headers":{"k":"v","Authorization":"Bearer x"}}"#,
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"headers":{}}"#,
        r#"{"type":1,"invocationId":"1","target":"Nope","target":"Seven","arguments":[]}"#,
        " \t\r\n{ \"type\" : 1 , \"invocationId\" : \"1\" , \"target\" : \"Seven\" , \"arguments\" : [ ] } \n",
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"error":"e"}"#,
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"streamIds":[]}"#,
        r#"{"\u0074ype":1,"invocationId":"\u0031","target":"\u0053even","arguments":[]}"#,
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"Target":"Nope","TYPE":7}"#,
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"item":5,"result":5}"#,
        // Everything repeated: the last one counts.
        r#"{"type":7,"invocationId":"0","arguments":[1,2],"streamIds":["a"],"type":1,"invocationId":"1","target":"Seven","arguments":[],"streamIds":[]}"#,
        // Behind the object nobody looks.
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[]}x"#,
        r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[]}{"type":7}"#,
    ] {
        assert_eq!(read(record).as_deref(), Ok(seven), "{record}");
    }
    let mut record = br#"{"type":6}"#.to_vec();
    record.extend_from_slice(b"\xff\xfe");
    assert_eq!(read(&record).as_deref(), Ok("ping"));
    let empty = r#"{"type":1,"invocationId":"","target":"","arguments":[1]}"#;
    assert_eq!(read(empty).as_deref(), Ok("invocation None (1;1) []"));
    for id in ["id with spaces", "é😀", "s1", &"x".repeat(300)] {
        let record = json!({"type": 5, "invocationId": id}).to_string();
        assert_eq!(read(record), Ok(format!("cancel {id}")));
    }
    assert_eq!(read(r#"{"type":5,"invocationId":"a\"b\\"}"#).as_deref(), Ok("cancel a\"b\\"));
}

/// COR-077.
#[test]
fn members_come_in_any_order() {
    let members = [
        r#""type":1"#,
        r#""invocationId":"1""#,
        r#""target":"a\"b""#,
        r#""arguments":[1,{"x":"]"}, "\"" ]"#,
    ];
    let mut orders = 0;
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| ![a, b].contains(c)) {
                let d = 6 - a - b - c;
                let [a, b, c, d] = [a, b, c, d].map(|index| members[index]);
                let record = format!("{{{a},{b} ,{c},{d}}}");
                let expected = r#"invocation Some("1") a"b(1;{"x":"]"};"\"";3) []"#;
                assert_eq!(read(&record).as_deref(), Ok(expected), "{record}");
                orders += 1;
            }
        }
    }
    assert_eq!(orders, 24);
}

/// COR-079, `unknown-message-types`.
#[test]
fn unknown_types_are_told_apart() {
    for message_type in [0, 10, 99, -1, i32::MAX, i32::MIN] {
        let record = format!(r#"{{"type":{message_type},"target":"x"}}"#);
        assert_eq!(read(record), Ok(format!("unknown {message_type}")));
    }
}

/// `protocol-errors-json`.
#[test]
fn records_that_are_no_object_are_refused() {
    let token = |name| format!("Unexpected JSON Token Type '{name}'. Expected a JSON Object.");
    for (record, name) in [
        ("[]", "Array"),
        ("[", "Array"),
        ("5", "Number"),
        ("-1.5e3", "Number"),
        ("null", "Null"),
        ("\"text\"", "String"),
        (" true", "True"),
        ("false", "False"),
    ] {
        assert_eq!(refused(record), token(name), "{record}");
    }
    for record in [
        "nonsense",
        "",
        " ",
        "{",
        "{\"type\":6",
        "{'type':6}",
        "{\"type\":6,}",
        "{\"type\":6/*c*/}",
        "\u{feff}{\"type\":6}",
        "{\"type\":6 \"x\":1}",
        "{\"type\" 6}",
        "{\"type\":}",
        "{\"type\":06}",
        "\"text",
        "nul",
        "-",
        "{\"type\":nul}",
        "{\"target\":tru}",
        "{\"type\":6,\"x\":\"\n\"}",
        "{\"type\":6,\"x\":\"\\x\"}",
        "{\"type\":6,\"headers\":{\"a\":\"b\",}}",
        "{\"type\":6,\"arguments\":[1,]}",
        "{\"type\":6,\"arguments\":[1}",
        "{\"type\":6,\"streamIds\":[\"a\",]}",
        // Half a surrogate pair where a text is needed.
        r#"{"type":5,"invocationId":"\ud800"}"#,
        r#"{"type":7,"error":"\udc00x"}"#,
        r#"{"type":1,"target":"x","arguments":[],"streamIds":["\ud800"]}"#,
    ] {
        assert_eq!(refused(record), "Error reading JSON.", "{record}");
    }
    for bytes in [b"\xff".as_slice(), b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"] {
        for (before, after) in [
            ("{\"type\":6,\"x\":\"", "\"}"),
            ("{\"type\":5,\"invocationId\":\"", "\"}"),
            ("{\"", "\":1,\"type\":6}"),
            ("{\"type\":1,\"target\":\"x\",\"arguments\":[\"", "\"]}"),
            ("{\"type\":6,", "}"),
        ] {
            let record = [before.as_bytes(), bytes, after.as_bytes()].concat();
            assert_eq!(refused(record), "Error reading JSON.");
        }
    }
}

/// `protocol-errors-call`, COR-080, COR-081. An empty text stands for any detail.
#[test]
fn malformed_calls_are_refused_in_the_words_of_the_original() {
    for (record, detail) in [
        (
            r#"{"invocationId":"1","target":"Seven","arguments":[]}"#,
            "Missing required property 'type'.",
        ),
        ("{}", "Missing required property 'type'."),
        (
            r#"{"type":"1","invocationId":"1","target":"Seven","arguments":[]}"#,
            "Expected 'type' to be of type Number.",
        ),
        (r#"{"type":null}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":{}}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":1.5}"#, ""),
        (r#"{"type":1e0}"#, ""),
        (r#"{"type":99999999999}"#, ""),
        (r#"{"type":1}"#, "Missing required property 'target'."),
        (r#"{"type":1,"invocationId":"1","arguments":[]}"#, "Missing required property 'target'."),
        (
            r#"{"type":1,"invocationId":"1","target":null,"arguments":[]}"#,
            "Expected 'target' to be of type String.",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":5,"arguments":[]}"#,
            "Expected 'target' to be of type String.",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven"}"#,
            "Missing required property 'arguments'.",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven","arguments":null}"#,
            "Expected 'arguments' to be of type Array.",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven","arguments":{}}"#,
            "Expected 'arguments' to be of type Array.",
        ),
        (
            r#"{"type":1,"invocationId":5,"target":"Seven","arguments":[]}"#,
            "Expected 'invocationId' to be of type String.",
        ),
        (
            r#"{"type":1,"invocationId":null,"target":"Seven","arguments":[]}"#,
            "Expected 'invocationId' to be of type String.",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"streamIds":null}"#,
            "Expected 'streamIds' to be of type Array.",
        ),
        (r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"streamIds":[1]}"#, ""),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"streamIds":["a",null]}"#,
            "",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"headers":{"k":1}}"#,
            "Expected header 'k' to be of type String.",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"headers":{"a":"b","\u006b":null}}"#,
            "Expected header 'k' to be of type String.",
        ),
        (
            r#"{"type":1,"invocationId":"1","target":"Seven","arguments":[],"headers":null}"#,
            "Expected 'headers' to be of type StartObject.",
        ),
        (r#"{"type":4,"target":"Counter"}"#, "Missing required property 'invocationId'."),
        (
            r#"{"type":4,"invocationId":"1","target":"Counter"}"#,
            "Missing required property 'arguments'.",
        ),
        (r#"{"type":4,"invocationId":"1","arguments":[]}"#, "Missing required property 'target'."),
    ] {
        let actual = refused(record);
        assert!(!actual.is_empty());
        if !detail.is_empty() {
            assert_eq!(actual, detail, "{record}");
        }
    }
}

/// `protocol-errors-other`.
#[test]
fn other_malformed_messages_are_refused_in_the_words_of_the_original() {
    for (record, detail) in [
        (r#"{"type":2,"item":1}"#, "Missing required property 'invocationId'."),
        (r#"{"type":2,"invocationId":"","item":1}"#, "Missing required property 'invocationId'."),
        (r#"{"type":2,"invocationId":"1"}"#, "Missing required property 'item'."),
        (r#"{"type":3}"#, "Missing required property 'invocationId'."),
        (r#"{"type":3,"invocationId":""}"#, "Missing required property 'invocationId'."),
        (
            r#"{"type":3,"invocationId":"x","result":1,"error":"e"}"#,
            "The 'error' and 'result' properties are mutually exclusive.",
        ),
        (r#"{"type":3,"invocationId":"x","error":null}"#, "Expected 'error' to be of type String."),
        (r#"{"type":7,"error":null}"#, "Expected 'error' to be of type String."),
        (
            r#"{"type":4,"target":"Counter","arguments":[1]}"#,
            "Missing required property 'invocationId'.",
        ),
        (
            r#"{"type":4,"invocationId":"","target":"Counter","arguments":[1]}"#,
            "Missing required property 'invocationId'.",
        ),
        (r#"{"type":5}"#, "Missing required property 'invocationId'."),
        (r#"{"type":5,"invocationId":""}"#, "Missing required property 'invocationId'."),
        (r#"{"type":8}"#, "Missing required property 'sequenceId'."),
        (r#"{"type":8,"sequenceId":"1"}"#, "Expected 'sequenceId' to be of type Number."),
        (r#"{"type":8,"sequenceId":null}"#, "Expected 'sequenceId' to be of type Number."),
        (r#"{"type":9}"#, "Missing required property 'sequenceId'."),
        (r#"{"type":7,"allowReconnect":1}"#, "Expected 'allowReconnect' to be true or false."),
        (r#"{"type":7,"allowReconnect":null}"#, "Expected 'allowReconnect' to be true or false."),
        (r#"{"type":7,"error":5}"#, "Expected 'error' to be of type String."),
    ] {
        assert_eq!(refused(record), detail, "{record}");
    }
    for record in
        [r#"{"type":8,"sequenceId":1.0}"#, r#"{"type":8,"sequenceId":9223372036854775808}"#]
    {
        assert!(!refused(record).is_empty(), "{record}");
    }
}

#[test]
fn arguments_may_be_nested_62_times() {
    let record = |levels| {
        let argument = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"type":1,"target":"x","arguments":[{argument}]}}"#)
    };
    assert!(read(record(62)).is_ok());
    assert_eq!(refused(record(63)), "Error reading JSON.");
    let item = |levels| {
        format!(
            r#"{{"type":2,"invocationId":"1","item":{}1{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(read(item(63)).is_ok());
    assert_eq!(refused(item(64)), "Error reading JSON.");
    let unknown = |levels| {
        format!(r#"{{"type":6,"x":{}1{}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels))
    };
    assert_eq!(read(unknown(63)).as_deref(), Ok("ping"));
    assert_eq!(refused(unknown(64)), "Error reading JSON.");
}

/// The arguments of a call of `record`, to `bind`.
fn with_arguments<R>(arguments: &str, bind: impl FnOnce(Invocation<'_>) -> R) -> R {
    // Around the arguments lies what borrows from the same record.
    let record = format!(
        r#"{{"type":1,"invocationId":"i\n","arguments":{arguments},"target":"t","streamIds":["s"]}}"#
    );
    let mut record = record.into_bytes();
    match JSON.read(&mut record) {
        Ok(HubMessage::Invocation(call)) => bind(call),
        other => panic!("{other:?}"),
    }
}

#[test]
fn arguments_are_taken_one_by_one() {
    let arguments = r#"[ "a\u0020b" ,7, {"x":[1,2]} , "plain" ,null]"#;
    with_arguments(arguments, |mut call| {
        assert_eq!(call.arguments.count(), 5);
        assert_eq!(call.arguments.expect_count(5), Ok(()));
        // Borrowed texts live beside each other and beside the rest of the message.
        let first = call.arguments.take::<Text<'_>>().expect("a text");
        assert_eq!(call.arguments.take::<u8>(), Ok(7));
        assert_eq!(call.arguments.take::<Value>(), Ok(json!({"x": [1, 2]})));
        let second = call.arguments.take::<Text<'_>>().expect("a text");
        assert_eq!(call.arguments.take::<Option<String>>(), Ok(None));
        assert_eq!(first, "a b");
        assert_eq!(second, "plain");
        assert_eq!(call.invocation_id.as_deref(), Some("i\n"));
        assert_eq!(call.target, "t");
        let none = call.arguments.take::<u8>();
        assert_eq!(none, Err(BindingError::Count { provided: 5, expected: 6 }));
    });
}

#[test]
fn a_method_may_have_more_arguments_than_are_kept_inline() {
    let arguments: Vec<usize> = (0..100).collect();
    with_arguments(&serde_json::to_string(&arguments).expect("JSON"), |mut call| {
        assert_eq!(call.arguments.count(), 100);
        for index in arguments {
            assert_eq!(call.arguments.take::<usize>(), Ok(index));
        }
        assert!(call.arguments.take_payload().is_none());
    });
}

/// Nothing is copied that has no escapes.
#[test]
fn texts_are_borrowed_from_the_record() {
    let mut record =
        br#"{"type":1,"invocationId":"7","target":"x","arguments":["text","a\nb"],"streamIds":["1"]}"#
            .to_vec();
    let place = record.as_ptr_range();
    let Ok(HubMessage::Invocation(mut call)) = JSON.read(&mut record) else {
        panic!("an invocation");
    };
    assert!(matches!(call.invocation_id, Some(Cow::Borrowed("7"))));
    assert!(matches!(call.target, Cow::Borrowed("x")));
    assert!(call.stream_ids.iter().all(|id| matches!(id, Cow::Borrowed("1"))));
    for expected in ["text", "a\nb"] {
        let text = call.arguments.take::<Text<'_>>().expect("a text");
        assert_eq!(text, expected);
        assert!(place.contains(&text.as_str().as_ptr()));
    }
}

/// `invoke-arguments-detailed`.
#[test]
fn arguments_that_do_not_fit() {
    with_arguments(r#"["x",1]"#, |mut call| {
        let error = call.arguments.expect_count(3).expect_err("one is missing");
        assert_eq!(error.to_string(), "Invocation provides 2 argument(s) but target expects 3.");
        let error = call.arguments.take::<i32>().expect_err("a text");
        assert_eq!(
            error.to_string(),
            "Error binding arguments. Make sure that the types of the provided values match the \
             types of the hub method being invoked."
        );
        assert_eq!(call.arguments.take::<Text<'_>>(), Err(BindingError::Value));
    });
    with_arguments("[]", |call| {
        let error = call.arguments.expect_count(2).expect_err("both are missing");
        assert_eq!(error.to_string(), "Invocation provides 0 argument(s) but target expects 2.");
    });
}

#[test]
fn results_and_items_are_bound_too() {
    let mut record = br#"{"type":3,"invocationId":"s1","result":{"a":1.50}}"#.to_vec();
    let Ok(HubMessage::Completion { outcome: Outcome::Result(result), .. }) =
        JSON.read(&mut record)
    else {
        panic!("a result");
    };
    let raw = result.read::<Box<RawValue>>().expect("JSON");
    assert_eq!(raw.get(), r#"{"a":1.50}"#);
    let mut record = br#"{"type":2,"item":"\u00e9","invocationId":"\u0031"}"#.to_vec();
    let Ok(HubMessage::StreamItem { invocation_id, item }) = JSON.read(&mut record) else {
        panic!("an item");
    };
    assert_eq!(item.read::<Text<'_>>().expect("a text"), "é");
    assert_eq!(invocation_id, "1");
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before".to_vec();
    write(&mut out);
    let text = String::from_utf8(out).expect("text");
    let record = text.strip_prefix("before").expect("writers append");
    record.strip_suffix('\u{1e}').expect("a record ends with its separator").to_owned()
}

/// §3.4.1; COR-072 to COR-076.
#[test]
fn messages_are_written_as_the_original_writes_them() {
    let ok = |result: Result<(), WriteError>| result.expect("it can be written");
    for (record, expected) in [
        (
            written(|out| ok(JSON.write_invocation(out, None, "newMessage", &("ann", "hi")))),
            r#"{"type":1,"target":"newMessage","arguments":["ann","hi"]}"#,
        ),
        (
            written(|out| ok(JSON.write_invocation(out, Some("s1"), "GetName", &()))),
            r#"{"type":1,"invocationId":"s1","target":"GetName","arguments":[]}"#,
        ),
        (
            written(|out| ok(JSON.write_invocation(out, None, "x", &(None::<u8>, vec![1, 2])))),
            r#"{"type":1,"target":"x","arguments":[null,[1,2]]}"#,
        ),
        (
            written(|out| ok(JSON.write_invocation(out, None, "x", &vec![1, 2]))),
            r#"{"type":1,"target":"x","arguments":[1,2]}"#,
        ),
        (
            written(|out| ok(JSON.write_invocation(out, None, "x", ["a", "b"].as_slice()))),
            r#"{"type":1,"target":"x","arguments":["a","b"]}"#,
        ),
        (
            written(|out| {
                ok(JSON.write_invocation(out, None, "x", &(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)));
            }),
            r#"{"type":1,"target":"x","arguments":[0,1,2,3,4,5,6,7,8,9]}"#,
        ),
        (
            written(|out| {
                ok(JSON.write_invocation_with_streams(out, Some("1"), "Up", &(1,), &["2", "3"]));
            }),
            r#"{"type":1,"invocationId":"1","target":"Up","arguments":[1],"streamIds":["2","3"]}"#,
        ),
        (
            written(|out| ok(JSON.write_stream_invocation(out, "2", "Counter", &[3], &[]))),
            r#"{"type":4,"invocationId":"2","target":"Counter","arguments":[3]}"#,
        ),
        (
            written(|out| ok(JSON.write_stream_item(out, "4", &100))),
            r#"{"type":2,"invocationId":"4","item":100}"#,
        ),
        (
            written(|out| ok(JSON.write_stream_item(out, "4", &None::<u8>))),
            r#"{"type":2,"invocationId":"4","item":null}"#,
        ),
        (
            written(|out| ok(JSON.write_result(out, "7", &42))),
            r#"{"type":3,"invocationId":"7","result":42}"#,
        ),
        (
            written(|out| ok(JSON.write_result(out, "7", &()))),
            r#"{"type":3,"invocationId":"7","result":null}"#,
        ),
        (
            written(|out| JSON.write_error(out, "7", "boom")),
            r#"{"type":3,"invocationId":"7","error":"boom"}"#,
        ),
        (written(|out| JSON.write_end(out, "4")), r#"{"type":3,"invocationId":"4"}"#),
        (written(|out| JSON.write_cancel(out, "2")), r#"{"type":5,"invocationId":"2"}"#),
        (written(|out| JSON.write_ping(out)), r#"{"type":6}"#),
        (written(|out| JSON.write_close(out, None, false)), r#"{"type":7}"#),
        (written(|out| JSON.write_close(out, Some("bye"), false)), r#"{"type":7,"error":"bye"}"#),
        (written(|out| JSON.write_close(out, None, true)), r#"{"type":7,"allowReconnect":true}"#),
        (
            written(|out| JSON.write_close(out, Some("bye"), true)),
            r#"{"type":7,"error":"bye","allowReconnect":true}"#,
        ),
        (written(|out| JSON.write_ack(out, 36)), r#"{"type":8,"sequenceId":36}"#),
        (written(|out| JSON.write_sequence(out, 5)), r#"{"type":9,"sequenceId":5}"#),
    ] {
        assert_eq!(record, expected);
    }
}

/// `invoke-unwritable-result`: what failed leaves nothing behind.
#[test]
fn a_value_that_cannot_be_written_leaves_nothing_behind() {
    struct Unwritable;
    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("cannot be written"))
        }
    }
    let mut out = Vec::new();
    JSON.write_ping(&mut out);
    let before = out.clone();
    for result in [
        JSON.write_result(&mut out, "0", &Unwritable),
        JSON.write_stream_item(&mut out, "0", &vec![Unwritable]),
        JSON.write_invocation(&mut out, None, "x", &(1, Unwritable)),
        JSON.write_stream_invocation(&mut out, "1", "x", &[Unwritable], &["s"]),
    ] {
        let error = result.expect_err("it cannot be written");
        assert_eq!(error.to_string(), "InvalidOperationException: cannot be written");
    }
    assert_eq!(out, before);
}

/// Every message, cut into two pieces at every byte, gives the same messages (COR-067, COR-092).
#[test]
fn messages_cut_at_every_byte_are_the_same() {
    let stream = concat!(
        r#"{"target":"Echo","arguments":["h\"i",{"a":[]}],"invocationId":"0","type":1}"#,
        "\x1e",
        r#"{"invocationId":"0","item":"Hé😀llo","type":2}"#,
        "\x1e",
        r#"{"error":"b\u0061d","invocationId":"0","type":3}"#,
        "\x1e",
        r#"{"type":6}"#,
        "\x1e",
        r#"{"type":99,"x":null}"#,
        "\x1e",
        r#"{"type":8,"sequenceId":7}"#,
        "\x1e",
    );
    let messages = |pieces: &[&[u8]]| {
        let mut buffer = RecordBuffer::default();
        let mut messages = Vec::new();
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut input = piece.as_mut_slice();
            while let Some(record) =
                buffer.next(&mut input, Some(RECEIVE_BYTES_MAX)).expect("they are short")
            {
                messages.push(describe(JSON.read(record).expect("they are well-formed")));
            }
        }
        buffer.finish().expect("all are whole");
        messages
    };
    let whole = messages(&[stream.as_bytes()]);
    assert_eq!(whole.len(), 6);
    assert_eq!(whole[2], "completion 0 error bad");
    for at in 0..=stream.len() {
        let (first, second) = stream.as_bytes().split_at(at);
        assert_eq!(messages(&[first, second]), whole, "cut at {at}");
    }
}

/// A call of a client of ours, read by a server of ours.
#[derive(Clone, Debug)]
struct Call {
    invocation_id: Option<String>,
    target: String,
    texts: Vec<String>,
    numbers: Vec<i64>,
    stream_ids: Vec<String>,
}

fn calls() -> impl Strategy<Value = Call> {
    let texts = || prop::collection::vec(any::<String>(), 0..4);
    let id =
        prop::option::of(any::<String>().prop_filter("an empty id is none", |id| !id.is_empty()));
    (id, any::<String>(), texts(), any::<Vec<i64>>(), texts()).prop_map(
        |(invocation_id, target, texts, numbers, stream_ids)| Call {
            invocation_id,
            target,
            texts,
            numbers,
            stream_ids,
        },
    )
}

proptest! {
    #[test]
    fn what_we_write_we_read(call in calls()) {
        let mut out = Vec::new();
        let ids: Vec<&str> = call.stream_ids.iter().map(String::as_str).collect();
        let id = call.invocation_id.as_deref();
        JSON.write_invocation_with_streams(
            &mut out, id, &call.target, &(&call.texts, &call.numbers, call.target.as_str()), &ids,
        ).expect("texts and numbers are written");
        prop_assert_eq!(out.pop(), Some(0x1E));
        prop_assert!(!out.contains(&0x1E));
        // Others agree that it is JSON.
        let value: Value = serde_json::from_slice(&out).expect("JSON");
        prop_assert_eq!(value["target"].as_str(), Some(call.target.as_str()));
        let Ok(HubMessage::Invocation(mut read)) = JSON.read(&mut out) else {
            panic!("an invocation");
        };
        prop_assert_eq!(read.invocation_id.as_deref(), id);
        prop_assert_eq!(&read.target, &call.target);
        prop_assert_eq!(read.stream_ids.iter().collect::<Vec<_>>(), ids);
        prop_assert_eq!(read.arguments.expect_count(3), Ok(()));
        prop_assert_eq!(read.arguments.take::<Vec<String>>(), Ok(call.texts));
        prop_assert_eq!(read.arguments.take::<Vec<i64>>(), Ok(call.numbers));
        prop_assert_eq!(read.arguments.take::<Text<'_>>().map(Text::as_str), Ok(call.target.as_str()));
    }

    /// Any value as an argument: its raw bytes are what `serde_json` would take for it.
    #[test]
    fn bytes_like_messages_never_panic(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..24),
        noise in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut record = parts.concat().into_bytes();
        if let Some((place, byte)) = noise && !record.is_empty() {
            let at = place.index(record.len());
            record[at] = byte;
        }
        let strict = serde_json::from_slice::<serde_json::Map<String, Value>>(&record).is_ok();
        let copy = record.clone();
        match JSON.read(&mut record) {
            Ok(message) => drop(describe(message)),
            // Of strict JSON, half a surrogate pair left out, only the members are refused.
            Err(error) => prop_assert!(
                !strict || error.detail != "Error reading JSON.",
                "{}", String::from_utf8_lossy(&copy)
            ),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(record: Vec<u8>) {
        let _ = read(record);
    }
}

/// What messages are made of.
const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "1",
    "-0",
    "{\"type\":1",
    ",\"type\":3",
    ",\"target\":",
    "\"x\\u0041\"",
    ",\"arguments\":[",
    ",\"invocationId\":\"1\"",
    ",\"streamIds\":[\"a\"]",
    ",\"result\":",
    "null",
    "true",
    "\"\\ud83d\\ude00\"",
    ",\"item\":{}",
    ",\"headers\":{\"a\":\"b\"}",
    "\u{1e}",
    " ",
    "é",
    ",\"error\":\"e\"",
    "{\"type\":2,\"item\":1}",
    "{\"type\":6}",
];
