//! What a browser makes of what classic transports write: documents, scripts and events, with
//! texts in them that want to be something else (T-FF, T-JSONP, T-SSE).

use scraper::{ElementRef, Html, Node, Selector};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tickhub::base::Rng;
use tickhub::protocol::classic::forever_frame::{FrameId, write_message, write_prologue};
use tickhub::protocol::classic::jsonp::{CALLBACK_BYTES_MAX, Callback};
use tickhub::protocol::classic::{
    Cursor, Envelope, Failure, HubDescription, HubScript, INITIALIZED, KEEP_ALIVE,
    MethodDescription, PONG, write_call, write_error, write_json, write_progress, write_result,
};
use tickhub::protocol::event_stream::write_event;

/// What ends, begins or comments something in a document or a script, and what breaks a line.
const PARTS: [&str; 44] = [
    "</script>",
    "</SCRIPT\t",
    "</script/",
    "</scr",
    "ipt>",
    "<script>",
    "<script src=//x>",
    "<!--",
    "-->",
    "--!>",
    "<!",
    "]]>",
    "<![CDATA[",
    "</body></html>",
    "</title>",
    "<svg>",
    "<img src=x onerror=a()>",
    "<",
    ">",
    "&",
    "&lt;",
    "&#60;",
    "'",
    "\"",
    "\\",
    "\\\"",
    "\\u003c",
    "/",
    "*/",
    "//",
    "`",
    "${a()}",
    ");",
    "});a();//",
    "\r",
    "\n",
    "\r\n\r\n",
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\u{feff}",
    "\0",
    "é",
    "😀",
];

fn hostile(rng: &mut Rng) -> String {
    let count = 1 + rng.below(6);
    let part = |rng: &mut Rng| PARTS[usize::try_from(rng.below(PARTS.len() as u64)).expect("few")];
    (0..count).map(|_| part(rng)).collect()
}

/// A message with `text` in one of the places where a text can be, and what it says.
fn message(rng: &mut Rng, text: &str) -> (Vec<u8>, Value) {
    let mut out = Vec::new();
    let object = json!({text: [text]});
    let mut state = Vec::new();
    write_json(&mut state, &object).expect("a value");
    let state = String::from_utf8(state).expect("ASCII");
    let mut id = Vec::new();
    write_json(&mut id, text).expect("a text");
    let id = String::from_utf8(id).expect("ASCII");
    let said = match rng.below(7) {
        0 => {
            write_call(&mut out, "Chat", "m", &(text, 1), None).expect("written");
            json!({"H": "Chat", "M": "m", "A": [text, 1]})
        }
        1 => {
            write_call(&mut out, text, text, &[&object], Some(&state)).expect("written");
            json!({"H": text, "M": text, "A": [object], "S": object})
        }
        2 => {
            write_result(&mut out, &id, text, Some(&state)).expect("written");
            json!({"S": object, "R": text, "I": text})
        }
        3 => {
            let failure = Failure { text, is_hub_exception: true, data: Some(&state) };
            write_error(&mut out, &id, &failure, None);
            json!({"I": text, "H": true, "E": text, "D": object})
        }
        4 => {
            write_progress(&mut out, &id, &object, None).expect("written");
            json!({"I": format!("P|{text}"), "P": {"I": text, "D": object}})
        }
        // What somebody else has encoded (LEG-042, LEG-086).
        5 => {
            let raw = serde_json::to_string_pretty(&json!([object, text])).expect("a value");
            let raw = RawValue::from_string(raw).expect("JSON");
            write_json(&mut out, &raw).expect("written");
            json!([object, text])
        }
        _ => {
            write_json(&mut out, text).expect("written");
            Value::from(text)
        }
    };
    (out, said)
}

fn envelope(number: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let envelope = Envelope::at(Cursor { epoch: 0x1A2B_3C4D, number });
    envelope.write(&mut out, messages.iter().map(Vec::as_slice));
    out
}

/// The one element of that name.
fn only<'d>(document: &'d Html, name: &str) -> ElementRef<'d> {
    let selector = Selector::parse(name).expect("a selector");
    let mut found = document.select(&selector);
    let element = found.next().expect("there is one");
    assert!(found.next().is_none(), "there is one {name}");
    element
}

