//! Stateful reconnect: what is kept, what waits for it, and who has to go.

use std::time::Duration;

use tickhub::sim::World;
use tickhub::{ConnectionOptions, HttpOptions, HubOptions, HubProtocolKind, OutboxLimits};

use crate::hall::{Hall, guest, log};
use crate::lasting::{Guest, Json, STATEFUL, Say, lasting_hall_with, number};

const SECOND: Duration = Duration::from_secs(1);

/// A buffer of 300 bytes, as in the recordings.
fn small() -> HubOptions {
    HubOptions { stateful_reconnect_buffer_size: 300, ..HubOptions::default() }
}

fn with_limits(soft_bytes: usize, hard_bytes: usize) -> ConnectionOptions {
    let outbox = OutboxLimits { soft_bytes, hard_bytes, ..OutboxLimits::default() };
    ConnectionOptions { outbox, ..ConnectionOptions::default() }
}

fn small_hall() -> World {
    lasting_hall_with(&small(), ConnectionOptions::default())
}

/// Calls of [`BYTES`] each in JSON, while numbers have one digit.
fn burst(world: &mut World, count: u32) {
    world.enter(0, |_: &mut Hall, clients| {
        for number in 0..count {
            clients.all().send("message", ("burst", number.to_string())).ignore();
        }
    });
}

const BYTES: usize = r#"{"type":1,"target":"message","arguments":["burst","0"]}_"#.len();

fn messages(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("message [\"burst\",\"{number}\"]")).collect()
}

