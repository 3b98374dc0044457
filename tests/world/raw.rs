//! Plain WebSockets: requests, keep-alive, endings (§9; transcripts `raw-*`).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tickhub::http::Response;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{Closed, ConnectionOptions, HubOptions, Message, Peer, RawOptions, WebSocket};

use crate::hall::Hall;

type Log = Rc<RefCell<Vec<String>>>;

/// The echo of the samples (§9.5).
struct Echo(Log);

impl WebSocket for Echo {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        match message {
            Message::Text("ServerClose") => peer.close(1000, "Closing from Server"),
            Message::Text("ServerCloseOutput") => peer.close_output(4001, "bye"),
            Message::Text("ServerAbort") => peer.abort(),
            Message::Text("panic") => std::panic::resume_unwind(Box::new("planned")),
            _ => {
                if peer.send(message).queued == 0 {
                    let unheard = String::from_utf8_lossy(message.as_bytes());
                    self.0.borrow_mut().push(format!("unheard: {unheard}"));
                }
            }
        }
    }

    fn on_close(&mut self, _: &mut Peer<'_>, reason: &Closed) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

fn echo(options: &RawOptions) -> (World, Log) {
    let log = Log::default();
    (World::new(1).websocket("/echo", || Echo(log.clone()), options), log)
}

fn open(options: &RawOptions) -> (World, Wire, Log) {
    let (mut world, log) = echo(options);
    let wire = Wire::websocket(&mut world, "/echo");
    (world, wire, log)
}

fn close(code: u16, reason: &str) -> Frame {
    Frame::Close(Some(code), reason.into())
}

/// The timer wheel rings a little late.
const MOMENT: Duration = Duration::from_millis(50);

#[test]
fn cor_161_the_echo_of_the_samples() {
    let (mut world, mut wire, log) = open(&RawOptions::default());
    wire.frame(&mut world, OpCode::Text, true, b"hello");
    wire.frame(&mut world, OpCode::Binary, true, &[0, 1, 2, 255]);
    let frames = wire.frames(&mut world);
    assert_eq!(frames, [Frame::Text("hello".into()), Frame::Binary(vec![0, 1, 2, 255])]);
    wire.frame(&mut world, OpCode::Text, true, b"ServerClose");
    assert_eq!(wire.frames(&mut world), [close(1000, "Closing from Server")]);
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(wire.frames(&mut world), [Frame::End]);
    assert_eq!(log.take(), ["aborted by the hub"]);

    let (mut world, mut wire, _) = open(&RawOptions::default());
    wire.frame(&mut world, OpCode::Text, true, b"ServerAbort");
    assert_eq!(wire.frames(&mut world), [Frame::Reset]);
    assert!(world.is_quiet());
}

#[test]
fn a_close_frame_is_answered_with_its_own_code_and_reason() {
    for (code, reason) in [(1000, ""), (3001, "x"), (1001, "hé"), (4999, "")] {
        let (mut world, mut wire, log) = open(&RawOptions::default());
        wire.close_frame(&mut world, code, reason);
        assert_eq!(wire.frames(&mut world), [close(code, reason), Frame::End]);
        assert_eq!(log.take(), ["closed by the client"]);
        assert!(world.is_quiet());
    }
    let (mut world, mut wire, _) = open(&RawOptions::default());
    wire.frame(&mut world, OpCode::Close, true, b"");
    assert_eq!(wire.frames(&mut world), [close(1000, ""), Frame::End]);
}

#[test]
fn after_close_output_the_server_reads_on_and_says_nothing() {
    let (mut world, mut wire, log) = open(&RawOptions::default());
    wire.frame(&mut world, OpCode::Text, true, b"ServerCloseOutput");
    assert_eq!(wire.frames(&mut world), [close(4001, "bye")]);
    wire.frame(&mut world, OpCode::Text, true, b"still here");
    wire.frame(&mut world, OpCode::Ping, true, b"?");
    wire.frame(&mut world, OpCode::Text, true, b"ServerCloseOutput");
    assert_eq!(wire.frames(&mut world), []);
    assert_eq!(log.take(), ["unheard: still here"]);
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(wire.frames(&mut world), [Frame::End]);
    assert_eq!(log.take(), ["closed by the client"]);
    assert!(world.is_quiet());
}

#[test]
fn who_does_not_answer_close_output_is_cut_after_the_close_timeout() {
    let options =
        RawOptions { keep_alive_interval: Some(Duration::from_secs(1)), ..RawOptions::default() };
    let (mut world, mut wire, log) = open(&options);
    wire.frame(&mut world, OpCode::Text, true, b"ServerCloseOutput");
    world.pass(Duration::from_millis(4_900));
    assert_eq!(wire.frames(&mut world), [close(4001, "bye")]);
    assert!(log.take().is_empty());
    world.pass(Duration::from_millis(200));
    assert_eq!(wire.frames(&mut world), [Frame::Reset]);
    assert_eq!(log.take(), ["aborted by the hub"]);
    assert!(world.is_quiet());
}

#[test]
fn a_panic_ends_its_socket_with_1011_and_no_other() {
    let (mut world, mut wire, log) = open(&RawOptions::default());
    let mut other = Wire::websocket(&mut world, "/echo");
    wire.frame(&mut world, OpCode::Text, true, b"panic");
    assert_eq!(wire.frames(&mut world), [close(1011, "")]);
    assert_eq!(log.take(), ["Exception: planned"]);
    other.frame(&mut world, OpCode::Text, true, b"hello");
    assert_eq!(other.frames(&mut world), [Frame::Text("hello".into())]);
    assert_eq!(world.counters(0).panics, 1);
}

#[test]
fn an_empty_pong_every_two_minutes_unless_told_otherwise() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (interval, expected) in [(seconds(120), 2), (seconds(1), 299), (None, 0)] {
        let options = if interval == seconds(120) {
            RawOptions::default()
        } else {
            RawOptions { keep_alive_interval: interval, ..RawOptions::default() }
        };
        let (mut world, mut wire, _) = open(&options);
        world.pass(Duration::from_millis(299_900));
        assert_eq!(wire.frames(&mut world), vec![Frame::Pong(Vec::new()); expected]);
    }
}

