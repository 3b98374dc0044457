//! How connections begin: negotiation, handshake, the first calls.

use std::time::Duration;

use serde_json::Value;
use tickhub::HubOptions;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};

use crate::hall::{ARRIVED, guest, hall, invoke, log, result};

fn token(world: &mut World) -> String {
    let answer = Wire::tcp(world).request(world, "POST", "/hub/negotiate?negotiateVersion=1");
    assert_eq!(answer.head.status(), 200);
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    document["connectionToken"].as_str().expect("a token").to_owned()
}

#[test]
fn cor_010_a_negotiated_connection_left_alone_is_forgotten() {
    let mut world = hall();
    let token = token(&mut world);
    world.pass(Duration::from_secs(14));
    assert_eq!(world.sizes().1, 1);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.sizes().1, 0);
    let mut wire = Wire::tcp(&mut world);
    let answer = wire.upgrade(&mut world, &format!("/hub?id={token}"), &[]);
    assert_eq!(answer.head.status(), 404);
    assert_eq!(answer.body, "No Connection with that ID");
    assert!(log(&mut world).is_empty(), "the hub never heard of it");
}

/// As recorded: `statuses-without-connection`. Every other refusal has one.
#[test]
fn cor_015_a_websocket_for_an_unknown_token_is_refused_without_a_content_type() {
    let mut world = hall();
    let unknown = Wire::tcp(&mut world).upgrade(&mut world, "/hub?id=unknown", &[]);
    assert_eq!((unknown.head.status(), &*unknown.body), (404, "No Connection with that ID"));
    assert_eq!(unknown.head.header("content-type"), None);
    let target = format!("/hub?id={}", token(&mut world));
    let _first = Wire::hub(&mut world, &target);
    let second = Wire::tcp(&mut world).upgrade(&mut world, &target, &[]);
    assert_eq!(second.head.status(), 409);
    assert_eq!(second.head.header("content-type"), Some("text/plain"));
}

#[test]
fn cor_018_a_second_websocket_is_refused_and_the_first_keeps_working() {
    let mut world = hall();
    let target = format!("/hub?id={}", token(&mut world));
    let mut first = Wire::hub(&mut world, &target);
    assert_eq!(first.hear(&mut world), [ARRIVED]);
    let second = Wire::tcp(&mut world).upgrade(&mut world, &target, &[]);
    assert_eq!(second.head.status(), 409);
    first.text(&mut world, &invoke("1", "Add", "[1,2]"));
    assert_eq!(first.hear(&mut world), [result("1", "3")]);
}

#[test]
fn cor_042_nothing_is_negotiated_on_top() {
    let mut world = hall();
    let headers = [
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
    ];
    let answer = Wire::tcp(&mut world).upgrade(&mut world, "/hub", &headers);
    assert_eq!(answer.head.status(), 101);
    assert_eq!(answer.head.header("sec-websocket-extensions"), None);
    assert_eq!(answer.head.header("sec-websocket-protocol"), None);
}

#[test]
fn cor_065_a_handshake_has_15_seconds() {
    let mut world = hall();
    let mut wire = Wire::websocket(&mut world, "/hub");
    world.pass(Duration::from_millis(14_990));
    assert_eq!(wire.frames(&mut world), []);
    world.pass(Duration::from_millis(20));
    assert_eq!(wire.frames(&mut world), canceled());
    assert!(log(&mut world).is_empty());
}

