//! Groups, users and whom a message is for, LEG-106 to LEG-116.

use serde_json::{Value, json};
use tickhub::sim::{Wire, World};

use super::guest::{
    Guest, by_name, client_call, cursor, envelopes, heard, messages, percent, texts,
};
use super::room::{Room, Side, room};
use crate::web::Stream;

/// The texts of the messages that a client got since the last look.
fn told(wire: &mut Wire, world: &mut World) -> Vec<String> {
    let messages = messages(&heard(wire, world));
    let calls = messages.iter().filter(|call| call["M"] == "message");
    calls.map(|call| call["A"][0].as_str().expect("a text").to_owned()).collect()
}

/// Clients that are connected and have heard their welcome.
fn crowd<const N: usize>(world: &mut World, names: [&str; N]) -> [(Guest, Wire); N] {
    names.map(|name| {
        let guest = if name.is_empty() { Guest::new(world) } else { Guest::named(world, name) };
        let mut wire = guest.websocket(world);
        texts(&mut wire, world);
        (guest, wire)
    })
}

#[test]
fn leg_106_each_change_of_groups_brings_a_token_and_nothing_else_does() {
    let mut world = room();
    let [(mut guest, mut wire)] = crowd(&mut world, [""]);
    for (method, is_change) in
        [("Join", true), ("Join", false), ("Leave", true), ("Leave", false), ("Join", true)]
    {
        guest.call(&mut world, method, &json!(["red"]));
        let heard = heard(&mut wire, &mut world);
        let tokens = heard.iter().filter(|envelope| envelope.get("G").is_some()).count();
        assert_eq!(tokens, usize::from(is_change), "{method}: {heard:?}");
        assert_eq!(messages(&heard), [Value::Null; 0], "LEG-044");
    }
}

#[test]
fn leg_110_groups_of_hubs_that_are_not_asked_for_any_more_are_left() {
    let mut world = room();
    let mut guest = Guest::of(&mut world, "/signalr", &["roomhub", "sidehub"]);
    let mut stream = guest.events(&mut world);
    stream.chunks(&mut world);
    guest.call(&mut world, "Join", &json!(["red"]));
    let call = r#"{"H":"sidehub","M":"Join","A":["blue"],"I":1}"#;
    let body = format!("data={}", percent(call));
    guest.ask(&mut world, "POST", "send", "serverSentEvents", "", &body);
    let shout = |world: &mut World| {
        world.enter(0, |_: &mut Room, all| all.group("red").send("message", ("red",)).ignore());
        world.enter(0, |_: &mut Side, all| all.group("blue").send("poked", ("blue",)).ignore());
        world.settle();
    };
    let red = client_call("RoomHub", "message", &json!(["red"]));
    let blue = client_call("sideHub", "poked", &json!(["blue"]));
    let joined = envelopes(&stream.chunks(&mut world));
    shout(&mut world);
    assert_eq!(messages(&envelopes(&stream.chunks(&mut world))), [red.clone(), blue.clone()]);
    // The token names both groups; whoever asks for one hub is in the groups of that one.
    let token = joined.iter().rev().find_map(|envelope| envelope["G"].as_str()).expect("a token");
    let seen = percent(&cursor(&joined));
    for (hubs, expected) in [
        (vec!["roomhub", "sidehub"], vec![red.clone(), blue]),
        (vec!["roomhub"], vec![red]),
        (vec![], vec![]),
    ] {
        guest.hubs = hubs;
        let more = format!("&messageId={seen}&groupsToken={}", percent(token));
        let target = guest.target("reconnect", "serverSentEvents", &more);
        let mut stream = Stream::open(&mut world, &target);
        stream.chunks(&mut world);
        shout(&mut world);
        let heard = messages(&envelopes(&stream.chunks(&mut world)));
        assert_eq!(heard, expected, "{:?}", guest.hubs);
    }
}

/// A call may join groups of hubs that its client does not listen to: until it comes again.
#[test]
fn leg_110_groups_of_hubs_that_were_never_asked_for_are_left_too() {
    let mut world = room();
    let guest = Guest::of(&mut world, "/signalr", &["sidehub"]);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    let call = r#"{"H":"roomhub","M":"Join","A":["red"],"I":0}"#;
    let body = format!("data={}", percent(call));
    guest.ask(&mut world, "POST", "send", "webSockets", "", &body);
    guest.ask(&mut world, "POST", "send", "serverSentEvents", "", &body);
    let joined = heard(&mut wire, &mut world);
    let token = joined.iter().find_map(|envelope| envelope["G"].as_str()).expect("a token");
    let shout = |world: &mut World| {
        world.enter(0, |_: &mut Room, all| all.group("red").send("message", ("x",)).queued)
    };
    assert_eq!(shout(&mut world), 1);
    for more in [
        format!("&messageId={}&groupsToken={}", percent(&cursor(&joined)), percent(token)),
        // One that has lost its token on the way is told its groups, but of its own hubs alone.
        String::new(),
    ] {
        let target = guest.target("reconnect", "webSockets", &more);
        drop(Wire::websocket(&mut world, &target));
        assert_eq!(shout(&mut world), 0, "{more}");
    }
}

#[test]
fn leg_111_who_joins_twice_hears_once_and_leaves_once() {
    let mut world = room();
    let [(mut guest, mut wire)] = crowd(&mut world, [""]);
    for _ in 0..2 {
        guest.call(&mut world, "Join", &json!(["red"]));
    }
    guest.call(&mut world, "ToGroup", &json!(["red", "one"]));
    assert_eq!(told(&mut wire, &mut world), ["one"]);
    guest.call(&mut world, "Leave", &json!(["red"]));
    guest.call(&mut world, "ToGroup", &json!(["red", "two"]));
    assert_eq!(told(&mut wire, &mut world), [""; 0]);
}

