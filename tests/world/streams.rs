//! Streams to the client (§3.7), and the cancellation of calls.

use std::time::Duration;

use tickhub::protocol::hub_protocol::HubProtocolKind::Json;
use tickhub::protocol::websocket::{OpCode, write_masked_frame};
use tickhub::sim::{Frame, Wire, World};
use tickhub::{ConnectionOptions, HubOptions, OutboxLimits};

use crate::flows::{Flows, detailed, in_both, log, world_with};
use crate::hall::hall;
use crate::talk::Talk;
use crate::web::{self, negotiated, polled, polling, say};

fn plain() -> HubOptions {
    HubOptions::default()
}

/// A stream call. `arguments` is JSON.
fn stream(id: &str, target: &str, arguments: &str) -> String {
    format!(r#"{{"type":4,"invocationId":"{id}","target":"{target}","arguments":{arguments}}}"#)
}

fn item(id: &str, item: impl std::fmt::Display) -> String {
    format!(r#"{{"type":2,"invocationId":"{id}","item":{item}}}"#)
}

fn end(id: &str) -> String {
    format!(r#"{{"type":3,"invocationId":"{id}"}}"#)
}

fn error(id: &str, text: &str) -> String {
    format!(r#"{{"type":3,"invocationId":"{id}","error":"{text}"}}"#)
}

fn cancel(id: &str) -> String {
    format!(r#"{{"type":5,"invocationId":"{id}"}}"#)
}

/// Tells one call and checks all of its answer.
fn is_answered(world: &mut World, talk: &mut Talk, call: &str, answer: &[String]) {
    talk.tell(world, &[call]);
    let answer: Vec<&str> = answer.iter().map(String::as_str).collect();
    talk.hears(world, &answer);
}

/// `stream-download`.
#[test]
fn cor_102_items_come_in_order_and_then_the_end() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let counted = |id: &str, n: u32| -> Vec<String> {
            (0..n).map(|number| item(id, number)).chain([end(id)]).collect()
        };
        for n in [3, 0, 100] {
            let call = stream("C", "Counter", &format!("[{n}]"));
            is_answered(&mut world, &mut talk, &call, &counted("C", n));
        }
        let words = stream("W", "Words", r#"[["a",null,""]]"#);
        let answer = [item("W", r#""a""#), item("W", "null"), item("W", r#""""#), end("W")];
        is_answered(&mut world, &mut talk, &words, &answer);
        is_answered(&mut world, &mut talk, &stream("l", "COUNTER", "[1]"), &counted("l", 1));

        talk.tell(&mut world, &[&stream("L", "LaterCounter", "[2]")]);
        talk.hears(&mut world, &[]);
        world.pass(Duration::from_millis(10));
        talk.hears(&mut world, &[&item("L", 0), &item("L", 1), &end("L")]);

        talk.tell(&mut world, &[&stream("S", "SlowCounter", "[2,30]")]);
        talk.hears(&mut world, &[]);
        world.pass(Duration::from_millis(30));
        talk.hears(&mut world, &[&item("S", 0)]);
        world.pass(Duration::from_millis(30));
        talk.hears(&mut world, &[&item("S", 1), &end("S")]);
    });
}

/// What is not seen when values are compared: null items are written, ends have no result.
#[test]
fn cor_075_076_and_086_the_bytes_of_items_and_ends() {
    let mut world = world_with(&plain());
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, &stream("1", "Words", "[[null]]"));
    assert_eq!(wire.hear(&mut world), [item("1", "null"), end("1")]);

    let mut wire = Wire::websocket(&mut world, "/hub");
    wire.text(&mut world, r#"{"protocol":"messagepack","version":1}"#);
    wire.frames(&mut world);
    // `msgpack-client-calls`: [4,{},"s","Words",[["a",null]],[]].
    let call = b"\x11\x96\x04\x80\xa1s\xa5Words\x91\x92\xa1a\xc0\x90";
    wire.frame(&mut world, OpCode::Binary, true, call);
    let heard: Vec<u8> = wire
        .frames(&mut world)
        .into_iter()
        .flat_map(|frame| match frame {
            Frame::Binary(bytes) => bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = b"\x07\x94\x02\x80\xa1s\xa1a\x06\x94\x02\x80\xa1s\xc0\x06\x94\x03\x80\xa1s\x02";
    assert_eq!(heard, expected, "{heard:02x?}");
}

/// `stream-errors`.
#[test]
fn cor_103_streams_fail_before_at_once_and_after_items() {
    let streaming = "An error occurred on the server while streaming results.";
    let invoking =
        |name: &str| format!("An unexpected error occurred invoking '{name}' on the server.");
    let failed = |name: &str| format!("Failed to invoke '{name}' due to an error on the server.");
    for (options, is_detailed) in [(plain(), false), (detailed(), true)] {
        let with = |base: String, detail: &str| {
            if is_detailed { format!("{base} {detail}") } else { base }
        };
        in_both(|protocol| {
            let mut world = world_with(&options);
            let mut talk = Talk::new(&mut world, protocol);
            let secret = |which: &str| {
                with(streaming.into(), &format!("InvalidOperationException: {which} secret"))
            };
            let binding = match protocol {
                Json => "arguments",
                _ => "argument 1",
            };
            let binding = format!(
                "InvalidDataException: Error binding {binding}. Make sure that the types of the \
                 provided values match the types of the hub method being invoked."
            );
            let count = "InvalidDataException: Invocation provides 0 argument(s) but target \
                         expects 1.";
            let never = with(invoking("StreamThrows"), "InvalidOperationException: never began");
            let null = "The value returned by the streaming method 'StreamNull' is not a \
                        ChannelReader<> or IAsyncEnumerable<>.";
            let nope = format!("{} HubException: Method does not exist.", failed("Nope"));
            let panicked = with(invoking("StreamPanics"), "Panic: planned");
            for (target, arguments, items, text) in [
                ("CounterFails", "[2]", 2, secret("stream")),
                ("CounterFails", "[0]", 0, secret("stream")),
                ("WriterFails", "[2]", 2, secret("channel")),
                ("WriterFails", "[0]", 0, secret("channel")),
                ("CounterHubFails", "[1]", 1, format!("{streaming} HubException: stream visible")),
                ("StreamThrows", "[]", 0, never),
                ("StreamNull", "[]", 0, null.into()),
                ("WriterNull", "[]", 0, null.replace("StreamNull", "WriterNull")),
                ("Nope", "[]", 0, nope),
                ("Counter", r#"["x"]"#, 0, with(failed("Counter"), &binding)),
                ("Counter", "[]", 0, with(failed("Counter"), count)),
                ("StreamPanics", "[]", 0, panicked),
            ] {
                let mut answer: Vec<String> = (0..items).map(|n| item("1", n)).collect();
                answer.push(error("1", &text));
                is_answered(&mut world, &mut talk, &stream("1", target, arguments), &answer);
            }
        });
    }
}

#[test]
fn a_panic_in_mid_stream_is_an_error_of_the_stream() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    let text = "An error occurred on the server while streaming results.";
    let answer = [item("1", 0), error("1", text)];
    is_answered(&mut world, &mut talk, &stream("1", "CounterPanics", "[1]"), &answer);
    assert_eq!(world.counters(0).panics, 1);
    // One that panics while it is dropped is cancelled all the same.
    talk.tell(&mut world, &[&stream("2", "DropPanics", "[]"), &cancel("2")]);
    talk.hears(&mut world, &[&end("2")]);
    assert_eq!(world.counters(0).panics, 2);
}

#[test]
fn an_item_that_cannot_be_written_ends_the_connection() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    talk.tell(&mut world, &[&stream("1", "Unwritable", "[]")]);
    let frames = talk.wire.frames(&mut world);
    let close =
        "{\"type\":7,\"error\":\"Connection closed with an error.\",\"allowReconnect\":true}";
    assert_eq!(frames[0], Frame::Text(format!("{close}\u{1e}")));
}

/// `stream-wrong-kind`.
#[test]
fn cor_099_the_wrong_kind_of_call() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        for (target, arguments) in
            [("Counter", "[2]"), ("counter", "[2]"), ("SlowCounter", "[1,1]")]
        {
            let call = format!(
                r#"{{"type":1,"invocationId":"1","target":"{target}","arguments":{arguments}}}"#
            );
            let name = if target == "SlowCounter" { target } else { "Counter" };
            let text = format!(
                "The client attempted to invoke the streaming '{name}' method with a \
                 non-streaming invocation."
            );
            is_answered(&mut world, &mut talk, &call, &[error("1", &text)]);
        }
        let unanswered = r#"{"type":1,"target":"Counter","arguments":[2]}"#;
        is_answered(&mut world, &mut talk, unanswered, &[]);
        for (target, arguments) in
            [("Add", "[1,2]"), ("add", "[1,2]"), ("Nothing", "[]"), ("Note", r#"["not run"]"#)]
        {
            let name = if target == "add" { "Add" } else { target };
            let text = format!(
                "The client attempted to invoke the non-streaming '{name}' method with a \
                 streaming invocation."
            );
            let call = stream("4", target, arguments);
            is_answered(&mut world, &mut talk, &call, &[error("4", &text)]);
        }
        assert_eq!(log(&mut world), [""; 0], "no method ran");
    });
}

/// `stream-cancel`.
#[test]
fn cor_104_and_105_a_cancelled_stream_ends_without_an_error() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let endless = stream("1", "Endless", r#"["one"]"#);
        is_answered(&mut world, &mut talk, &endless, &[item("1", 0)]);
        assert_eq!(log(&mut world), ["begin one"]);
        is_answered(&mut world, &mut talk, &cancel("1"), &[end("1")]);
        assert_eq!(log(&mut world), ["begin one", "cancelled one"]);
        talk.tell(&mut world, &[&cancel("1"), &cancel("unknown")]);
        talk.hears(&mut world, &[]);

        // Directly behind the call, in one piece.
        talk.tell(&mut world, &[&stream("2", "SlowCounter", "[9,9]"), &cancel("2")]);
        talk.hears(&mut world, &[&end("2")]);

        // A plain call that does not ask is not cancelled; the same id.
        let later = r#"{"type":1,"invocationId":"p","target":"Later","arguments":["done",150]}"#;
        talk.tell(&mut world, &[later, &cancel("p")]);
        world.pass(Duration::from_millis(150));
        talk.hears(&mut world, &[r#"{"type":3,"invocationId":"p","result":"done"}"#]);
        let again = [item("1", 0), end("1")];
        is_answered(&mut world, &mut talk, &stream("1", "Counter", "[1]"), &again);
        world.pass(Duration::from_secs(1));
        talk.hears(&mut world, &[]);
    });
}

#[test]
fn a_guard_of_a_cancelled_stream_can_still_speak() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    is_answered(&mut world, &mut talk, &stream("1", "Farewell", "[]"), &[]);
    let goodbye = r#"{"type":1,"target":"goodbye","arguments":[]}"#.to_owned();
    is_answered(&mut world, &mut talk, &cancel("1"), &[end("1"), goodbye]);
}

/// Found by the official client: a method that was called has begun, however soon it is cancelled.
#[test]
fn regression_a_stream_that_is_cancelled_in_one_piece_with_its_call_has_begun() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    talk.tell(&mut world, &[&stream("1", "Farewell", "[]"), &cancel("1")]);
    let goodbye = r#"{"type":1,"target":"goodbye","arguments":[]}"#.to_owned();
    talk.hears(&mut world, &[&end("1"), &goodbye]);
}

#[test]
fn a_cooperative_stream_hears_of_its_cancellation_and_ends_by_itself() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    let call = stream("1", "Stubborn", "[]");
    is_answered(&mut world, &mut talk, &call, &[item("1", 0)]);
    is_answered(&mut world, &mut talk, &cancel("1"), &[]);
    assert_eq!(log(&mut world), [""; 0]);
    world.pass(Duration::from_millis(50));
    talk.hears(&mut world, &[&end("1")]);
    assert_eq!(log(&mut world), ["ended"]);

    // When the connection is gone it still ends.
    is_answered(&mut world, &mut talk, &call, &[item("1", 0)]);
    talk.wire.close(&mut world);
    world.pass(Duration::from_millis(50));
    assert_eq!(log(&mut world), ["ended", "disconnected", "ended"]);
}

/// A plain call that asks hears of its cancellation.
#[test]
fn a_plain_call_can_ask_whether_it_is_cancelled() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let call = r#"{"type":1,"invocationId":"1","target":"UntilCancelled","arguments":[]}"#;
        is_answered(&mut world, &mut talk, call, &[]);
        is_answered(&mut world, &mut talk, &cancel("2"), &[]);
        let result = r#"{"type":3,"invocationId":"1","result":"cancelled"}"#;
        is_answered(&mut world, &mut talk, &cancel("1"), &[result.into()]);
        // The end of the connection is a cancellation too.
        is_answered(&mut world, &mut talk, call, &[]);
        talk.wire.reset(&mut world);
        world.settle();
        assert_eq!(log(&mut world), ["cancelled", "disconnected", "cancelled"]);
    });
}

