//! Web pages of other origins: what they may read (CORS), and what they may open.

use std::time::Duration;

use tickhub::sim::{Answer, Wire, World};
use tickhub::{ConnectionOptions, Cors, HubOptions, Origins, Policy, RawOptions};

use crate::hall::Hall;
use crate::web::{negotiated_at, poll};

const GOOD: &str = "http://good.example";
const OTHER: &str = "http://other.example";

/// What the JavaScript client asks for.
const ASKED: &str = "x-requested-with,x-signalr-user-agent,authorization,content-type";

struct Echo;

impl tickhub::WebSocket for Echo {
    fn on_message(&mut self, _: &mut tickhub::Peer<'_>, _: tickhub::Message<'_>) {}
}

fn open_to(cors: Cors) -> ConnectionOptions {
    ConnectionOptions { cors: Some(cors), ..ConnectionOptions::default() }
}

fn pages() -> World {
    let hub = HubOptions::default();
    let wide = open_to(Cors::origins([GOOD]).any_header().any_method());
    let wide = ConnectionOptions { allowed_origins: Origins::Any, ..wide };
    let narrow = open_to(Cors::origins([GOOD, "https://b.example:8443"]).max_age(MAX_AGE));
    let public = open_to(Cors::any_origin().methods(&["GET"]).headers(&["x-one", "x-two"]));
    let closed = open_to(Cors::origins([GOOD]).without_credentials());
    let closed = ConnectionOptions { authorize: Some(Policy::signed_in()), ..closed };
    let listed = |list: &[&str]| RawOptions {
        allowed_origins: Origins::list(list.iter().copied()),
        ..RawOptions::default()
    };
    World::new(1)
        .hub("/hub", Hall::default, &hub)
        .hub_with("/cors", Hall::default, &hub, &wide)
        .hub_with("/narrow", Hall::default, &hub, &narrow)
        .hub_with("/public", Hall::default, &hub, &public)
        .hub_with("/closed", Hall::default, &hub, &closed)
        .websocket("/raw/own", || Echo, &RawOptions::default())
        .websocket("/raw/origins", || Echo, &listed(&[GOOD, "http://Mixed.Example"]))
        .websocket("/raw/any-origin", || Echo, &listed(&["*"]))
        .websocket("/raw/none", || Echo, &listed(&[]))
}

const MAX_AGE: Duration = Duration::from_mins(10);

fn send(world: &mut World, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut wire = Wire::tcp(world);
    wire.ask(world, method, target, headers, b"");
    let answer = wire.answer(world);
    wire.close(world);
    answer
}

/// All that an answer says about CORS, in order.
fn allowed(answer: &Answer) -> Vec<String> {
    let lines = answer.head.headers();
    let cors = lines.filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
    cors.map(|(name, value)| format!("{}: {value}", &name["Access-Control-".len()..])).collect()
}

fn preflight<'a>(origin: &'a str, method: &'a str, headers: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("Origin", origin), ("Access-Control-Request-Method", method)];
    if !headers.is_empty() {
        all.push(("Access-Control-Request-Headers", headers));
    }
    all
}

#[test]
fn cor_031_preflights_are_answered_as_recorded() {
    let mut world = pages();
    let world = &mut world;
    let good = format!("Allow-Origin: {GOOD}");
    let answer = send(
        world,
        "OPTIONS",
        "/cors/negotiate?negotiateVersion=1",
        &preflight(GOOD, "POST", ASKED),
    );
    assert_eq!((answer.head.status(), &*answer.body), (204, ""));
    let headers = format!("Allow-Headers: {ASKED}");
    let expected = [&*good, "Allow-Credentials: true", "Allow-Methods: POST", &headers];
    assert_eq!(allowed(&answer), expected);
    let answer = send(world, "OPTIONS", "/cors?id=x", &preflight(GOOD, "DELETE", ""));
    assert_eq!(answer.head.status(), 204);
    assert_eq!(allowed(&answer), [&*good, "Allow-Credentials: true", "Allow-Methods: DELETE"]);
    let answer = send(world, "OPTIONS", "/cors/negotiate", &preflight(OTHER, "POST", ASKED));
    assert_eq!((answer.head.status(), allowed(&answer)), (204, vec![]));
    // Without a method it is no preflight.
    let answer = send(world, "OPTIONS", "/cors/negotiate", &[("Origin", GOOD)]);
    assert_eq!(answer.head.status(), 405);
    assert_eq!(allowed(&answer), [&*good, "Allow-Credentials: true"]);
    // A hub without CORS.
    let answer = send(world, "OPTIONS", "/hub/negotiate", &preflight(GOOD, "POST", ASKED));
    assert_eq!((answer.head.status(), allowed(&answer)), (405, vec![]));
    assert_eq!(answer.head.header("vary"), None);
}

