//! What the simulator and real clients have found.

use std::time::Duration;

use serde_json::{Value, json};
use tickhub::protocol::http::write_request;
use tickhub::protocol::websocket::{OpCode, write_masked_frame};
use tickhub::sim::{Frame, Wire, World};

use super::guest::{Guest, client_call, cursor, envelopes, heard, messages, percent, say, texts};
use super::room::{events, room};
use crate::web::Stream;

/// What comes over an event stream to a client that says where it was.
fn back(world: &mut World, guest: &Guest, seen: &str, token: Option<&str>) -> (Stream, Vec<Value>) {
    let token = token.map(|token| format!("&groupsToken={}", percent(token))).unwrap_or_default();
    let more = format!("&messageId={}{token}", percent(seen));
    let mut stream = Stream::open(world, &guest.target("reconnect", "serverSentEvents", &more));
    let chunks = stream.chunks(world);
    let envelopes = envelopes(&chunks[1..]);
    (stream, envelopes)
}

/// The cursor of a message was behind the change of the groups, and the token behind the message:
/// whoever lost the stream between them came back with the old token, and was in no group.
#[test]
fn leg_107_a_group_is_not_lost_with_the_stream_that_brings_its_token() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut stream = guest.events(&mut world);
    let seen = cursor(&envelopes(&stream.chunks(&mut world)));
    stream.close(&mut world);
    guest.call(&mut world, "Join", &json!(["red"]));
    let mut other = Guest::new(&mut world);
    other.call(&mut world, "ToGroup", &json!(["red", "one"]));
    let (stream, again) = back(&mut world, &guest, &seen, None);
    stream.close(&mut world);
    let first = &again[..1];
    let (_stream, rest) = back(&mut world, &guest, &cursor(first), first[0]["G"].as_str());
    let message = |text: &str| client_call("RoomHub", "message", &json!([text]));
    assert_eq!([messages(first), messages(&rest)].concat(), [message("one")]);
    let token =
        [first, &rest].concat().iter().rev().find_map(|it| it["G"].as_str().map(String::from));
    let (_stream, _) = back(&mut world, &guest, &cursor(&again), token.as_deref());
    other.call(&mut world, "ToGroup", &json!(["red", "two"]));
    let (_stream, rest) = back(&mut world, &guest, &cursor(&again), token.as_deref());
    assert_eq!(messages(&rest), [message("two")]);
}

/// A call may come before anybody receives. Who joined a group by it and never came stayed in it
/// for ever.
#[test]
fn who_joined_and_never_came_is_in_no_group() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    guest.call(&mut world, "Join", &json!(["red"]));
    world.pass(Duration::from_secs(31));
    assert!(world.is_quiet());
    let mut next = Guest::new(&mut world);
    let mut stream = next.events(&mut world);
    stream.chunks(&mut world);
    next.call(&mut world, "ToGroup", &json!(["red", "one"]));
    assert_eq!(stream.chunks(&mut world), [""; 0]);
}

/// A connection was not ended before the turn was over. Who came again in the turn of the end was
/// let in, and heard what its own end made the hub say.
#[test]
fn t_37_nobody_comes_back_in_the_turn_of_the_end() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut stream = guest.events(&mut world);
    stream.chunks(&mut world);
    let mut both = Vec::new();
    for (word, over) in [("abort", "serverSentEvents"), ("poll", "longPolling")] {
        write_request(&mut both, "POST", &guest.target(word, over, ""), "sim", &[], b"");
    }
    let mut wire = Wire::tcp(&mut world);
    wire.bytes(&mut world, &both);
    assert_eq!(wire.answer(&mut world).head.status(), 200, "the end");
    assert_eq!(wire.answer(&mut world).head.status(), 400, "the poll behind it");
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
}

