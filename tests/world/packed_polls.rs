//! MessagePack where there is no WebSocket: over long polling byte for byte, over event streams
//! refused (§2.5; the transcripts `msgpack-other-transports`,
//! `handshake-refused-other-transports` and `protocol-errors-other-transports`).

use tickhub::HubOptions;
use tickhub::sim::{Answer, Wire, World};

use crate::hall::{hall, hall_with, log};
use crate::web::{HANDSHAKE, Stream, negotiated, poll, polled, post};

const PACKED: &str = "{\"protocol\":\"messagepack\",\"version\":1}\u{1e}";

fn send(world: &mut World, target: &str, bytes: &[u8]) {
    let mut wire = Wire::tcp(world);
    let headers = [("Content-Type", "application/octet-stream")];
    wire.ask(world, "POST", target, &headers, bytes);
    let answer = wire.answer(world);
    assert_eq!((answer.head.status(), answer.bytes.as_slice()), (200, &b""[..]));
    assert_eq!(answer.head.header("content-type"), Some("text/plain"));
    wire.close(world);
}

fn bytes_of(answer: &Answer) -> &[u8] {
    assert_eq!(answer.head.status(), 200);
    assert_eq!(answer.head.header("content-type"), Some("application/octet-stream"));
    let length = answer.bytes.len().to_string();
    assert_eq!(answer.head.header("content-length"), Some(length.as_str()));
    &answer.bytes
}

/// What everybody hears when somebody comes, in MessagePack.
const ARRIVED: &[u8] = b"\x0e\x96\x01\x80\xc0\xa7arrived\x90\x90";

/// A connection over long polling that speaks MessagePack.
fn packed(world: &mut World) -> String {
    let target = negotiated(world);
    assert_eq!(bytes_of(&polled(world, &target)), b"");
    assert_eq!(post(world, &target, PACKED).head.status(), 200);
    // The handshake is answered in JSON; what `on_connected` sent follows in the same answer.
    assert_eq!(bytes_of(&polled(world, &target)), [b"{}\x1e", ARRIVED].concat());
    target
}

#[test]
fn messagepack_over_long_polling_byte_for_byte() {
    let mut world = hall();
    let target = packed(&mut world);
    send(&mut world, &target, b"\x0d\x96\x01\x80\xa17\xa3Add\x92\x28\x02\x90");
    assert_eq!(bytes_of(&polled(&mut world, &target)), b"\x07\x95\x03\x80\xa17\x03\x2a");
    // Two and a half calls, then the other half.
    let calls = b"\x0d\x96\x01\x80\xa11\xa3Add\x92\x03\x04\x90\
        \x0c\x96\x01\x80\xa12\xa4Null\x90\x90\x0d\x96\x01\x80\xa13\xa3A";
    send(&mut world, &target, calls);
    assert_eq!(
        bytes_of(&polled(&mut world, &target)),
        b"\x07\x95\x03\x80\xa11\x03\x07\x07\x95\x03\x80\xa12\x03\xc0"
    );
    let mut waiting = poll(&mut world, &target);
    assert!(waiting.try_answer(&mut world).is_none(), "half a call is no call");
    send(&mut world, &target, b"dd\x92\x05\x06\x90");
    assert_eq!(bytes_of(&waiting.answer(&mut world)), b"\x07\x95\x03\x80\xa13\x03\x0b");
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "DELETE", &target, &[], b"");
    assert_eq!(wire.answer(&mut world).head.status(), 202);
    assert_eq!(log(&mut world)[1..], ["closed by the client; 0 in the hall"]);
}

/// Records may be cut at every byte, each part in a POST of its own.
#[test]
fn records_of_messagepack_are_put_together_again() {
    let record = b"\x0d\x96\x01\x80\xa17\xa3Add\x92\x28\x02\x90";
    let mut world = hall();
    let target = packed(&mut world);
    for cut in 1..record.len() {
        send(&mut world, &target, &record[..cut]);
        send(&mut world, &target, &record[cut..]);
        let answer = polled(&mut world, &target);
        assert_eq!(bytes_of(&answer), b"\x07\x95\x03\x80\xa17\x03\x2a", "cut at {cut}");
    }
}