#[test]
fn cor_031_the_usual_settings_let_the_usual_clients_in() {
    let mut world = pages();
    let answer = send(&mut world, "OPTIONS", "/narrow/negotiate", &preflight(GOOD, "POST", ASKED));
    let expected = [
        &*format!("Allow-Origin: {GOOD}"),
        "Allow-Credentials: true",
        "Allow-Methods: GET, POST, DELETE",
        "Allow-Headers: x-requested-with, x-signalr-user-agent, authorization, content-type",
        "Max-Age: 600",
    ];
    assert_eq!(allowed(&answer), expected);
}

#[test]
fn every_answer_says_who_may_read_it() {
    let mut world = pages();
    let world = &mut world;
    let expected = [&*format!("Allow-Origin: {GOOD}"), "Allow-Credentials: true"];
    let target = negotiated_at(world, "/cors");
    for (method, target, status) in [
        ("POST", "/cors/negotiate", 200),
        ("GET", target.as_str(), 200),
        ("GET", "/cors?id=unknown", 404),
        ("POST", target.as_str(), 200),
        ("PUT", "/cors", 405),
        ("DELETE", target.as_str(), 202),
    ] {
        for (origin, expected) in [(GOOD, &expected[..]), (OTHER, &[])] {
            if (origin, method) == (OTHER, "DELETE") {
                continue;
            }
            if (origin, method, status) == (OTHER, "GET", 200) {
                // That one would wait.
                continue;
            }
            let answer = send(world, method, target, &[("Origin", origin)]);
            assert_eq!(answer.head.status(), status, "{method} {target}");
            assert_eq!(allowed(&answer), expected, "{method} {target} {origin}");
            assert_eq!(answer.head.header("vary"), Some("Origin"), "{method} {target} {origin}");
        }
    }
    let answer = send(world, "POST", "/cors/negotiate", &[]);
    assert_eq!((allowed(&answer), answer.head.header("vary")), (vec![], Some("Origin")));
    // An event stream, a refusal for want of a user, and a poll that waited.
    let target = negotiated_at(world, "/cors");
    let mut wire = Wire::tcp(world);
    let headers = [("Accept", "text/event-stream"), ("Origin", GOOD)];
    wire.ask(world, "GET", &target, &headers, b"");
    let mut text = String::new();
    wire.read_text(world, &mut text);
    let lines = format!(
        "\r\nVary: Origin\r\nAccess-Control-Allow-Origin: {GOOD}\r\n\
         Access-Control-Allow-Credentials: true\r\n"
    );
    assert!(text.starts_with("HTTP/1.1 200") && text.contains(&lines), "{text}");
    let answer = send(world, "POST", "/closed/negotiate", &[("Origin", GOOD)]);
    assert_eq!((answer.head.status(), allowed(&answer)), (401, vec![expected[0].to_owned()]));
    let target = negotiated_at(world, "/cors");
    poll(world, &target).close(world);
    let mut waiting = Wire::tcp(world);
    waiting.ask(world, "GET", &target, &[("Origin", GOOD)], b"");
    assert!(waiting.try_answer(world).is_none());
    world.pass(Duration::from_secs(91));
    assert_eq!(allowed(&waiting.answer(world)), expected);
}