/// `stateful-buffer`.
#[test]
fn cor_147_what_passes_the_limit_waits_for_an_acknowledgement() {
    let mut world = small_hall();
    let mut guest = Guest::new(&mut world, Json);
    guest.say(&mut world, &[Say::Ack(1)]);
    burst(&mut world, 10);
    assert_eq!(guest.hear(&mut world), messages(0..6), "the one that passes 300 bytes is the last");
    guest.say(&mut world, &[Say::Ack(3)]);
    assert_eq!(guest.hear(&mut world), messages(6..8));
    // Acknowledgements and messages of the client are processed meanwhile, pings are sent.
    guest.say(&mut world, &[Say::Call("1", "Add", "[1,2]"), Say::Tell("Say", r#"["x"]"#)]);
    world.pass(2 * SECOND);
    assert_eq!(guest.hear(&mut world), ["ack 2"]);
    assert_eq!(log(&mut world), ["connected", "said x"]);
    guest.say(&mut world, &[Say::Ack(8)]);
    let mut rest = messages(8..10);
    rest.push("1: 3".into());
    assert_eq!(guest.hear(&mut world), rest);
}

#[test]
fn cor_147_at_100_000_bytes_one_more_passes_and_then_none() {
    for (bytes, passes) in [(100_000, true), (100_001, false)] {
        let mut world = lasting_hall_with(&HubOptions::default(), ConnectionOptions::default());
        let mut guest = Guest::new(&mut world, Json);
        let empty = guest.records(&[Say::Call("1", "Large", "[0]")]).len();
        assert!(empty > 0);
        let overhead = crate::hall::result("1", "\"\"").len() + 1;
        let call = format!("[{}]", bytes - overhead);
        guest.say(&mut world, &[Say::Ack(1), Say::Call("1", "Large", &call)]);
        assert_eq!(guest.hear_calls(&mut world).len(), 1, "of any size, when nothing is kept");
        guest.say(&mut world, &[Say::Call("2", "Add", "[1,2]")]);
        let heard = guest.hear_calls(&mut world);
        assert_eq!(heard, if passes { vec!["2: 3"] } else { vec![] }, "{bytes} are kept");
        guest.say(&mut world, &[Say::Ack(2)]);
        assert_eq!(guest.hear_calls(&mut world).len(), usize::from(!passes));
    }
}

#[test]
fn what_waits_is_sent_in_order_after_a_loss() {
    for protocol in HubProtocolKind::ALL {
        let mut world = small_hall();
        let mut guest = Guest::new(&mut world, *protocol);
        guest.say(&mut world, &[Say::Ack(1)]);
        burst(&mut world, 20);
        let before = guest.hear(&mut world).len();
        guest.wire.reset(&mut world);
        world.pass(SECOND);
        world.enter(0, |_: &mut Hall, clients| clients.all().send("news", (1,)).ignore());
        guest.come_back(&mut world);
        let mut heard = guest.hear(&mut world);
        assert_eq!(heard.remove(0), "sequence 2");
        assert_eq!(heard.len(), before, "the limit holds for what is sent again");
        let mut acknowledged = 1;
        while heard.len() < 21 {
            let more = number(heard.len() + 1);
            assert!(more > acknowledged, "it goes on");
            acknowledged = more;
            guest.say(&mut world, &[Say::Ack(acknowledged)]);
            heard.extend(guest.hear(&mut world));
        }
        assert_eq!(heard[..20], messages(0..20));
        assert_eq!(heard[20], "news [1]");
    }
}

/// The original waits for ever here: its loop writes an answer and does not read on.
#[test]
fn calls_ahead_of_their_acknowledgement_do_not_wait_for_themselves() {
    for protocol in HubProtocolKind::ALL {
        // Calls wait when 100 bytes of answers do.
        let mut world = lasting_hall_with(&small(), with_limits(100, 1_000_000));
        let mut guest = Guest::new(&mut world, *protocol);
        let text = format!(r#"["{}"]"#, "x".repeat(100));
        let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
        let calls: Vec<Say> = ids.iter().map(|id| Say::Call(id, "Echo", &text)).collect();
        guest.say(&mut world, &[Say::Ack(1)]);
        let mut answered = 0;
        // Everything at once, and piece by piece, always with the acknowledgement at the end.
        for calls in [&calls[..50], &calls[50..60], &calls[60..]] {
            guest.say(&mut world, calls);
            let begun = answered;
            while answered < begun + calls.len() {
                let heard = guest.hear_calls(&mut world);
                assert!(!heard.is_empty(), "{answered} are answered");
                for message in heard {
                    assert!(message.starts_with(&format!("{answered}: ")), "in order: {message}");
                    answered += 1;
                }
                guest.say(&mut world, &[Say::Ack(number(answered + 1))]);
            }
        }
        assert_eq!(world.counters(0).too_slow, 0);
    }
}

#[test]
fn an_acknowledgement_behind_a_busy_hub_is_seen() {
    let mut world = small_hall();
    let mut guest = Guest::new(&mut world, Json);
    guest.say(&mut world, &[Say::Ack(1), Say::Call("1", "Later", r#"["slow",5000]"#)]);
    burst(&mut world, 10);
    assert_eq!(guest.hear(&mut world), messages(0..6));
    // The second call waits for the first, and the acknowledgement comes behind it.
    guest.say(&mut world, &[Say::Call("2", "Echo", r#"["b"]"#), Say::Ack(7)]);
    assert_eq!(guest.hear(&mut world), messages(6..10));
    guest.say(&mut world, &[Say::Ack(11)]);
    world.pass(6 * SECOND);
    assert_eq!(guest.hear_calls(&mut world), [r#"1: "slow""#, r#"2: "b""#]);
}

#[test]
fn last_words_wait_behind_messages_and_for_5_seconds() {
    for acknowledges in [true, false] {
        let mut world = small_hall();
        let mut guest = Guest::new(&mut world, Json);
        guest.say(&mut world, &[Say::Ack(1)]);
        burst(&mut world, 10);
        guest.say(&mut world, &[Say::Tell("Abort", "[]"), Say::Ack(3)]);
        assert_eq!(guest.hear(&mut world), messages(0..8), "the Ack behind the call counts");
        assert_eq!(log(&mut world)[1], "aborted by the hub; 0 in the hall");
        assert_eq!(guest.knock(&mut world), 404);
        // Nobody is called any more.
        guest.say(&mut world, &[Say::Tell("Say", r#"["late"]"#)]);
        if acknowledges {
            guest.say(&mut world, &[Say::Ack(9)]);
            let mut rest = messages(8..10);
            rest.extend(["close".into(), "closed 1000".into()]);
            assert_eq!(guest.hear(&mut world), rest);
            guest.wire.close_frame(&mut world, 1000, "");
        } else {
            world.pass(Duration::from_millis(5_010));
            assert_eq!(guest.hear(&mut world), ["reset"]);
        }
        assert!(world.is_quiet());
        assert_eq!(log(&mut world).len(), 2);
    }
}

#[test]
fn who_never_acknowledges_has_to_go_and_the_others_hear_everything() {
    for protocol in HubProtocolKind::ALL {
        let mut world = small_hall();
        let mut other = guest(&mut world);
        let mut silent = Guest::new(&mut world, *protocol);
        other.hear(&mut world);
        burst(&mut world, 20);
        assert_eq!(other.hear(&mut world).len(), 20, "nobody waits for it");
        world.pass(Duration::from_millis(9_990));
        assert_eq!(world.counters(0).too_slow, 0);
        world.pass(Duration::from_millis(20));
        assert_eq!(world.counters(0).too_slow, 1);
        let heard = silent.hear_calls(&mut world);
        let end = ["close, come back Connection closed with an error.", "closed 1000"];
        assert_eq!(heard[heard.len() - 2..], end);
        assert!(
            log(&mut world)[2].contains("did not acknowledge what was sent"),
            "{:?}",
            log(&mut world)
        );
        assert_eq!(silent.knock(&mut world), 404);
        burst(&mut world, 1);
        assert_eq!(other.hear(&mut world).len(), 1);
    }
}

#[test]
fn what_waits_has_a_hard_limit_whether_somebody_is_there_or_not() {
    for is_there in [true, false] {
        for (count, ends) in [(6 + 20, false), (6 + 21, true)] {
            let mut world = lasting_hall_with(&small(), with_limits(500, 20 * BYTES));
            let mut guest = Guest::new(&mut world, Json);
            guest.say(&mut world, &[Say::Ack(1)]);
            if !is_there {
                guest.wire.reset(&mut world);
            }
            for number in 0..count {
                burst(&mut world, 1);
                assert_eq!(world.counters(0).too_slow, u64::from(ends && number == count - 1));
            }
            world.settle();
            assert_eq!(log(&mut world).len(), if ends { 2 } else { 1 });
            if ends {
                assert!(log(&mut world)[1].contains("more bytes wait for it than allowed"));
                assert_eq!(guest.knock(&mut world), 404);
                assert_eq!(world.sizes().1, usize::from(is_there), "its last words are read");
            }
        }
    }
}

/// T-SR: the limit of the whole shard, and that it does not harm those who behave.
#[test]
fn all_together_have_a_limit_and_everybody_a_share_of_it() {
    let http = HttpOptions { stateful_bytes_max: 4_000, ..HttpOptions::default() };
    let connection =
        ConnectionOptions { allow_stateful_reconnects: true, ..ConnectionOptions::default() };
    let mut world = World::with(1, 1, &http).hub_with(
        "/hub",
        Hall::default,
        &HubOptions::default(),
        &connection,
    );
    let mut greedy: Vec<Guest> =
        (0..3).map(|_| Guest::with(&mut world, Json, STATEFUL, 2)).collect();
    let mut modest = Guest::with(&mut world, Json, STATEFUL, 2);
    let mut acknowledged = 0;
    for round in 0..40 {
        burst(&mut world, 1);
        acknowledged += number(modest.hear_calls(&mut world).len());
        modest.say(&mut world, &[Say::Ack(acknowledged)]);
        let ended = world.counters(0).too_slow;
        // 1 000 bytes are the share of each; before 4 000 are together nobody goes.
        assert!(round > 18 || ended == 0, "round {round}: {ended} ended");
    }
    // Those who are left have a larger share.
    assert!((1..=3).contains(&world.counters(0).too_slow));
    modest.say(&mut world, &[Say::Call("1", "Add", "[1,2]")]);
    assert_eq!(modest.hear_calls(&mut world), ["1: 3"]);
    for one in &mut greedy {
        one.wire.reset(&mut world);
    }
    world.pass(16 * SECOND);
    assert_eq!(world.sizes().1, 1);
}

/// A stream does not fill what is kept: it goes on when the client has acknowledged.
#[test]
fn a_stream_waits_for_acknowledgements_and_outlives_a_loss() {
    for protocol in HubProtocolKind::ALL {
        let mut world = small_hall();
        let mut guest = Guest::new(&mut world, *protocol);
        guest.say(&mut world, &[Say::Ack(1), Say::Stream("1", "Counter", "[100]")]);
        let mut items: Vec<String> = guest.hear_calls(&mut world);
        let first = items.len();
        assert!((2..50).contains(&first), "{first} items pass the limit");
        world.pass(SECOND);
        assert_eq!(guest.hear_calls(&mut world).len(), 0, "and no more");
        // While nobody is there the stream waits.
        guest.wire.reset(&mut world);
        world.pass(SECOND);
        guest.come_back(&mut world);
        let again = guest.hear_calls(&mut world);
        assert_eq!(again[1..], items, "what was not acknowledged comes again");
        while items.len() < 101 {
            guest.say(&mut world, &[Say::Ack(number(items.len() + 1))]);
            let more = guest.hear_calls(&mut world);
            assert!(!more.is_empty(), "it goes on");
            items.extend(more);
        }
        let distinct: std::collections::BTreeSet<&String> = items.iter().collect();
        assert_eq!((items.len(), distinct.len()), (101, 101), "each once");
        assert_eq!(world.counters(0).too_slow, 0);
    }
}
