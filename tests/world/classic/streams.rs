//! Receive requests of each transport: how they begin, end, and are begun again.

use std::time::Duration;

use serde_json::{Value, json};
use tickhub::sim::{Frame, Wire, World};
use tickhub::{ClassicOptions, ClassicTransports, Compression, ConnectionOptions};

use super::guest::{Guest, client_call, cursor, heard, messages, percent, say, texts};
use super::room::{Room, events, room, room_with};
use crate::web::Stream;

fn message(text: &str) -> Value {
    client_call("RoomHub", "message", &json!([text]))
}

const TURNED_OFF: &str = "Protocol error: Unknown transport.";

fn without(transport: &str) -> World {
    let transports = ClassicTransports {
        web_sockets: transport != "webSockets",
        server_sent_events: transport != "serverSentEvents",
        forever_frame: transport != "foreverFrame",
        long_polling: transport != "longPolling",
    };
    room_with(&ClassicOptions { transports, ..ClassicOptions::default() })
}

/// LEG-006, and the same for the others.
#[test]
fn leg_006_a_transport_that_is_turned_off_is_refused_and_others_are_served() {
    for off in ["webSockets", "serverSentEvents", "foreverFrame", "longPolling"] {
        let mut world = without(off);
        let told = Wire::tcp(&mut world).request(&mut world, "GET", "/signalr/negotiate");
        let told: Value = serde_json::from_str(&told.body).expect("a document");
        assert_eq!(told["TryWebSockets"], json!(off != "webSockets"));
        let guest = Guest::new(&mut world);
        for word in ["connect", "reconnect"] {
            if off == "webSockets" {
                let mut wire = Wire::tcp(&mut world);
                let answer = wire.upgrade(&mut world, &guest.target(word, off, ""), &[]);
                assert_eq!((answer.head.status(), &*answer.body), (400, TURNED_OFF));
            }
            let expected =
                if off == "webSockets" { "Not a valid web socket request." } else { TURNED_OFF };
            let answer = guest.ask(&mut world, "GET", word, off, "&frameId=1", "");
            assert_eq!((answer.head.status(), &*answer.body), (400, expected), "{off}");
        }
        assert_eq!(world.sizes().1, 0, "nobody came of it");
        match off {
            "serverSentEvents" => drop(guest.websocket(&mut world)),
            _ => drop(guest.events(&mut world)),
        }
        assert_eq!(events(&mut world, &guest.id), ["connected"]);
    }
}

/// What is kept is sent again over whatever comes, so nothing is compressed on the way.
#[test]
fn leg_076_compression_that_a_client_offers_is_declined_and_all_works_without() {
    let connection = ConnectionOptions {
        compression: Some(Compression::default()),
        ..ConnectionOptions::default()
    };
    for options in
        [ClassicOptions::default(), ClassicOptions { connection, ..ClassicOptions::default() }]
    {
        let mut world = room_with(&options);
        let mut guest = Guest::new(&mut world);
        let offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")];
        let mut wire = Wire::tcp(&mut world);
        let target = guest.target("connect", "webSockets", "");
        let answer = wire.upgrade(&mut world, &target, &offer);
        assert_eq!(answer.head.status(), 101);
        assert_eq!(answer.head.header("sec-websocket-extensions"), None);
        guest.start(&mut world);
        let first = heard(&mut wire, &mut world);
        assert_eq!(first[0]["S"], json!(1));
        let (long, call) = ("x".repeat(5000), guest.invocation("Echo", &json!(["y"])));
        say(&mut wire, &mut world, &call);
        assert_eq!(texts(&mut wire, &mut world), [r#"{"R":"y","I":"0"}"#]);
        guest.call(&mut world, "ToAll", &json!([long]));
        assert_eq!(messages(&heard(&mut wire, &mut world)), [message(&long)]);
    }
}

#[test]
fn leg_073_an_abort_closes_the_socket_properly() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    guest.abort(&mut world);
    assert_eq!(wire.frames(&mut world)[0], Frame::Close(Some(1000), String::new()));
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
    // T-37: nobody comes back to what was stopped, and it ends once.
    let answer = Wire::tcp(&mut world).upgrade(
        &mut world,
        &guest.target("reconnect", "webSockets", ""),
        &[],
    );
    assert_eq!(answer.head.status(), 400);
    guest.abort(&mut world);
    world.pass(Duration::from_mins(1));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
    assert!(world.is_quiet());
}

#[test]
fn leg_074_an_abort_behind_the_close_of_the_socket_ends_the_connection_once() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(wire.frames(&mut world)[0], Frame::Close(Some(1000), String::new()));
    wire.close(&mut world);
    world.pass(Duration::from_secs(1));
    assert_eq!(events(&mut world, &guest.id), ["connected"], "it may come back");
    guest.abort(&mut world);
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
    world.pass(Duration::from_mins(1));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
    assert!(world.is_quiet());
}