/// Origins beside the two that are allowed: none of them is one.
const STRANGERS: [&str; 22] = [
    "null",
    "NULL",
    "http://good.example.evil.example",
    "http://evilgood.example",
    "http://good.example@evil.example",
    "http://good.example:80",
    "http://good.example:8080",
    "http://good.example.",
    "http://good.example/",
    "https://good.example",
    "HTTP://good.example",
    "http://GOOD.example",
    "good.example",
    "http://good",
    "http://xn--god-1na.example",
    "http://g\u{f6}od.example",
    "https://b.example",
    "https://b.example:443",
    "https://b.example:84430",
    "http://good.example http://good.example",
    "http://good.example,http://evil.example",
    "*",
];

#[test]
fn t_cors_no_origin_is_repeated_that_is_not_on_the_list() {
    let mut world = pages();
    let world = &mut world;
    for origin in STRANGERS {
        for (method, more) in [("POST", None), ("OPTIONS", Some("POST"))] {
            let mut headers = vec![("Origin", origin)];
            headers.extend(more.map(|asked| ("Access-Control-Request-Method", asked)));
            let answer = send(world, method, "/narrow/negotiate", &headers);
            assert_eq!(allowed(&answer), [""; 0], "{method} {origin}");
            assert_eq!(answer.head.header("vary"), Some("Origin"));
        }
    }
    let twice = [("Origin", GOOD), ("Origin", GOOD)];
    assert_eq!(allowed(&send(world, "POST", "/narrow/negotiate", &twice)), [""; 0]);
    let answer = send(world, "POST", "/narrow/negotiate", &[("Origin", "https://b.example:8443")]);
    assert_eq!(allowed(&answer).len(), 2);
}

#[test]
fn t_cors_who_may_be_anybody_never_brings_credentials() {
    let mut world = pages();
    let world = &mut world;
    for origin in STRANGERS.into_iter().chain([GOOD]) {
        let answer = send(world, "POST", "/public/negotiate", &[("Origin", origin)]);
        assert_eq!(allowed(&answer), ["Allow-Origin: *"], "{origin}");
    }
    let answer = send(world, "OPTIONS", "/public", &preflight(OTHER, "PUT", "x-evil"));
    let expected = ["Allow-Origin: *", "Allow-Methods: GET", "Allow-Headers: x-one, x-two"];
    assert_eq!(allowed(&answer), expected);
}