/// The texts of the scripts in the body of a document that has nothing else in it.
fn scripts_in(document: &str) -> Vec<String> {
    let parsed = Html::parse_document(document);
    assert_eq!(parsed.tree.values().filter(|node| node.is_comment()).count(), 0, "{document}");
    let head: Vec<&str> =
        only(&parsed, "head").child_elements().map(|element| element.value().name()).collect();
    assert_eq!(head, ["title", "script"]);
    let mut scripts = Vec::new();
    for child in only(&parsed, "body").children() {
        match child.value() {
            Node::Text(text) => assert!(text.trim().is_empty(), "{document}"),
            Node::Element(element) => {
                assert_eq!(element.name(), "script", "{document}");
                assert_eq!(element.attrs().count(), 0, "{document}");
                scripts.push(ElementRef::wrap(child).expect("an element").text().collect());
            }
            other => panic!("{other:?} in {document}"),
        }
    }
    scripts
}

/// What a script that is a call of `name` hands over. It is told apart by its ends alone, so that
/// whatever breaks out of the JSON between them is seen.
fn called(script: &str, begin: &str) -> Value {
    let json = script.strip_prefix(begin).and_then(|rest| rest.strip_suffix(");"));
    let json = json.unwrap_or_else(|| panic!("a call: {script}"));
    let line_ends = ['\r', '\n', '\u{2028}', '\u{2029}'];
    assert!(!json.contains(line_ends) && !json.contains(['<', '>', '&', '\'']), "{script}");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {script}"))
}

/// LEG-086, T-18.
#[test]
fn t_ff_a_document_is_our_scripts_and_nothing_else() {
    let mut rng = Rng::from_seed(1);
    let mut left = 10_000;
    while left > 0 {
        let frame = FrameId::parse(&rng.below(1 << 32).to_string()).expect("32 bits");
        let mut document = Vec::new();
        write_prologue(&mut document, frame);
        let mut expected = Vec::new();
        for number in 0..4 {
            let mut messages = Vec::new();
            let mut all_said = Vec::new();
            for _ in 0..2.min(left) {
                let text = hostile(&mut rng);
                let (message, said) = message(&mut rng, &text);
                messages.push(message);
                all_said.push(said);
                left -= 1;
            }
            write_message(&mut document, &envelope(number, &messages));
            expected.push(json!({"C": format!("d-1A2B3C4D-{number:X}"), "M": all_said}));
        }
        write_message(&mut document, KEEP_ALIVE);
        expected.push(json!({}));
        let document = String::from_utf8(document).expect("text");
        let scripts = scripts_in(&document);
        let said: Vec<Value> = scripts.iter().map(|script| called(script, "r(c, ")).collect();
        assert_eq!(said, expected, "{document}");
    }
}

/// LEG-086: bytes that were never ours are escaped as any others (MS13-103).
#[test]
fn t_ff_what_is_not_ascii_is_escaped_too() {
    let mut rng = Rng::from_seed(2);
    for _ in 0..1000 {
        let text = hostile(&mut rng);
        let raw = json!({"M": [text, {&text: null}]});
        let mut document = Vec::new();
        write_prologue(&mut document, FrameId::parse("1").expect("a number"));
        // As serde writes it: everything above ASCII as it is.
        write_message(&mut document, raw.to_string().as_bytes());
        let document = String::from_utf8(document).expect("text");
        let scripts = scripts_in(&document);
        assert_eq!(scripts.len(), 1);
        assert_eq!(called(&scripts[0], "r(c, "), raw);
    }
}

/// LEG-083, LEG-084: the only thing of a request that a document repeats.
#[test]
fn t_ff_a_frame_id_is_digits() {
    let mut rng = Rng::from_seed(3);
    for _ in 0..1000 {
        let text = hostile(&mut rng);
        let number = rng.below(1 << 32).to_string();
        for id in [text.clone(), format!("{number}{text}"), format!("{text}{number}")] {
            let refused = FrameId::parse(&id).expect_err("it is no number");
            assert!(!refused.to_string().contains(&number));
        }
    }
}

