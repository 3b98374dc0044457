//! Calls from clients, and what they are answered.

use std::time::Duration;

use tickhub::HubOptions;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};

use crate::hall::{call, guest, hall, hall_with, invoke, is_error, log, result};

fn detailed() -> World {
    hall_with(&HubOptions { enable_detailed_errors: true, ..HubOptions::default() })
}

fn parallel(count: u16) -> World {
    hall_with(&HubOptions {
        maximum_parallel_invocations_per_client: count,
        ..HubOptions::default()
    })
}

/// Calls on a fresh connection, and returns the one answer.
fn answer(world: &mut World, record: &str) -> String {
    let mut wire = guest(world);
    wire.text(world, record);
    let mut heard = wire.hear(world);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard.remove(0)
}

#[test]
fn cor_071_a_call_with_an_id_is_answered_once_and_one_without_never() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("a", "Echo", r#"["x"]"#));
    wire.text(&mut world, &call("Echo", r#"["x"]"#));
    wire.text(&mut world, &call("Fail", "[]"));
    wire.text(&mut world, &call("Nobody", "[]"));
    wire.text(&mut world, &call("Echo", "[1]"));
    assert_eq!(wire.hear(&mut world), [result("a", r#""x""#)]);
}

#[test]
fn cor_072_and_073_nothing_and_null_are_null() {
    let mut world = hall();
    assert_eq!(answer(&mut world, &invoke("1", "Nothing", "[]")), result("1", "null"));
    assert_eq!(answer(&mut world, &invoke("2", "Null", "[]")), result("2", "null"));
}

#[test]
fn cor_077_the_order_of_properties_does_not_matter() {
    let properties =
        [r#""type":1"#, r#""invocationId":"1""#, r#""target":"Add""#, r#""arguments":[1,2]"#];
    let mut world = hall();
    let mut wire = guest(&mut world);
    let mut count = 0;
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| *c != a && *c != b) {
                let d = 6 - a - b - c;
                let record = [a, b, c, d].map(|index| properties[index]).join(",");
                wire.text(&mut world, &format!("{{{record}}}"));
                assert_eq!(wire.hear(&mut world), [result("1", "3")], "{record}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 24);
}

#[test]
fn cor_078_what_is_not_known_is_ignored() {
    let record = r#"{"x":{"y":[1]},"type":1,"headers":{"a":"b"},"invocationId":"1",
        "target":"Add","arguments":[1,2],"z":null}"#;
    assert_eq!(answer(&mut hall(), record), result("1", "3"));
}

#[test]
fn cor_079_an_unknown_type_is_skipped() {
    let record = format!("{{\"type\":99}}\u{1e}{}", invoke("1", "Add", "[1,2]"));
    assert_eq!(answer(&mut hall(), &record), result("1", "3"));
}

#[test]
fn cor_080_and_081_a_broken_message_ends_the_connection_and_invites_it_back() {
    for record in [
        r#"{"target":"Add","arguments":[1,2]}"#,
        r#"{"type":1,"arguments":[1,2]}"#,
        r#"{"type":1,"target":"Add"}"#,
        "[1]",
        r#"{"type":3,"invocationId":"1","result":1,"error":"e"}"#,
        r#"{"type":1,"invocationId":null,"target":"Add","arguments":[1,2]}"#,
        r#"{"type":3,"invocationId":"1","error":null}"#,
        "{",
    ] {
        let mut world = hall();
        let mut wire = guest(&mut world);
        wire.text(&mut world, record);
        let close =
            r#"{"type":7,"error":"Connection closed with an error.","allowReconnect":true}"#;
        assert_eq!(
            wire.frames(&mut world),
            [Frame::Text(format!("{close}\u{1e}")), Frame::Close(Some(1000), String::new())],
            "{record}"
        );
        let log = log(&mut world);
        assert!(log[1].starts_with("InvalidDataException: "), "{log:?}");
    }
}

#[test]
fn cor_081_no_streams_are_no_streams() {
    let record = r#"{"type":1,"invocationId":"1","target":"Add","arguments":[1,2],"streamIds":[]}"#;
    assert_eq!(answer(&mut hall(), record), result("1", "3"));
}

#[test]
fn cor_082_an_empty_id_wants_no_answer() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("", "Say", r#"["x"]"#));
    assert_eq!(wire.hear(&mut world), [""; 0]);
    assert_eq!(log(&mut world), ["connected", "said x"]);
}

#[test]
fn cor_083_text_of_all_planes_comes_back_as_it_went() {
    for text in ["é", "漢字", "😀", "\u{7f}", "a\\u0000b", "\\\"\\\\\\/", "\u{2028}"] {
        let mut world = hall();
        let heard = answer(&mut world, &invoke("1", "Echo", &format!("[\"{text}\"]")));
        let sent: serde_json::Value = serde_json::from_str(&format!("\"{text}\"")).expect("JSON");
        let heard: serde_json::Value = serde_json::from_str(&heard).expect("JSON");
        assert_eq!(heard["result"], sent);
    }
}

#[test]
fn cor_093_methods_ignore_case_and_errors_quote_the_registered_name() {
    let mut world = hall();
    assert_eq!(answer(&mut world, &invoke("1", "aDD", "[1,2]")), result("1", "3"));
    let error = "Failed to invoke 'Add' due to an error on the server.";
    assert!(is_error(&answer(&mut world, &invoke("1", "aDD", "[1]")), "1", error));
}

#[test]
fn cor_094_an_unknown_method() {
    for mut world in [hall(), detailed()] {
        let heard = answer(&mut world, &invoke("1", "Nope", "[1]"));
        let error = "Failed to invoke 'Nope' due to an error on the server. HubException: Method \
                     does not exist.";
        assert!(is_error(&heard, "1", error), "{heard}");
    }
}

#[test]
fn cor_095_and_096_wrong_arguments_fail_the_call_alone() {
    let base = "Failed to invoke 'Add' due to an error on the server.";
    for arguments in ["[1]", "[1,2,3]", r#"[1,"2"]"#, "[1,null]", "[1,2.5]"] {
        let mut world = hall();
        let mut wire = guest(&mut world);
        wire.text(&mut world, &invoke("1", "Add", arguments));
        wire.text(&mut world, &invoke("2", "Add", "[1,2]"));
        let heard = wire.hear(&mut world);
        assert!(is_error(&heard[0], "1", base), "{heard:?}");
        assert_eq!(heard[1], result("2", "3"), "the connection stays up");
    }
    let heard = answer(&mut detailed(), &invoke("1", "Add", "[1]"));
    let error = format!(
        "{base} InvalidDataException: Invocation provides 1 argument(s) but target expects 2."
    );
    assert!(is_error(&heard, "1", &error), "{heard}");
}

#[test]
fn cor_097_and_098_what_a_caller_reads_of_an_error() {
    let base = |name| format!("An unexpected error occurred invoking '{name}' on the server.");
    let internal = " InvalidOperationException: disk full";
    let public = " HubException: disk full";
    for (mut world, name, detail) in [
        (hall(), "Break", ""),
        (detailed(), "Break", internal),
        (hall(), "Fail", public),
        (detailed(), "Fail", public),
        (hall(), "Panic", ""),
    ] {
        let heard = answer(&mut world, &invoke("1", name, "[]"));
        assert!(is_error(&heard, "1", &format!("{}{detail}", base(name))), "{heard}");
    }
}

#[test]
fn cor_129_with_one_at_a_time_answers_come_in_order() {
    let mut world = parallel(1);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Later", r#"["slow",2000]"#));
    wire.text(&mut world, &invoke("2", "Later", r#"["quick",10]"#));
    wire.text(&mut world, &invoke("3", "Echo", r#"["now"]"#));
    assert_eq!(wire.hear(&mut world), [""; 0]);
    world.pass(Duration::from_secs(2));
    assert_eq!(wire.hear(&mut world), [result("1", r#""slow""#)]);
    world.pass(Duration::from_millis(10));
    let rest = [result("2", r#""quick""#), result("3", r#""now""#)];
    assert_eq!(wire.hear(&mut world), rest);
}

#[test]
fn cor_130_with_two_at_a_time_the_second_overtakes_and_the_third_waits() {
    let mut world = parallel(2);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Later", r#"["slow",2000]"#));
    wire.text(&mut world, &invoke("2", "Later", r#"["quick",1000]"#));
    wire.text(&mut world, &invoke("3", "Echo", r#"["now"]"#));
    assert_eq!(wire.hear(&mut world), [""; 0]);
    world.pass(Duration::from_secs(1));
    assert_eq!(wire.hear(&mut world), [result("2", r#""quick""#), result("3", r#""now""#)]);
    world.pass(Duration::from_secs(1));
    assert_eq!(wire.hear(&mut world), [result("1", r#""slow""#)]);
}

#[test]
fn cor_131_while_a_call_runs_other_messages_are_processed() {
    let mut world = parallel(1);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Later", r#"["slow",50000]"#));
    for _ in 0..4 {
        wire.text(&mut world, r#"{"type":6}"#);
        world.pass(Duration::from_secs(10));
    }
    let pings = wire.hear(&mut world);
    assert!(pings.iter().all(|record| record == r#"{"type":6}"#), "not timed out: {pings:?}");
    wire.text(&mut world, r#"{"type":7}"#);
    let frames = wire.frames(&mut world);
    assert_eq!(frames[0], Frame::Text("{\"type\":7}\u{1e}".into()), "the Close is heard at once");
}

#[test]
fn a_call_that_waited_is_read_a_second_time_as_it_came() {
    let mut world = parallel(1);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Later", r#"["slow",1000]"#));
    // Escapes are undone where they stand; a record that has to wait must not show it.
    let escaped =
        r#"{"type":1,"invocationId":"\u0032","t\u0061rget":"\u0045cho","arguments":["\u00e9\n"]}"#;
    wire.text(&mut world, escaped);
    world.pass(Duration::from_secs(1));
    let heard = wire.hear(&mut world);
    assert_eq!(heard[0], result("1", r#""slow""#));
    let second: serde_json::Value = serde_json::from_str(&heard[1]).expect("JSON");
    assert_eq!(second, serde_json::json!({ "type": 3, "invocationId": "2", "result": "é\n" }));
}

#[test]
fn a_thousand_calls_in_one_piece_are_answered_in_order() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    let calls: Vec<String> =
        (0..1000).map(|n| invoke(&n.to_string(), "Add", &format!("[{n},0]"))).collect();
    for part in calls.chunks(250) {
        let part = part.join("\u{1e}");
        let mut bytes = Vec::new();
        tickhub::protocol::websocket::write_masked_frame(
            &mut bytes,
            OpCode::Text,
            true,
            [9; 4],
            format!("{part}\u{1e}").as_bytes(),
        );
        wire.bytes(&mut world, &bytes);
    }
    let answers: Vec<String> = (0..1000).map(|n| result(&n.to_string(), &n.to_string())).collect();
    assert_eq!(wire.hear(&mut world), answers);
}

#[test]
fn a_stream_that_nobody_offers_is_an_error_of_its_caller() {
    let mut world = hall();
    let mut wire: Wire = guest(&mut world);
    wire.text(&mut world, r#"{"type":4,"invocationId":"1","target":"Add","arguments":[1,2]}"#);
    let error = "The client attempted to invoke the non-streaming 'Add' method with a streaming \
                 invocation.";
    let heard = wire.hear(&mut world);
    assert!(is_error(&heard[0], "1", error), "{heard:?}");
}
