//! The steady state allocates nothing: counted by an allocator of this test's own, and only while
//! the engine works. The simulated network and the clients around it do not count.
//!
//! What is counted is counted for each thread, so that tests do not disturb each other.

#[path = "support/deflate.rs"]
mod deflate;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use tickhub::protocol::hub_protocol::{HubProtocolKind, ToArguments};
use tickhub::protocol::websocket::{OpCode, write_masked_frame};
use tickhub::sim::{Frame, Wire, World};
use tickhub::{
    Call, Compression, ConnectionOptions, Context, Hub, HubOptions, Message, Methods, Peer,
    RawOptions, StreamWriter, Text, Upload, WebSocket, iter,
};

struct Counting;

thread_local! {
    static IS_COUNTING: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes that were allocated and not freed meanwhile, and the most there were.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    // Fails only while the thread ends, when nobody counts any more.
    let _ = IS_COUNTING.try_with(|counting| {
        if counting.get() {
            let _ = COUNT.try_with(|count| count.set(count.get() + 1));
            resize(bytes);
        }
    });
}

fn discount(bytes: i64) {
    let _ = IS_COUNTING.try_with(|counting| {
        if counting.get() {
            resize(-bytes);
        }
    });
}

fn resize(bytes: i64) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn size(layout: Layout) -> i64 {
    i64::try_from(layout.size()).expect("a layout has at most isize::MAX bytes")
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        discount(size(layout));
        // SAFETY: the caller keeps to the contract of `dealloc`, and the memory is the system's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(i64::try_from(bytes).unwrap_or(i64::MAX) - size(layout));
        // SAFETY: the caller keeps to the contract of `realloc`, and the memory is the system's.
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations in the engine while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    COUNT.set(0);
    work();
    COUNT.get()
}

/// The most memory that the engine takes on while `work` runs.
fn peak(work: impl FnOnce()) -> i64 {
    LIVE.set(0);
    PEAK.set(0);
    work();
    PEAK.get()
}

struct Steady;

impl Hub for Steady {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on("Echo", |_: &mut Self, _: &mut Context<Self>, n: i64| n)
            .on("EchoText", echo_text)
            .on("EchoOwned", |_: &mut Self, _: &mut Context<Self>, text: String| text)
            .on("Move", |_: &mut Self, context: &mut Context<Self>, x: f64, y: f64| {
                context.group("room").send("moved", (x, y)).ignore();
            })
            .on("Nothing", |_: &mut Self, _: &mut Context<Self>| {})
            .stream("Count", |_: &mut Self, _: &mut Context<Self>, n: u64| iter(0..n))
            .stream_async("Write", async |_: Call<Self>, mut writer: StreamWriter<u64>, n: u64| {
                for number in 0..n {
                    writer.send(number).await;
                }
            })
            .on_async("Sum", async |_: Call<Self>, mut items: Upload<u64>| {
                let mut sum = 0;
                while let Ok(Some(item)) = items.next().await {
                    sum += item;
                }
                sum
            })
            .on_async("Later", async |call: Call<Self>| call.sleep(Duration::from_secs(1)).await)
            .on("Join", |_: &mut Self, context: &mut Context<Self>| context.join("room").is_ok());
    }
}

/// A text goes back without a copy: as a call, because a result outlives its arguments.
fn echo_text(_: &mut Steady, context: &mut Context<Steady>, text: Text) {
    context.caller().send("echo", (text,)).ignore();
}

struct Topic;

impl WebSocket for Topic {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        peer.send(message).ignore();
    }
}

fn text(record: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    let record = format!("{record}\u{1e}");
    write_masked_frame(&mut frame, OpCode::Text, true, [5, 6, 7, 8], record.as_bytes());
    frame
}

fn packed_call(id: Option<&str>, method: &str, arguments: &impl ToArguments) -> Vec<u8> {
    let (mut record, mut frame) = (Vec::new(), Vec::new());
    let packed = HubProtocolKind::MessagePack;
    packed.write_invocation(&mut record, id, method, arguments).expect("written");
    write_masked_frame(&mut frame, OpCode::Binary, true, [5, 6, 7, 8], &record);
    frame
}

/// A frame with a compressed message that refers to nothing before it.
fn deflated(message: &[u8]) -> Vec<u8> {
    let payload = deflate::Peer::default().deflate(message);
    let mut frame = Vec::new();
    write_masked_frame(&mut frame, OpCode::Text, true, [5, 6, 7, 8], &payload);
    frame[0] |= 0x40;
    frame
}

