//! Calls of classic clients, and what is around messages for them.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use tickhub::Text;
use tickhub::protocol::classic::{
    Cursor, Envelope, Invocation, InvocationError, messages_in, write_invocation, write_json,
};

/// Hub, method, arguments, id and state of a call.
type Seen = (String, String, Vec<Option<Value>>, String, Option<String>);

pub(super) fn check(data: &[u8]) {
    let mut message = data.to_vec();
    let read = read(&mut message);
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<IgnoredAny>();
    let is_json = matches!(values.next(), Some(Ok(_)));
    match read {
        Ok(seen) => {
            assert!(is_json, "a call is JSON");
            comes_back(&seen);
        }
        Err(Some(_)) => assert!(is_json, "who is told is known from JSON"),
        Err(None) => {}
    }
    bind(data);
    in_envelopes(data);
    says_what_was_written(data);
}

/// The call in a message; or the id of whom to tell that there is none.
fn read(message: &mut [u8]) -> Result<Seen, Option<String>> {
    let mut call = match Invocation::read(message) {
        Ok(call) => call,
        Err(refused) => {
            assert!(refused.id.is_some() || refused.error == InvocationError::Malformed);
            return Err(refused.id.map(|id| id.as_json().to_owned()));
        }
    };
    let id: Option<String> = serde_json::from_str(call.id.as_json()).expect("a text or null");
    assert_eq!(serde_json::to_value(&id).ok(), serde_json::from_str(call.id.as_json()).ok());
    assert!(call.id.as_json().is_ascii());
    let count = call.arguments.count();
    let arguments = (0..count).map(|_| call.arguments.take::<Value>().ok()).collect();
    assert!(call.arguments.take_payload().is_none(), "there are no more");
    Ok((
        call.hub.into_owned(),
        call.method.into_owned(),
        arguments,
        call.id.as_json().to_owned(),
        call.state.map(str::to_owned),
    ))
}

/// What is written again is the same call.
fn comes_back(seen: &Seen) {
    let (hub, method, arguments, id, state) = seen;
    // A number beyond all floats is no value.
    let Some(values) = arguments.iter().cloned().collect::<Option<Vec<Value>>>() else { return };
    let mut again = Vec::new();
    write_invocation(&mut again, hub, method, &values, id, state.as_deref()).expect("values");
    assert_eq!(self::read(&mut again).as_ref(), Ok(seen), "there and back");
}

/// Binding to any type ends in a value or an error, whatever was there.
fn bind(data: &[u8]) {
    for kind in 0..4 {
        let mut message = data.to_vec();
        let Ok(mut call) = Invocation::read(&mut message) else { return };
        for _ in 0..call.arguments.count() {
            match kind {
                0 => drop(call.arguments.take::<Text>()),
                1 => drop(call.arguments.take::<Vec<i32>>()),
                2 => drop(call.arguments.take::<Option<(f64, String, bool)>>()),
                _ => drop(call.arguments.take::<u8>()),
            }
        }
    }
}

/// A message is found in an envelope, and two envelopes join.
fn in_envelopes(data: &[u8]) {
    let mut one = Vec::new();
    Envelope::at(Cursor { epoch: 1, number: 2 }).write(&mut one, [data]);
    assert_eq!(messages_in(&one), data);
    let mut two = Vec::new();
    Envelope { initialized: true, ..Envelope::at(Cursor { epoch: 1, number: 3 }) }
        .write(&mut two, [messages_in(&one), b"1", messages_in(&one)]);
    let joined = [data, b"1", data].into_iter().filter(|part| !part.is_empty());
    assert_eq!(messages_in(&two), joined.collect::<Vec<_>>().join(&b","[..]));
    // Of what was not written here at most a part is found.
    assert!(messages_in(data).len() <= data.len());
}

/// An envelope is JSON that says each thing that was put in, and nothing else; and its messages are
/// found in it, whatever stands in front of them.
fn says_what_was_written(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first() else { return };
    let texts: Vec<Value> =
        rest.chunks(24).map(|text| String::from_utf8_lossy(text).into()).collect();
    let messages: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| {
            let mut json = Vec::new();
            write_json(&mut json, text).expect("a text is JSON");
            json
        })
        .collect();
    let number = rest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    let cursor = Cursor { epoch: u32::from(flags), number };
    let letter = |byte: &u8| char::from(b'A' + byte % 26);
    let token: String = rest.iter().take(32).map(letter).collect();
    let envelope = Envelope {
        cursor,
        initialized: flags & 1 != 0,
        terminates: flags & 2 != 0,
        groups_token: (flags & 4 != 0).then_some(&*token),
        poll_delay_ms: (flags & 8 != 0).then_some(number),
    };
    let mut out = Vec::new();
    envelope.write(&mut out, messages.iter().map(Vec::as_slice));
    assert_eq!(messages_in(&out), messages.join(&b","[..]));
    let read: Map<String, Value> = serde_json::from_slice(&out).expect("JSON");
    let mut expected = Map::new();
    let one = |flag: bool| flag.then_some(Value::from(1));
    for (key, value) in [
        ("C", Some(cursor.to_string().into())),
        ("S", one(envelope.initialized)),
        ("T", one(envelope.terminates)),
        ("G", envelope.groups_token.map(Value::from)),
        ("L", envelope.poll_delay_ms.map(Value::from)),
        ("M", Some(texts.into())),
    ] {
        expected.extend(value.map(|value| (key.to_owned(), value)));
    }
    assert_eq!(read, expected);
    assert_eq!(read["C"].as_str().and_then(|cursor| cursor.parse().ok()), Some(cursor));
}
