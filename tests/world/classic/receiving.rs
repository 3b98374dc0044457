//! What clients receive, over each transport, and again when they come back.

use std::time::Duration;

use serde_json::json;
use tickhub::sim::Wire;

use super::guest::{Guest, client_call, cursor, heard, messages, say, texts};
use super::room::{events, room};

fn welcome() -> serde_json::Value {
    client_call("RoomHub", "welcome", json!(["hi"]))
}

fn message(text: &str) -> serde_json::Value {
    client_call("RoomHub", "message", json!([text]))
}

#[test]
fn leg_066_a_websocket_begins_with_the_init_envelope() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    assert_eq!(messages(&heard(&mut wire, &mut world)), [welcome()]);
    let call = guest.invocation("Echo", &json!(["x"]));
    say(&mut wire, &mut world, &call);
    assert_eq!(texts(&mut wire, &mut world), [r#"{"R":"x","I":"0"}"#]);
    guest.call(&mut world, "ToAll", &json!(["one"]));
    assert_eq!(messages(&heard(&mut wire, &mut world)), [message("one")]);
    world.pass(Duration::from_secs(11));
    assert_eq!(texts(&mut wire, &mut world), ["{}"]);
    guest.abort(&mut world);
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
}

#[test]
fn leg_102_what_was_missed_over_websockets_comes_once_and_in_order() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    let seen = cursor(&heard(&mut wire, &mut world));
    wire.close(&mut world);
    for text in ["one", "two", "three"] {
        guest.call(&mut world, "ToAll", &json!([text]));
    }
    world.pass(Duration::from_secs(5));
    let more = format!("&messageId={}", super::guest::percent(&seen));
    let target = guest.target("reconnect", "webSockets", &more);
    let mut wire = Wire::websocket(&mut world, &target);
    let again = heard(&mut wire, &mut world);
    assert_eq!(messages(&again), [message("one"), message("two"), message("three")]);
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"]);
}

#[test]
fn leg_075_who_does_not_come_back_is_disconnected() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let wire = guest.websocket(&mut world);
    wire.close(&mut world);
    world.pass(Duration::from_secs(34));
    assert_eq!(events(&mut world, &guest.id), ["connected"]);
    world.pass(Duration::from_secs(2));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected false"]);
    assert!(world.is_quiet());
}

#[test]
fn leg_025_the_first_poll_may_come_before_the_start() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let first = guest.poll(&mut world, "connect", "");
    assert_eq!(first["S"], json!(1));
    let mut wire = Wire::tcp(&mut world);
    let more = format!("&messageId={}", super::guest::percent(&cursor(&[first])));
    wire.ask(&mut world, "GET", &guest.target("poll", "longPolling", &more), &[], b"");
    guest.start(&mut world);
    let envelope = serde_json::from_str(&wire.answer(&mut world).body).expect("an envelope");
    assert_eq!(messages(&[envelope]), [welcome()]);
    assert_eq!(events(&mut world, &guest.id), ["connected"]);
}
