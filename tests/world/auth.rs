//! Who asks, and whether they may: endpoints, methods, expiry.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use tickhub::http::Request;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Answer, Frame, Wire, World};
use tickhub::{
    Closed, ConnectionOptions, Context, Hub, HubError, HubOptions, Identity, Methods, Policy,
    RawOptions, bearer_token,
};

use crate::hall::{call, invoke, is_error, result};
use crate::web::HANDSHAKE;

/// A hub that shows who calls it.
#[derive(Default)]
struct Club {
    log: Vec<String>,
}

impl Hub for Club {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on("Who", |_: &mut Self, ctx: &mut Context<Self>| {
                ctx.user_id().unwrap_or_default().to_owned()
            })
            .on("Team", |_: &mut Self, ctx: &mut Context<Self>| {
                ctx.identity().and_then(|who| who.first_claim("team")).map(str::to_owned)
            })
            .on("Signed", |_: &mut Self, ctx: &mut Context<Self>| {
                ctx.identity().and_then(Identity::name).map(|name| format!("for {name}"))
            })
            .require(Policy::signed_in())
            .on("AdminOnly", |_: &mut Self, _: &mut Context<Self>| "admin ok")
            .require(Policy::role("admin"))
            .on("AdminNote", |hub: &mut Self, _: &mut Context<Self>, text: String| {
                hub.log.push(text);
            })
            .require(Policy::signed_in())
            .require(Policy::role("admin"))
            .on("Guarded", |_: &mut Self, _: &mut Context<Self>, number: i64| number)
            .require(Policy::custom(|call| {
                assert_eq!(call.method(), Some("Guarded"));
                assert!(call.request().is_some());
                call.argument::<i64>(0).is_some_and(|number| number % 2 == 0)
            }))
            .on("Quoted", |_: &mut Self, _: &mut Context<Self>, a: String, b: tickhub::Text| {
                format!("{a}{b}")
            })
            .require(Policy::custom(|call| {
                let text = |index| call.argument::<String>(index);
                text(0).as_deref() == Some("\n") && text(1).is_some() && text(2).is_none()
            }))
            .on("Panic", |_: &mut Self, _: &mut Context<Self>| -> u8 {
                std::panic::resume_unwind(Box::new("planned"))
            })
            .on("Broken", |_: &mut Self, _: &mut Context<Self>| 1)
            .require(Policy::custom(|_| std::panic::resume_unwind(Box::new("planned"))))
            .on_async("Later", async |_: tickhub::Call<Self>| "later")
            .require(Policy::signed_in());
    }

    fn on_connected(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), HubError> {
        self.log.push(format!("connected {}", ctx.user_id().unwrap_or("nobody")));
        Ok(())
    }

    fn on_disconnected(
        &mut self,
        _: &mut Context<'_, Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        assert!(*reason != Closed::Expired || reason.error().is_none());
        self.log.push(format!("{reason:?}"));
        Ok(())
    }
}

struct Echo;

impl tickhub::WebSocket for Echo {
    fn on_open(&mut self, peer: &mut tickhub::Peer<'_>) {
        let who = peer.identity().and_then(Identity::id).unwrap_or("nobody").to_owned();
        peer.send(tickhub::Message::Text(&who)).ignore();
    }

    fn on_message(&mut self, _: &mut tickhub::Peer<'_>, _: tickhub::Message<'_>) {}
}

/// `user:NAME`, `user:NAME:SECONDS` until the identity expires. `admin` is one.
fn by_name(request: &Request<'_>) -> Option<Identity> {
    let token = bearer_token(request.head())?;
    let mut parts = token.strip_prefix("user:")?.split(':');
    let name = parts.next()?;
    let identity = match name {
        "" => Identity::nameless(),
        "panic" => std::panic::resume_unwind(Box::new("planned")),
        "admin" => Identity::new(name).role("admin"),
        _ => Identity::new(name).claim("team", "blue").claim("team", "red"),
    };
    let seconds: Option<u64> = parts.next().and_then(|text| text.parse().ok());
    Some(match seconds {
        Some(seconds) => identity.expires_at(UNIX_EPOCH + Duration::from_secs(seconds)),
        None => identity,
    })
}

