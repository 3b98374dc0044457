//! The rate limit of connections, in virtual time.

use std::time::Duration;

use tickhub::sim::{Wire, World};
use tickhub::{HubOptions, Rate, RateLimit};

use crate::hall::{call, guest, hall_with, invoke, is_error, log, result};

fn limited(limit: RateLimit) -> World {
    hall_with(&HubOptions { rate_limit: Some(limit), ..HubOptions::default() })
}

fn messages(per_second: u64, burst: u64) -> World {
    limited(RateLimit { messages: Some(Rate { per_second, burst }), bytes: None })
}

fn refusal(target: &str) -> String {
    format!(
        "An unexpected error occurred invoking '{target}' on the server. HubException: The rate \
         limit of the connection is exceeded."
    )
}

fn answer(world: &mut World, wire: &mut Wire, record: &str) -> String {
    wire.text(world, record);
    let mut heard = wire.hear(world);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard.remove(0)
}

#[test]
fn a_burst_passes_and_one_more_is_refused_until_time_has_passed() {
    let mut world = messages(10, 3);
    let mut wire = guest(&mut world);
    for id in ["1", "2", "3"] {
        let heard = answer(&mut world, &mut wire, &invoke(id, "Add", "[1,2]"));
        assert_eq!(heard, result(id, "3"));
    }
    let heard = answer(&mut world, &mut wire, &invoke("4", "add", "[1,2]"));
    assert!(is_error(&heard, "4", &refusal("Add")), "{heard}");
    world.pass(Duration::from_millis(99));
    let heard = answer(&mut world, &mut wire, &invoke("5", "Nope", "[1]"));
    assert!(is_error(&heard, "5", &refusal("Nope")), "{heard}");
    world.pass(Duration::from_millis(1));
    assert_eq!(answer(&mut world, &mut wire, &invoke("6", "Add", "[1,2]")), result("6", "3"));
    assert_eq!(world.counters(0).rate_limited, 2);
    // Somebody else has a bucket of their own.
    let mut other = guest(&mut world);
    assert_eq!(answer(&mut world, &mut other, &invoke("1", "Add", "[1,2]")), result("1", "3"));
}

#[test]
fn nothing_of_a_refused_call_is_looked_at() {
    let mut world = messages(1, 1);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &call("Say", r#"["one"]"#));
    wire.text(&mut world, &call("Say", r#"["two"]"#));
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", r#"["no number"]"#));
    assert!(is_error(&heard, "1", &refusal("Add")), "{heard}");
    let stream = r#"{"type":4,"invocationId":"2","target":"Add","arguments":[]}"#;
    let heard = answer(&mut world, &mut wire, stream);
    assert!(is_error(&heard, "2", &refusal("Add")), "{heard}");
    assert_eq!(log(&mut world), ["connected", "said one"]);
    assert_eq!(world.counters(0).rate_limited, 3);
}

#[test]
fn bytes_are_limited_at_the_byte() {
    let record = invoke("1", "Add", "[1,2]");
    let burst = record.len() as u64;
    for (per_second, passes) in [(burst, true), (burst - 1, false)] {
        let bytes = Some(Rate { per_second, burst: burst * 2 });
        let mut world = limited(RateLimit { messages: None, bytes });
        let mut wire = guest(&mut world);
        for _ in 0..2 {
            assert_eq!(answer(&mut world, &mut wire, &record), result("1", "3"));
        }
        world.pass(Duration::from_secs(1));
        let heard = answer(&mut world, &mut wire, &record);
        assert_eq!(heard == result("1", "3"), passes, "{heard}");
    }
}

#[test]
fn pings_count_and_are_never_refused() {
    let mut world = messages(1, 2);
    let mut wire = guest(&mut world);
    wire.text(&mut world, r#"{"type":6}"#);
    wire.text(&mut world, r#"{"type":6}"#);
    wire.text(&mut world, r#"{"type":6}"#);
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", "[1,2]"));
    assert!(is_error(&heard, "1", &refusal("Add")), "{heard}");
    // The pings armed the time-out of the client, and a refused call is a sign of life.
    world.pass(Duration::from_secs(29));
    wire.hear(&mut world);
    wire.text(&mut world, r#"{"type":6}"#);
    world.pass(Duration::from_secs(29));
    assert_eq!(log(&mut world), ["connected"]);
}

/// A call that waits for a slot is counted once, however often it is looked at.
#[test]
fn a_call_that_waits_is_counted_once() {
    let mut world = messages(1, 3);
    let mut wire = guest(&mut world);
    wire.text(&mut world, &invoke("1", "Later", r#"["a",10]"#));
    wire.text(&mut world, &invoke("2", "Later", r#"["b",10]"#));
    wire.text(&mut world, &invoke("3", "Add", "[1,2]"));
    wire.text(&mut world, &invoke("4", "Add", "[1,2]"));
    world.pass(Duration::from_millis(20));
    let heard = wire.hear(&mut world);
    assert_eq!(heard[..3], [result("1", "\"a\""), result("2", "\"b\""), result("3", "3")]);
    assert!(is_error(&heard[3], "4", &refusal("Add")), "{heard:?}");
}
