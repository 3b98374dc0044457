//! A client comes again with its token while its old connection is still leaving: the newer one is
//! found from then on, whatever becomes of the older.

use std::time::Duration;

use serde_json::json;
use tickhub::sim::{Wire, World};

use super::guest::{Guest, client_call, heard, messages, percent, say, texts};
use super::room::{Room, events, room};
use crate::web::Stream;

/// The answer to the call of that number, if all of them were counted by one connection.
fn counted(number: u32) -> String {
    format!("{{\"R\":{number},\"I\":\"{}\"}}", number - 1)
}

/// Requests find a connection by its token, and hubs by its id.
fn is_found(world: &mut World, guest: &mut Guest, wire: &mut Wire, counts: [u32; 2]) {
    texts(wire, world);
    let call = guest.invocation("Count", &json!([]));
    say(wire, world, &call);
    assert_eq!(texts(wire, world), [counted(counts[0])]);
    assert_eq!(guest.call(world, "Count", &json!([])), counted(counts[1]), "by its token");
    let queued = world.enter(0, |_: &mut Room, clients| {
        clients.client(&*guest.id).send("message", ("found",)).queued
    });
    assert_eq!(queued, 1, "by its id");
    world.settle();
    let found = client_call("RoomHub", "message", &json!(["found"]));
    assert_eq!(messages(&heard(wire, world)), [found]);
    guest.abort(world);
    let once = ["connected", "disconnected true"];
    assert_eq!(events(world, &guest.id), [once, once].concat());
}

/// Both requests are read in one turn, at the end of which connections leave.
#[test]
fn a_newer_connection_is_found_that_came_before_the_old_one_has_left() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let older = guest.websocket(&mut world);
    let mut wire = Wire::tcp(&mut world);
    let call = guest.invocation("Count", &json!([]));
    let bodies = [("abort", String::new()), ("send", format!("data={}", percent(&call)))];
    let requests = bodies.map(|(word, body)| {
        let target = guest.target(word, "serverSentEvents", "");
        let length = body.len();
        format!("POST {target} HTTP/1.1\r\nHost: sim\r\nContent-Length: {length}\r\n\r\n{body}")
    });
    wire.bytes(&mut world, requests.concat().as_bytes());
    assert_eq!(wire.answer(&mut world).body, "");
    assert_eq!(wire.answer(&mut world).body, counted(1));
    let mut newer = guest.websocket(&mut world);
    is_found(&mut world, &mut guest, &mut newer, [2, 3]);
    for wire in [older, wire, newer] {
        wire.close(&mut world);
    }
    world.pass(Duration::from_secs(40));
    assert!(world.is_quiet());
}

/// The older one is kept for the sake of bytes that its client does not take.
#[test]
fn a_newer_connection_is_found_when_the_last_bytes_of_the_old_one_are_given_up() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut older = Stream::open(&mut world, &guest.target("connect", "serverSentEvents", ""));
    guest.start(&mut world);
    older.chunks(&mut world);
    let until = world.now() + Duration::from_hours(1);
    older.wire().shut_window(until);
    let long = "x".repeat(300_000);
    for _ in 0..3 {
        world.enter(0, |_: &mut Room, clients| clients.all().send("message", (&*long,)).ignore());
        world.settle();
    }
    guest.abort(&mut world);
    assert_eq!(world.sizes().1, 1, "it is still there");
    let mut newer = guest.websocket(&mut world);
    assert_eq!(world.sizes().1, 2);
    older.wire().reset(&mut world);
    world.pass(Duration::from_secs(20));
    assert_eq!(world.sizes().1, 1, "the older one is gone");
    is_found(&mut world, &mut guest, &mut newer, [1, 2]);
    newer.close(&mut world);
    world.pass(Duration::from_secs(40));
    assert!(world.is_quiet());
}
