//! Slow clients, floods, and time.

use std::time::Duration;

use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{Clients, ConnectionOptions, Context, Hub, HubOptions, Methods, OutboxLimits};

use crate::hall::{Hall, call, guest, hall, invoke, log};

fn with_outbox(soft_bytes: usize, hard_bytes: usize) -> World {
    let outbox = OutboxLimits { soft_bytes, hard_bytes, ..OutboxLimits::default() };
    let connection = ConnectionOptions { outbox, ..ConnectionOptions::default() };
    let options = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    World::new(1).hub_with("/hub", Hall::default, &options, &connection)
}

#[test]
fn above_the_soft_limit_the_client_is_not_read() {
    let mut world = with_outbox(1000, 100_000);
    let mut wire = guest(&mut world);
    wire.shut_window(world.now() + Duration::from_secs(5));
    wire.text(&mut world, &invoke("1", "Large", "[2000]"));
    wire.text(&mut world, &call("Say", r#"["behind"]"#));
    assert!(wire.unreceived() > 0);
    assert_eq!(log(&mut world), ["connected"]);
    // Nothing wakes a simulated driver when a window opens; a turn looks.
    world.pass(Duration::from_secs(5));
    wire.hear(&mut world);
    assert_eq!(wire.unreceived(), 0);
    assert_eq!(log(&mut world), ["connected", "said behind"]);
}

#[test]
fn above_the_hard_limit_the_client_is_let_go_with_the_reason() {
    let mut world = with_outbox(1_000_000, 10_000);
    let mut wire = guest(&mut world);
    wire.shut_window(world.now() + Duration::from_secs(3));
    for id in ["1", "2", "3"] {
        wire.text(&mut world, &invoke(id, "Large", "[4000]"));
    }
    assert_eq!(world.counters(0).too_slow, 1);
    world.pass(Duration::from_secs(3));
    let frames = wire.frames(&mut world);
    let [Frame::Text(first), Frame::Text(last), end] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert!(first.len() > 4000, "what was begun is finished");
    let error = "Connection closed with an error. OperationCanceledException: The client reads \
                 too slowly: more bytes wait for it than allowed.";
    assert_eq!(
        *last,
        format!("{{\"type\":7,\"error\":\"{error}\",\"allowReconnect\":true}}\u{1e}")
    );
    assert_eq!(*end, Frame::Close(Some(1000), String::new()));
}

#[test]
fn one_message_larger_than_the_hard_limit_passes_alone() {
    let mut world = with_outbox(1_000, 10_000);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Large", "[200000]"));
    assert_eq!(wire.hear(&mut world)[0].len(), 200_041);
}

#[test]
fn a_flood_of_pings_behind_a_full_socket_is_answered_with_one_pong() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.shut_window(world.now() + Duration::from_secs(1));
    wire.text(&mut world, &invoke("1", "Add", "[1,2]"));
    for number in 0..5_000_u64 {
        wire.frame(&mut world, OpCode::Ping, true, &number.to_be_bytes());
    }
    world.pass(Duration::from_secs(1));
    let frames = wire.frames(&mut world);
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1], Frame::Pong(4_999_u64.to_be_bytes().to_vec()));
}

#[test]
fn a_busy_hub_bounds_what_waits_for_it() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Later", r#"["slow",5000]"#));
    let record = format!("{}\u{1e}", call("Say", &format!("[\"{}\"]", "x".repeat(1000))));
    let mut frame = Vec::new();
    tickhub::protocol::websocket::write_masked_frame(
        &mut frame,
        OpCode::Text,
        true,
        [1; 4],
        record.as_bytes(),
    );
    // 64 KiB for the hub, as much for the driver's last receive, and the window of the socket.
    let mut taken = 0;
    while wire.offer(&mut world, &frame) == frame.len() {
        taken += frame.len();
        assert!(taken < 64 * 1024 * 4, "it takes everything");
    }
    assert!(wire.unreceived() > 0);
    world.pass(Duration::from_secs(5));
    assert_eq!(wire.unreceived(), 0, "it reads on when the hub has time");
}

#[test]
fn requests_in_front_of_the_end_are_all_answered() {
    let mut world = hall();
    let mut wire = Wire::tcp(&mut world);
    let request = b"POST /hub/negotiate HTTP/1.1\r\nHost: sim\r\nContent-Length: 0\r\n\r\n";
    let count = 1000;
    let all = request.repeat(count);
    wire.shut_window(world.now() + Duration::from_secs(1));
    wire.bytes(&mut world, &all);
    wire.shutdown(&mut world);
    world.pass(Duration::from_secs(1));
    let mut text = String::new();
    while wire.read_text(&mut world, &mut text) {
        world.settle();
    }
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), count);
}

/// Counts its ticks.
#[derive(Debug, Default)]
struct Ticker {
    ticks: u64,
}

impl Hub for Ticker {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods
            .every(PERIOD, |hub: &mut Self, clients: &mut Clients<'_>| {
                hub.ticks += 1;
                clients.all().send("tick", (hub.ticks,)).ignore();
            })
            .on("Ticks", |hub: &mut Self, _: &mut Context<Self>| hub.ticks);
    }
}

const PERIOD: Duration = Duration::from_millis(16);

fn ticks(world: &mut World) -> u64 {
    world.enter(0, |hub: &mut Ticker, _| hub.ticks)
}

#[test]
fn a_timer_does_not_drift() {
    let mut world = World::new(1).hub("/t", Ticker::default, &HubOptions::default());
    // Turns at odd moments must not move the ticks.
    for _ in 0..100_000 {
        world.pass(Duration::from_micros(700));
    }
    assert_eq!(ticks(&mut world), 70_000 / 16);
}

#[test]
fn d8_a_shard_that_stood_still_ticks_once_and_keeps_its_beat() {
    let mut world = World::new(1).hub("/t", Ticker::default, &HubOptions::default());
    let mut wire = Wire::hub(&mut world, "/t");
    let stall = world.now() + Duration::from_millis(1600 + 7);
    world.set_now(stall);
    world.settle();
    assert_eq!(ticks(&mut world), 1, "one catch-up tick");
    assert_eq!(wire.hear(&mut world).len(), 1);
    world.pass(Duration::from_millis(8));
    assert_eq!(ticks(&mut world), 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(ticks(&mut world), 2, "the beat is that of before");
}

#[test]
fn d8_a_stall_of_a_minute_disconnects_nobody_who_spoke_meanwhile() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    wire.text(&mut world, r#"{"type":6}"#);
    // The process is stopped for a minute; the client's pings wait in the socket.
    let mut frame = Vec::new();
    let ping = b"{\"type\":6}\x1e";
    tickhub::protocol::websocket::write_masked_frame(&mut frame, OpCode::Text, true, [1; 4], ping);
    world.set_now(world.now() + Duration::from_mins(1));
    wire.bytes(&mut world, &frame);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.sizes().1, 1);
}
