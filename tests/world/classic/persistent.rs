//! `PersistentConnection`: data without names.

use std::time::Duration;

use serde_json::{Value, json};
use tickhub::sim::{Wire, World};
use tickhub::{ClassicOptions, HubError, PersistentConnection, PersistentContext};

use super::guest::{Guest, cursor, envelopes, heard, messages, percent, say, texts};
use crate::web::Stream;

/// Says what happened, and does what it is told.
#[derive(Default)]
struct Raw {
    events: Vec<String>,
    /// Groups that clients prove are replaced by these.
    rejoins: Option<Vec<String>>,
}

impl PersistentConnection for Raw {
    type State = u32;

    fn on_connected(&mut self, ctx: &mut PersistentContext<'_, Self>) -> Result<(), HubError> {
        self.events.push(format!("connected {}", ctx.connection_id()));
        Ok(())
    }

    fn on_received(
        &mut self,
        ctx: &mut PersistentContext<'_, Self>,
        data: Option<&str>,
    ) -> Result<(), HubError> {
        let Some(data) = data else {
            ctx.reply("(null)").ignore();
            return Ok(());
        };
        match data.split_once(':') {
            Some(("b", text)) => ctx.broadcast(text).ignore(),
            Some(("x", text)) => {
                let id = ctx.connection_id();
                ctx.broadcast_except([id], text).ignore();
            }
            Some(("join", group)) => ctx.join(group)?,
            Some(("leave", group)) => ctx.leave(group),
            Some(("g", text)) => {
                let (group, text) = text.split_once(':').unwrap_or_default();
                ctx.send_to_group(group, text).ignore();
            }
            Some(("q", name)) => {
                let value = ctx.query(name);
                ctx.reply(&value).ignore();
            }
            None if data == "null" => ctx.reply(&Value::Null).ignore(),
            None if data == "throw" => return Err(HubError::internal("Exception", "boom")),
            _ => ctx.reply(data).ignore(),
        }
        Ok(())
    }

    fn on_reconnected(&mut self, ctx: &mut PersistentContext<'_, Self>) -> Result<(), HubError> {
        self.events.push(format!("reconnected {}", ctx.connection_id()));
        Ok(())
    }

    fn on_disconnected(&mut self, ctx: &mut PersistentContext<'_, Self>, stop_called: bool) {
        self.events.push(format!("disconnected {} {stop_called}", ctx.connection_id()));
    }

    fn on_rejoining_groups(
        &mut self,
        _: &mut PersistentContext<'_, Self>,
        groups: Vec<String>,
    ) -> Vec<String> {
        self.rejoins.clone().unwrap_or(groups)
    }
}

fn world() -> World {
    World::new(1).persistent("/raw", &ClassicOptions::default(), Raw::default)
}

fn send(world: &mut World, guest: &Guest, data: &str) -> (u16, String) {
    let body = format!("data={}", percent(data));
    let answer = guest.ask(world, "POST", "send", "serverSentEvents", "", &body);
    (answer.head.status(), answer.body)
}

fn events(world: &mut World, id: &str) -> Vec<String> {
    world.enter_persistent(0, |raw: &mut Raw, _| {
        let of_it = raw.events.iter().filter(|event| event.contains(id));
        of_it.map(|event| event.replace(&format!(" {id}"), "")).collect()
    })
}

