//! Bugs that the simulator found, each in its smallest form.

use std::time::Duration;

use tickhub::protocol::websocket::{OpCode, write_masked_frame};
use tickhub::sim::{Frame, Wire, World};
use tickhub::{ConnectionOptions, HubOptions, Message, OutboxLimits, Peer, RawOptions, WebSocket};

use crate::hall::{Hall, call, guest, invoke, log};

/// Seeds 4, 5 and 10 of the first World: an answer above the soft limit paused the socket, and
/// when all of it had been sent at once nobody resumed it.
#[test]
fn regression_a_paused_socket_is_read_again_when_everything_was_sent() {
    let outbox = OutboxLimits { soft_bytes: 100, ..OutboxLimits::default() };
    let connection = ConnectionOptions { outbox, ..ConnectionOptions::default() };
    let mut world =
        World::new(1).hub_with("/hub", Hall::default, &HubOptions::default(), &connection);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Large", "[1000]"));
    assert_eq!(wire.hear(&mut world).len(), 1);
    wire.text(&mut world, &call("Say", r#"["after"]"#));
    assert_eq!(wire.unreceived(), 0, "the server reads on");
}

/// The same with default limits: one frame of more than the soft limit, sent in slices, counts
/// until its last slice has gone.
#[test]
fn regression_a_large_result_does_not_deafen_the_server() {
    let mut world = World::new(1).hub("/hub", Hall::default, &HubOptions::default());
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Large", "[1000000]"));
    let large = wire.hear(&mut world);
    assert_eq!(large.len(), 1);
    wire.text(&mut world, &invoke("2", "Echo", r#"["still there?"]"#));
    assert_eq!(wire.hear(&mut world), [r#"{"type":3,"invocationId":"2","result":"still there?"}"#]);
}

/// A ping that came while a batch was in flight waited for the next message to this client.
#[test]
fn regression_a_ping_behind_a_batch_in_flight_is_answered_when_the_batch_has_gone() {
    let mut world = World::new(1).hub("/hub", Hall::default, &HubOptions::default());
    let mut wire = guest(&mut world);
    wire.shut_window(world.now() + Duration::from_secs(2));
    wire.text(&mut world, &invoke("1", "Echo", r#"["x"]"#));
    wire.frame(&mut world, OpCode::Ping, true, b"early");
    wire.frame(&mut world, OpCode::Ping, true, b"late");
    world.pass(Duration::from_secs(1));
    assert_eq!(wire.frames(&mut world), []);
    // Nothing wakes a simulated driver when a window opens; a turn looks.
    world.pass(Duration::from_secs(1));
    let frames = wire.frames(&mut world);
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(frames[1], Frame::Pong(b"late".to_vec()), "one pong, for the newest ping");
}

/// Seed 88: a request that never ended was answered with 408, the client did not read the answer,
/// and the deadline of the request, long past, woke the shard again and again until the answer
/// had stalled for long enough: ten seconds of a whole core for one slow client.
#[test]
fn regression_an_answer_that_nobody_reads_does_not_keep_the_shard_awake() {
    let mut world = World::new(1).hub("/hub", Hall::default, &HubOptions::default());
    let mut wire = Wire::tcp(&mut world);
    wire.bytes(&mut world, b"GET /hub HTTP/1.1\r\nHost:");
    wire.shut_window(world.now() + Duration::from_secs(100));
    world.pass(Duration::from_secs(32));
    let turns = world.turns();
    world.pass(Duration::from_secs(8));
    let turns = world.turns() - turns;
    assert!(turns < 20, "{turns} turns while nothing happens");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.sizes(), (0, 0), "the answer has stalled for ten seconds");
}

/// Found by reading: of one piece a turn works through 256 messages; when the Close frame (or the
/// end of the socket) came right behind it, the rest was forgotten with the connection.
#[test]
fn regression_messages_in_front_of_the_end_are_all_heard() {
    for orderly in [true, false] {
        let mut world = World::new(1).hub("/hub", Hall::default, &HubOptions::default());
        let mut wire = guest(&mut world);
        let mut bytes = Vec::new();
        let records = format!("{}\u{1e}", call("Say", r#"["x"]"#)).repeat(500);
        for _ in 0..2 {
            write_masked_frame(&mut bytes, OpCode::Text, true, [1; 4], records.as_bytes());
        }
        if orderly {
            write_masked_frame(&mut bytes, OpCode::Close, true, [1; 4], &1000_u16.to_be_bytes());
        }
        // All of it in one receive.
        assert!(bytes.len() < 64 * 1024);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            rest = &rest[wire.offer_unheard(rest)..];
        }
        if !orderly {
            wire.shutdown(&mut world);
        }
        world.settle();
        let log = log(&mut world);
        let said = log.iter().filter(|line| *line == "said x").count();
        assert_eq!(said, 1000, "orderly: {orderly}");
        assert_eq!(log.len(), 1002, "and then it ended");
    }
}

/// Says more in `on_open` than an outbox may hold.
struct Talker;

impl WebSocket for Talker {
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        for _ in 0..3 {
            peer.send(Message::Text(&"x".repeat(600_000))).ignore();
        }
    }

    fn on_message(&mut self, _: &mut Peer<'_>, _: Message<'_>) {}
}

/// Found by reading: last words overtake what waits, and what waited was the 101 of the upgrade.
#[test]
fn regression_an_overflow_in_on_open_does_not_swallow_the_answer_to_the_upgrade() {
    let mut world = World::new(1).websocket("/talk", || Talker, &RawOptions::default());
    let mut wire = Wire::websocket(&mut world, "/talk");
    let frames = wire.frames(&mut world);
    assert_eq!(frames, [Frame::Close(Some(1000), String::new())]);
}
