//! How connections end, and what keeps them from ending.

use std::time::Duration;

use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{HubError, HubOptions};

use crate::hall::{ARRIVED, Hall, call, guest, hall, hall_with, invoke, log, result};

fn text(record: &str) -> Frame {
    Frame::Text(format!("{record}\u{1e}"))
}

fn closed() -> Frame {
    Frame::Close(Some(1000), String::new())
}

fn detailed() -> World {
    hall_with(&HubOptions { enable_detailed_errors: true, ..HubOptions::default() })
}

#[test]
fn cor_038_a_close_frame_is_answered_with_1000_and_is_no_error() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.close_frame(&mut world, 4000, "x");
    assert_eq!(wire.frames(&mut world), [closed(), Frame::End]);
    assert_eq!(log(&mut world), ["connected", "closed by the client; 0 in the hall"]);
    assert!(world.is_quiet());
}

#[test]
fn cor_039_and_118_an_abort_is_a_close_message_and_a_close_frame() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &call("Abort", "[]"));
    assert_eq!(wire.frames(&mut world), [text(r#"{"type":7}"#), closed()]);
    // Sends to it reach nobody from then on, and nothing of it is heard.
    let delivery = world.enter(0, |_: &mut Hall, clients| clients.all().send("late", ()));
    assert_eq!(delivery.queued, 0);
    wire.text(&mut world, &call("Say", r#"["late"]"#));
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(wire.frames(&mut world), [Frame::End]);
    assert_eq!(log(&mut world), ["connected", "aborted by the hub; 0 in the hall"]);
}

#[test]
fn cor_040_every_websocket_message_consists_of_whole_records() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Large", "[1000000]"));
    wire.text(&mut world, &invoke("2", "Large", "[1000]"));
    let heard = wire.hear(&mut world);
    assert_eq!(heard.iter().map(String::len).collect::<Vec<_>>(), [1_000_042 - 1, 1_041]);
}

#[test]
fn cor_041_who_does_not_answer_a_close_frame_is_cut_after_5_seconds() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &call("Abort", "[]"));
    world.pass(Duration::from_millis(4_990));
    assert_eq!(wire.frames(&mut world), [text(r#"{"type":7}"#), closed()]);
    world.pass(Duration::from_millis(20));
    assert_eq!(wire.frames(&mut world), [Frame::Reset]);
    assert_eq!(world.sizes(), (0, 0));
}

#[test]
fn cor_043_a_text_that_is_no_utf_8_ends_with_1007() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.frame(&mut world, OpCode::Text, true, b"\xff\xfe");
    assert_eq!(wire.frames(&mut world), [Frame::Close(Some(1007), String::new()), Frame::End]);
    let log = log(&mut world);
    assert!(log[1].starts_with("WebSocketException: "), "{log:?}");
}

#[test]
fn frames_against_the_protocol_end_with_1002() {
    for bytes in [
        &b"\x81\x01x"[..],
        b"\xc1\x81\x01\x01\x01\x01x",
        b"\x83\x81\x01\x01\x01\x01x",
        b"\x80\x81\x01\x01\x01\x01x",
        b"\x09\x80\x01\x01\x01\x01",
        b"\x88\x81\x01\x01\x01\x01x",
    ] {
        let mut world = hall();
        let mut wire = guest(&mut world);
        wire.bytes(&mut world, bytes);
        let end = [Frame::Close(Some(1002), String::new()), Frame::End];
        assert_eq!(wire.frames(&mut world), end, "{bytes:?}");
    }
}

/// Nothing more is read from such a peer, so its Close frame is not waited for (RFC 6455 §7.1.7).
#[test]
fn after_a_broken_frame_the_tcp_connection_ends_at_once_and_not_by_a_reset() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    // What comes behind the broken frame must not turn the end into a reset.
    wire.bytes(&mut world, b"\x83\x81\x01\x01\x01\x01x and more, of no form");
    wire.bytes(&mut world, b"more");
    world.settle();
    assert_eq!(world.sizes(), (1, 0), "the connection is gone already");
    let end = [Frame::Close(Some(1002), String::new()), Frame::End];
    assert_eq!(wire.frames(&mut world), end);
    assert!(world.is_quiet());
}

#[test]
fn who_stays_after_a_broken_frame_is_cut() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.bytes(&mut world, b"\x83\x81\x01\x01\x01\x01x");
    world.pass(Duration::from_millis(4_990));
    assert_eq!(world.sizes(), (1, 0));
    world.pass(Duration::from_millis(20));
    assert_eq!(world.sizes(), (0, 0));
    let end = [Frame::Close(Some(1002), String::new()), Frame::Reset];
    assert_eq!(wire.frames(&mut world), end);
}

#[test]
fn cor_113_pings_come_every_15_seconds_whatever_else_is_sent() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    let mut pings = Vec::new();
    for second in 1..=62 {
        world.pass(Duration::from_secs(1));
        wire.text(&mut world, &invoke("1", "Add", "[1,2]"));
        if wire.hear(&mut world).iter().any(|record| record == r#"{"type":6}"#) {
            pings.push(second);
        }
    }
    assert_eq!(pings.len(), 4, "{pings:?}");
    let mut before = 0;
    for at in pings {
        assert!((15..=16).contains(&(at - before)), "a ping at {at} after {before}");
        before = at;
    }
}

