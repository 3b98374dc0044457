//! Event streams, COR-044 to COR-049.

use std::time::Duration;

use tickhub::sim::{Wire, World};
use tickhub::{ConnectionOptions, HubOptions, OutboxLimits};

use crate::hall::{ARRIVED, HERE, Hall, call, guest, hall, invoke, log, result};
use crate::web::{HANDSHAKE, Stream, negotiated, post, say};

#[test]
fn cor_044_the_head_and_the_first_three_bytes() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::open(&mut world, &target);
    assert_eq!(
        stream.head.split("\r\n").collect::<Vec<_>>(),
        [
            "HTTP/1.1 200 OK",
            "Transfer-Encoding: chunked",
            "Content-Type: text/event-stream",
            "Cache-Control: no-cache,no-store",
            "Pragma: no-cache",
            "Content-Encoding: identity",
        ]
    );
    assert_eq!(stream.chunks(&mut world), [":\r\n"]);
}

#[test]
fn cor_045_one_event_for_each_message() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::open(&mut world, &target);
    post(&mut world, &target, HANDSHAKE);
    assert_eq!(stream.chunks(&mut world)[1..].concat(), {
        format!("data: {{}}\u{1e}\r\n\r\ndata: {ARRIVED}\u{1e}\r\n\r\n")
    });
    say(&mut world, &target, &invoke("1", "Echo", r#"["a\r\nb"]"#));
    assert_eq!(stream.hear(&mut world), [result("1", r#""a\r\nb""#)]);
    say(&mut world, &target, &invoke("2", "Transport", "[]"));
    assert_eq!(stream.hear(&mut world), [result("2", r#""ServerSentEvents""#)]);
    say(&mut world, &target, &invoke("3", "Large", "[300000]"));
    assert_eq!(stream.hear(&mut world)[0].len(), 300_041);
}

#[test]
fn cor_048_a_dropped_stream_is_noticed_at_once() {
    for reset in [false, true] {
        let mut world = hall();
        let target = negotiated(&mut world);
        let mut stream = Stream::hub(&mut world, &target);
        if reset {
            stream.wire().reset(&mut world);
        } else {
            stream.close(&mut world);
        }
        assert_eq!(log(&mut world), ["connected", "the transport was lost; 0 in the hall"]);
        assert_eq!(post(&mut world, &target, "x").head.status(), 404);
        assert!(world.is_quiet());
    }
}

#[test]
fn cor_049_the_accept_header_chooses() {
    for (accept, is_stream) in [
        ("text/event-stream", true),
        ("TEXT/Event-Stream", true),
        ("text/event-stream, */*", true),
        ("text/html, text/event-stream", true),
        ("text/event-stream;q=0.5", false),
        ("*/*", false),
        ("Text", false),
        ("", false),
    ] {
        let mut world = hall();
        let target = negotiated(&mut world);
        let mut wire = Wire::tcp(&mut world);
        wire.ask(&mut world, "GET", &target, &[("Accept", accept)], b"");
        let mut text = String::new();
        wire.read_text(&mut world, &mut text);
        assert!(text.starts_with("HTTP/1.1 200 "), "{accept}: {text}");
        assert_eq!(text.contains("Content-Type: text/event-stream"), is_stream, "{accept}");
    }
}

#[test]
fn an_abort_is_a_close_message_and_the_last_chunk() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::hub(&mut world, &target);
    say(&mut world, &target, &call("Abort", "[]"));
    assert_eq!(stream.chunks(&mut world), ["data: {\"type\":7}\u{1e}\r\n\r\n", ""]);
    assert_eq!(log(&mut world)[1..], ["aborted by the hub; 0 in the hall"]);
    assert_eq!(post(&mut world, &target, "x").head.status(), 404);
    // The socket speaks HTTP again.
    let answer = stream.wire().request(&mut world, "GET", "/hub");
    assert_eq!((answer.head.status(), answer.body.as_str()), (400, "Connection ID required"));
    stream.close(&mut world);
    assert!(world.is_quiet());
}

#[test]
fn cor_119_a_drain_sends_event_streams_away() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::hub(&mut world, &target);
    world.drain(Duration::from_secs(5));
    world.pass(Duration::from_millis(200));
    assert_eq!(
        stream.chunks(&mut world),
        ["data: {\"type\":7,\"allowReconnect\":true}\u{1e}\r\n\r\n", ""]
    );
    stream.close(&mut world);
    world.pass(Duration::from_secs(1));
    assert!(world.is_drained());
}

#[test]
fn a_refused_handshake_is_told_and_ends_the_stream() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::open(&mut world, &target);
    post(&mut world, &target, "{\"protocol\":\"xyz\",\"version\":1}\u{1e}");
    assert_eq!(
        stream.chunks(&mut world)[1..],
        ["data: {\"error\":\"The protocol 'xyz' is not supported.\"}\u{1e}\r\n\r\n", ""]
    );
    assert!(log(&mut world).is_empty());
}

#[test]
fn a_broadcast_reaches_every_transport() {
    let mut world = hall();
    let mut websocket = guest(&mut world);
    let target = negotiated(&mut world);
    let mut streams = [Stream::hub(&mut world, &target), {
        let target = negotiated(&mut world);
        Stream::hub(&mut world, &target)
    }];
    websocket.hear(&mut world);
    streams[0].hear(&mut world);
    websocket.text(&mut world, &call("Select", r#"["all",[]]"#));
    assert_eq!(websocket.hear(&mut world), [HERE]);
    for stream in &mut streams {
        assert_eq!(stream.hear(&mut world), [HERE]);
    }
}

#[test]
fn streams_are_pinged_and_silent_clients_end_once_they_have_pinged() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::hub(&mut world, &target);
    world.pass(Duration::from_secs(16));
    assert_eq!(stream.hear(&mut world), [r#"{"type":6}"#]);
    say(&mut world, &target, r#"{"type":6}"#);
    world.pass(Duration::from_secs(31));
    let heard = stream.hear(&mut world);
    assert_eq!(
        heard.last().map(String::as_str),
        Some(r#"{"type":7,"error":"Connection closed with an error.","allowReconnect":true}"#)
    );
    assert!(stream.has_ended);
}

#[test]
fn a_client_of_http_1_0_gets_events_without_chunks() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut wire = Wire::tcp(&mut world);
    let request = format!("GET {target} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n");
    wire.bytes(&mut world, request.as_bytes());
    post(&mut world, &target, HANDSHAKE);
    say(&mut world, &target, &call("Abort", "[]"));
    let mut text = String::new();
    while wire.read_text(&mut world, &mut text) && world.sizes().0 > 0 {
        world.pass(Duration::from_secs(1));
    }
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(!head.contains("chunked") && head.contains("Connection: close"), "{head}");
    let events =
        format!(":\r\ndata: {{}}\u{1e}\r\n\r\ndata: {ARRIVED}\u{1e}\r\n\r\ndata: {{\"type\":7}}");
    assert!(body.starts_with(&events), "{body}");
}

#[test]
fn while_a_stream_is_not_read_posts_wait() {
    let outbox = OutboxLimits { soft_bytes: 1000, hard_bytes: 100_000, ..Default::default() };
    let connection = ConnectionOptions { outbox, ..ConnectionOptions::default() };
    let mut world =
        World::new(1).hub_with("/hub", Hall::default, &HubOptions::default(), &connection);
    let target = negotiated(&mut world);
    let mut stream = Stream::hub(&mut world, &target);
    let until = world.now() + Duration::from_secs(5);
    stream.wire().shut_window(until);
    say(&mut world, &target, &invoke("1", "Large", "[2000]"));
    let mut waiting = [Wire::tcp(&mut world), Wire::tcp(&mut world)];
    for (wire, name) in waiting.iter_mut().zip(["first", "second"]) {
        let body = format!("{}\u{1e}", call("Say", &format!("[\"{name}\"]")));
        wire.ask(&mut world, "POST", &target, &[], body.as_bytes());
        assert!(wire.try_answer(&mut world).is_none());
    }
    assert_eq!(log(&mut world), ["connected"]);
    world.pass(Duration::from_secs(5));
    stream.hear(&mut world);
    for wire in &mut waiting {
        assert_eq!(wire.answer(&mut world).head.status(), 200);
    }
    assert_eq!(log(&mut world), ["connected", "said first", "said second"]);
}

#[test]
fn a_stream_that_stands_still_ends() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::hub(&mut world, &target);
    stream.wire().shut_window(world.now() + Duration::from_mins(1));
    say(&mut world, &target, &invoke("1", "Large", "[2000]"));
    world.pass(Duration::from_secs(11));
    assert_eq!(world.counters(0).too_slow, 1);
    world.pass(Duration::from_secs(20));
    assert_eq!(world.sizes(), (0, 0));
}