#[test]
fn messagepack_over_an_event_stream_is_refused() {
    let mut world = hall();
    let target = negotiated(&mut world);
    let mut stream = Stream::open(&mut world, &target);
    post(&mut world, &target, PACKED);
    assert_eq!(
        stream.chunks(&mut world)[1..],
        [
            "data: {\"error\":\"Cannot use the 'messagepack' protocol on the current transport. \
             The transport does not support 'Binary' transfer format.\"}\u{1e}\r\n\r\n",
            ""
        ]
    );
    assert_eq!(post(&mut world, &target, "x").body, "No Connection with that ID");
    assert!(log(&mut world).is_empty(), "the hub never heard of it");
}

#[test]
fn a_refused_version_is_told_by_a_poll() {
    let mut world = hall();
    let target = negotiated(&mut world);
    polled(&mut world, &target);
    post(&mut world, &target, "{\"protocol\":\"json\",\"version\":9}\u{1e}");
    let refusal =
        "{\"error\":\"The server does not support version 9 of the 'json' protocol.\"}\u{1e}";
    assert_eq!(bytes_of(&polled(&mut world, &target)), refusal.as_bytes());
    assert_eq!(polled(&mut world, &target).head.status(), 204);
    let gone = polled(&mut world, &target);
    assert_eq!((gone.head.status(), gone.body.as_str()), (404, "No Connection with that ID"));
    assert_eq!(gone.head.header("cache-control"), Some("no-cache, no-store"));
}

const BROKEN: &str = "{\"type\":7,\"error\":\"Connection closed with an error. \
    InvalidDataException: Missing required property 'target'.\",\"allowReconnect\":true}\u{1e}";

fn detailed() -> World {
    hall_with(&HubOptions { enable_detailed_errors: true, ..HubOptions::default() })
}

#[test]
fn a_broken_message_ends_an_event_stream_and_says_why() {
    let mut world = detailed();
    let target = negotiated(&mut world);
    let mut stream = Stream::hub(&mut world, &target);
    post(&mut world, &target, "{\"type\":1}\u{1e}");
    assert_eq!(stream.chunks(&mut world), [format!("data: {BROKEN}\r\n\r\n"), String::new()]);
    assert_eq!(post(&mut world, &target, "x").body, "No Connection with that ID");
}

#[test]
fn a_broken_message_ends_long_polling_and_says_why() {
    for (handshake, message, close) in [
        (HANDSHAKE, &b"{\"type\":1}\x1e"[..], Some(BROKEN)),
        // A record whose type is a text.
        (PACKED, b"\x03\x92\xa1x", None),
    ] {
        let mut world = detailed();
        let target = negotiated(&mut world);
        polled(&mut world, &target);
        post(&mut world, &target, handshake);
        polled(&mut world, &target);
        let mut waiting = poll(&mut world, &target);
        send(&mut world, &target, message);
        let answer = waiting.answer(&mut world);
        let bytes = bytes_of(&answer);
        if let Some(close) = close {
            assert_eq!(bytes, close.as_bytes());
        } else {
            assert_eq!(bytes[0] as usize, bytes.len() - 1);
            assert_eq!(bytes[1..3], [0x93, 7]);
            assert_eq!(bytes.last(), Some(&0xc3), "come back");
            let said = String::from_utf8_lossy(bytes);
            assert!(said.contains("InvalidDataException"), "{said}");
        }
        assert_eq!(polled(&mut world, &target).head.status(), 204);
        let log = log(&mut world);
        assert!(log[1].starts_with("InvalidDataException: "), "{log:?}");
    }
}
