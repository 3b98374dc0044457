//! What is bounded: each limit, and one past it.

use serde_json::json;
use tickhub::ClassicOptions;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};

use super::guest::{Guest, cursor, heard, messages, percent, say, texts};
use super::room::{events, room, room_with};

fn close(code: u16) -> Frame {
    Frame::Close(Some(code), String::new())
}

/// A call whose text has so many bytes.
fn call_of(bytes: usize) -> String {
    let around = r#"{"H":"roomhub","M":"Echo","A":[""],"I":0}"#;
    around.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - around.len())))
}

#[test]
fn leg_070_a_message_at_the_limit_passes_and_one_byte_more_closes_the_socket() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    say(&mut wire, &mut world, &call_of(65_536));
    assert_eq!(texts(&mut wire, &mut world).len(), 1);
    let (begin, end) = (call_of(65_536), "x");
    wire.frame(&mut world, OpCode::Text, false, begin.as_bytes());
    wire.frame(&mut world, OpCode::Continuation, true, end.as_bytes());
    assert_eq!(wire.frames(&mut world)[0], close(1009));
    // The connection goes on: its client comes back.
    let target = guest.target("reconnect", "webSockets", "");
    let mut wire = Wire::websocket(&mut world, &target);
    say(&mut wire, &mut world, &call_of(100));
    assert_eq!(texts(&mut wire, &mut world).len(), 1);
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"]);

    let options =
        ClassicOptions { max_incoming_websocket_message_size: None, ..ClassicOptions::default() };
    let mut world = room_with(&options);
    let guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    say(&mut wire, &mut world, &call_of(200_000));
    assert_eq!(texts(&mut wire, &mut world).len(), 1, "unlimited when configured");
}

#[test]
fn leg_072_a_binary_message_closes_the_socket() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    wire.frame(&mut world, OpCode::Binary, true, b"x");
    assert_eq!(wire.frames(&mut world)[0], close(1003));
}

/// What a client gets that comes back behind `count` messages.
fn missed(options: &ClassicOptions, count: usize) -> (World, usize) {
    let mut world = room_with(options);
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    let seen = cursor(&heard(&mut wire, &mut world));
    wire.close(&mut world);
    for number in 0..count {
        guest.call(&mut world, "ToAll", &json!([number.to_string()]));
    }
    let more = format!("&messageId={}", percent(&seen));
    let target = guest.target("reconnect", "webSockets", &more);
    let mut wire = Wire::websocket(&mut world, &target);
    let messages = messages(&heard(&mut wire, &mut world));
    let last = &messages.last().expect("some are kept")["A"][0];
    assert_eq!(last, &json!((count - 1).to_string()), "the newest are kept");
    (world, messages.len())
}

#[test]
fn leg_105_messages_that_are_kept_have_a_number_and_bytes() {
    let options = ClassicOptions { default_message_buffer_size: 40, ..ClassicOptions::default() };
    let (world, kept) = missed(&options, 40);
    // The welcome is one of them.
    assert_eq!((kept, world.counters(0).overrun), (40, 0), "at the limit");
    let (world, kept) = missed(&options, 41);
    assert_eq!((kept, world.counters(0).overrun), (40, 1), "one past it");
    let few = ClassicOptions { default_message_buffer_size: 1, ..ClassicOptions::default() };
    assert_eq!(missed(&few, 50).1, 32, "never fewer than 32");
    let bytes = ClassicOptions { message_buffer_bytes_max: 700, ..ClassicOptions::default() };
    let (world, kept) = missed(&bytes, 50);
    assert!((5..12).contains(&kept), "{kept}");
    assert_eq!(world.counters(0).overrun, 1);
}

#[test]
fn calls_that_run_are_counted() {
    let options = ClassicOptions { calls_max: 2, ..ClassicOptions::default() };
    let mut world = room_with(&options);
    let mut guest = Guest::new(&mut world);
    let mut wires = Vec::new();
    for _ in 0..2 {
        let call = guest.invocation("Later", &json!(["x", 1000]));
        let mut wire = Wire::tcp(&mut world);
        let target = guest.target("send", "serverSentEvents", "");
        let body = format!("data={}", percent(&call));
        wire.ask(&mut world, "POST", &target, &[], body.as_bytes());
        wires.push(wire);
    }
    let call = percent(&guest.invocation("Echo", &json!(["x"])));
    let third =
        guest.ask(&mut world, "POST", "send", "serverSentEvents", "", &format!("data={call}"));
    let text = "Too many calls of this connection run.";
    assert_eq!((third.head.status(), &*third.body), (400, text));
    world.pass(std::time::Duration::from_millis(1001));
    for wire in &mut wires {
        assert_eq!(wire.answer(&mut world).head.status(), 200, "at the limit");
    }
    assert!(guest.call(&mut world, "Echo", &json!(["x"])).starts_with("{\"R\":\"x\""));
}

#[test]
fn leg_103_and_104_cursors_of_others_are_no_error() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    guest.call(&mut world, "ToAll", &json!(["missed"]));
    for cursor in ["d-00000000-1", "s-0,1", "d-", "d-FFFFFFFF-FFFFFFFFFFFFFFFFF", "1"] {
        let target = guest.target("reconnect", "webSockets", &format!("&messageId={cursor}"));
        let mut wire = Wire::websocket(&mut world, &target);
        assert_eq!(texts(&mut wire, &mut world), [""; 0], "{cursor}: new messages only");
    }
}
