//! What clients receive, over each transport, and again when they come back.

use std::time::Duration;

use serde_json::json;
use tickhub::sim::Wire;

use super::guest::{Guest, client_call, cursor, envelopes, heard, messages, percent, say, texts};
use super::room::{events, room};
use crate::web::Stream;

fn welcome() -> serde_json::Value {
    client_call("RoomHub", "welcome", &json!(["hi"]))
}

fn message(text: &str) -> serde_json::Value {
    client_call("RoomHub", "message", &json!([text]))
}

#[test]
fn leg_066_a_websocket_begins_with_the_init_envelope() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    assert_eq!(messages(&heard(&mut wire, &mut world)), [welcome()]);
    let call = guest.invocation("Echo", &json!(["x"]));
    say(&mut wire, &mut world, &call);
    assert_eq!(texts(&mut wire, &mut world), [r#"{"R":"x","I":"0"}"#]);
    guest.call(&mut world, "ToAll", &json!(["one"]));
    assert_eq!(messages(&heard(&mut wire, &mut world)), [message("one")]);
    world.pass(Duration::from_secs(11));
    assert_eq!(texts(&mut wire, &mut world), ["{}"]);
    guest.abort(&mut world);
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
}

#[test]
fn leg_102_what_was_missed_over_websockets_comes_once_and_in_order() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    let seen = cursor(&heard(&mut wire, &mut world));
    wire.close(&mut world);
    for text in ["one", "two", "three"] {
        guest.call(&mut world, "ToAll", &json!([text]));
    }
    world.pass(Duration::from_secs(5));
    let more = format!("&messageId={}", percent(&seen));
    let target = guest.target("reconnect", "webSockets", &more);
    let mut wire = Wire::websocket(&mut world, &target);
    let again = heard(&mut wire, &mut world);
    assert_eq!(messages(&again), [message("one"), message("two"), message("three")]);
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"]);
}

#[test]
fn leg_075_who_does_not_come_back_is_disconnected() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let wire = guest.websocket(&mut world);
    wire.close(&mut world);
    world.pass(Duration::from_secs(34));
    assert_eq!(events(&mut world, &guest.id), ["connected"]);
    world.pass(Duration::from_secs(2));
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected false"]);
    assert!(world.is_quiet());
}

#[test]
fn leg_079_an_event_stream_begins_and_comes_back() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut stream = guest.events(&mut world);
    let first = envelopes(&stream.chunks(&mut world));
    assert_eq!(messages(&first), [welcome()]);
    let seen = cursor(&first);
    stream.close(&mut world);
    guest.call(&mut world, "ToAll", &json!(["</script> é \u{2028}"]));
    let more = format!("&messageId={}", percent(&seen));
    let target = guest.target("reconnect", "serverSentEvents", &more);
    let mut stream = Stream::open(&mut world, &target);
    let chunks = stream.chunks(&mut world);
    assert_eq!(chunks[0], "data: initialized\r\n\r\n");
    assert!(chunks.iter().all(|chunk| chunk.is_ascii()), "T-20: {chunks:?}");
    let again = envelopes(&chunks[1..]);
    assert_eq!(messages(&again), [message("</script> é \u{2028}")]);
    assert!(again.iter().all(|envelope| envelope.get("S").is_none()));
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"]);
    guest.abort(&mut world);
    assert_eq!(stream.chunks(&mut world), [""], "the last chunk");
    assert!(stream.has_ended, "T-12: the stream ends with the abort");
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected", "disconnected true"]);
}

#[test]
fn leg_091_long_polls() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let first = guest.poll(&mut world, "connect", "");
    assert_eq!((&first["S"], &first["M"]), (&json!(1), &json!([])));
    guest.start(&mut world);
    let second = guest.poll(&mut world, "poll", first["C"].as_str().expect("a cursor"));
    assert_eq!(messages(std::slice::from_ref(&second)), [welcome()]);
    for text in ["one", "two", "three"] {
        guest.call(&mut world, "ToAll", &json!([text]));
    }
    let seen = second["C"].as_str().expect("a cursor").to_owned();
    for word in ["poll", "reconnect", "poll"] {
        // The same cursor brings the same messages.
        let third = guest.poll(&mut world, word, &seen);
        let expected = [message("one"), message("two"), message("three")];
        assert_eq!(messages(std::slice::from_ref(&third)), expected, "LEG-095");
    }
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"], "LEG-098");
}

