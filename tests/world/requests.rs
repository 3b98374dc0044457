//! Every request in every state (T-TRANSPORT-FSM), and what requests have in common, COR-014 to
//! COR-028.

use tickhub::sim::{Answer, Wire, World};
use tickhub::{ConnectionOptions, HubOptions, Transports};

use crate::hall::{ARRIVED, Hall, call, hall, log};
use crate::web::{HANDSHAKE, Stream, negotiated, negotiated_at, poll, polled, polling, post, say};

/// What a test asks for: a name, a method, and whether it wants an event stream.
const REQUESTS: [&str; 8] =
    ["stream", "websocket", "poll", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"];

const NO_CHANGE: (u16, &str) = (400, "Cannot change transports mid-connection");
const NO_DELETE: (u16, &str) = (400, "Cannot terminate this connection using the DELETE endpoint.");
const NO_METHOD: (u16, &str) = (405, "");
const NO_ID: (u16, &str) = (400, "Connection ID required");
const UNKNOWN: (u16, &str) = (404, "No Connection with that ID");
const DONE: (u16, &str) = (200, "");

/// A poll that is not answered, or a stream that has begun.
const WAITS: (u16, &str) = (0, "");

/// The state of a connection, and what keeps it there.
struct State {
    target: String,
    held: Vec<Wire>,
    streams: Vec<Stream>,
}

impl State {
    fn of(target: String) -> Self {
        Self { target, held: Vec::new(), streams: Vec::new() }
    }

    fn make(world: &mut World, name: &str) -> Self {
        match name {
            "no id" => Self::of("/hub".into()),
            "empty id" => Self::of("/hub?id=".into()),
            "unknown id" => Self::of("/hub?id=unknown".into()),
            "negotiated" => Self::of(negotiated(world)),
            "posted" => {
                let state = Self::of(negotiated(world));
                assert_eq!(post(world, &state.target, HANDSHAKE).head.status(), 200);
                state
            }
            "websocket" => {
                let mut state = Self::of(negotiated(world));
                state.held.push(Wire::hub(world, &state.target));
                state
            }
            "stream" => {
                let mut state = Self::of(negotiated(world));
                state.streams.push(Stream::hub(world, &state.target));
                state
            }
            "stream without handshake" => {
                let mut state = Self::of(negotiated(world));
                state.streams.push(Stream::open(world, &state.target));
                state
            }
            "between polls" => Self::of(polling(world)),
            "polled once" => {
                let state = Self::of(negotiated(world));
                polled(world, &state.target);
                state
            }
            "while polling" => {
                let mut state = Self::of(polling(world));
                state.held.push(poll(world, &state.target));
                state
            }
            "ended, not told" => {
                let state = Self::of(polling(world));
                say(world, &state.target, &call("Abort", "[]"));
                state
            }
            "ended, told" => {
                let state = Self::make(world, "ended, not told");
                assert_eq!(polled(world, &state.target).body, "{\"type\":7}\u{1e}");
                state
            }
            "ended" => {
                let state = Self::make(world, "ended, told");
                assert_eq!(polled(world, &state.target).head.status(), 204);
                state
            }
            "deleted" => {
                let state = Self::of(polling(world));
                let answer = Wire::tcp(world).request(world, "DELETE", &state.target);
                assert_eq!(answer.head.status(), 202);
                state
            }
            "dropped stream" => {
                let mut state = Self::make(world, "stream");
                for stream in state.streams.drain(..) {
                    stream.close(world);
                }
                state
            }
            other => panic!("there is no state {other}"),
        }
    }
}

fn ask(world: &mut World, request: &str, target: &str) -> (Wire, Option<Answer>) {
    let mut wire = Wire::tcp(world);
    let answer = match request {
        "websocket" => Some(wire.upgrade(world, target, &[])),
        "stream" => {
            wire.ask(world, "GET", target, &[("Accept", "text/event-stream")], b"");
            let mut text = String::new();
            wire.read_text(world, &mut text);
            if text.starts_with("HTTP/1.1 200 ") {
                assert!(text.contains("Content-Type: text/event-stream"), "{text}");
                return (wire, None);
            }
            // The bytes are gone; the request changes nothing, so it is asked again.
            wire.ask(world, "GET", target, &[("Accept", "text/event-stream")], b"");
            Some(wire.answer(world))
        }
        "poll" => {
            wire.ask(world, "GET", target, &[], b"");
            wire.try_answer(world)
        }
        "HEAD" => {
            wire.ask(world, "HEAD", target, &[], b"");
            let mut text = String::new();
            wire.read_text(world, &mut text);
            assert!(text.starts_with("HTTP/1.1 405 ") && text.ends_with("\r\n\r\n"), "{text}");
            wire.ask(world, "PUT", target, &[], b"");
            Some(wire.answer(world))
        }
        method => Some(wire.request(world, method, target)),
    };
    (wire, answer)
}

#[test]
fn cor_014_to_024_every_request_in_every_state() {
    let close = "{\"type\":7}\u{1e}";
    let greeting = format!("{{}}\u{1e}{ARRIVED}\u{1e}");
    let open = (101, "");
    let table: Vec<(&str, [(u16, &str); 5])> = vec![
        ("no id", [NO_ID, open, NO_ID, NO_ID, NO_ID]),
        ("empty id", [NO_ID, open, NO_ID, NO_ID, NO_ID]),
        ("unknown id", [UNKNOWN; 5]),
        ("negotiated", [WAITS, open, DONE, DONE, NO_DELETE]),
        ("posted", [WAITS, open, DONE, DONE, NO_DELETE]),
        (
            "websocket",
            [
                NO_CHANGE,
                (409, ""),
                NO_CHANGE,
                (405, "POST requests are not allowed for WebSocket connections."),
                NO_DELETE,
            ],
        ),
        ("stream", [(409, ""), NO_CHANGE, NO_CHANGE, DONE, NO_DELETE]),
        ("stream without handshake", [(409, ""), NO_CHANGE, NO_CHANGE, DONE, NO_DELETE]),
        ("polled once", [NO_CHANGE, NO_CHANGE, WAITS, DONE, (202, "")]),
        ("between polls", [NO_CHANGE, NO_CHANGE, WAITS, DONE, (202, "")]),
        ("while polling", [NO_CHANGE, NO_CHANGE, WAITS, DONE, (202, "")]),
        ("ended, not told", [NO_CHANGE, NO_CHANGE, (200, close), (404, ""), (202, "")]),
        ("ended, told", [NO_CHANGE, NO_CHANGE, (204, ""), (404, ""), (202, "")]),
        ("ended", [UNKNOWN; 5]),
        ("deleted", [UNKNOWN; 5]),
        ("dropped stream", [UNKNOWN; 5]),
    ];
    for (name, answers) in table {
        let answers = answers.into_iter().chain([NO_METHOD; 3]);
        for (request, (status, body)) in REQUESTS.into_iter().zip(answers) {
            let mut world = hall();
            let mut state = State::make(&mut world, name);
            let (_wire, answer) = ask(&mut world, request, &state.target);
            let got = answer
                .as_ref()
                .map_or(WAITS, |answer| (answer.head.status(), answer.body.as_str()));
            assert_eq!(got, (status, body), "{request}, {name}");
            if let Some(answer) = &answer
                && request == "poll"
            {
                assert_is_not_cached(answer);
            }
            assert_still_works(&mut world, &mut state, name, request);
        }
    }
    // One more of the table: what was posted is answered by the second poll.
    let mut world = hall();
    let state = State::make(&mut world, "posted");
    polled(&mut world, &state.target);
    assert_eq!(polled(&mut world, &state.target).body, greeting);
}

/// Whoever was connected is not disturbed by what others asked for.
fn assert_still_works(world: &mut World, state: &mut State, name: &str, request: &str) {
    let is_rest = request == "POST" || request == "DELETE";
    match name {
        "websocket" => {
            let wire = &mut state.held[0];
            wire.hear(world);
            wire.text(world, &call("Say", "[\"here\"]"));
            assert!(log(world).contains(&"said here".into()), "{request}");
        }
        "stream" => {
            say(world, &state.target, &call("Say", "[\"here\"]"));
            assert!(log(world).contains(&"said here".into()), "{request}");
        }
        "while polling" if request != "poll" && !is_rest => {
            assert!(state.held[0].try_answer(world).is_none(), "{request}");
        }
        _ => {}
    }
}

fn assert_is_not_cached(answer: &Answer) {
    for (name, value) in [
        ("cache-control", "no-cache, no-store"),
        ("pragma", "no-cache"),
        ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ] {
        assert_eq!(answer.head.header(name), Some(value), "COR-028");
    }
}

fn offering(transports: Transports) -> World {
    let connection = ConnectionOptions { transports, ..ConnectionOptions::default() };
    World::new(1).hub_with("/hub", Hall::default, &HubOptions::default(), &connection)
}

#[test]
fn cor_021_a_transport_that_is_not_offered() {
    let all = [
        ("websocket", Transports::WEB_SOCKETS, "WebSockets"),
        ("stream", Transports::SERVER_SENT_EVENTS, "ServerSentEvents"),
        ("poll", Transports::LONG_POLLING, "LongPolling"),
    ];
    for (_, offered, offered_name) in all {
        let mut world = offering(offered);
        let answer = Wire::tcp(&mut world).request(&mut world, "POST", "/hub/negotiate");
        for (_, _, name) in all {
            assert_eq!(answer.body.contains(name), name == offered_name, "{}", answer.body);
        }
        let target = negotiated(&mut world);
        for (request, transport, name) in all {
            let unknown = ask(&mut world, request, "/hub?id=unknown").1.expect("an answer");
            assert_eq!((unknown.head.status(), unknown.body.as_str()), UNKNOWN);
            if transport == offered {
                continue;
            }
            let answer = ask(&mut world, request, &target).1.expect("an answer");
            assert_eq!(answer.head.status(), 404);
            let text = format!("{name} transport not supported by this end point type");
            assert_eq!(answer.body, text);
            if request == "websocket" {
                let answer = ask(&mut world, request, "/hub").1.expect("an answer");
                assert_eq!((answer.head.status(), answer.body), (404, text));
            }
        }
        let (_wire, answer) = {
            let request = all.iter().find(|(_, transport, _)| *transport == offered);
            ask(&mut world, request.expect("one of them").0, &target)
        };
        assert!(answer.is_none_or(|answer| matches!(answer.head.status(), 101 | 200)));
    }
}

#[test]
fn a_token_opens_its_own_hub_only() {
    let mut world = hall().hub("/other", Hall::default, &HubOptions::default());
    let target = negotiated_at(&mut world, "/other").replace("/other", "/hub");
    for request in ["stream", "websocket", "poll", "POST", "DELETE"] {
        let answer = ask(&mut world, request, &target).1.expect("an answer");
        assert_eq!((answer.head.status(), answer.body.as_str()), UNKNOWN, "{request}");
    }
}

#[test]
fn cor_025_a_post_is_answered_with_nothing() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let answer = post(&mut world, &target, HANDSHAKE);
    assert_eq!((answer.head.status(), answer.body.as_str()), DONE);
    assert_eq!(answer.head.header("content-type"), Some("text/plain"));
    assert_eq!(answer.head.header("content-length"), Some("0"));
}

