//! Bugs that the simulator found, each in its smallest form.

use std::time::Duration;

use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, World};
use tickhub::{ConnectionOptions, HubOptions, OutboxLimits};

use crate::hall::{Hall, call, guest, invoke};

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