#[test]
fn leg_093_and_094_an_idle_poll() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let first = guest.poll(&mut world, "connect", "");
    let seen = first["C"].as_str().expect("a cursor").to_owned();
    let mut wire = Wire::tcp(&mut world);
    let target = guest.target("poll", "longPolling", "");
    let body = format!("messageId={}", percent(&seen));
    wire.ask(&mut world, "POST", &target, &[], body.as_bytes());
    let mut text = String::new();
    wire.read_text(&mut world, &mut text);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    world.pass(Duration::from_secs(31));
    text.clear();
    wire.read_text(&mut world, &mut text);
    assert_eq!(text, "1\r\n \r\n".repeat(3));
    world.pass(Duration::from_secs(80));
    text.clear();
    wire.read_text(&mut world, &mut text);
    let envelope = format!(r#"{{"C":"{seen}","M":[]}}"#);
    let spaces = "1\r\n \r\n".repeat(7);
    let idle = format!("{spaces}{:x}\r\n{envelope}\r\n0\r\n\r\n", envelope.len());
    assert_eq!(text, idle);
    // Its socket carries the next one.
    wire.ask(&mut world, "POST", &target, &[], body.as_bytes());
    text.clear();
    assert!(wire.read_text(&mut world, &mut text));
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

#[test]
fn leg_097_a_second_poll_ends_the_first() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let first = guest.poll(&mut world, "connect", "");
    let seen = first["C"].as_str().expect("a cursor").to_owned();
    let body = format!("messageId={}", percent(&seen));
    let target = guest.target("poll", "longPolling", "");
    let mut older = Wire::tcp(&mut world);
    older.ask(&mut world, "POST", &target, &[], body.as_bytes());
    let mut newer = Wire::tcp(&mut world);
    newer.ask(&mut world, "POST", &target, &[], body.as_bytes());
    assert_eq!(older.answer(&mut world).body, format!(r#"{{"C":"{seen}","M":[]}}"#));
    assert!(newer.try_answer(&mut world).is_none());
    guest.call(&mut world, "ToAll", &json!(["one"]));
    let answer: serde_json::Value =
        serde_json::from_str(&newer.answer(&mut world).body).expect("an envelope");
    assert_eq!(messages(&[answer]), [message("one")]);
}

#[test]
fn leg_086_a_forever_frame_escapes_everything() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let target = guest.target("connect", "foreverFrame", "&frameId=0007");
    let mut stream = Stream::open(&mut world, &target);
    assert!(stream.head.contains("Content-Type: text/html; charset=UTF-8\r\n"), "{}", stream.head);
    let chunks = stream.chunks(&mut world);
    assert!(chunks[0].contains("getConnection('7')"), "LEG-084: {}", chunks[0]);
    assert!(chunks[1].starts_with("<script>r(c, {\"C\":\""), "{}", chunks[1]);
    guest.start(&mut world);
    stream.chunks(&mut world);
    guest.call(&mut world, "ToAll", &json!(["</script><b>&'"]));
    let chunks = stream.chunks(&mut world);
    let text = r"\u003c/script\u003e\u003cb\u003e\u0026\u0027";
    assert!(chunks[0].contains(text), "{chunks:?}");
    world.pass(Duration::from_secs(11));
    assert_eq!(stream.chunks(&mut world), ["<script>r(c, {});</script>\r\n"], "LEG-087");
    for bad in ["", "-1", "1,0", "%201", "0x1", "4294967296", "1%27);alert(1);//"] {
        let more = format!("&frameId={bad}");
        let answer = guest.ask(&mut world, "GET", "connect", "foreverFrame", &more, "");
        assert_eq!(answer.head.status(), 400, "LEG-083 {bad}");
        assert_eq!(answer.body, "The supplied frameId is in the incorrect format.");
    }
}

#[test]
fn leg_107_groups_come_back_with_their_token_and_no_other_way() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut stream = guest.events(&mut world);
    stream.chunks(&mut world);
    guest.call(&mut world, "Join", &json!(["red"]));
    let joined = envelopes(&stream.chunks(&mut world));
    let token = joined[0]["G"].as_str().expect("a token").to_owned();
    let seen = cursor(&joined);
    let mut other = Guest::new(&mut world);
    other.call(&mut world, "ToGroup", &json!(["red", "one"]));
    let heard = envelopes(&stream.chunks(&mut world));
    assert_eq!(messages(&heard), [message("one")]);
    for (groups, expected) in [(percent(&token), 1), (String::new(), 0), ("wrong".into(), 0)] {
        let more = format!("&messageId={}&groupsToken={groups}", percent(&cursor(&heard)));
        let target = guest.target("reconnect", "serverSentEvents", &more);
        let mut stream = Stream::open(&mut world, &target);
        stream.chunks(&mut world);
        other.call(&mut world, "ToGroup", &json!(["red", "two"]));
        assert_eq!(messages(&envelopes(&stream.chunks(&mut world))).len(), expected, "{groups}");
    }
    // Whoever has not seen the token is in the group all the same.
    let more = format!("&messageId={}", percent(&seen));
    let target = other.target("connect", "serverSentEvents", &more);
    drop(Stream::open(&mut world, &target));
    let more = format!("&groupsToken={}", percent(&token));
    let target = other.target("reconnect", "serverSentEvents", &more);
    let mut stream = Stream::open(&mut world, &target);
    stream.chunks(&mut world);
    other.call(&mut world, "ToGroup", &json!(["red", "three"]));
    assert_eq!(stream.chunks(&mut world), [""; 0], "LEG-108: the token of somebody else");
}

