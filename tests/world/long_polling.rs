//! Long polling, COR-050 to COR-059.

use std::time::Duration;

use tickhub::base::Rng;
use tickhub::sim::{Answer, Wire, World};
use tickhub::{ConnectionOptions, HubOptions};

use crate::hall::{ARRIVED, HERE, Hall, call, guest, hall, invoke, log, result};
use crate::web::{HANDSHAKE, negotiated, poll, polled, polling, post, say};

fn plain(answer: &Answer) -> (u16, &str, &str) {
    let kind = answer.head.header("content-type").unwrap_or_default();
    (answer.head.status(), kind, &answer.body)
}

const BYTES: &str = "application/octet-stream";

fn no_content() -> (u16, &'static str, &'static str) {
    (204, "text/plain", "")
}

fn unknown() -> (u16, &'static str, &'static str) {
    (404, "text/plain", "No Connection with that ID")
}

fn answer_to(wire: &mut Wire, world: &mut World, record: &str) {
    let answer = wire.answer(world);
    assert_eq!(plain(&answer), (200, BYTES, format!("{record}\u{1e}").as_str()));
    let length = answer.body.len().to_string();
    assert_eq!(answer.head.header("content-length"), Some(length.as_str()));
}

#[test]
fn cor_050_the_first_poll_is_empty_and_answered_at_once() {
    let mut world = hall();
    let target = negotiated(&mut world);
    post(&mut world, &target, HANDSHAKE);
    let first = polled(&mut world, &target);
    assert_eq!(plain(&first), (200, BYTES, ""));
    assert_eq!(first.head.header("content-length"), Some("0"));
    assert_eq!(polled(&mut world, &target).body, format!("{{}}\u{1e}{ARRIVED}\u{1e}"));
}

#[test]
fn cor_051_the_next_poll_waits_for_something_to_say() {
    let mut world = hall();
    let target = polling(&mut world);
    let mut wire = poll(&mut world, &target);
    world.pass(Duration::from_mins(1));
    assert!(wire.try_answer(&mut world).is_none());
    say(&mut world, &target, &invoke("1", "Transport", "[]"));
    answer_to(&mut wire, &mut world, &result("1", "\"LongPolling\""));
    // Its socket carries the next one.
    wire.ask(&mut world, "GET", &target, &[], b"");
    say(&mut world, &target, &invoke("2", "Large", "[300000]"));
    assert_eq!(wire.answer(&mut world).body.len(), 300_042);
}

#[test]
fn what_gathers_between_polls_comes_in_one_answer() {
    let mut world = hall();
    let target = polling(&mut world);
    let calls: String =
        (0..3).map(|n| invoke(&n.to_string(), "Add", &format!("[{n},1]")) + "\u{1e}").collect();
    post(&mut world, &target, &calls);
    let expected: String =
        (0..3).map(|n| result(&n.to_string(), &(n + 1).to_string()) + "\u{1e}").collect();
    assert_eq!(polled(&mut world, &target).body, expected);
}

#[test]
fn cor_052_an_idle_poll_is_answered_empty() {
    let connection =
        ConnectionOptions { poll_timeout: Duration::from_secs(1), ..ConnectionOptions::default() };
    let options = HubOptions::default();
    let mut world = World::new(1).hub_with("/hub", Hall::default, &options, &connection);
    let target = polling(&mut world);
    for _ in 0..30 {
        let mut wire = poll(&mut world, &target);
        world.pass(Duration::from_millis(990));
        assert!(wire.try_answer(&mut world).is_none());
        world.pass(Duration::from_millis(20));
        assert_eq!(plain(&wire.answer(&mut world)), (200, "text/plain", ""));
    }
    say(&mut world, &target, &invoke("1", "Add", "[1,2]"));
    assert_eq!(polled(&mut world, &target).body, result("1", "3") + "\u{1e}");
}

#[test]
fn cor_053_the_newest_poll_wins() {
    let mut world = hall();
    let target = polling(&mut world);
    let mut older = poll(&mut world, &target);
    let mut newer = poll(&mut world, &target);
    assert_eq!(plain(&older.answer(&mut world)), no_content());
    say(&mut world, &target, &invoke("1", "Add", "[1,2]"));
    answer_to(&mut newer, &mut world, &result("1", "3"));
}

