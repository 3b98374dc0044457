//! Connections without a hub, over each transport (transcripts `connection-handler` and
//! `sse-framing-of-raw-payloads`).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Answer, Frame, Wire, World};
use tickhub::{Closed, ConnectionHandler, ConnectionOptions, Message, Peer, Transport};

use crate::web::{Stream, negotiated_at, poll, polled, post};

type Log = Rc<RefCell<Vec<String>>>;

/// Sends back what it gets, and ends in the three ways.
struct Echo(Log);

impl ConnectionHandler for Echo {
    fn on_open(&mut self, peer: &mut Peer<'_>) {
        let transport = peer.transport().map(Transport::name).unwrap_or_default();
        self.0.borrow_mut().push(format!("connected over {transport}"));
    }

    fn on_receive(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) {
        match bytes {
            b"close" => peer.close(1000, ""),
            b"throw" => peer.fail("disk full"),
            b"abort" => peer.abort(),
            b"panic" => std::panic::resume_unwind(Box::new("planned")),
            b"last words" => {
                peer.send(Message::Text("bye")).ignore();
                peer.close(1000, "");
            }
            _ => peer.send(Message::new(bytes)).ignore(),
        }
    }

    fn on_close(&mut self, peer: &mut Peer<'_>, reason: &Closed) {
        assert_eq!(peer.send(Message::Text("late")).queued, 0, "nothing reaches it any more");
        self.0.borrow_mut().push(format!("ended: {reason}"));
    }
}

fn echo() -> (World, Log) {
    echo_with(&ConnectionOptions::default())
}

fn echo_with(options: &ConnectionOptions) -> (World, Log) {
    let log = Log::default();
    let world = World::new(1).connection("/echo", || Echo(log.clone()), options);
    (world, log)
}

fn log(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.borrow_mut())
}

fn text(text: &str) -> Frame {
    Frame::Text(text.into())
}

fn close(code: u16) -> Frame {
    Frame::Close(Some(code), String::new())
}

fn plain(answer: &Answer) -> (u16, &str) {
    (answer.head.status(), &answer.body)
}

