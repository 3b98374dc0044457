//! What happens to messages that are not kept any more, LEG-105.

use std::time::Duration;

use serde_json::{Value, json};
use tickhub::sim::Wire;
use tickhub::{ClassicOptions, sim::World};

use super::guest::{Guest, cursor, heard, messages, percent};
use super::room::room_with;

/// A client that was away while `count` messages came, and what it heard when it came back: over a
/// WebSocket, or with one poll.
fn missed(count: usize, over: &str) -> (Vec<Value>, u64) {
    let options = ClassicOptions { default_message_buffer_size: 32, ..ClassicOptions::default() };
    let mut world = room_with(&options);
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    let seen = cursor(&heard(&mut wire, &mut world));
    wire.close(&mut world);
    for number in 0..count {
        guest.call(&mut world, "ToAll", &json!([number.to_string()]));
    }
    world.pass(Duration::from_secs(2));
    let again = match over {
        "webSockets" => back(&mut world, &guest, &seen),
        _ => vec![guest.poll(&mut world, "reconnect", &seen)],
    };
    let numbers = messages(&again).iter().map(|message| message["A"][0].clone()).collect();
    (numbers, world.counters(0).overrun)
}

fn back(world: &mut World, guest: &Guest, seen: &str) -> Vec<Value> {
    let more = format!("&messageId={}", percent(seen));
    let mut wire = Wire::websocket(world, &guest.target("reconnect", "webSockets", &more));
    heard(&mut wire, world)
}

#[test]
fn leg_105_an_overrun_is_counted_and_the_oldest_that_is_kept_comes_first() {
    for over in ["webSockets", "longPolling"] {
        let numbers = |range: std::ops::Range<usize>| -> Vec<Value> {
            range.map(|number| json!(number.to_string())).collect()
        };
        assert_eq!(missed(32, over), (numbers(0..32), 0), "at the limit, {over}");
        assert_eq!(missed(33, over), (numbers(1..33), 1), "one past it, {over}");
        assert_eq!(missed(60, over), (numbers(28..60), 1), "{over}");
    }
}
