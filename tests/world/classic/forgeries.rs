//! Requests that a page of somebody else has a browser send, with the cookies of its user (T-CSRF).

use serde_json::{Value, json};
use tickhub::base::Rng;
use tickhub::http::Request;
use tickhub::sim::{Answer, Wire, World};
use tickhub::{Identity, KeyRing};

use super::guest::{heard, percent, texts};
use super::room::{events, room};

/// Whoever has a cookie is signed in.
fn by_cookie(request: &Request<'_>) -> Option<Identity> {
    request.header("cookie")?.strip_prefix("user=").map(Identity::new)
}

const NEGOTIATE: &str =
    "/signalr/negotiate?clientProtocol=2.1&connectionData=%5B%7B%22name%22:%22roomhub%22%7D%5D";

fn ask(
    world: &mut World,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut wire = Wire::tcp(world);
    wire.ask(world, method, target, headers, body.as_bytes());
    let answer = wire.answer(world);
    wire.close(world);
    answer
}

/// The id and the token that somebody is given.
fn negotiated(world: &mut World, headers: &[(&str, &str)]) -> (String, String) {
    let told = ask(world, "GET", NEGOTIATE, headers, "");
    let told: Value = serde_json::from_str(&told.body).expect("a document");
    let text = |key: &str| told[key].as_str().expect("a text").to_owned();
    (text("ConnectionId"), text("ConnectionToken"))
}

fn target(word: &str, transport: &str, token: &str) -> String {
    let data = "connectionData=%5B%7B%22name%22:%22roomhub%22%7D%5D";
    format!("/signalr/{word}?transport={transport}&clientProtocol=2.1&{data}{token}")
}

#[test]
fn t_csrf_who_does_not_know_the_token_does_nothing_in_the_name_of_another() {
    let mut world = room().authenticate(&by_cookie);
    let (ann, bob) = ([("Cookie", "user=ann")], [("Cookie", "user=bob")]);
    let (id, token) = negotiated(&mut world, &ann);
    let known = format!("&connectionToken={}", percent(&token));
    let connect = target("connect", "webSockets", &known);
    let mut wire = Wire::websocket_with(&mut world, &connect, &ann);
    let start = target("start", "webSockets", &known);
    assert_eq!(ask(&mut world, "GET", &start, &ann, "").head.status(), 200);
    texts(&mut wire, &mut world);

    let guid = id.parse().expect("an id");
    let elsewhere = KeyRing::from_bytes([9; 32]);
    let mut changed = token.clone().into_bytes();
    changed[10] ^= 1;
    let changed = String::from_utf8(changed).expect("ASCII");
    let guesses = [
        Some(String::new()),
        Some(id.clone()),
        Some(format!("{id}:ann")),
        Some(negotiated(&mut world, &[]).1),
        Some(negotiated(&mut world, &bob).1),
        Some(token[..token.len() - 1].to_owned()),
        Some(changed),
        Some(format!("{token},{token}")),
        Some("A".repeat(token.len())),
        Some(elsewhere.connection_token(&mut Rng::from_seed(1), guid, "ann")),
        Some(elsewhere.groups_token(&mut Rng::from_seed(1), guid, ["RoomHub.red"])),
        None,
    ];
    let page = [
        ("Cookie", "user=ann"),
        ("Origin", "https://evil.example"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let call = percent(&json!({"H": "roomhub", "M": "ToAll", "A": ["x"], "I": 0}).to_string());
    let body = format!("data={call}");
    for guess in &guesses {
        let guess = guess.as_ref().map(|guess| format!("&connectionToken={}", percent(guess)));
        for word in ["send", "abort", "start", "connect", "reconnect", "poll"] {
            let target = target(word, "longPolling", guess.as_deref().unwrap_or_default());
            let status = ask(&mut world, "POST", &target, &page, &body).head.status();
            assert!(matches!(status, 400 | 403), "{status}: {target}");
        }
    }
    assert_eq!(heard(&mut wire, &mut world), [Value::Null; 0]);
    assert_eq!(events(&mut world, &id), ["connected"]);
    assert_eq!(world.sizes().1, 1, "nobody else came of it");

    // The page cannot read a token either: neither as a document nor as a script.
    let told = ask(&mut world, "GET", NEGOTIATE, &page, "");
    assert_eq!(told.head.header("access-control-allow-origin"), None);
    let script = format!("{NEGOTIATE}&callback=steal");
    assert_eq!(ask(&mut world, "GET", &script, &page, "").head.status(), 403);
    // It is the token that was missing.
    let send = target("send", "longPolling", &known);
    assert_eq!(ask(&mut world, "POST", &send, &ann, &body).head.status(), 200);
    assert_eq!(heard(&mut wire, &mut world).len(), 1);
}