/// The answer to a call is lost with the WebSocket that brought it (§4.2). It was sent over the
/// next one, to a client that had given the call up.
#[test]
fn an_answer_is_lost_with_its_websocket() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    let seen = cursor(&heard(&mut wire, &mut world));
    let call = guest.invocation("Later", &json!(["late", 300]));
    say(&mut wire, &mut world, &call);
    wire.close(&mut world);
    let more = format!("&messageId={}", percent(&seen));
    let mut wire = Wire::websocket(&mut world, &guest.target("reconnect", "webSockets", &more));
    let call = guest.invocation("Later", &json!(["in time", 400]));
    say(&mut wire, &mut world, &call);
    world.pass(Duration::from_secs(1));
    assert_eq!(texts(&mut wire, &mut world), [r#"{"R":"in time","I":"1"}"#]);
}

/// Half a message of a WebSocket that another one replaced was put in front of the first message
/// of that, which could not be read any more.
#[test]
fn half_a_message_is_forgotten_with_its_websocket() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut first = guest.websocket(&mut world);
    let seen = cursor(&heard(&mut first, &mut world));
    let call = guest.invocation("Echo", &json!(["lost"]));
    first.frame(&mut world, OpCode::Text, false, &call.as_bytes()[..10]);
    let more = format!("&messageId={}", percent(&seen));
    let mut wire = Wire::websocket(&mut world, &guest.target("reconnect", "webSockets", &more));
    let call = guest.invocation("Echo", &json!(["whole"]));
    say(&mut wire, &mut world, &call);
    assert_eq!(texts(&mut wire, &mut world), [r#"{"R":"whole","I":"1"}"#]);
}

/// A socket is not read while a request waits in front of others. It was not read any more when
/// one of the others was for a stream, so that nobody saw its end.
#[test]
fn a_stream_behind_a_request_that_waited_is_read() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let call = guest.invocation("Later", &json!(["late", 300]));
    let (target, body) = (guest.target("send", "serverSentEvents", ""), percent(&call));
    let mut both = Vec::new();
    write_request(&mut both, "POST", &target, "sim", &[], format!("data={body}").as_bytes());
    let target = guest.target("connect", "serverSentEvents", "");
    write_request(&mut both, "GET", &target, "sim", &[], b"");
    let mut wire = Wire::tcp(&mut world);
    wire.bytes(&mut world, &both);
    world.pass(Duration::from_millis(300));
    assert_eq!(wire.answer(&mut world).body, r#"{"R":"late","I":"0"}"#);
    wire.close(&mut world);
    // A socket that is not read says nothing; the connection would live for as long as that.
    world.pass(Duration::from_secs(36));
    assert!(world.is_quiet());
}

/// Found by Chromium on a busy machine: the client aborts and closes at once, and the server reads
/// both in one turn. One Close frame is all that a WebSocket may carry (RFC 6455 §5.5.1).
#[test]
fn an_abort_in_the_turn_of_the_clients_close_is_no_second_close() {
    // Which of the two is read first depends on how many sockets there are.
    for others in 0..8 {
        let mut world = room();
        let guest = Guest::new(&mut world);
        let mut wire = guest.websocket(&mut world);
        texts(&mut wire, &mut world);
        let mut others: Vec<_> = (0..others).map(|_| Wire::tcp(&mut world)).collect();
        let mut aborting = Wire::tcp(&mut world);
        world.settle();
        let target = guest.target("abort", "webSockets", "");
        let request = format!("POST {target} HTTP/1.1\r\nHost: sim\r\nContent-Length: 0\r\n\r\n");
        let mut close = Vec::new();
        write_masked_frame(&mut close, OpCode::Close, true, [1, 2, 3, 4], &1000_u16.to_be_bytes());
        let sent = wire.offer_unheard(&close) + aborting.offer_unheard(request.as_bytes());
        assert_eq!(sent, request.len() + close.len());
        let goodbye = Frame::Close(Some(1000), String::new());
        assert_eq!(wire.frames(&mut world), [goodbye, Frame::End]);
        assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
        others.extend([aborting, wire]);
        for wire in others {
            wire.close(&mut world);
        }
        world.pass(Duration::from_secs(40));
        assert!(world.is_quiet());
    }
}