#[test]
fn cor_114_who_never_pings_may_be_silent() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Add", "[1,2]"));
    world.pass(Duration::from_mins(10));
    let heard = wire.hear(&mut world);
    assert!(heard[1..].iter().all(|record| record == r#"{"type":6}"#), "{heard:?}");
}

#[test]
fn cor_114_who_has_pinged_once_may_be_silent_for_30_seconds() {
    let mut world = detailed();
    let mut wire = guest(&mut world);
    wire.text(&mut world, r#"{"type":6}"#);
    world.pass(Duration::from_millis(29_990));
    assert_eq!(wire.hear(&mut world), [r#"{"type":6}"#]);
    world.pass(Duration::from_millis(20));
    let frames = wire.frames(&mut world);
    let close = "{\"type\":7,\"error\":\"Connection closed with an error. \
                 OperationCanceledException: Client hasn't sent a message/ping within the \
                 configured ClientTimeoutInterval.\",\"allowReconnect\":true}";
    // Quotes are escaped in .NET's way; what counts is the text.
    let [.., Frame::Text(last), end] = frames.as_slice() else { panic!("{frames:?}") };
    let unescaped = last.replace("\\u0027", "'");
    assert!(unescaped.ends_with(&format!("{close}\u{1e}")), "{unescaped}");
    assert_eq!(*end, closed());
}

#[test]
fn cor_115_any_message_is_a_sign_of_life() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, r#"{"type":6}"#);
    for _ in 0..10 {
        world.pass(Duration::from_secs(20));
        wire.text(&mut world, &call("Nothing", "[]"));
    }
    assert_eq!(world.sizes().1, 1);
    assert!(wire.hear(&mut world).iter().all(|record| record == r#"{"type":6}"#));
}

#[test]
fn cor_115_silence_does_not_count_while_a_call_waits_for_its_turn() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, r#"{"type":6}"#);
    wire.text(&mut world, &invoke("1", "Later", r#"["a",100000]"#));
    wire.text(&mut world, &invoke("2", "Echo", r#"["b"]"#));
    world.pass(Duration::from_secs(100));
    let mut heard = wire.hear(&mut world);
    heard.retain(|record| record != r#"{"type":6}"#);
    assert_eq!(heard, [result("1", r#""a""#), result("2", r#""b""#)]);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.counters(0).closed, 1, "from then on it counts again");
}

#[test]
fn cor_116_a_message_of_32_768_bytes_passes_and_one_more_does_not() {
    let record = |bytes: usize| {
        let bytes = bytes - r#"{"type":6,"x":""}"#.len() - 1;
        format!(r#"{{"type":6,"x":"{}"}}"#, "x".repeat(bytes))
    };
    let mut world = detailed();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &record(32_768));
    wire.text(&mut world, &invoke("1", "Add", "[1,2]"));
    assert_eq!(wire.hear(&mut world), [result("1", "3")]);
    wire.text(&mut world, &record(32_769));
    let error = "Connection closed with an error. InvalidDataException: The maximum message size \
                 of 32768B was exceeded. The message size can be configured in AddHubOptions.";
    let close = format!(r#"{{"type":7,"error":"{error}","allowReconnect":true}}"#);
    assert_eq!(wire.frames(&mut world), [text(&close), closed()]);
}

#[test]
fn cor_117_who_is_refused_reads_why_and_on_disconnected_is_not_called() {
    let mut world = hall();
    world.enter(0, |hub: &mut Hall, _| hub.refusal = Some(HubError::new("full")));
    let mut wire = Wire::websocket(&mut world, "/hub");
    wire.text(&mut world, r#"{"protocol":"json","version":1}"#);
    let close = r#"{"type":7,"error":"Connection closed with an error. HubException: full"}"#;
    let frames = wire.frames(&mut world);
    assert_eq!(frames.last(), Some(&closed()));
    let records: String = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(records, format!("{{}}\u{1e}{close}\u{1e}"));
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(log(&mut world), ["connected"]);
    assert!(world.is_quiet());
}

#[test]
fn cor_119_a_drain_invites_everybody_back_and_then_ends_the_transport() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    world.drain(Duration::from_secs(10));
    assert_eq!(wire.frames(&mut world), [text(r#"{"type":7,"allowReconnect":true}"#), closed()]);
    assert!(world.connect().is_none(), "nobody is let in");
    assert!(!world.is_drained());
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(wire.frames(&mut world), [Frame::End]);
    assert!(world.is_drained() && world.is_quiet());
    assert_eq!(log(&mut world)[1], "the server is going down; 0 in the hall");
}

#[test]
fn cor_119_who_stays_is_cut_when_the_drain_has_lasted_long_enough() {
    let mut world = hall();
    let _deaf = guest(&mut world);
    let _idle = Wire::tcp(&mut world);
    world.drain(Duration::from_secs(3));
    world.pass(Duration::from_millis(3100));
    assert!(world.is_drained());
}

#[test]
fn cor_120_a_close_message_is_no_error_unless_it_says_so() {
    for (record, reason) in [
        (r#"{"type":7}"#, "closed by the client"),
        (r#"{"type":7,"error":"E"}"#, "HubException: E"),
    ] {
        let mut world = hall();
        let mut wire = guest(&mut world);
        wire.text(&mut world, record);
        assert_eq!(wire.frames(&mut world), [text(r#"{"type":7}"#), closed()]);
        assert_eq!(log(&mut world)[1], format!("{reason}; 0 in the hall"));
    }
}

#[test]
fn cor_121_an_end_inside_a_message_is_an_error() {
    let error = "InvalidDataException: Connection terminated while reading a message.";
    for orderly in [true, false] {
        let mut world = hall();
        let mut wire = guest(&mut world);
        wire.frame(&mut world, OpCode::Text, true, br#"{"type":1,"tar"#);
        if orderly {
            wire.close_frame(&mut world, 1000, "");
        } else {
            wire.shutdown(&mut world);
        }
        assert_eq!(log(&mut world)[1], format!("{error}; 0 in the hall"));
    }
}

#[test]
fn cor_122_who_does_not_read_is_let_go_and_the_others_hear_everything() {
    let mut world = detailed();
    let mut deaf = guest(&mut world);
    let mut wire = guest(&mut world);
    assert_eq!(deaf.hear(&mut world), [ARRIVED]);
    deaf.shut_window(world.now() + Duration::from_mins(1));
    for _ in 0..12 {
        world.enter(0, |_: &mut Hall, clients| clients.all().send("news", ()).ignore());
        world.pass(Duration::from_secs(1));
    }
    let news = r#"{"type":1,"target":"news","arguments":[]}"#;
    let heard = wire.hear(&mut world);
    assert_eq!(heard.iter().filter(|record| *record == news).count(), 12);
    assert_eq!(world.counters(0).too_slow, 1);
    let log = log(&mut world);
    assert!(
        log[2].starts_with("OperationCanceledException: The client reads too slowly"),
        "{log:?}"
    );
    world.pass(Duration::from_secs(5));
    assert_eq!(world.sizes(), (1, 1), "it is cut when even the last words are not taken");
}

#[test]
fn a_client_that_vanishes_is_noticed() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, r#"{"type":6}"#);
    wire.vanish();
    world.pass(Duration::from_secs(31));
    assert_eq!(log(&mut world).len(), 2, "by its silence");
    world.pass(Duration::from_secs(6));
    assert_eq!(world.sizes(), (0, 0));
}