fn requiring(policy: Policy) -> ConnectionOptions {
    ConnectionOptions { authorize: Some(policy), ..ConnectionOptions::default() }
}

pub(crate) fn club() -> World {
    let hub = HubOptions::default();
    let expiring = ConnectionOptions {
        close_on_authentication_expiration: true,
        ..ConnectionOptions::default()
    };
    let raw = RawOptions { authorize: Some(Policy::named()), ..RawOptions::default() };
    World::new(1)
        .hub("/hub", Club::default, &hub)
        .hub_with("/auth", Club::default, &hub, &requiring(Policy::signed_in()))
        .hub_with("/admin", Club::default, &hub, &requiring(Policy::role("admin")))
        .hub_with("/expiring", Club::default, &hub, &expiring)
        .websocket("/raw", || Echo, &raw)
        .authenticate(&(by_name as fn(&Request<'_>) -> Option<Identity>))
}

pub(crate) fn send(
    world: &mut World,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut wire = Wire::tcp(world);
    wire.ask(world, method, target, headers, if method == "POST" { b"x" } else { b"" });
    let answer = wire.answer(world);
    wire.close(world);
    answer
}

pub(crate) fn bearer(token: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {token}"))
}

fn as_user<'a>(header: &'a (&'static str, String)) -> [(&'a str, &'a str); 1] {
    [(header.0, &header.1)]
}

/// Negotiates as somebody, and returns the target of everything else.
pub(crate) fn negotiated_as(world: &mut World, path: &str, token: &str) -> String {
    let query = if token.is_empty() { String::new() } else { format!("&access_token={token}") };
    let target = format!("{path}/negotiate?negotiateVersion=1{query}");
    let answer = send(world, "POST", &target, &[]);
    assert_eq!(answer.head.status(), 200, "{}", answer.body);
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    format!("{path}?id={}", document["connectionToken"].as_str().expect("a token"))
}

/// A hub connection over a WebSocket without negotiation.
pub(crate) fn guest(world: &mut World, path: &str, token: &str) -> Wire {
    Wire::hub(world, &format!("{path}?access_token={token}"))
}

fn asked(world: &mut World, wire: &mut Wire, method: &str) -> String {
    wire.text(world, &invoke("1", method, "[]"));
    let heard = wire.hear(world);
    let record: Value = serde_json::from_str(&heard[0]).expect("JSON");
    match &record["result"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[test]
fn cor_029_a_closed_endpoint_is_closed_on_every_way_in() {
    let mut world = club();
    let world = &mut world;
    let stream = ("Accept", "text/event-stream");
    let (bad, ann) = (bearer("nonsense"), bearer("user:ann"));
    for (path, who, status, challenge) in [
        ("/auth", None, 401, Some("Bearer")),
        ("/auth", Some(&bad), 401, Some("Bearer")),
        ("/admin", None, 401, Some("Bearer")),
        ("/admin", Some(&ann), 403, None),
    ] {
        for (method, target, more) in [
            ("POST", format!("{path}/negotiate?negotiateVersion=1"), None),
            ("GET", format!("{path}/negotiate"), None),
            ("GET", format!("{path}?id=x"), None),
            ("GET", path.to_owned(), None),
            ("GET", format!("{path}?id=x"), Some(stream)),
            ("POST", format!("{path}?id=x"), None),
            ("DELETE", format!("{path}?id=x"), None),
            ("PUT", format!("{path}?id=x"), None),
            ("OPTIONS", format!("{path}?id=x"), None),
        ] {
            let who = who.map(|(name, value)| (*name, value.as_str()));
            let headers: Vec<(&str, &str)> = more.into_iter().chain(who).collect();
            let answer = send(world, method, &target, &headers);
            let what = format!("{method} {target} {headers:?}");
            assert_eq!((answer.head.status(), &*answer.body), (status, ""), "{what}");
            assert_eq!(answer.head.header("www-authenticate"), challenge, "{what}");
            assert_eq!(answer.head.header("cache-control"), None, "{what}");
        }
        let who = who.map(|(name, value)| (*name, value.as_str()));
        let answer = Wire::tcp(world).upgrade(world, path, who.as_slice());
        assert_eq!((answer.head.status(), &*answer.body), (status, ""));
    }
    assert_eq!(world.sizes().1, 0, "no connection was made");
}

#[test]
fn an_endpoint_is_open_to_whom_its_policy_lets_in() {
    let mut world = club();
    let world = &mut world;
    let mut ann = guest(world, "/auth", "user:ann");
    assert_eq!(asked(world, &mut ann, "Who"), "ann");
    assert_eq!(asked(world, &mut ann, "Team"), "blue");
    let mut admin = guest(world, "/admin", "user:admin");
    assert_eq!(asked(world, &mut admin, "Who"), "admin");
    // Behind the door everything is as usual.
    let answer = send(world, "GET", "/auth?id=x&access_token=user:ann", &[]);
    assert_eq!((answer.head.status(), &*answer.body), (404, "No Connection with that ID"));
    let answer = send(world, "PUT", "/auth?access_token=user:ann", &[]);
    assert_eq!(answer.head.status(), 405);
}

#[test]
fn cor_030_tokens_come_by_header_or_query_and_the_header_wins() {
    let mut world = club();
    let world = &mut world;
    for (query, headers, who) in [
        ("", vec![("Authorization", "Bearer user:ann")], "ann"),
        ("", vec![("authorization", "bEARER   user:ann ")], "ann"),
        ("?access_token=user%3Aann", vec![], "ann"),
        ("?x=1&Access_Token=user%3Aann", vec![], "ann"),
        ("?access_token=user:query", vec![("Authorization", "Bearer user:header")], "header"),
        ("?access_token=user:query", vec![("Authorization", "Bearer nonsense")], ""),
        ("?access_token=user:query", vec![("Authorization", "Basic dXNlcjpw")], "query"),
        ("?access_token=user:a&access_token=user:b", vec![], ""),
        ("", vec![("Authorization", "Bearer user:a"), ("Authorization", "Bearer user:b")], ""),
        ("?access_token=", vec![], ""),
        ("", vec![("Authorization", "Bearer")], ""),
        ("", vec![("Authorization", "Beareruser:ann")], ""),
        ("?access_token=user:", vec![], ""),
    ] {
        let mut wire = Wire::tcp(world);
        let answer = wire.upgrade(world, &format!("/hub{query}"), &headers);
        assert_eq!(answer.head.status(), 101);
        wire.text(world, HANDSHAKE.trim_end_matches('\u{1e}'));
        assert_eq!(wire.hear(world), ["{}"]);
        assert_eq!(asked(world, &mut wire, "Who"), who, "{query} {headers:?}");
    }
}

#[test]
fn every_transport_is_somebodys() {
    let mut world = club();
    let world = &mut world;
    let ann = bearer("user:ann");
    // Polls, with the token in the query; POSTs with the header.
    let target = negotiated_as(world, "/auth", "user:ann");
    let poll = format!("{target}&access_token=user:ann");
    assert_eq!(send(world, "GET", &poll, &[]).head.status(), 200);
    assert_eq!(send(world, "POST", &target, &[]).head.status(), 401);
    let mut wire = Wire::tcp(world);
    wire.ask(world, "POST", &target, &as_user(&ann), HANDSHAKE.as_bytes());
    assert_eq!(wire.answer(world).head.status(), 200);
    assert_eq!(send(world, "GET", &poll, &[]).body, "{}\u{1e}");
    let who = format!("{}\u{1e}", invoke("1", "Who", "[]"));
    wire.ask(world, "POST", &target, &as_user(&ann), who.as_bytes());
    assert_eq!(send(world, "GET", &poll, &[]).body, format!("{}\u{1e}", result("1", "\"ann\"")));
    assert_eq!(send(world, "DELETE", &target, &[]).head.status(), 401);
    assert_eq!(send(world, "DELETE", &poll, &[]).head.status(), 202);
    // An event stream.
    let target = negotiated_as(world, "/auth", "user:bob");
    let mut stream = Wire::tcp(world);
    let accept = [("Accept", "text/event-stream"), ("Authorization", "bearer user:bob")];
    stream.ask(world, "GET", &target, &accept, b"");
    let mut text = String::new();
    assert!(stream.read_text(world, &mut text) && text.starts_with("HTTP/1.1 200"), "{text}");
}

#[test]
fn nobody_takes_over_what_somebody_else_has_negotiated() {
    let mut world = club();
    let world = &mut world;
    for (owner, other, status) in [
        ("user:ann", "user:bob", 403),
        ("", "user:bob", 403),
        ("user:ann", "user:", 403),
        // The token may have been renewed meanwhile.
        ("user:ann", "user:ann:99", 200),
        // Some clients poll without a token (§8.5); they get no more than anybody.
        ("user:ann", "", 200),
        ("", "", 200),
    ] {
        let what = format!("{owner:?}, then {other:?}");
        for headers in [vec![], vec![("Accept", "text/event-stream")]] {
            let target = negotiated_as(world, "/hub", owner);
            let target = match other {
                "" => target,
                _ => format!("{target}&access_token={other}"),
            };
            let mut wire = Wire::tcp(world);
            wire.ask(world, "GET", &target, &headers, b"");
            let mut text = String::new();
            wire.read_text(world, &mut text);
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {text}");
            wire.close(world);
        }
        let target = format!("{}&access_token={other}", negotiated_as(world, "/hub", owner));
        let answer = Wire::tcp(world).upgrade(world, &target, &[]);
        assert_eq!(answer.head.status(), if status == 200 { 101 } else { status }, "{what}");
    }
}

#[test]
fn what_somebody_has_opened_is_not_for_others_who_have_signed_in() {
    let mut world = club();
    let world = &mut world;
    let target = negotiated_as(world, "/hub", "user:ann");
    let ann = format!("{target}&access_token=user:ann");
    let bob = format!("{target}&access_token=user:bob");
    assert_eq!(send(world, "GET", &ann, &[]).head.status(), 200);
    for method in ["GET", "POST", "DELETE"] {
        let answer = send(world, method, &bob, &[]);
        assert_eq!((answer.head.status(), &*answer.body), (403, ""), "{method}");
    }
    assert_eq!(send(world, "DELETE", &ann, &[]).head.status(), 202);
}

#[test]
fn plain_websockets_ask_too() {
    let mut world = club();
    let world = &mut world;
    for (target, status) in [
        ("/raw", 401),
        ("/raw?access_token=nonsense", 401),
        ("/raw?access_token=user:", 403),
        ("/raw?access_token=user:ann", 101),
    ] {
        let mut wire = Wire::tcp(world);
        let answer = wire.upgrade(world, target, &[]);
        assert_eq!(answer.head.status(), status, "{target}");
        if status == 101 {
            assert_eq!(wire.frames(world), [Frame::Text("ann".into())]);
        }
    }
    assert_eq!(send(world, "GET", "/raw", &[]).head.status(), 401, "before what it asks for");
}

#[test]
fn a_scheme_that_panics_lets_nobody_in_and_harms_nobody() {
    let mut world = club();
    let world = &mut world;
    let answer = send(world, "POST", "/hub/negotiate?access_token=user:panic", &[]);
    assert_eq!((answer.head.status(), &*answer.body), (500, "Internal Server Error"));
    assert_eq!((world.counters(0).panics, world.sizes().1), (1, 0));
    guest(world, "/auth", "user:ann");
}

#[test]
fn cor_100_methods_ask_who_calls() {
    let mut world = club();
    let world = &mut world;
    let refused = |name: &str| format!("Failed to invoke '{name}' because user is unauthorized");
    let misfit = "Failed to invoke 'Guarded' due to an error on the server.";
    let (signed, admin) = (refused("Signed"), refused("AdminOnly"));
    let (guarded, later) = (refused("Guarded"), refused("Later"));
    // What nobody, a user and an admin hear: a result, or the text of an error.
    for (method, arguments, heard) in [
        ("Signed", "[]", [Err(&*signed), Ok("\"for ann\""), Ok("\"for admin\"")]),
        ("AdminOnly", "[]", [Err(&*admin), Err(&*admin), Ok("\"admin ok\"")]),
        ("adminonly", "[]", [Err(&*admin), Err(&*admin), Ok("\"admin ok\"")]),
        ("Guarded", "[4]", [Ok("4"); 3]),
        ("Guarded", "[5]", [Err(&*guarded); 3]),
        // What does not fit is told first (§3.6).
        ("Guarded", "[\"x\"]", [Err(misfit); 3]),
        ("Guarded", "[]", [Err(misfit); 3]),
        ("Later", "[]", [Err(&*later), Ok("\"later\""), Ok("\"later\"")]),
    ] {
        for (user, expected) in ["", "user:ann", "user:admin"].into_iter().zip(heard) {
            let mut wire = guest(world, "/hub", user);
            wire.text(world, &invoke("7", method, arguments));
            let heard = wire.hear(world);
            let is_right = match expected {
                Ok(value) => heard[0] == result("7", value),
                Err(text) => is_error(&heard[0], "7", text),
            };
            assert!(heard.len() == 1 && is_right, "{user} {method}{arguments}: {heard:?}");
            wire.close(world);
        }
    }
}

#[test]
fn cor_100_a_call_without_id_is_refused_in_silence() {
    let mut world = club();
    let world = &mut world;
    for (user, ran) in [("", false), ("user:ann", false), ("user:admin", true)] {
        let mut wire = guest(world, "/hub", user);
        wire.text(world, &call("AdminNote", "[\"ran\"]"));
        assert_eq!(wire.hear(world), [""; 0]);
        let log = world.enter(0, |hub: &mut Club, _| std::mem::take(&mut hub.log));
        assert_eq!(log.contains(&"ran".to_owned()), ran, "{user}");
    }
}

#[test]
fn a_stream_call_is_held_against_the_policy_before_its_kind() {
    let mut world = club();
    let world = &mut world;
    let call = r#"{"type":4,"invocationId":"s","target":"AdminOnly","arguments":[]}"#;
    let mut wire = guest(world, "/hub", "user:ann");
    wire.text(world, call);
    let refused = "Failed to invoke 'AdminOnly' because user is unauthorized";
    assert!(is_error(&wire.hear(world)[0], "s", refused));
    let mut wire = guest(world, "/hub", "user:admin");
    wire.text(world, call);
    let heard = wire.hear(world);
    assert!(heard[0].contains("non-streaming 'AdminOnly' method"), "{heard:?}");
}

#[test]
fn a_policy_sees_arguments_that_the_method_still_gets_whole() {
    let mut world = club();
    let world = &mut world;
    let mut wire = guest(world, "/hub", "");
    // Texts are unescaped in place.
    wire.text(world, &invoke("1", "Quoted", r#"["\n","\u00e9\""]"#));
    assert_eq!(wire.hear(world), [result("1", r#""\né\"""#)]);
    wire.text(world, &invoke("2", "Quoted", r#"["x","y"]"#));
    let refused = "Failed to invoke 'Quoted' because user is unauthorized";
    assert!(is_error(&wire.hear(world)[0], "2", refused));
    // The same in MessagePack: [1, {}, "1", "Guarded", [5]] and [4].
    let mut packed = Wire::websocket(world, "/hub");
    packed.text(world, r#"{"protocol":"messagepack","version":1}"#);
    for (number, end) in [(5, "because user is unauthorized"), (4, "\u{3}\u{4}")] {
        let mut record = b"\x0e\x95\x01\x80\xa11\xa7Guarded\x91".to_vec();
        record.push(number);
        record[0] = record.len() as u8 - 1;
        packed.frame(world, OpCode::Binary, true, &record);
        let frames = packed.frames(world);
        let Some(Frame::Binary(bytes)) = frames.last() else { panic!("{frames:?}") };
        assert!(String::from_utf8_lossy(bytes).ends_with(end), "{bytes:?}");
    }
}

#[test]
fn a_policy_that_panics_is_a_no() {
    let mut world = club();
    let world = &mut world;
    let mut wire = guest(world, "/hub", "user:admin");
    wire.text(world, &invoke("1", "Broken", "[]"));
    let refused = "Failed to invoke 'Broken' because user is unauthorized";
    assert!(is_error(&wire.hear(world)[0], "1", refused));
    assert_eq!(world.counters(0).panics, 1);
    assert_eq!(asked(world, &mut wire, "AdminOnly"), "admin ok");
}

#[test]
fn connections_end_when_their_identity_does() {
    let mut world = club();
    let world = &mut world;
    world.set_wall_clock(UNIX_EPOCH + Duration::from_secs(1000));
    let mut ends = guest(world, "/expiring", "user:ann:1010");
    let mut stays = guest(world, "/expiring", "user:ann");
    let mut elsewhere = guest(world, "/hub", "user:ann:1010");
    world.pass(Duration::from_millis(9_990));
    assert_eq!(asked(world, &mut ends, "Who"), "ann");
    world.pass(Duration::from_millis(20));
    assert_eq!(
        ends.frames(world),
        [
            Frame::Text("{\"type\":7,\"allowReconnect\":true}\u{1e}".into()),
            Frame::Close(Some(1000), String::new()),
        ]
    );
    // The others are who they were, however long.
    world.pass(Duration::from_secs(3));
    assert_eq!(asked(world, &mut stays, "Who"), "ann");
    assert_eq!(asked(world, &mut elsewhere, "Signed"), "for ann");
    // What has expired before it came ends at once, handshake or not.
    let mut late = Wire::websocket(world, "/expiring?access_token=user:ann:1010");
    assert_eq!(late.frames(world), [Frame::Close(Some(1000), String::new())]);
}

#[test]
fn an_expired_end_is_no_error_for_the_hub() {
    let expiring = ConnectionOptions {
        close_on_authentication_expiration: true,
        ..ConnectionOptions::default()
    };
    let mut world = World::new(1)
        .hub_with("/hub", Club::default, &HubOptions::default(), &expiring)
        .authenticate(&(by_name as fn(&Request<'_>) -> Option<Identity>));
    let world = &mut world;
    let wire = guest(world, "/hub", "user:ann:5");
    world.pass(Duration::from_secs(6));
    let log = world.enter(0, |hub: &mut Club, _| hub.log.clone());
    assert_eq!(log, ["connected ann", "Expired"]);
    wire.close(world);
    assert!(world.is_quiet());
}

#[test]
fn each_poll_brings_a_new_end() {
    let mut world = club();
    let world = &mut world;
    let target = negotiated_as(world, "/expiring", "user:ann:10");
    let poll = |until: &str| format!("{target}&access_token=user:ann{until}");
    assert_eq!(send(world, "GET", &poll(":10"), &[]).head.status(), 200);
    let mut wire = Wire::tcp(world);
    wire.ask(world, "POST", &target, &[], HANDSHAKE.as_bytes());
    assert_eq!(send(world, "GET", &poll(":10"), &[]).body, "{}\u{1e}");
    world.pass(Duration::from_secs(8));
    let mut second = Wire::tcp(world);
    second.ask(world, "GET", &poll(":20"), &[], b"");
    world.pass(Duration::from_secs(11));
    assert!(second.try_answer(world).is_none(), "the second poll has prolonged it");
    world.pass(Duration::from_secs(2));
    assert_eq!(second.answer(world).body, "{\"type\":7,\"allowReconnect\":true}\u{1e}");
    assert_eq!(send(world, "GET", &poll(":99"), &[]).head.status(), 204);
}

#[test]
fn a_poll_that_says_nothing_of_its_sender_prolongs_nothing() {
    let mut world = club();
    let world = &mut world;
    let target = negotiated_as(world, "/expiring", "user:ann:10");
    let first = format!("{target}&access_token=user:ann:10");
    assert_eq!(send(world, "GET", &first, &[]).head.status(), 200);
    let mut wire = Wire::tcp(world);
    wire.ask(world, "GET", &target, &[], b"");
    world.pass(Duration::from_secs(11));
    assert_eq!(wire.answer(world).head.status(), 204);
}

#[test]
fn users_are_addressed_by_the_id_of_their_identity_or_by_what_the_endpoint_says() {
    fn by_team(_: &tickhub::http::RequestHead, who: Option<&Identity>) -> Option<String> {
        who.and_then(|who| who.first_claim("team")).map(str::to_owned)
    }
    let teams = ConnectionOptions { user_id: Some(by_team), ..ConnectionOptions::default() };
    let mut world = World::new(1)
        .hub_with("/teams", Club::default, &HubOptions::default(), &teams)
        .authenticate(&(by_name as fn(&Request<'_>) -> Option<Identity>));
    let world = &mut world;
    let mut ann = guest(world, "/teams", "user:ann");
    let mut nobody = guest(world, "/teams", "");
    assert_eq!(asked(world, &mut ann, "Who"), "blue");
    assert_eq!(asked(world, &mut nobody, "Who"), "");
    let reached = |user: &str, world: &mut World| {
        world.enter(0, |_: &mut Club, clients| clients.user(user).send("hello", ()).queued)
    };
    assert_eq!(["blue", "Blue", "ann", ""].map(|user| reached(user, world)), [1, 0, 0, 0]);
}

#[test]
fn only_who_left_comes_back_to_a_stateful_connection() {
    let options =
        ConnectionOptions { allow_stateful_reconnects: true, ..ConnectionOptions::default() };
    let mut world = World::new(1)
        .hub_with("/hub", Club::default, &HubOptions::default(), &options)
        .authenticate(&(by_name as fn(&Request<'_>) -> Option<Identity>));
    let world = &mut world;
    let negotiate = "/hub/negotiate?negotiateVersion=1&useStatefulReconnect=true";
    let answer = send(world, "POST", &format!("{negotiate}&access_token=user:ann"), &[]);
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    let target = format!("/hub?id={}", document["connectionToken"].as_str().expect("a token"));
    let ann = format!("{target}&access_token=user:ann");
    let mut wire = Wire::websocket(world, &ann);
    wire.text(world, r#"{"protocol":"json","version":2}"#);
    assert_eq!(wire.hear(world), ["{}"]);
    wire.reset(world);
    for (more, status) in [("", 403), ("&access_token=user:bob", 403)] {
        let answer = Wire::tcp(world).upgrade(world, &format!("{target}{more}"), &[]);
        assert_eq!((answer.head.status(), &*answer.body), (status, ""), "{more:?}");
    }
    let mut wire = Wire::websocket(world, &ann);
    wire.text(world, r#"{"type":9,"sequenceId":1}"#);
    assert!(wire.hear(world)[0].contains("\"type\":9"));
}