fn world() -> World {
    let hub = HubOptions::default();
    let compression = Some(Compression::default());
    let connection =
        ConnectionOptions { compression: compression.clone(), ..ConnectionOptions::default() };
    let mut world = World::new(1)
        .hub("/hub", || Steady, &hub)
        .hub_with("/hub/deflate", || Steady, &hub, &connection)
        .websocket("/raw", || Topic, &RawOptions::default())
        .websocket("/raw/deflate", || Topic, &RawOptions { compression, ..RawOptions::default() });
    world.watch(|counting| IS_COUNTING.set(counting));
    world
}

/// Each of `frames` in turn, so often, with a turn of the server and a look at the answer.
fn exchange(world: &mut World, wire: &mut Wire, frames: &[Vec<u8>], times: usize) {
    for index in 0..times {
        wire.bytes(world, &frames[index % frames.len()]);
        assert!(!wire.frames(world).is_empty(), "it is answered");
        if index % 100 == 0 {
            // Time goes on, with alarms that are moved and ring.
            world.pass(Duration::from_millis(200));
        }
    }
}

#[test]
fn the_steady_state_allocates_nothing() {
    let mut world = world();

    let mut wire = Wire::hub(&mut world, "/hub");
    let echoes = [
        text(r#"{"type":1,"invocationId":"1","target":"Echo","arguments":[42]}"#),
        text(r#"{"arguments":["plain and \"escaped\" \u00e9"],"target":"EchoText","type":1}"#),
    ];
    exchange(&mut world, &mut wire, &echoes, 1_000);
    // The first pings belong to the warm-up.
    world.pass(Duration::from_secs(40));
    exchange(&mut world, &mut wire, &echoes, 1_000);
    let counted = allocations(|| exchange(&mut world, &mut wire, &echoes, 10_000));
    assert_eq!(counted, 0, "10 000 calls");

    // A method that owns its text pays for it, and this test sees it.
    let owned = [text(r#"{"type":1,"invocationId":"1","target":"EchoOwned","arguments":["x"]}"#)];
    let counted = allocations(|| exchange(&mut world, &mut wire, &owned, 100));
    assert_eq!(counted, 100, "one text for each of 100 calls");

    // The same calls in MessagePack.
    let mut packed = Wire::websocket(&mut world, "/hub");
    packed.bytes(&mut world, &text(r#"{"protocol":"messagepack","version":1}"#));
    assert!(!packed.frames(&mut world).is_empty(), "the handshake is answered");
    let calls =
        [packed_call(Some("1"), "Echo", &(42,)), packed_call(None, "EchoText", &("plain and ü",))];
    exchange(&mut world, &mut packed, &calls, 1_000);
    world.pass(Duration::from_secs(40));
    exchange(&mut world, &mut packed, &calls, 1_000);
    let counted = allocations(|| exchange(&mut world, &mut packed, &calls, 10_000));
    assert_eq!(counted, 0, "10 000 calls in MessagePack");

    let mut raw = Wire::websocket(&mut world, "/raw");
    let mut messages = [Vec::new(), Vec::new()];
    write_masked_frame(&mut messages[0], OpCode::Text, true, [1; 4], "héllo".as_bytes());
    write_masked_frame(&mut messages[1], OpCode::Binary, true, [1; 4], &[7; 300]);
    exchange(&mut world, &mut raw, &messages, 1_000);
    let counted = allocations(|| exchange(&mut world, &mut raw, &messages, 10_000));
    assert_eq!(counted, 0, "10 000 messages of a plain WebSocket");

    // Compressed, with windows that are kept and with windows that are not.
    let line = deflated(&b"the same again, and ".repeat(10));
    for offer in ["", "; client_no_context_takeover; server_no_context_takeover"] {
        let offer = format!("permessage-deflate{offer}");
        let headers = [("Sec-WebSocket-Extensions", offer.as_str())];
        let mut wire = Wire::websocket_with(&mut world, "/raw/deflate", &headers);
        wire.bytes(&mut world, &line);
        let frames = wire.frames(&mut world);
        let [Frame::Compressed(_, payload)] = frames.as_slice() else { panic!("{frames:?}") };
        assert_eq!(deflate::Peer::default().inflate(payload).len(), 200);
        let frames = std::slice::from_ref(&line);
        exchange(&mut world, &mut wire, frames, 1_000);
        let counted = allocations(|| exchange(&mut world, &mut wire, frames, 10_000));
        assert_eq!(counted, 0, "10 000 compressed messages, {offer}");
    }

    // 6 MB of calls behind one that takes its time: what is not called yet stays compressed.
    let headers = [("Sec-WebSocket-Extensions", "permessage-deflate")];
    let mut busy = Wire::websocket_with(&mut world, "/hub/deflate", &headers);
    busy.bytes(&mut world, &text(r#"{"protocol":"json","version":1}"#));
    busy.bytes(
        &mut world,
        &text(r#"{"type":1,"invocationId":"1","target":"Later","arguments":[]}"#),
    );
    let pad = "y".repeat(1_000);
    let nothing = format!(r#"{{"type":1,"target":"Nothing","arguments":[],"pad":"{pad}"}}"#);
    let nothing = format!("{nothing}\u{1e}").repeat(85);
    let bomb = deflated(nothing.as_bytes()).repeat(70);
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    assert!(nothing.len() * 70 > 5_900_000);
    let most = peak(|| {
        busy.bytes(&mut world, &bomb);
        world.pass(Duration::from_millis(500));
    });
    assert!(most < 1 << 20, "{most} bytes");
    world.pass(Duration::from_secs(1));
    busy.bytes(
        &mut world,
        &text(r#"{"type":1,"invocationId":"2","target":"Echo","arguments":[1]}"#),
    );
    assert_eq!(busy.frames(&mut world).len(), 3, "handshake and two results: all were called");

    let mut room: Vec<Wire> = (0..100).map(|_| Wire::hub(&mut world, "/hub")).collect();
    let join = text(r#"{"type":1,"target":"Join","arguments":[]}"#);
    for member in &mut room {
        member.bytes(&mut world, &join);
    }
    let moves = text(r#"{"type":1,"target":"Move","arguments":[0.5,-17.25]}"#);
    let broadcast = |world: &mut World, room: &mut [Wire], times: usize| {
        for index in 0..times {
            let sender = index % room.len();
            room[sender].bytes(world, &moves);
            if index % 10 == 0 {
                // Several wait together and leave as one batch, which is built once.
                world.pass(Duration::from_millis(50));
            }
            let heard = room.iter_mut().map(|member| member.frames(world).len()).min();
            assert!(heard >= Some(1), "everybody hears it");
        }
    };
    broadcast(&mut world, &mut room, 200);
    let counted = allocations(|| broadcast(&mut world, &mut room, 1_000));
    assert_eq!(counted, 0, "1 000 broadcasts to 100 connections");

    // And with both protocols in one room.
    packed.bytes(&mut world, &packed_call(None, "Join", &()));
    room.push(packed);
    let senders = room.len() - 1;
    let mixed = |world: &mut World, room: &mut [Wire], times: usize| {
        for index in 0..times {
            room[index % senders].bytes(world, &moves);
            let heard = room.iter_mut().map(|member| member.frames(world).len()).min();
            assert!(heard >= Some(1), "everybody hears it");
        }
    };
    mixed(&mut world, &mut room, 300);
    let counted = allocations(|| mixed(&mut world, &mut room, 1_000));
    assert_eq!(counted, 0, "1 000 broadcasts in two protocols");
}

/// A stream costs something when it begins, and its items nothing.
#[test]
fn items_of_streams_allocate_nothing() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    for method in ["Count", "Write"] {
        let stream = |items: u32| {
            let id = r#""invocationId":"1""#;
            [text(&format!(r#"{{"type":4,{id},"target":"{method}","arguments":[{items}]}}"#))]
        };
        exchange(&mut world, &mut wire, &stream(1_000), 200);
        let few = allocations(|| exchange(&mut world, &mut wire, &stream(1), 100));
        let many = allocations(|| exchange(&mut world, &mut wire, &stream(1_000), 100));
        assert_eq!(few, many, "100 streams of 1 item and of 1 000 ({method})");
        assert!(few <= 100 * ALLOCATIONS_OF_A_STREAM, "{few} for 100 streams ({method})");
    }
    let id = r#""invocationId":"2""#;
    let call = format!(r#"{{"type":1,{id},"target":"Sum","arguments":[],"streamIds":["u"]}}"#);
    wire.bytes(&mut world, &text(&call));
    let item = text(r#"{"type":2,"invocationId":"u","item":7}"#);
    let upload = |world: &mut World, wire: &mut Wire| {
        for _ in 0..1_000 {
            wire.bytes(world, &item);
        }
    };
    upload(&mut world, &mut wire);
    world.pass(Duration::from_secs(40));
    let counted = allocations(|| upload(&mut world, &mut wire));
    assert_eq!(counted, 0, "1 000 items of an upload");
    wire.bytes(&mut world, &text(r#"{"type":3,"invocationId":"u"}"#));
    let heard = format!("{:?}", wire.frames(&mut world));
    assert!(heard.contains("14000"), "{heard}");
}

/// The task, its waker, what it shares with its call, the id, and what the method itself makes.
const ALLOCATIONS_OF_A_STREAM: u64 = 10;