#[test]
fn leg_041_texts_and_null_arrive_as_json() {
    let mut world = world();
    let guest = Guest::of(&mut world, "/raw", &[]);
    let mut stream = guest.events(&mut world);
    stream.chunks(&mut world);
    for (data, element) in [
        ("hello", json!("hello")),
        (r#"{"a":1}"#, json!(r#"{"a":1}"#)),
        ("null", Value::Null),
        ("é\u{2028}<", json!("é\u{2028}<")),
    ] {
        assert_eq!(send(&mut world, &guest, data), (200, String::new()), "LEG-080");
        let chunks = stream.chunks(&mut world);
        assert!(chunks.iter().all(|chunk| chunk.is_ascii()));
        assert_eq!(messages(&envelopes(&chunks)), [element]);
    }
    let nothing = guest.ask(&mut world, "POST", "send", "serverSentEvents", "", "");
    assert_eq!(nothing.head.status(), 200);
    assert_eq!(messages(&envelopes(&stream.chunks(&mut world))), [json!("(null)")]);
    let (status, body) = send(&mut world, &guest, "throw");
    assert!(status >= 400 && !body.contains("boom"), "{status} {body}");
}

#[test]
fn leg_067_over_a_websocket_payloads_are_bare() {
    let mut world = world();
    let guest = Guest::of(&mut world, "/raw", &[]);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    say(&mut wire, &mut world, "hello");
    say(&mut wire, &mut world, "");
    assert_eq!(messages(&heard(&mut wire, &mut world)), [json!("hello"), json!("")], "T-41");
    guest.abort(&mut world);
    assert_eq!(events(&mut world, &guest.id), ["connected", "disconnected true"]);
}

#[test]
fn leg_114_broadcasts_and_groups_reach_whom_they_are_for() {
    let mut world = world();
    let (one, other) = (Guest::of(&mut world, "/raw", &[]), Guest::of(&mut world, "/raw", &[]));
    let (mut first, mut second) = (one.events(&mut world), other.events(&mut world));
    let mut hear = |world: &mut World| {
        let first = messages(&envelopes(&first.chunks(world)));
        (first, messages(&envelopes(&second.chunks(world))))
    };
    hear(&mut world);
    send(&mut world, &one, "b:all");
    assert_eq!(hear(&mut world), (vec![json!("all")], vec![json!("all")]));
    send(&mut world, &one, "x:others");
    assert_eq!(hear(&mut world), (vec![], vec![json!("others")]));
    send(&mut world, &other, "join:red");
    send(&mut world, &one, "g:red:group");
    assert_eq!(hear(&mut world), (vec![], vec![json!("group")]));
    send(&mut world, &other, "leave:red");
    send(&mut world, &one, "g:red:nobody");
    assert_eq!(hear(&mut world), (vec![], vec![]));
    world.enter_persistent(0, |_: &mut Raw, peers| {
        peers.send(&*one.id, "outside").ignore();
        peers.broadcast(&json!({"A": 1})).ignore();
    });
    world.settle();
    let expected = (vec![json!("outside"), json!({"A": 1})], vec![json!({"A": 1})]);
    assert_eq!(hear(&mut world), expected, "LEG-117");
    send(&mut world, &other, &format!("join:{}", one.id));
    send(&mut world, &one, "b:last");
    assert_eq!(hear(&mut world).1, [json!("last")], "LEG-113");
}

#[test]
fn leg_109_the_rejoin_hook_adds_and_removes_groups() {
    let mut world = world();
    let guest = Guest::of(&mut world, "/raw", &[]);
    let mut stream = guest.events(&mut world);
    stream.chunks(&mut world);
    send(&mut world, &guest, "join:red");
    let joined = envelopes(&stream.chunks(&mut world));
    let token = joined[0]["G"].as_str().expect("a token").to_owned();
    world.enter_persistent(0, |raw: &mut Raw, _| raw.rejoins = Some(vec!["blue".into()]));
    let more = format!("&messageId={}&groupsToken={}", percent(&cursor(&joined)), percent(&token));
    let target = guest.target("reconnect", "serverSentEvents", &more);
    let mut stream = Stream::open(&mut world, &target);
    stream.chunks(&mut world);
    send(&mut world, &guest, "g:red:removed");
    send(&mut world, &guest, "g:blue:added");
    assert_eq!(messages(&envelopes(&stream.chunks(&mut world))), [json!("added")]);
    assert_eq!(events(&mut world, &guest.id), ["connected", "reconnected"]);
}

#[test]
fn leg_101_a_shutdown_ends_polls_with_a_word() {
    let mut world = world();
    let guest = Guest::of(&mut world, "/raw", &[]);
    let first = guest.poll(&mut world, "connect", "");
    guest.start(&mut world);
    let seen = first["C"].as_str().expect("a cursor").to_owned();
    let mut wire = Wire::tcp(&mut world);
    let target = guest.target("poll", "longPolling", "");
    let body = format!("messageId={}", percent(&seen));
    wire.ask(&mut world, "POST", &target, &[], body.as_bytes());
    let other = Guest::of(&mut world, "/raw", &[]);
    let mut socket = other.websocket(&mut world);
    texts(&mut socket, &mut world);
    world.drain(Duration::from_secs(5));
    world.pass(Duration::from_secs(1));
    let last: Value = serde_json::from_str(&wire.answer(&mut world).body).expect("an envelope");
    assert_eq!((&last["T"], &last["M"]), (&json!(1), &json!([])));
    let closed = [tickhub::sim::Frame::Close(Some(1000), String::new())];
    assert_eq!(socket.frames(&mut world), closed);
}