#[test]
fn within_gives_up_in_time_and_post_waits_for_nothing() {
    let mut world = world_with(&detailed());
    let mut talk = Talk::new(&mut world, Json);
    for (ms, limit) in [(10, 20), (20, 10)] {
        let call = format!(
            r#"{{"type":1,"invocationId":"1","target":"Within","arguments":[{ms},{limit}]}}"#
        );
        talk.tell(&mut world, &[&call]);
        talk.hears(&mut world, &[]);
        world.pass(Duration::from_millis(10));
        talk.hears(
            &mut world,
            &[&if ms < limit {
                r#"{"type":3,"invocationId":"1","result":"in time"}"#.to_owned()
            } else {
                let base = "An unexpected error occurred invoking 'Within' on the server.";
                error("1", &format!("{base} TimeoutException: The operation has timed out."))
            }],
        );
    }
    let call = r#"{"type":1,"invocationId":"1","target":"Post","arguments":[]}"#;
    let result = r#"{"type":3,"invocationId":"1","result":null}"#.to_owned();
    let posted = r#"{"type":1,"target":"posted","arguments":[]}"#.to_owned();
    is_answered(&mut world, &mut talk, call, &[result, posted]);
    assert_eq!(log(&mut world), ["posted"]);
}

/// `stream-same-id`.
#[test]
fn cor_106_an_id_in_use_is_refused_and_the_first_stream_goes_on() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let (slow, quick) = (stream("1", "SlowCounter", "[2,150]"), stream("1", "Counter", "[2]"));
        talk.tell(&mut world, &[&slow, &quick]);
        talk.hears(&mut world, &[&error("1", "Invocation ID '1' is already in use.")]);
        world.pass(Duration::from_millis(300));
        talk.hears(&mut world, &[&item("1", 0), &item("1", 1), &end("1")]);
        assert_eq!(log(&mut world), [""; 0], "the second method did not run");
        is_answered(
            &mut world,
            &mut talk,
            &stream("1", "Counter", "[1]"),
            &[item("1", 0), end("1")],
        );
        let later = r#"{"type":1,"invocationId":"9","target":"Later","arguments":["x",150]}"#;
        talk.tell(&mut world, &[later, &stream("9", "Counter", "[1]")]);
        talk.hears(&mut world, &[&item("9", 0), &end("9")]);
        world.pass(Duration::from_millis(150));
        talk.hears(&mut world, &[r#"{"type":3,"invocationId":"9","result":"x"}"#]);
    });
}