/// A document, behind its prologue.
fn frame(world: &mut World, guest: &Guest, word: &str, more: &str) -> Stream {
    let target = guest.target(word, "foreverFrame", &format!("&frameId=7{more}"));
    let mut stream = Stream::open(world, &target);
    assert_eq!(stream.head.lines().next(), Some("HTTP/1.1 200 OK"));
    assert!(stream.head.contains("Content-Type: text/html; charset=UTF-8\r\n"), "LEG-085");
    let wire = stream.chunks(world);
    assert!(wire[0].contains("getConnection('7')") && wire[0].ends_with("<body>\r\n"), "{wire:?}");
    assert!(wire[0].contains("t.started(c)"), "the prologue alone says that it has begun");
    assert!(wire[0].starts_with("<!DOCTYPE html>"));
    stream
}

/// What the scripts of a document hand to the page.
fn handed(stream: &mut Stream, world: &mut World) -> Vec<Value> {
    let chunks = stream.chunks(world);
    let calls = chunks.iter().filter(|chunk| !chunk.is_empty()).map(|chunk| {
        chunk.strip_prefix("<script>r(c, ").and_then(|rest| rest.strip_suffix(");</script>\r\n"))
    });
    calls.map(|json| serde_json::from_str(json.expect("a call")).expect("JSON")).collect()
}

#[test]
fn leg_088_a_forever_frame_lives_from_the_first_request_to_the_abort() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let target = guest.target("connect", "foreverFrame", "&frameId=7");
    let mut stream = Stream::open(&mut world, &target);
    stream.chunks(&mut world);
    guest.start(&mut world);
    let first = handed(&mut stream, &mut world);
    assert_eq!(messages(&first), [client_call("RoomHub", "welcome", &json!(["hi"]))]);
    // It calls by requests that are answered as those of any other transport.
    let call = guest.invocation("Echo", &json!(["</script>"]));
    let body = format!("data={}", percent(&call));
    let answer = guest.ask(&mut world, "POST", "send", "foreverFrame", "", &body);
    let kind = Some("application/json; charset=UTF-8");
    assert_eq!((answer.head.status(), answer.head.header("content-type")), (200, kind));
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(answer, json!({"R": "</script>", "I": "0"}));
    guest.call(&mut world, "ToAll", &json!(["one"]));
    let one = handed(&mut stream, &mut world);
    assert_eq!(messages(&one), [message("one")]);
    // It loses its connection, and asks again in the same frame.
    stream.close(&mut world);
    guest.call(&mut world, "ToAll", &json!(["two"]));
    let more = format!("&messageId={}&groupsToken=", percent(&cursor(&one)));
    let target = guest.target("reconnect", "foreverFrame", &format!("&frameId=7{more}"));
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", &target, &[], b"");
    let mut text = String::new();
    wire.read_text(&mut world, &mut text);
    assert!(text.contains("getConnection('7')") && text.contains("t.started(c)"), "{text}");
    assert!(text.matches("\"A\":[\"two\"]").count() == 1 && !text.contains("\"S\":"), "{text}");
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"]);
    text.clear();
    let answer = guest.ask(&mut world, "POST", "abort", "foreverFrame", "", "");
    assert_eq!(answer.head.status(), 200);
    wire.read_text(&mut world, &mut text);
    assert_eq!(text, "0\r\n\r\n", "the document ends");
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected", "disconnected true"]);
    wire.close(&mut world);
    world.pass(Duration::from_mins(1));
    assert!(world.is_quiet());
}

