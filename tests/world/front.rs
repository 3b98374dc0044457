//! What stands in front of all routes: functions that see every request.

use std::time::Duration;

use tickhub::http::{Headers, Method, Request, Response};
use tickhub::sim::{Answer, Wire, World};
use tickhub::{HubOptions, RawOptions};

use crate::hall::Hall;
use crate::web::{HANDSHAKE, Stream, negotiated, poll, polled, post};

struct Deaf;

impl tickhub::WebSocket for Deaf {
    fn on_message(&mut self, _: &mut tickhub::Peer<'_>, _: tickhub::Message<'_>) {}
}

/// Every answer says which request it is for; `/private` and below it is refused.
fn guarded() -> World {
    let mark = |request: &Request<'_>, headers: &mut Headers| {
        headers.add("X-Path", &request.path());
        None
    };
    let guard = |request: &Request<'_>, headers: &mut Headers| {
        headers.add("X-Method", request.head().method_name());
        let private = request.path().starts_with("/private");
        assert!(request.path() != "/panic", "planned");
        private.then(|| Response::text(403, "Not for you.").header("X-By", "guard"))
    };
    World::new(1)
        .hub("/hub", Hall::default, &HubOptions::default())
        .hub("/private/hub", Hall::default, &HubOptions::default())
        .websocket("/raw", || Deaf, &RawOptions::default())
        .http("/page", |_| Response::text(200, "page").header("X-By", "page"))
        .http_async("/later", |exchange| async move {
            exchange.call::<Hall>().sleep(Duration::from_secs(1)).await;
            Response::text(200, "later")
        })
        .before(mark)
        .before(guard)
}

fn marks(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    let header = |name| answer.head.header(name);
    (answer.head.status(), header("x-path"), header("x-method"))
}

#[test]
fn headers_reach_every_kind_of_answer() {
    let mut world = guarded();
    let world = &mut world;
    for (method, target, status, path) in [
        ("POST", "/hub/negotiate", 200, "/hub/negotiate"),
        ("GET", "/hub?id=x", 404, "/hub"),
        ("PUT", "/hub", 405, "/hub"),
        ("GET", "/page", 200, "/page"),
        ("GET", "/nothing", 404, "/nothing"),
        ("OPTIONS", "*", 204, "*"),
        ("GET", "/raw", 400, "/raw"),
    ] {
        let answer = Wire::tcp(world).request(world, method, target);
        assert_eq!(marks(&answer), (status, Some(path), Some(method)), "{method} {target}");
    }
    for target in ["/hub", "/raw"] {
        let answer = Wire::tcp(world).upgrade(world, target, &[]);
        assert_eq!(marks(&answer), (101, Some(target), Some("GET")));
    }
}

#[test]
fn headers_reach_polls_whenever_they_are_answered() {
    let mut world = guarded();
    let world = &mut world;
    let target = negotiated(world);
    assert_eq!(marks(&polled(world, &target)), (200, Some("/hub"), Some("GET")));
    let mut waiting = poll(world, &target);
    assert!(waiting.try_answer(world).is_none());
    assert_eq!(marks(&post(world, &target, HANDSHAKE)), (200, Some("/hub"), Some("POST")));
    // With something to say, then as the older of two, then when nothing was said.
    assert_eq!(marks(&waiting.answer(world)), (200, Some("/hub"), Some("GET")));
    let mut older = poll(world, &target);
    let mut newer = poll(world, &target);
    assert_eq!(marks(&older.answer(world)), (204, Some("/hub"), Some("GET")));
    world.pass(Duration::from_secs(91));
    let answer = newer.answer(world);
    assert_eq!((answer.body.as_str(), marks(&answer)), ("", (200, Some("/hub"), Some("GET"))));
}

#[test]
fn headers_reach_an_answer_that_takes_its_time() {
    let mut world = guarded();
    let mut wire = Wire::tcp(&mut world);
    let requests =
        "GET /later HTTP/1.1\r\nHost: sim\r\n\r\nGET /page HTTP/1.1\r\nHost: sim\r\n\r\n";
    wire.bytes(&mut world, requests.as_bytes());
    assert!(wire.try_answer(&mut world).is_none());
    world.pass(Duration::from_secs(1));
    assert_eq!(marks(&wire.answer(&mut world)), (200, Some("/later"), Some("GET")));
    assert_eq!(marks(&wire.answer(&mut world)), (200, Some("/page"), Some("GET")));
}

#[test]
fn headers_reach_an_event_stream() {
    let mut world = guarded();
    let target = negotiated(&mut world);
    let stream = Stream::open(&mut world, &target);
    assert!(stream.head.contains("\r\nX-Path: /hub\r\nX-Method: GET"), "{}", stream.head);
}

#[test]
fn each_answer_of_a_socket_has_the_headers_of_its_own_request() {
    let mut world = guarded();
    let mut wire = Wire::tcp(&mut world);
    let requests = "GET /page HTTP/1.1\r\nHost: sim\r\n\r\n\
                    GET /hub?id=x HTTP/1.1\r\nHost: sim\r\n\r\nnonsense\r\n\r\n";
    wire.bytes(&mut world, requests.as_bytes());
    assert_eq!(marks(&wire.answer(&mut world)), (200, Some("/page"), Some("GET")));
    assert_eq!(marks(&wire.answer(&mut world)), (404, Some("/hub"), Some("GET")));
    // What is no request was seen by nobody.
    assert_eq!(marks(&wire.answer(&mut world)), (400, None, None));
}

#[test]
fn it_may_answer_itself_and_the_route_hears_nothing() {
    let mut world = guarded();
    for (method, target) in [("POST", "/private/hub/negotiate"), ("GET", "/private/x")] {
        let answer = Wire::tcp(&mut world).request(&mut world, method, target);
        assert_eq!((answer.head.status(), answer.body.as_str()), (403, "Not for you."));
        assert_eq!(answer.head.header("x-by"), Some("guard"));
        assert_eq!(answer.head.header("x-method"), Some(method));
    }
    let answer = Wire::tcp(&mut world).upgrade(&mut world, "/private/hub", &[]);
    assert_eq!(answer.head.status(), 403);
    assert_eq!(world.sizes().1, 0, "no connection was made");
}

#[test]
fn a_panic_is_an_answer_of_500_and_the_next_request_works() {
    let mut world = guarded();
    let answer = Wire::tcp(&mut world).request(&mut world, "GET", "/panic");
    assert_eq!((answer.head.status(), answer.body.as_str()), (500, "Internal Server Error"));
    assert_eq!(world.counters(0).panics, 1);
    let answer = Wire::tcp(&mut world).request(&mut world, "GET", "/page");
    assert_eq!(answer.head.status(), 200);
}

#[test]
fn a_request_shows_neither_query_nor_headers_when_it_is_printed() {
    let show = |request: &Request<'_>| Response::new(200).body(shown(request).into_bytes());
    let mut world = World::new(1).http("/show", show);
    let mut wire = Wire::tcp(&mut world);
    let headers = [("Authorization", "Bearer canary"), ("Cookie", "session=canary")];
    wire.ask(&mut world, "POST", "/show?access_token=canary", &headers, b"canary");
    let shown = wire.answer(&mut world).body;
    assert_eq!(shown, "POST /show | POST /show | POST /show");
}

fn shown(request: &Request<'_>) -> String {
    assert_eq!(request.method(), Method::Post);
    format!("{request:?} | {:?} | {:?}", request.head(), request.to_head())
}
