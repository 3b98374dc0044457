//! The forms in which messages travel: an event, a script in a document, a call in a script. Read
//! again, each says what was written and nothing else.

use serde_json::Value;
use serde_json::value::RawValue;
use tickhub::protocol::classic::forever_frame::write_message;
use tickhub::protocol::classic::jsonp::Callback;
use tickhub::protocol::classic::{HubScript, write_json};
use tickhub::protocol::event_stream::write_event;

pub(super) fn check(data: &[u8]) {
    // A text with anything in it, then whatever the bytes are if they are JSON.
    let text = String::from_utf8_lossy(data);
    let mut json = Vec::new();
    write_json(&mut json, &(&text, 1)).expect("a text is JSON");
    in_all_forms(&json, &Value::from(vec![Value::from(&*text), 1.into()]));
    script(&text);
    let Ok(raw) = serde_json::from_slice::<&RawValue>(data) else { return };
    // Its numbers may be beyond all floats, its texts half a character.
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    json.clear();
    write_json(&mut json, raw).expect("it is JSON");
    in_all_forms(&json, &value);
    in_script(data, &value);
}

fn in_all_forms(json: &[u8], value: &Value) {
    assert!(json.is_ascii(), "ASCII alone");
    let mut stream = Vec::new();
    write_event(&mut stream, json);
    let data = stream.strip_prefix(b"data: ").and_then(|rest| rest.strip_suffix(b"\r\n\r\n"));
    let data = data.expect("an event");
    assert!(!data.contains(&b'\n') && !data.contains(&b'\r'), "one line");
    assert_eq!(serde_json::from_slice::<Value>(data).as_ref().ok(), Some(value));
    in_script(json, value);
}

fn in_script(json: &[u8], value: &Value) {
    let mut out = Vec::new();
    write_message(&mut out, json);
    is_call(&out, b"<script>r(c, ", b");</script>\r\n", value);
    out.clear();
    Callback::parse("$x._y").expect("a name").write(&mut out, json);
    is_call(&out, b"$x._y(", b");", value);
}

fn is_call(out: &[u8], begin: &[u8], end: &[u8], value: &Value) {
    let inside = out.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).expect("a call");
    let inside = std::str::from_utf8(inside).expect("text stays text");
    let ends = ['<', '>', '&', '\'', '\u{85}', '\u{2028}', '\u{2029}'];
    assert!(!inside.contains(ends), "nothing that a document or a script could take for its own");
    assert_eq!(serde_json::from_str::<Value>(inside).as_ref().ok(), Some(value));
}

/// The address in the script of hubs is a text with its quotes.
fn script(address: &str) {
    let script = HubScript::new(&[]).expect("no names");
    let mut out = Vec::new();
    script.write(&mut out, address);
    let out = String::from_utf8(out).expect("ASCII");
    let (_, rest) = out.split_once("$.hubConnection(").expect("the call");
    let (literal, _) = rest.split_once(", { useDefaultPath").expect("its end");
    assert!(literal.is_ascii() && !literal.contains(['<', '>', '&', '\'']));
    assert_eq!(serde_json::from_str::<String>(literal).ok().as_deref(), Some(address));
}