fn pinging() -> RawOptions {
    RawOptions {
        keep_alive_interval: Some(Duration::from_secs(1)),
        keep_alive_timeout: Some(Duration::from_millis(500)),
        ..RawOptions::default()
    }
}

fn ping(count: u64) -> Frame {
    Frame::Ping(count.to_be_bytes().to_vec())
}

#[test]
fn cor_163_who_does_not_answer_a_ping_is_cut() {
    let (mut world, mut wire, log) = open(&pinging());
    world.pass(Duration::from_millis(1_490));
    assert_eq!(wire.frames(&mut world), [ping(1)]);
    world.pass(Duration::from_millis(20));
    assert_eq!(wire.frames(&mut world), [Frame::Reset]);
    assert_eq!(log.take().len(), 1);
    assert!(world.is_quiet());
}

#[test]
fn cor_163_any_frame_is_a_sign_of_life() {
    for code in [OpCode::Pong, OpCode::Ping, OpCode::Text, OpCode::Binary] {
        let (mut world, mut wire, _) = open(&pinging());
        world.pass(MOMENT);
        for count in 1..=10 {
            world.pass(Duration::from_secs(1));
            let frames = wire.frames(&mut world);
            assert_eq!(frames.first(), Some(&ping(count)), "{code:?}");
            assert_eq!(frames.len(), 1);
            wire.frame(&mut world, code, true, b"");
            let _ = wire.frames(&mut world);
        }
    }
}

#[test]
fn cor_163_a_message_that_drips_in_is_a_sign_of_life() {
    let (mut world, mut wire, _) = open(&pinging());
    world.pass(MOMENT);
    for count in 1..=5 {
        wire.frame(
            &mut world,
            if count == 1 { OpCode::Text } else { OpCode::Continuation },
            false,
            b"x",
        );
        world.pass(Duration::from_millis(500));
        wire.frame(&mut world, OpCode::Continuation, false, b"x");
        world.pass(Duration::from_millis(500));
        assert_eq!(wire.frames(&mut world), [ping(count)]);
    }
}