#[test]
fn cor_065_the_time_counts_from_the_transport_not_from_the_last_byte() {
    let mut world = hall();
    let mut wire = Wire::websocket(&mut world, "/hub");
    for _ in 0..14 {
        wire.frame(&mut world, OpCode::Text, true, b" ");
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(wire.frames(&mut world), []);
    world.pass(Duration::from_millis(1010));
    assert_eq!(wire.frames(&mut world), canceled());
}

fn canceled() -> Vec<Frame> {
    vec![
        Frame::Text("{\"error\":\"Handshake was canceled.\"}\u{1e}".into()),
        Frame::Close(Some(1000), String::new()),
    ]
}

#[test]
fn cor_066_a_handshake_without_an_end_is_canceled_at_its_first_byte_too_many() {
    let mut world = hall();
    let mut wire = Wire::websocket(&mut world, "/hub");
    wire.frame(&mut world, OpCode::Text, true, &vec![b' '; 32_768]);
    assert_eq!(wire.frames(&mut world), []);
    wire.frame(&mut world, OpCode::Text, true, b" ");
    assert_eq!(wire.frames(&mut world), canceled());
}

#[test]
fn cor_067_a_call_may_follow_the_handshake_in_one_frame() {
    let mut world = hall();
    let mut wire = Wire::websocket(&mut world, "/hub");
    let call = invoke("1", "Add", "[2,3]");
    wire.text(&mut world, &format!("{HANDSHAKE}\u{1e}{call}"));
    assert_eq!(wire.hear(&mut world), ["{}", ARRIVED, &result("1", "5")]);
}

#[test]
fn cor_067_a_handshake_may_be_split_at_any_byte() {
    let whole = format!("{HANDSHAKE}\u{1e}{}\u{1e}", invoke("1", "Add", "[2,3]"));
    let whole = whole.as_bytes();
    for cut in 1..whole.len() {
        let mut world = hall();
        let mut wire = Wire::websocket(&mut world, "/hub");
        wire.frame(&mut world, OpCode::Text, false, &whole[..cut]);
        wire.frame(&mut world, OpCode::Continuation, true, &whole[cut..]);
        assert_eq!(wire.hear(&mut world), ["{}", ARRIVED, &result("1", "5")], "cut at {cut}");
    }
}

#[test]
fn cor_068_a_failed_handshake_is_told_and_the_hub_never_hears_of_it() {
    for (handshake, text) in [
        (r#"{"protocol":"xyz","version":1}"#, "The protocol 'xyz' is not supported."),
        (
            r#"{"protocol":"json","version":3}"#,
            "The server does not support version 3 of the 'json' protocol.",
        ),
        ("{}", "An unexpected error occurred during connection handshake."),
        ("nonsense", "An unexpected error occurred during connection handshake."),
    ] {
        let mut world = hall();
        let mut wire = Wire::websocket(&mut world, "/hub");
        // What follows a refused handshake is not looked at.
        wire.text(&mut world, &format!("{handshake}\u{1e}{}", invoke("1", "Add", "[2,3]")));
        let told = Frame::Text(format!("{{\"error\":\"{text}\"}}\u{1e}"));
        assert_eq!(
            wire.frames(&mut world),
            [told, Frame::Close(Some(1000), String::new())],
            "{handshake}"
        );
        wire.close_frame(&mut world, 1000, "");
        assert_eq!(wire.frames(&mut world), [Frame::End]);
        assert!(log(&mut world).is_empty(), "{handshake}");
        assert!(world.is_quiet());
    }
}

#[test]
fn cor_069_the_handshake_is_answered_before_on_connected_says_anything() {
    let mut world = hall();
    let mut wire = Wire::websocket(&mut world, "/hub");
    wire.text(&mut world, HANDSHAKE);
    assert_eq!(wire.hear(&mut world), ["{}", ARRIVED]);
}

#[test]
fn cor_070_no_call_runs_before_on_connected() {
    let mut world = hall();
    let mut wire = Wire::websocket(&mut world, "/hub");
    let call = r#"{"type":1,"target":"Say","arguments":["first"]}"#;
    wire.text(&mut world, &format!("{HANDSHAKE}\u{1e}{call}"));
    assert_eq!(log(&mut world), ["connected", "said first"]);
}

#[test]
fn a_minimum_version_of_negotiation_is_respected_without_a_connection() {
    let connection =
        tickhub::ConnectionOptions { minimum_protocol_version: 1, ..Default::default() };
    let mut world = World::new(1).hub_with(
        "/hub",
        crate::hall::Hall::default,
        &HubOptions::default(),
        &connection,
    );
    let answer = Wire::tcp(&mut world).request(&mut world, "POST", "/hub/negotiate");
    assert_eq!(answer.head.status(), 200);
    assert!(answer.body.starts_with("{\"error\":\"The client requested version '0'"));
    assert_eq!(world.sizes().1, 0);
}

#[test]
fn the_last_byte_of_one_connection_does_not_reach_the_next_in_its_slot() {
    let mut world = hall();
    let first = guest(&mut world);
    first.close(&mut world);
    let mut second = guest(&mut world);
    assert_eq!(second.hear(&mut world), [""; 0]);
}

const HANDSHAKE: &str = r#"{"protocol":"json","version":1}"#;