/// `stream-and-disconnect`.
#[test]
fn cor_112_streams_end_with_their_connection() {
    let ends: [fn(&mut World, Talk); 4] = [
        |world, mut talk| talk.wire.close_frame(world, 1000, ""),
        |world, talk| talk.wire.close(world),
        |world, mut talk| talk.wire.reset(world),
        |world, mut talk| talk.tell(world, &[r#"{"type":3,"invocationId":""}"#]),
    ];
    for end in ends {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, Json);
        let calls = [stream("1", "Endless", r#"["x"]"#), stream("2", "Endless", r#"["y"]"#)];
        talk.tell(&mut world, &[&calls[0], &calls[1]]);
        talk.hears(&mut world, &[&item("1", 0), &item("2", 0)]);
        end(&mut world, talk);
        world.settle();
        let expected = ["begin x", "begin y", "cancelled x", "cancelled y", "disconnected"];
        assert_eq!(log(&mut world), expected);
    }
}

#[test]
fn one_stream_too_many_is_refused() {
    let options = HubOptions { maximum_streams_per_client: 3, ..plain() };
    let mut world = world_with(&options);
    let mut talk = Talk::new(&mut world, Json);
    let slow = |id| stream(id, "SlowCounter", "[1,1000]");
    let shout =
        r#"{"type":4,"invocationId":"b","target":"Shout","arguments":[],"streamIds":["u"]}"#;
    is_answered(&mut world, &mut talk, &slow("a"), &[]);
    is_answered(&mut world, &mut talk, shout, &[]);
    let text = "An unexpected error occurred invoking 'SlowCounter' on the server. HubException: \
                A client may have at most 3 streams at a time.";
    is_answered(&mut world, &mut talk, &slow("c"), &[error("c", text)]);
    // Another client has streams of its own, and so has this one when one has ended.
    let mut other = Talk::new(&mut world, Json);
    is_answered(&mut world, &mut other, &slow("c"), &[]);
    is_answered(&mut world, &mut talk, &cancel("a"), &[end("a")]);
    is_answered(&mut world, &mut talk, &slow("c"), &[]);
}

/// A client that reads slowly holds up its stream, and nothing else.
#[test]
fn a_stream_waits_for_its_client_and_goes_on_when_bytes_were_sent() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let until = world.now() + Duration::from_secs(5);
        talk.wire.shut_window(until);
        talk.tell(&mut world, &[&stream("1", "Blocks", "[1000,1000]")]);
        let taken = log(&mut world).len();
        let limits = OutboxLimits::default();
        let most = (limits.soft_bytes / 2 + network_bytes()) / 1000;
        assert!((100..=most).contains(&taken), "{taken} items were taken, {most} at most");
        // Others are served, and so is this one's input.
        let mut other = Talk::new(&mut world, protocol);
        is_answered(
            &mut world,
            &mut other,
            &stream("o", "Counter", "[1]"),
            &[item("o", 0), end("o")],
        );
        talk.tell(&mut world, &[r#"{"type":1,"target":"Note","arguments":["heard"]}"#]);
        assert_eq!(log(&mut world).last().map(String::as_str), Some("heard"));
        world.pass(Duration::from_secs(5));
        let heard = read_slowly(&mut world, &mut talk);
        assert_eq!(heard, 1001, "all items and the end");
        assert_eq!(world.counters(0).too_slow, 0);
    });
}

/// What the simulated network itself holds of one direction.
fn network_bytes() -> usize {
    64 * 1024
}

/// Reads until nothing comes; how many messages came.
fn read_slowly(world: &mut World, talk: &mut Talk) -> usize {
    let mut count = 0;
    loop {
        let heard = talk.hear(world).len();
        count += heard;
        if heard == 0 {
            return count;
        }
        world.pass(Duration::from_millis(10));
    }
}

#[test]
fn a_stream_that_waits_for_its_client_can_be_cancelled() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    talk.wire.shut_window(world.now() + Duration::from_secs(5));
    talk.tell(&mut world, &[&stream("1", "Blocks", "[1000,1000]")]);
    let taken = log(&mut world).len();
    talk.tell(&mut world, &[&cancel("1")]);
    assert_eq!(log(&mut world).last().map(String::as_str), Some("blocks dropped"));
    world.pass(Duration::from_secs(5));
    let heard = read_slowly(&mut world, &mut talk);
    assert_eq!(heard, taken + 1, "what was taken, and the end");
}

/// Items that are larger than half of what may wait are sent one by one.
#[test]
fn large_items_wait_until_there_is_room_for_them() {
    let connection = ConnectionOptions {
        outbox: OutboxLimits { soft_bytes: 20_000, hard_bytes: 30_000, ..OutboxLimits::default() },
        ..ConnectionOptions::default()
    };
    for bytes in [5_000, 25_000, 29_999, 30_000, 100_000] {
        let mut world = World::new(1).hub_with("/hub", Flows::default, &plain(), &connection);
        let mut talk = Talk::new(&mut world, Json);
        talk.wire.shut_window(world.now() + Duration::from_secs(5));
        talk.tell(&mut world, &[&stream("1", "Blocks", &format!("[20,{bytes}]"))]);
        world.pass(Duration::from_secs(5));
        assert_eq!(read_slowly(&mut world, &mut talk), 21, "{bytes} bytes each");
        assert_eq!(world.counters(0).too_slow, 0);
    }
}

/// A ready stream of a million items shares the shard: each turn takes a bounded number.
#[test]
fn an_endless_supply_of_items_does_not_hold_up_a_shard() {
    let mut world = World::new(1).hub_with(
        "/hub",
        Flows::default,
        &HubOptions { maximum_streams_per_client: 1000, ..plain() },
        &ConnectionOptions {
            outbox: OutboxLimits {
                soft_bytes: 100_000_000,
                hard_bytes: 200_000_000,
                ..OutboxLimits::default()
            },
            ..ConnectionOptions::default()
        },
    );
    let mut talks: Vec<Talk> = (0..20).map(|_| Talk::new(&mut world, Json)).collect();
    let mut piece = Vec::new();
    let record = format!("{}\u{1e}", stream("1", "Blocks", "[100000,1]"));
    write_masked_frame(&mut piece, OpCode::Text, true, [1; 4], record.as_bytes());
    for talk in &mut talks {
        talk.wire.offer_unheard(&piece);
    }
    let mut taken = 0;
    for _ in 0..20 {
        world.turn(0).expect("all is well");
        let now = log(&mut world).len();
        assert!(now - taken <= 4096, "{} items in one turn", now - taken);
        taken = now;
    }
    assert!(taken > 10_000, "{taken}");
}

/// What waits for a client without a poll, or one that reads its event stream slowly, is bounded.
#[test]
fn streams_over_other_transports_wait_for_their_clients() {
    let blocks = stream("1", "Blocks", "[1000,1000]");
    let whole = OutboxLimits::default().soft_bytes / 2 + 2_000;

    let mut world = hall();
    let target = polling(&mut world);
    say(&mut world, &target, &blocks);
    world.pass(Duration::from_secs(1));
    let mut all = String::new();
    let mut polls = 0;
    while !all.ends_with(&format!("{}\u{1e}", end("1"))) {
        let body = polled(&mut world, &target).body;
        assert!(body.len() <= whole, "{} bytes waited", body.len());
        all += &body;
        polls += 1;
    }
    assert!(polls > 5, "{polls} polls");
    assert_eq!(all.split_terminator('\u{1e}').count(), 1001);

    let target = negotiated(&mut world);
    let mut events = web::Stream::hub(&mut world, &target);
    let until = world.now() + Duration::from_secs(5);
    events.wire().shut_window(until);
    say(&mut world, &target, &blocks);
    say(&mut world, &target, &stream("2", "Counter", "[1]"));
    world.pass(Duration::from_secs(5));
    let mut heard = Vec::new();
    while heard.len() < 1003 {
        let more = events.hear(&mut world);
        assert!(!more.is_empty(), "{} of 1003 came", heard.len());
        heard.extend(more);
    }
    let of = |id| heard.iter().filter(|record| record.contains(id)).count();
    assert_eq!((of(r#""invocationId":"1""#), of(r#""invocationId":"2""#)), (1001, 2));
}