#[test]
fn cor_026_posts_do_not_mix() {
    let mut world = hall();
    let target = polling(&mut world);
    let bodies = ["first", "second"]
        .map(|name| format!("{}\u{1e}", call("Say", &format!("[\"{name}\"]"))).repeat(2));
    let mut wires = [Wire::tcp(&mut world), Wire::tcp(&mut world)];
    for (wire, body) in wires.iter_mut().zip(&bodies) {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}",
            body.len(),
            &body[..30]
        );
        wire.bytes(&mut world, head.as_bytes());
    }
    for (wire, body) in wires.iter_mut().zip(&bodies).rev() {
        wire.bytes(&mut world, &body.as_bytes()[30..]);
        assert_eq!(wire.answer(&mut world).head.status(), 200);
    }
    assert_eq!(log(&mut world)[1..], ["said second", "said second", "said first", "said first"]);
}

#[test]
fn cor_027_what_was_posted_before_waits_for_the_transport() {
    let body = format!("{HANDSHAKE}{}\u{1e}", call("Say", "[\"early\"]"));
    for request in ["stream", "websocket", "poll"] {
        let mut world = hall();
        let target = negotiated(&mut world);
        let (one, two) = body.split_at(40);
        assert_eq!(post(&mut world, &target, one).head.status(), 200);
        assert_eq!(post(&mut world, &target, two).head.status(), 200);
        assert!(log(&mut world).is_empty());
        let (_wire, _) = ask(&mut world, request, &target);
        assert_eq!(log(&mut world), ["connected", "said early"], "{request}");
    }
}

#[test]
fn what_is_posted_before_is_bounded_and_waits_for_room() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let large = format!("{HANDSHAKE}{}", " ".repeat(70_000));
    assert_eq!(post(&mut world, &target, &large).head.status(), 200);
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "POST", &target, &[], b"x");
    assert!(wire.try_answer(&mut world).is_none(), "64 KiB wait already");
    // The record that never ends is refused; who waited is told that nobody reads it.
    polled(&mut world, &target);
    assert_eq!(wire.answer(&mut world).head.status(), 404);
}

#[test]
fn a_negotiated_connection_that_is_forgotten_answers_who_waits_for_it() {
    let mut world = hall();
    let target = negotiated(&mut world);
    post(&mut world, &target, &" ".repeat(70_000));
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "POST", &target, &[], b"x");
    world.pass(std::time::Duration::from_secs(16));
    assert_eq!(wire.answer(&mut world).head.status(), 404);
    assert_eq!(world.sizes().1, 0);
}