/// The server ends a document that sends no signs of life when it gets old.
#[test]
fn leg_089_behind_the_end_of_a_document_the_next_one_brings_what_was_missed() {
    let mut world = room_with(&ClassicOptions { keep_alive: None, ..ClassicOptions::default() });
    let mut guest = Guest::new(&mut world);
    let mut stream = frame(&mut world, &guest, "connect", "");
    guest.start(&mut world);
    guest.call(&mut world, "Join", &json!(["red"]));
    let joined = handed(&mut stream, &mut world);
    let token = joined.iter().find_map(|envelope| envelope["G"].as_str()).expect("a token");
    world.pass(Duration::from_millis(109_900));
    assert_eq!(handed(&mut stream, &mut world), [Value::Null; 0]);
    assert!(!stream.has_ended);
    world.pass(Duration::from_millis(200));
    stream.chunks(&mut world);
    assert!(stream.has_ended, "no longer than the time of a connection");
    let mut other = Guest::new(&mut world);
    for text in ["one", "two"] {
        other.call(&mut world, "ToGroup", &json!(["red", text]));
    }
    world.pass(Duration::from_secs(2));
    let more = format!("&messageId={}&groupsToken={}", percent(&cursor(&joined)), percent(token));
    let target = guest.target("reconnect", "foreverFrame", &format!("&frameId=7{more}"));
    let mut stream = Stream::open(&mut world, &target);
    let chunks = stream.chunks(&mut world);
    assert!(chunks[0].contains("getConnection('7')"));
    let missed: Vec<Value> = ["one", "two"].map(message).into();
    let texts = chunks[1..].concat();
    let calls = texts.split_terminator("</script>\r\n").map(|call| {
        let json = call.strip_prefix("<script>r(c, ").and_then(|rest| rest.strip_suffix(");"));
        serde_json::from_str(json.expect("a call")).expect("JSON")
    });
    let calls: Vec<Value> = calls.collect();
    assert_eq!(messages(&calls), missed);
    other.call(&mut world, "ToGroup", &json!(["red", "three"]));
    assert_eq!(messages(&handed(&mut stream, &mut world)), [message("three")]);
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"]);
}

#[test]
fn leg_082_streams_are_not_compressed() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    for (transport, begin) in
        [("serverSentEvents", "data: initialized\r\n"), ("foreverFrame", "<!DOCTYPE html>")]
    {
        let mut wire = Wire::tcp(&mut world);
        let target = guest.target("connect", transport, "&frameId=1");
        wire.ask(&mut world, "GET", &target, &[("Accept-Encoding", "gzip, deflate, br")], b"");
        let mut text = String::new();
        wire.read_text(&mut world, &mut text);
        assert!(text.contains(begin) && !text.contains("Content-Encoding"), "{text}");
    }
}

/// A poll that waits: its socket, and where its client stands.
fn waiting(world: &mut World, guest: &Guest, more: &str) -> Wire {
    let first = guest.poll(world, "connect", "");
    guest.start(world);
    let seen = guest.poll(world, "poll", first["C"].as_str().expect("a cursor"));
    let mut wire = Wire::tcp(world);
    let target = guest.target("poll", "longPolling", more);
    let body = format!("messageId={}", percent(seen["C"].as_str().expect("a cursor")));
    wire.ask(world, "POST", &target, &[], body.as_bytes());
    assert!(wire.try_answer(world).is_none());
    wire
}

#[test]
fn leg_035_polls_with_a_callback_get_no_signs_of_life() {
    let mut world = room_with(&ClassicOptions { enable_jsonp: true, ..ClassicOptions::default() });
    let guest = Guest::new(&mut world);
    let mut wire = waiting(&mut world, &guest, "&callback=cb");
    let mut text = String::new();
    wire.read_text(&mut world, &mut text);
    world.pass(Duration::from_secs(109));
    text.clear();
    wire.read_text(&mut world, &mut text);
    assert_eq!(text, "");
    world.pass(Duration::from_secs(2));
    wire.read_text(&mut world, &mut text);
    assert!(text.contains("\r\ncb({\"C\":\"d-") && text.contains("\"M\":[]});\r\n0\r\n"), "{text}");
}