#[test]
fn what_is_no_origin_cannot_be_allowed() {
    let told = |options: ConnectionOptions| -> Vec<String> {
        options.mistakes().iter().map(ToString::to_string).collect()
    };
    for wrong in
        ["null", "", "example", "http://", "http://a/", "http://a/b", "http://*.a", "a://b@c"]
    {
        let ends = format!(" = {wrong:?}: an origin is scheme://host or scheme://host:port");
        let cors = open_to(Cors::origins([GOOD, wrong]));
        assert_eq!(told(cors), [format!("cors.origins{ends}")]);
        let allowed_origins = Origins::list([wrong, GOOD]);
        let list = ConnectionOptions { allowed_origins, ..ConnectionOptions::default() };
        assert_eq!(told(list), [format!("allowed_origins{ends}")]);
    }
    assert_eq!(told(open_to(Cors::origins(["*"]))).len(), 1, "that is any_origin");
    for right in ["http://a", "https://a.b:8443", "http://[::1]:80", "HTTPS://A", "app://x"] {
        let allowed_origins = Origins::list([right, "*"]);
        let options = ConnectionOptions { allowed_origins, ..open_to(Cors::origins([right])) };
        assert_eq!(told(options), [""; 0]);
    }
    let cors = Cors::any_origin().methods(&["PATCH", "GE T"]).headers(&["x-a:", "*", "x-b"]);
    let told = told(open_to(cors));
    let begins =
        ["cors.methods = \"GE T\": ", "cors.headers = \"x-a:\": ", "cors.headers = \"*\": "];
    assert!(told.iter().zip(begins).all(|(told, begins)| told.starts_with(begins)), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(Cors::any_origin().any_method().any_header().mistakes(), []);
}

/// Asks for a WebSocket from a page.
fn from_page(world: &mut World, target: &str, origins: &[&str]) -> (u16, String) {
    let headers: Vec<(&str, &str)> = origins.iter().map(|origin| ("Origin", *origin)).collect();
    let mut wire = Wire::tcp(world);
    let answer = wire.upgrade(world, target, &headers);
    wire.close(world);
    (answer.head.status(), answer.body)
}

#[test]
fn raw_origins_as_recorded() {
    let mut world = pages();
    let world = &mut world;
    for (origin, status) in [
        (GOOD, 101),
        (OTHER, 403),
        ("HTTP://GOOD.EXAMPLE", 403),
        ("http://mixed.example", 101),
        ("http://Mixed.Example", 403),
        ("http://good.example:80", 403),
        ("null", 403),
        ("", 101),
    ] {
        let answer = from_page(world, "/raw/origins", &[origin]);
        assert_eq!(answer, (status, String::new()), "{origin:?}");
    }
    assert_eq!(from_page(world, "/raw/origins", &[]).0, 101);
    assert_eq!(from_page(world, "/raw/any-origin", &[OTHER]).0, 101);
    assert_eq!(from_page(world, "/raw/none", &[GOOD]).0, 403);
    // What is no WebSocket is not looked at.
    let answer = send(world, "GET", "/raw/origins", &[("Origin", OTHER)]);
    assert_eq!((answer.head.status(), &*answer.body), (400, "WebSocket expected"));
}

#[test]
fn t_origin_pages_of_others_open_nothing_by_default() {
    let mut world = pages();
    let world = &mut world;
    // The tests ask `sim`.
    for (origins, is_ours) in [
        (&[][..], true),
        (&[""], true),
        (&["http://sim"], true),
        (&["https://sim"], true),
        (&["http://SIM"], true),
        (&["http://sim:80"], true),
        (&["https://sim:443"], true),
        (&["http://sim:443"], false),
        (&["http://sim:8080"], false),
        (&["http://sim."], false),
        (&["http://sim/"], false),
        (&["http://sim.evil.example"], false),
        (&["http://evilsim"], false),
        (&["http://sim@evil.example"], false),
        (&["http://evil.example#sim"], false),
        (&["ftp://sim"], false),
        (&["HTTP://sim"], false),
        (&["sim"], false),
        (&["http://"], false),
        (&["file://"], false),
        (&["null"], false),
        (&[GOOD], false),
        (&["http://sim", "http://sim"], false),
        (&["", OTHER], false),
    ] {
        let status = if is_ours { 101 } else { 403 };
        for path in ["/hub", "/raw/own"] {
            let answer = from_page(world, path, origins);
            assert_eq!(answer, (status, String::new()), "{path} {origins:?}");
        }
        let target = negotiated_at(world, "/hub");
        let mut wire = Wire::tcp(world);
        let origins: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        let headers = [&[("Accept", "text/event-stream")], &origins[..]].concat();
        wire.ask(world, "GET", &target, &headers, b"");
        let mut text = String::new();
        wire.read_text(world, &mut text);
        let begins = if is_ours { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
        assert!(text.starts_with(begins), "{origins:?}: {text}");
        wire.close(world);
    }
}

#[test]
fn what_cors_allows_may_be_opened_and_any_is_any() {
    let mut world = pages();
    let world = &mut world;
    for (path, origin, status) in [
        ("/narrow", GOOD, 101),
        ("/narrow", OTHER, 403),
        ("/public", OTHER, 101),
        // As the original: CORS does not cover WebSockets.
        ("/cors", OTHER, 101),
        ("/cors", "null", 101),
    ] {
        assert_eq!(from_page(world, path, &[origin]).0, status, "{path} {origin}");
    }
}

#[test]
fn a_host_with_a_port_is_another_host() {
    let mut world = pages();
    let world = &mut world;
    for (host, origin, status) in [
        ("game.example:5000", "http://game.example:5000", "101"),
        ("game.example:5000", "http://game.example", "403"),
        ("game.example", "http://game.example:5000", "403"),
        ("game.example:80", "http://game.example", "101"),
        ("game.example:443", "https://game.example", "101"),
        ("[::1]:5000", "http://[::1]:5000", "101"),
        ("[::1]", "http://[::1]:5000", "403"),
    ] {
        let mut wire = Wire::tcp(world);
        let request = format!(
            "GET /hub HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        wire.bytes(world, request.as_bytes());
        let mut text = String::new();
        wire.read_text(world, &mut text);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {origin}: {text}");
        wire.close(world);
    }
}