/// The original answers half a minute later, with an error: here all connections are known.
#[test]
fn leg_112_a_connection_is_in_its_group_at_once_and_unknown_ones_are_answered() {
    let mut world = room();
    let [(mut one, _), (other, mut wire)] = crowd(&mut world, ["", ""]);
    let left = Guest::new(&mut world);
    left.websocket(&mut world).close(&mut world);
    left.abort(&mut world);
    let elsewhere = Guest::of(&mut world, "/signalr", &["sidehub"]);
    let _wire = elsewhere.websocket(&mut world);
    let ids = [&*other.id, &*left.id, &*elsewhere.id, "00000000-0000-4000-8000-000000000000", "?"];
    for id in ids {
        // The next thing that the method does is to send to the group.
        let answer = one.call(&mut world, "AddThen", &json!([id, "red"]));
        assert!(answer.starts_with("{\"R\":1,"), "{id}: {answer}");
    }
    assert_eq!(told(&mut wire, &mut world), ["added"; 5]);
}

#[test]
fn leg_114_each_audience_is_who_it_says() {
    let mut world = room().authenticate(&by_name);
    let mut crowd = crowd(&mut world, ["ann", "ann", "bob", ""]);
    for (index, group) in [(0, "red"), (1, "red"), (1, "blue"), (2, "blue")] {
        crowd[index].0.call(&mut world, "Join", &json!([group]));
    }
    let ids: Vec<String> = crowd.iter().map(|(guest, _)| guest.id.clone()).collect();
    let id = |index: usize| ids[index].as_str();
    // The second of them calls.
    for (how, names, counts) in [
        ("All", vec![], [1, 1, 1, 1]),
        ("AllExcept", vec![], [1, 1, 1, 1]),
        ("AllExcept", vec![id(0), id(3), "?"], [0, 1, 1, 0]),
        ("Others", vec![], [1, 0, 1, 1]),
        ("Caller", vec![], [0, 1, 0, 0]),
        ("Client", vec![id(2)], [0, 0, 1, 0]),
        ("Client", vec!["?"], [0, 0, 0, 0]),
        ("Clients", vec![id(0), id(2)], [1, 0, 1, 0]),
        ("Clients", vec![], [0, 0, 0, 0]),
        ("Group", vec!["red"], [1, 1, 0, 0]),
        ("Group", vec!["red", id(0)], [0, 1, 0, 0]),
        ("Group", vec!["Red"], [0, 0, 0, 0]),
        ("Group", vec![id(2)], [0, 0, 0, 0]),
        ("OthersInGroup", vec!["red"], [1, 0, 0, 0]),
        // LEG-116
        ("Groups", vec!["red", "blue"], [1, 2, 1, 0]),
        ("Groups", vec![], [0, 0, 0, 0]),
        // LEG-115
        ("User", vec!["ann"], [1, 1, 0, 0]),
        ("User", vec![""], [0, 0, 0, 0]),
        ("Users", vec!["ann", "bob"], [1, 1, 1, 0]),
        ("Users", vec![], [0, 0, 0, 0]),
    ] {
        crowd[1].0.call(&mut world, "Tell", &json!([how, names]));
        for ((_, wire), count) in crowd.iter_mut().zip(counts) {
            assert_eq!(told(wire, &mut world), vec![how; count], "{how} {names:?}");
        }
    }
}

#[test]
fn leg_115_an_empty_name_is_no_user() {
    let mut world = room().authenticate(&by_name);
    let nameless = Guest::of(&mut world, "/signalr", &["roomhub"]);
    let [(guest, mut wire)] = crowd(&mut world, ["ann"]);
    drop(nameless.websocket(&mut world));
    let target = nameless.target("reconnect", "webSockets", "&user=");
    let mut again = Wire::websocket(&mut world, &target);
    texts(&mut again, &mut world);
    world.enter(0, |_: &mut Room, clients| {
        assert_eq!(clients.user("").send("message", ("nobody",)).queued, 0);
        assert_eq!(clients.user("ann").send("message", ("ann",)).queued, 1);
    });
    world.settle();
    assert_eq!(told(&mut again, &mut world), [""; 0]);
    assert_eq!(told(&mut wire, &mut world), ["ann"]);
    // Who is away is still the user.
    wire.close(&mut world);
    let queued = world
        .enter(0, |_: &mut Room, clients| clients.user("ann").send("message", ("later",)).queued);
    assert_eq!(queued, 1);
    let target = guest.target("reconnect", "webSockets", "");
    let mut wire = Wire::websocket(&mut world, &target);
    texts(&mut wire, &mut world);
    guest.abort(&mut world);
    let queued = world.enter(0, |_: &mut Room, clients| {
        clients.user("ann").send("message", ("too late",)).queued
    });
    assert_eq!(queued, 0);
}

/// Each copy has come when the next one does, whatever carries them.
#[test]
fn leg_116_who_is_in_two_of_the_groups_gets_two_copies_over_polls_too() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let first = guest.poll(&mut world, "connect", "");
    guest.start(&mut world);
    for group in ["red", "blue"] {
        guest.call(&mut world, "Join", &json!([group]));
    }
    let seen = guest.poll(&mut world, "poll", first["C"].as_str().expect("a cursor"));
    guest.call(&mut world, "Tell", &json!(["Groups", ["red", "blue", "green"]]));
    let envelope = guest.poll(&mut world, "poll", seen["C"].as_str().expect("a cursor"));
    let copy = client_call("RoomHub", "message", &json!(["Groups"]));
    assert_eq!(messages(&[envelope]), [copy.clone(), copy]);
}