/// LEG-034, T-17: what is written in front of an answer is a name, or nothing is written.
#[test]
fn t_jsonp_a_callback_is_a_name_and_its_answer_one_call() {
    let mut rng = Rng::from_seed(4);
    let names = [
        "cb",
        "jQuery3710942_1700000000001",
        "$x._y",
        "a.b.c",
        "Ω",
        "世界.é2",
        // A Flash file made of letters alone is a name; its type and `nosniff` keep it harmless.
        "CWSMIKI0hCD0Up0IZUnnnnnnnnnnnnnnnnnnnUU5nnnnnn3SnAtD0D3333333333",
    ];
    let reserved =
        ["class", "enum", "await.this", "null", "a.true", "NaN", "undefined", "Infinity"];
    let long = ["a".repeat(CALLBACK_BYTES_MAX + 1), "a.".repeat(5_000) + "a", "é".repeat(10_240)];
    for name in reserved.into_iter().chain(long.iter().map(String::as_str)) {
        assert!(Callback::parse(name).is_err(), "{name}");
    }
    for _ in 0..300 {
        let text = hostile(&mut rng);
        let name = names[usize::try_from(rng.below(names.len() as u64)).expect("few")];
        for callback in [text.clone(), format!("{name}{text}"), format!("{text}{name}")] {
            let is_path = callback.chars().all(|c| c.is_alphanumeric() || "$_.".contains(c));
            assert!(Callback::parse(&callback).is_err() || is_path, "{callback:?}");
        }
        for name in names {
            let (message, said) = message(&mut rng, &text);
            let mut script = Vec::new();
            let callback = Callback::parse(name).expect("a name");
            callback.write(&mut script, &envelope(1, std::slice::from_ref(&message)));
            let script = String::from_utf8(script).expect("text");
            let expected = json!({"C": "d-1A2B3C4D-1", "M": [said]});
            assert_eq!(called(&script, &format!("{name}(")), expected);
            // In a page that wrote it between its own tags it would still be one script.
            let page = format!(
                "<!DOCTYPE html><title>t</title><script>1</script><body><script>{script}</script>"
            );
            assert_eq!(scripts_in(&page), [script]);
        }
    }
    let mut pong = Vec::new();
    Callback::parse("foo.bar").expect("a name").write(&mut pong, PONG);
    assert_eq!(pong, b"foo.bar({ \"Response\": \"pong\" });");
}

/// What the .NET client takes for events: every `data:` line by itself (T-19), trimmed.
fn lines_of_events(stream: &str) -> Vec<&str> {
    stream.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect()
}

/// LEG-045, LEG-077, LEG-078, T-19, T-20.
#[test]
fn t_sse_an_event_is_one_line_of_ascii() {
    let mut rng = Rng::from_seed(5);
    for number in 0..2_000 {
        let text = hostile(&mut rng);
        let (message, said) = message(&mut rng, &text);
        let mut stream = Vec::new();
        write_event(&mut stream, INITIALIZED);
        write_event(&mut stream, &envelope(number, &[message]));
        write_event(&mut stream, KEEP_ALIVE);
        assert!(stream.is_ascii());
        let stream = String::from_utf8(stream).expect("ASCII");
        assert_eq!(stream.lines().filter(|line| !line.is_empty()).count(), 3, "{stream:?}");
        let [first, envelope, last] = lines_of_events(&stream)[..] else { panic!("{stream:?}") };
        assert_eq!((first, last), ("initialized", "{}"));
        let envelope: Value = serde_json::from_str(envelope).expect("JSON");
        assert_eq!(envelope["M"], json!([said]));
    }
}

/// LEG-125: names are refused, and the address of a mount stays a text of the script.
#[test]
fn a_hub_script_holds_whatever_its_address_is() {
    let mut rng = Rng::from_seed(6);
    let say = MethodDescription { name: "Say", verbatim: false, parameters: vec!["text"] };
    let chat = HubDescription { name: "Chat", verbatim: false, methods: vec![say] };
    let script = HubScript::new(&[chat]).expect("safe names");
    let mut plain = Vec::new();
    script.write(&mut plain, "");
    let plain = String::from_utf8(plain).expect("ASCII");
    let (before, behind) = plain.split_once("hubConnection(\"\"").expect("the address");
    for _ in 0..1000 {
        let address = hostile(&mut rng);
        let mut out = Vec::new();
        script.write(&mut out, &address);
        let out = String::from_utf8(out).expect("ASCII");
        let inside = out
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(behind))
            .and_then(|rest| rest.strip_prefix("hubConnection("))
            .expect("nothing else has changed");
        assert!(!inside.contains(['<', '>', '&', '\'']) && inside.is_ascii(), "{inside}");
        assert_eq!(serde_json::from_str::<String>(inside).ok(), Some(address));
        let hub = HubDescription { name: inside, verbatim: true, methods: vec![] };
        assert!(HubScript::new(&[hub]).is_err());
    }
}