#[test]
fn bytes_come_back_over_a_websocket_as_text() {
    for negotiates in [true, false] {
        let (mut world, events) = echo();
        let target =
            if negotiates { negotiated_at(&mut world, "/echo") } else { "/echo".to_owned() };
        let mut wire = Wire::websocket(&mut world, &target);
        wire.frame(&mut world, OpCode::Text, true, b"hello");
        wire.frame(&mut world, OpCode::Binary, true, b"{\"protocol\":\"json\",\"version\":1}\x1e");
        let handshake = text("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        assert_eq!(wire.frames(&mut world), [text("hello"), handshake]);
        // Whatever is no text cannot travel as one (RFC 6455 §5.6).
        wire.frame(&mut world, OpCode::Binary, true, b"\xff\x00");
        assert_eq!(wire.frames(&mut world), [Frame::Binary(vec![0xff, 0])]);
        wire.close_frame(&mut world, 4000, "x");
        assert_eq!(wire.frames(&mut world), [close(1000), Frame::End]);
        assert_eq!(log(&events), ["connected over WebSockets", "ended: closed by the client"]);
        assert!(world.is_quiet());
    }
}

#[test]
fn nothing_is_pinged_and_silence_is_no_end() {
    let (mut world, events) = echo();
    let mut wire = Wire::websocket(&mut world, "/echo");
    world.pass(Duration::from_mins(31));
    assert_eq!(wire.frames(&mut world), vec![Frame::Pong(Vec::new()); 15]);
    assert_eq!(log(&events), ["connected over WebSockets"]);
    // An event stream has no frames.
    let target = negotiated_at(&mut world, "/echo");
    let mut stream = Stream::open(&mut world, &target);
    assert_eq!(stream.chunks(&mut world), [":\r\n"]);
    world.pass(Duration::from_mins(31));
    assert_eq!(stream.chunks(&mut world), [""; 0]);
}

/// Found by seed 20 of the simulator: without the Pongs nothing is sent, and so nothing fails.
#[test]
fn regression_who_vanishes_from_a_websocket_without_a_hub_is_found_out() {
    let (mut world, events) = echo();
    let mut wire = Wire::websocket(&mut world, "/echo");
    wire.vanish();
    // Sent after 2 minutes, and given up by the kernel when nobody has acknowledged it.
    world.pass(Duration::from_mins(5));
    assert_eq!(log(&events).len(), 2);
    assert!(world.is_quiet());
}

#[test]
fn bytes_come_back_over_an_event_stream() {
    let (mut world, events) = echo();
    let target = negotiated_at(&mut world, "/echo");
    // A POST may come before the stream (COR-027).
    assert_eq!(plain(&post(&mut world, &target, "early")), (200, ""));
    let mut stream = Stream::open(&mut world, &target);
    assert_eq!(stream.chunks(&mut world), [":\r\n", "data: early\r\n\r\n"]);
    for (payload, event) in [
        ("hello", "data: hello\r\n\r\n"),
        ("a\r\nb", "data: a\r\ndata: b\r\n\r\n"),
        ("a\nb\n", "data: a\r\ndata: b\r\ndata: \r\n\r\n"),
    ] {
        assert_eq!(plain(&post(&mut world, &target, payload)), (200, ""));
        assert_eq!(stream.chunks(&mut world), [event]);
    }
    stream.close(&mut world);
    let ends = ["connected over ServerSentEvents", "ended: the transport was lost"];
    assert_eq!(log(&events), ends);
    assert!(world.is_quiet());
}

#[test]
fn bytes_come_back_over_polls() {
    let (mut world, events) = echo();
    let target = negotiated_at(&mut world, "/echo");
    post(&mut world, &target, "one ");
    assert_eq!(plain(&polled(&mut world, &target)), (200, ""));
    post(&mut world, &target, "two");
    assert_eq!(plain(&polled(&mut world, &target)), (200, "one two"));
    let mut wire = poll(&mut world, &target);
    let answer = Wire::tcp(&mut world).request(&mut world, "DELETE", &target);
    assert_eq!(plain(&answer), (202, ""));
    assert_eq!(plain(&wire.answer(&mut world)), (204, ""));
    assert_eq!(log(&events), ["connected over LongPolling", "ended: closed by the client"]);
    wire.close(&mut world);
    assert!(world.is_quiet());
}

/// What a client does to end a connection, and how the server's side of it is logged.
const WAYS: [(&str, &str); 4] = [
    ("close", "aborted by the hub"),
    ("throw", "Exception: disk full"),
    ("abort", "aborted by the hub"),
    ("panic", "Exception: planned"),
];

#[test]
fn the_ways_to_end_a_websocket() {
    for ((word, reason), end) in WAYS.into_iter().zip([
        vec![close(1000)],
        vec![close(1011)],
        vec![Frame::Reset],
        vec![close(1011)],
    ]) {
        let (mut world, events) = echo();
        let mut wire = Wire::websocket(&mut world, "/echo");
        wire.frame(&mut world, OpCode::Text, true, word.as_bytes());
        assert_eq!(wire.frames(&mut world), end, "{word}");
        assert_eq!(log(&events)[1..], [format!("ended: {reason}")]);
        world.pass(Duration::from_secs(6));
        assert!(world.is_quiet(), "{word}");
    }
}

#[test]
fn the_ways_to_end_an_event_stream() {
    for ((word, reason), last_chunk) in WAYS.into_iter().zip([true, true, false, true]) {
        let (mut world, events) = echo();
        let target = negotiated_at(&mut world, "/echo");
        let mut stream = Stream::open(&mut world, &target);
        assert_eq!(stream.chunks(&mut world), [":\r\n"]);
        assert_eq!(plain(&post(&mut world, &target, word)), (200, ""));
        let rest = stream.chunks(&mut world);
        assert_eq!(rest, vec![""; usize::from(last_chunk)], "{word}");
        assert!(stream.has_ended, "{word}");
        assert_eq!(log(&events)[1..], [format!("ended: {reason}")]);
        assert_eq!(plain(&post(&mut world, &target, "x")).0, 404);
        stream.close(&mut world);
        assert!(world.is_quiet(), "{word}");
    }
}

#[test]
fn the_ways_to_end_polling() {
    for ((word, reason), status) in WAYS.into_iter().zip([204, 500, 204, 500]) {
        for waits in [true, false] {
            let (mut world, events) = echo();
            let target = negotiated_at(&mut world, "/echo");
            polled(&mut world, &target);
            let early = waits.then(|| poll(&mut world, &target));
            post(&mut world, &target, word);
            assert_eq!(log(&events)[1..], [format!("ended: {reason}")]);
            let mut wire = early.unwrap_or_else(|| poll(&mut world, &target));
            let answer = wire.answer(&mut world);
            // Nobody can be told later of what was cut.
            let status = if word == "abort" && !waits { 404 } else { status };
            assert_eq!(answer.head.status(), status, "{word}");
            assert_eq!(answer.head.header("content-type"), Some("text/plain"));
            assert_eq!(plain(&polled(&mut world, &target)).0, 404, "{word}");
            wire.close(&mut world);
            assert!(world.is_quiet(), "{word}");
        }
    }
}

#[test]
fn last_words_arrive_before_the_end() {
    let (mut world, _) = echo();
    let mut wire = Wire::websocket(&mut world, "/echo");
    wire.frame(&mut world, OpCode::Text, true, b"last words");
    assert_eq!(wire.frames(&mut world), [text("bye"), close(1000)]);

    let target = negotiated_at(&mut world, "/echo");
    let mut stream = Stream::open(&mut world, &target);
    post(&mut world, &target, "last words");
    assert_eq!(stream.chunks(&mut world), [":\r\n", "data: bye\r\n\r\n", ""]);

    let target = negotiated_at(&mut world, "/echo");
    polled(&mut world, &target);
    post(&mut world, &target, "last words");
    assert_eq!(plain(&polled(&mut world, &target)), (200, "bye"));
    assert_eq!(plain(&polled(&mut world, &target)), (204, ""));
}

#[test]
fn a_large_message_is_handed_over_in_pieces_and_never_gathered() {
    let (mut world, _) = echo();
    let mut wire = Wire::websocket(&mut world, "/echo");
    let bytes = vec![b'x'; 300_000];
    wire.frame(&mut world, OpCode::Text, true, &bytes);
    let frames = wire.frames(&mut world);
    assert!(frames.len() > 1, "one message becomes {} ", frames.len());
    let all: String = frames
        .iter()
        .map(|frame| match frame {
            Frame::Text(text) => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(all.as_bytes(), bytes);
}

#[test]
fn without_a_poll_for_15_seconds_it_ends() {
    let (mut world, events) = echo();
    let target = negotiated_at(&mut world, "/echo");
    polled(&mut world, &target);
    world.pass(Duration::from_millis(14_900));
    assert_eq!(log(&events).len(), 1);
    world.pass(Duration::from_millis(200));
    assert_eq!(log(&events), ["ended: the transport was lost"]);
    assert_eq!(world.sizes().1, 0);
}