#[test]
fn polls_that_are_sent_behind_each_other_are_answered_in_order() {
    let mut world = hall();
    let target = polling(&mut world);
    let mut wire = poll(&mut world, &target);
    wire.ask(&mut world, "GET", &target, &[], b"");
    assert!(wire.try_answer(&mut world).is_none(), "the second waits behind the first");
    for id in ["1", "2"] {
        say(&mut world, &target, &invoke(id, "Add", "[1,2]"));
        answer_to(&mut wire, &mut world, &result(id, "3"));
    }
}

#[test]
fn cor_054_an_end_is_told_then_204_then_404() {
    for waits in [true, false] {
        let mut world = hall();
        let target = polling(&mut world);
        let early = waits.then(|| poll(&mut world, &target));
        say(&mut world, &target, &call("Abort", "[]"));
        let mut wire = early.unwrap_or_else(|| poll(&mut world, &target));
        answer_to(&mut wire, &mut world, r#"{"type":7}"#);
        assert_eq!(log(&mut world)[1..], ["aborted by the hub; 0 in the hall"]);
        assert_eq!(plain(&polled(&mut world, &target)), no_content());
        assert_eq!(plain(&polled(&mut world, &target)), unknown());
        drop(wire);
        world.settle();
        assert!(world.is_quiet());
    }
}

#[test]
fn an_end_that_nobody_comes_to_hear_is_forgotten() {
    let mut world = hall();
    let target = polling(&mut world);
    say(&mut world, &target, &call("Abort", "[]"));
    assert_eq!(post(&mut world, &target, "x").head.status(), 404);
    world.pass(Duration::from_secs(16));
    assert_eq!(world.sizes(), (0, 0));
    assert_eq!(plain(&polled(&mut world, &target)), unknown());
}

#[test]
fn cor_024_and_055_delete_releases_the_poll() {
    for waits in [true, false] {
        let mut world = hall();
        let target = polling(&mut world);
        let early = waits.then(|| poll(&mut world, &target));
        let answer = Wire::tcp(&mut world).request(&mut world, "DELETE", &target);
        assert_eq!(plain(&answer), (202, "text/plain", ""));
        if let Some(mut wire) = early {
            assert_eq!(plain(&wire.answer(&mut world)), no_content());
        }
        assert_eq!(log(&mut world)[1..], ["closed by the client; 0 in the hall"]);
        for method in ["GET", "POST", "DELETE"] {
            let answer = Wire::tcp(&mut world).request(&mut world, method, &target);
            assert_eq!(plain(&answer), unknown(), "{method}");
        }
        world.settle();
        assert!(world.is_quiet());
    }
}

#[test]
fn a_delete_ends_what_is_still_to_be_told() {
    let mut world = hall();
    let target = polling(&mut world);
    say(&mut world, &target, r#"{"type":7}"#);
    let answer = Wire::tcp(&mut world).request(&mut world, "DELETE", &target);
    assert_eq!(answer.head.status(), 202);
    assert_eq!(plain(&polled(&mut world, &target)), unknown());
    assert!(world.is_quiet());
}

#[test]
fn cor_056_without_a_poll_for_15_seconds_it_ends() {
    let mut world = hall();
    let target = polling(&mut world);
    world.pass(Duration::from_secs(10));
    // A POST is no poll.
    say(&mut world, &target, r#"{"type":6}"#);
    world.pass(Duration::from_millis(4_900));
    assert_eq!(world.sizes().1, 1);
    world.pass(Duration::from_millis(200));
    assert_eq!(log(&mut world), ["connected", "the transport was lost; 0 in the hall"]);
    assert_eq!(plain(&polled(&mut world, &target)), unknown());
}

#[test]
fn cor_057_nothing_is_pinged_and_a_client_may_be_silent() {
    let mut world = hall();
    let target = polling(&mut world);
    for _ in 0..5 {
        let mut wire = poll(&mut world, &target);
        world.pass(Duration::from_secs(91));
        assert_eq!(plain(&wire.answer(&mut world)), (200, "text/plain", ""));
    }
}

#[test]
fn a_client_that_pinged_once_is_timed_out_over_long_polling_too() {
    let mut world = hall();
    let target = polling(&mut world);
    say(&mut world, &target, r#"{"type":6}"#);
    let mut wire = poll(&mut world, &target);
    world.pass(Duration::from_secs(31));
    let close = r#"{"type":7,"error":"Connection closed with an error.","allowReconnect":true}"#;
    answer_to(&mut wire, &mut world, close);
}

#[test]
fn cor_059_a_poll_that_is_given_up_loses_nothing() {
    let mut world = hall();
    let target = polling(&mut world);
    poll(&mut world, &target).close(&mut world);
    say(&mut world, &target, &invoke("1", "Add", "[1,2]"));
    assert_eq!(polled(&mut world, &target).body, result("1", "3") + "\u{1e}");
}

#[test]
fn cor_059_an_answer_that_breaks_on_its_way_is_given_to_the_next_poll() {
    let mut world = hall();
    let target = polling(&mut world);
    let mut broken = poll(&mut world, &target);
    broken.shut_window(world.now() + Duration::from_mins(1));
    // More than the window of the network takes, so that it cannot have arrived.
    let calls: String =
        (0..9).map(|n| invoke(&n.to_string(), "Large", "[100000]") + "\u{1e}").collect();
    post(&mut world, &target, &calls);
    let mut next = poll(&mut world, &target);
    assert!(next.try_answer(&mut world).is_none(), "one answer at a time");
    broken.reset(&mut world);
    let body = next.answer(&mut world).body;
    assert_eq!(body.matches("\"type\":3").count(), 9, "all of them, once");
    say(&mut world, &target, &invoke("x", "Add", "[1,2]"));
    assert_eq!(polled(&mut world, &target).body, result("x", "3") + "\u{1e}");
}

/// T-POLL: polls that come, overlap, break and are given up; nothing is lost or doubled. (In what
/// order the client looks at its sockets is its own affair.)
#[test]
fn polls_of_every_interleaving_hear_everything_once() {
    for seed in 0..400 {
        let mut rng = Rng::from_seed(seed);
        let mut world = hall();
        let target = polling(&mut world);
        let mut polls: Vec<Wire> = Vec::new();
        let (mut said, mut heard) = (0, String::new());
        for _ in 0..40 {
            match rng.below(6) {
                0 | 1 if polls.len() < 3 => polls.push(poll(&mut world, &target)),
                2 | 3 => {
                    // Larger than a window now and then, so that an answer needs several sends.
                    let bytes = if rng.one_in(4) { 150_000 } else { 5 };
                    let text = format!("{said}{}", "x".repeat(bytes));
                    said += 1;
                    let _ = world.enter(0, |_: &mut Hall, clients| {
                        clients.all().send("n", (text.as_str(),)).queued
                    });
                    world.settle();
                }
                4 => {
                    if let Some(wire) = polls.last_mut() {
                        let until = world.now() + Duration::from_secs(2);
                        wire.shut_window(until);
                    }
                }
                _ => {
                    world.pass(Duration::from_millis(700));
                    // Who is answered was heard; one of the others gives up.
                    if rng.one_in(2) && !polls.is_empty() {
                        let mut wire = polls.swap_remove(rng.below(polls.len() as u64) as usize);
                        match wire.try_answer(&mut world) {
                            Some(answer) => heard.push_str(&answer.body),
                            None => wire.reset(&mut world),
                        }
                    }
                }
            }
            polls.retain_mut(|wire| match wire.try_answer(&mut world) {
                Some(answer) => {
                    heard.push_str(&answer.body);
                    false
                }
                None => true,
            });
        }
        world.pass(Duration::from_secs(3));
        for mut wire in polls {
            match wire.try_answer(&mut world) {
                Some(answer) => heard.push_str(&answer.body),
                None => wire.reset(&mut world),
            }
        }
        let mut last = poll(&mut world, &target);
        if let Some(answer) = last.try_answer(&mut world) {
            heard.push_str(&answer.body);
        }
        let mut numbers: Vec<u32> = heard
            .split('\u{1e}')
            .filter_map(|record| record.split_once("\"arguments\":[\""))
            .map(|(_, text)| text.trim_end_matches(|c: char| !c.is_ascii_digit()))
            .map(|digits| digits.parse().expect("a number comes first"))
            .collect();
        numbers.sort_unstable();
        let expected: Vec<u32> = (0..said).collect();
        assert_eq!(numbers, expected, "seed {seed}");
    }
}

#[test]
fn an_answer_that_stands_still_ends_the_connection() {
    let mut world = hall();
    let target = polling(&mut world);
    let mut wire = poll(&mut world, &target);
    wire.shut_window(world.now() + Duration::from_mins(1));
    say(&mut world, &target, &invoke("1", "Large", "[900000]"));
    world.pass(Duration::from_secs(11));
    assert_eq!(world.counters(0).too_slow, 1);
    let body = polled(&mut world, &target).body;
    assert!(body.starts_with("{\"type\":7,\"error\":"), "{body}");
}

#[test]
fn what_waits_between_polls_counts() {
    let mut world = hall();
    let mut other = guest(&mut world);
    let target = polling(&mut world);
    say(&mut world, &target, &invoke("1", "Large", "[900000]"));
    // Above the soft limit POSTs wait.
    let mut wire = Wire::tcp(&mut world);
    let body = invoke("2", "Add", "[1,2]") + "\u{1e}";
    wire.ask(&mut world, "POST", &target, &[], body.as_bytes());
    assert!(wire.try_answer(&mut world).is_none());
    assert_eq!(polled(&mut world, &target).body.len(), 900_042);
    assert_eq!(wire.answer(&mut world).head.status(), 200);
    assert_eq!(polled(&mut world, &target).body, result("2", "3") + "\u{1e}");
    // Above the hard limit it ends, and who waits to post is told so.
    say(&mut world, &target, &invoke("3", "Large", "[900000]"));
    wire.ask(&mut world, "POST", &target, &[], body.as_bytes());
    let large = "x".repeat(200_000);
    let delivery =
        world.enter(0, |_: &mut Hall, clients| clients.all().send("large", (large.as_str(),)));
    assert_eq!((delivery.queued, delivery.refused), (1, 1));
    world.settle();
    assert_eq!(wire.answer(&mut world).head.status(), 404);
    assert!(polled(&mut world, &target).body.starts_with("{\"type\":7,\"error\":"));
    other.hear(&mut world);
    other.text(&mut world, &invoke("4", "Add", "[1,2]"));
    assert_eq!(other.hear(&mut world), [result("4", "3")]);
}

#[test]
fn cor_119_a_drain_sends_those_who_poll_away() {
    let mut world = hall();
    let target = polling(&mut world);
    let mut wire = poll(&mut world, &target);
    world.drain(Duration::from_secs(5));
    world.pass(Duration::from_millis(200));
    let answer = wire.answer(&mut world);
    assert_eq!(answer.body, "{\"type\":7,\"allowReconnect\":true}\u{1e}");
    assert_eq!(answer.head.header("connection"), Some("close"));
    wire.close(&mut world);
    world.pass(Duration::from_secs(1));
    assert!(world.is_drained());
}

#[test]
fn a_broadcast_reaches_those_who_poll_and_those_between_polls() {
    let mut world = hall();
    let mut websocket = guest(&mut world);
    let (one, two) = (polling(&mut world), polling(&mut world));
    polled(&mut world, &one);
    let mut wire = poll(&mut world, &one);
    websocket.hear(&mut world);
    websocket.text(&mut world, &call("Select", r#"["all",[]]"#));
    assert_eq!(websocket.hear(&mut world), [HERE]);
    answer_to(&mut wire, &mut world, HERE);
    assert_eq!(polled(&mut world, &two).body, format!("{HERE}\u{1e}"));
}

#[test]
fn a_refused_handshake_is_told_then_204_then_404() {
    let mut world = hall();
    let target = negotiated(&mut world);
    polled(&mut world, &target);
    post(&mut world, &target, "{\"protocol\":\"json\",\"version\":9}\u{1e}");
    let text =
        "{\"error\":\"The server does not support version 9 of the 'json' protocol.\"}\u{1e}";
    assert_eq!(plain(&polled(&mut world, &target)), (200, BYTES, text));
    assert_eq!(plain(&polled(&mut world, &target)), no_content());
    assert_eq!(plain(&polled(&mut world, &target)), unknown());
}