#[test]
fn cor_042_the_first_subprotocol_that_is_spoken_and_offered() {
    let names: Vec<String> = vec!["beta".into(), "gamma".into()];
    let raw = RawOptions { sub_protocols: names.clone(), ..RawOptions::default() };
    let hub = ConnectionOptions { sub_protocols: names, ..ConnectionOptions::default() };
    let (world, _) = echo(&raw);
    let mut world = world.hub_with("/hub", Hall::default, &HubOptions::default(), &hub);
    for (offers, chosen) in [
        (vec!["beta"], Some("beta")),
        (vec!["alpha, beta"], Some("beta")),
        (vec!["gamma,beta"], Some("beta")),
        (vec!["alpha", "gamma"], Some("gamma")),
        (vec!["alpha"], None),
        (vec!["BETA"], None),
        (vec![], None),
    ] {
        for path in ["/echo", "/hub"] {
            let headers: Vec<(&str, &str)> =
                offers.iter().map(|offer| ("Sec-WebSocket-Protocol", *offer)).collect();
            let answer = Wire::tcp(&mut world).upgrade(&mut world, path, &headers);
            assert_eq!(answer.head.status(), 101);
            assert_eq!(answer.head.header("sec-websocket-protocol"), chosen, "{offers:?}");
        }
    }
}

/// Openings that are none: headers, and what they are answered with by default.
const NO_OPENINGS: [(&[(&str, &str)], u16); 8] = [
    (&[], 400),
    (&[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)], 400),
    (&[("Connection", "Upgrade"), ("Upgrade", "h2c"), ("Sec-WebSocket-Version", "13")], 400),
    (&[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", KEY)], 426),
    (
        &[
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "8"),
            ("Sec-WebSocket-Key", KEY),
        ],
        426,
    ),
    (&[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")], 400),
    (
        &[
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0O"),
        ],
        400,
    ),
    (
        &[
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", ""),
        ],
        400,
    ),
];

const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

#[test]
fn cor_164_what_is_no_opening_is_answered_as_the_endpoint_says() {
    let otherwise = RawOptions {
        otherwise: Some(|request| {
            assert_ne!(request.query("panic").as_deref(), Some("1"), "planned");
            Response::text(400, "WebSocket expected")
        }),
        ..RawOptions::default()
    };
    for (headers, status) in NO_OPENINGS {
        let (mut world, _) = echo(&RawOptions::default());
        let mut wire = Wire::tcp(&mut world);
        wire.ask(&mut world, "GET", "/echo", headers, b"");
        let answer = wire.answer(&mut world);
        assert_eq!(answer.head.status(), status, "{headers:?}");
        let version = answer.head.header("sec-websocket-version");
        assert_eq!(version, (status == 426).then_some("13"));

        let (mut world, _) = echo(&otherwise);
        let mut wire = Wire::tcp(&mut world);
        wire.ask(&mut world, "GET", "/echo", headers, b"");
        let answer = wire.answer(&mut world);
        assert_eq!((answer.head.status(), answer.body.as_str()), (400, "WebSocket expected"));
        // What follows a failed opening may be frames, and is never read as a request.
        let fails = headers.contains(&("Upgrade", "websocket"))
            && headers.contains(&("Connection", "Upgrade"));
        let closes = answer.head.header("connection") == Some("close");
        assert_eq!(closes, fails, "{headers:?}");
    }
    let (mut world, _) = echo(&otherwise);
    let answer = Wire::tcp(&mut world).request(&mut world, "GET", "/echo?panic=1");
    assert_eq!(answer.head.status(), 500);
    let answer = Wire::tcp(&mut world).request(&mut world, "POST", "/echo");
    assert_eq!((answer.head.status(), answer.body.as_str()), (400, "WebSocket expected"));
}

#[test]
fn a_message_at_the_limit_passes_and_one_byte_more_is_1009() {
    let options =
        RawOptions { message_bytes_max: 1_000, fragments_max: 3, ..RawOptions::default() };
    let (mut world, mut wire, _) = open(&options);
    wire.frame(&mut world, OpCode::Binary, true, &[7; 1_000]);
    assert_eq!(wire.frames(&mut world), [Frame::Binary(vec![7; 1_000])]);
    wire.frame(&mut world, OpCode::Text, false, b"a");
    wire.frame(&mut world, OpCode::Continuation, false, b"b");
    wire.frame(&mut world, OpCode::Continuation, true, b"c");
    assert_eq!(wire.frames(&mut world), [Frame::Text("abc".into())]);
    wire.frame(&mut world, OpCode::Binary, true, &[7; 1_001]);
    assert_eq!(wire.frames(&mut world), [close(1009, ""), Frame::End]);

    let (mut world, mut wire, _) = open(&options);
    wire.frame(&mut world, OpCode::Text, false, b"a");
    for _ in 0..3 {
        wire.frame(&mut world, OpCode::Continuation, false, b"b");
    }
    assert_eq!(wire.frames(&mut world), [close(1009, ""), Frame::End]);
}