/// Calls need no receive request, and may join groups of hubs that nobody listens to.
#[test]
fn groups_of_hubs_not_listened_to_end_with_the_connection() {
    let mut world = room();
    let guest = Guest::of(&mut world, "/signalr", &["sidehub"]);
    let mut wire = guest.websocket(&mut world);
    let call = r#"{"H":"roomhub","M":"Join","A":["red"],"I":0}"#;
    say(&mut wire, &mut world, call);
    guest.abort(&mut world);
    drop(wire);
    world.pass(Duration::from_secs(40));
    // The next one has its place, and is in no group.
    let mut next = Guest::new(&mut world);
    let mut wire = next.websocket(&mut world);
    texts(&mut wire, &mut world);
    next.call(&mut world, "ToGroup", &json!(["red", "for nobody"]));
    assert_eq!(texts(&mut wire, &mut world), [""; 0]);
}

/// Who loses the token on the way must not have a cursor behind it.
#[test]
fn a_token_comes_before_the_messages_that_are_sent_again() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut stream = guest.events(&mut world);
    let seen = cursor(&envelopes(&stream.chunks(&mut world)));
    stream.close(&mut world);
    guest.call(&mut world, "Join", &json!(["red"]));
    guest.call(&mut world, "ToAll", &json!(["one"]));
    let more = format!("&messageId={}", percent(&seen));
    let target = guest.target("reconnect", "serverSentEvents", &more);
    let mut stream = Stream::open(&mut world, &target);
    let again = envelopes(&stream.chunks(&mut world)[1..]);
    assert!(again[0].get("G").is_some(), "{again:?}");
    assert_eq!((&again[0]["C"], messages(&again[..1])), (&json!(seen), vec![]));
    assert_eq!(messages(&again[1..]), [message("one")]);
}

/// One room for both generations.
#[test]
fn both_generations_hear_each_other() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    let mut core = Wire::hub(&mut world, "/room");
    core.hear(&mut world);
    core.text(&mut world, r#"{"type":1,"target":"Join","arguments":["red"]}"#);
    guest.call(&mut world, "Join", &json!(["red"]));
    texts(&mut wire, &mut world);
    guest.call(&mut world, "ToGroup", &json!(["red", "from classic"]));
    let call = |text: &str| format!(r#"{{"type":1,"target":"message","arguments":["{text}"]}}"#);
    assert_eq!(core.hear(&mut world), [call("from classic")]);
    assert_eq!(messages(&heard(&mut wire, &mut world)), [message("from classic")]);
    core.text(&mut world, r#"{"type":1,"target":"ToGroup","arguments":["red","from core"]}"#);
    assert_eq!(core.hear(&mut world), [call("from core")]);
    assert_eq!(messages(&heard(&mut wire, &mut world)), [message("from core")]);
}

#[test]
fn leg_025_the_first_poll_may_come_before_the_start() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let first = guest.poll(&mut world, "connect", "");
    assert_eq!(first["S"], json!(1));
    let mut wire = Wire::tcp(&mut world);
    let more = format!("&messageId={}", percent(&cursor(&[first])));
    wire.ask(&mut world, "GET", &guest.target("poll", "longPolling", &more), &[], b"");
    guest.start(&mut world);
    let envelope = serde_json::from_str(&wire.answer(&mut world).body).expect("an envelope");
    assert_eq!(messages(&[envelope]), [welcome()]);
    assert_eq!(events(&mut world, &guest.id), ["connected"]);
}