#[test]
fn leg_096_a_delay_between_polls_is_in_every_answer() {
    let delay = Duration::from_millis(100);
    let mut world =
        room_with(&ClassicOptions { long_poll_delay: delay, ..ClassicOptions::default() });
    let guest = Guest::new(&mut world);
    let first = guest.poll(&mut world, "connect", "");
    guest.start(&mut world);
    let second = guest.poll(&mut world, "poll", first["C"].as_str().expect("a cursor"));
    assert_eq!((&first["L"], &second["L"]), (&json!(100), &json!(100)));
}

#[test]
fn leg_099_an_abort_ends_the_poll_and_the_connection_with_or_without_one() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut wire = waiting(&mut world, &guest, "");
    guest.abort(&mut world);
    let envelope: Value = serde_json::from_str(&wire.answer(&mut world).body).expect("JSON");
    assert_eq!((&envelope["M"], envelope.get("T")), (&json!([]), None));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);

    let guest = Guest::new(&mut world);
    guest.poll(&mut world, "connect", "");
    guest.start(&mut world);
    guest.abort(&mut world);
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
    world.pass(Duration::from_mins(1));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
    wire.close(&mut world);
    assert!(world.is_quiet());
}

#[test]
fn leg_100_polls_that_stop_coming_end_the_connection() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    guest.poll(&mut world, "connect", "");
    guest.start(&mut world);
    world.pass(Duration::from_millis(29_900));
    assert_eq!(events(&mut world, &guest.id), ["connected"]);
    world.pass(Duration::from_millis(5_100));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected false"]);
    assert!(world.is_quiet());
    // One that went away while a poll waited has the same time.
    let guest = Guest::new(&mut world);
    waiting(&mut world, &guest, "").close(&mut world);
    world.pass(Duration::from_millis(29_900));
    assert_eq!(events(&mut world, &guest.id), ["connected"]);
    world.pass(Duration::from_millis(5_100));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected false"]);
    // §6.3: there is no memory of who ended that way.
    let mut wire = Wire::websocket(&mut world, &guest.target("reconnect", "webSockets", ""));
    assert_eq!(texts(&mut wire, &mut world), [""; 0]);
    let expected = ["connected", "disconnected false", "reconnected"];
    assert_eq!(events(&mut world, &guest.id), expected);
}

#[test]
fn an_abort_by_the_server_is_a_stop_too() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    world.enter(0, |_: &mut Room, clients| clients.abort(&*guest.id));
    world.settle();
    assert_eq!(wire.frames(&mut world)[0], Frame::Close(Some(1000), String::new()));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
}

#[test]
fn leg_119_another_transport_takes_over_and_the_older_request_ends() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    let seen = cursor(&heard(&mut wire, &mut world));
    let more = format!("&messageId={}", percent(&seen));
    let mut stream =
        Stream::open(&mut world, &guest.target("reconnect", "serverSentEvents", &more));
    stream.chunks(&mut world);
    assert_eq!(wire.frames(&mut world)[0], Frame::Close(Some(1000), String::new()));
    guest.call(&mut world, "ToAll", &json!(["one"]));
    let mut again = frame(&mut world, &guest, "reconnect", &more);
    assert_eq!(stream.chunks(&mut world).last().map(String::as_str), Some(""));
    assert!(stream.has_ended);
    guest.call(&mut world, "ToAll", &json!(["two"]));
    assert_eq!(messages(&handed(&mut again, &mut world)), [message("two")]);
    let expected = ["connected", "reconnected", "reconnected"];
    assert_eq!(events(&mut world, &guest.id), expected);
    wire.close(&mut world);
    world.pass(Duration::from_mins(1));
    assert_eq!(events(&mut world, &guest.id), expected, "the newest one counts");
}

#[test]
fn leg_120_a_client_that_knows_no_start_is_welcomed_before_it_is_initialised() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let target = guest.target("connect", "webSockets", "");
    let target = target.replace("clientProtocol=2.1", "clientProtocol=1.3");
    let mut wire = Wire::websocket(&mut world, &target);
    let all = heard(&mut wire, &mut world);
    assert_eq!(messages(&all), [client_call("RoomHub", "welcome", &json!(["hi"]))]);
    let place = |wanted: fn(&Value) -> bool| all.iter().position(wanted).expect("it came");
    let welcome = place(|envelope| envelope["M"] != json!([]));
    let initialised = place(|envelope| envelope["S"] == 1);
    assert!(welcome < initialised, "{all:?}");
    assert_eq!(events(&mut world, &guest.id), ["connected"]);
}
