//! The simulator: the whole server with its clients and a bad network, from a seed.
//!
//! `SEEDS=n` plays more or fewer seeds than 200, `FIRST=n` begins elsewhere, `SEED=n` replays one
//! and prints what happened.

#[path = "world/audiences.rs"]
mod audiences;
#[path = "world/auth.rs"]
mod auth;
#[path = "world/calls.rs"]
mod calls;
#[path = "world/classic/mod.rs"]
mod classic;
#[path = "world/client.rs"]
mod client;
#[path = "world/collisions.rs"]
mod collisions;
#[path = "world/compressed.rs"]
mod compressed;
#[path = "world/connections.rs"]
mod connections;
#[path = "world/cors.rs"]
mod cors;
#[path = "support/deflate.rs"]
mod deflate;
#[path = "world/endings.rs"]
mod endings;
#[path = "world/event_streams.rs"]
mod event_streams;
#[path = "world/exchanges.rs"]
mod exchanges;
#[path = "world/filtered_streams.rs"]
mod filtered_streams;
#[path = "world/filters.rs"]
mod filters;
#[path = "world/flows.rs"]
mod flows;
#[path = "world/front.rs"]
mod front;
#[path = "world/hall.rs"]
mod hall;
#[path = "world/lasting.rs"]
mod lasting;
#[path = "world/lifecycle.rs"]
mod lifecycle;
#[path = "world/limits.rs"]
mod limits;
#[path = "world/long_polling.rs"]
mod long_polling;
#[path = "world/mounts.rs"]
mod mounts;
#[path = "support/noise.rs"]
mod noise;
#[path = "world/openings.rs"]
mod openings;
#[path = "world/packed.rs"]
mod packed;
#[path = "world/packed_polls.rs"]
mod packed_polls;
#[path = "world/rates.rs"]
mod rates;
#[path = "world/raw.rs"]
mod raw;
#[path = "world/redirects.rs"]
mod redirects;
#[path = "world/regressions.rs"]
mod regressions;
#[path = "world/requests.rs"]
mod requests;
#[path = "world/results.rs"]
mod results;
#[path = "world/secrets.rs"]
mod secrets;
#[path = "world/stateful.rs"]
mod stateful;
#[path = "world/stateful_cuts.rs"]
mod stateful_cuts;
#[path = "world/stateful_limits.rs"]
mod stateful_limits;
#[path = "world/streams.rs"]
mod streams;
#[path = "world/talk.rs"]
mod talk;
#[path = "world/threats.rs"]
mod threats;
#[path = "world/uploads.rs"]
mod uploads;
#[path = "world/web.rs"]
mod web;
#[path = "world/who.rs"]
mod who;

use std::env;

use tickhub::sim::{self, Carried};

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_seed_ends_well() {
    let first = number("FIRST").unwrap_or(1);
    let count = number("SEEDS").unwrap_or(200);
    let mut failures = Vec::new();
    let (mut turns, mut messages) = (0, 0);
    let (mut carried, mut listened, mut items) = ([0; 3], [0; 3], [0; 2]);
    let (mut opened, mut too_slow, mut violations, mut panics) = (0, 0, 0, 0);
    let (mut resumed, mut replayed, mut not_resumed) = (0, 0, 0);
    let mut classic = [Carried::default(); 4];
    for seed in first..first + count {
        match sim::run(seed, false) {
            Ok(report) => {
                turns += report.turns;
                messages += report.messages;
                for over in 0..3 {
                    carried[over] += report.carried[over] as u64;
                    listened[over] += report.listened[over] as u64;
                }
                for (sum, one) in items.iter_mut().zip(report.items) {
                    *sum += one;
                }
                for (sum, one) in classic.iter_mut().zip(report.classic) {
                    sum.connections += one.connections;
                    sum.reconnects += one.reconnects;
                    sum.heard += one.heard;
                    sum.replayed += one.replayed;
                    sum.survived += one.survived;
                }
                opened += report.counters.opened;
                too_slow += report.counters.too_slow;
                violations += report.counters.violations;
                panics += report.counters.panics;
                resumed += report.counters.resumed;
                replayed += report.counters.replayed;
                not_resumed += report.counters.not_resumed;
            }
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    println!(
        "{count} seeds: {turns} turns, {messages} messages; {opened} connections opened, of them \
         {too_slow} were too slow and {violations} broke a rule; {panics} panics; {resumed} came \
         back to {replayed} messages and {not_resumed} did not"
    );
    println!(
        "connections over WebSockets, event streams, long polling: {carried:?}, without a hub \
         {listened:?}; items of streams and uploads: {items:?}"
    );
    println!("classic WebSockets, event streams, forever frames, long polling: {classic:?}");
    assert!(failures.is_empty(), "{} seeds failed:\n{}", failures.len(), failures.join("\n"));
    if count >= 100 {
        // A play in which nothing happens finds nothing.
        assert!(opened > count * 10 && messages > count * 100);
        assert!(resumed > count && not_resumed > count / 10);
        assert!(carried.iter().all(|over| *over > count), "{carried:?}");
        assert!(listened.iter().all(|over| *over > count / 2), "{listened:?}");
        assert!(items[0] > count * 1_000 && items[1] > count * 20, "{items:?}");
        for over in classic {
            let Carried { connections, reconnects, heard, replayed, survived } = over;
            assert!(connections > count && reconnects > count && heard > count * 50, "{classic:?}");
            assert!(replayed > count && survived > count / 10, "{classic:?}");
        }
        assert!(too_slow > count / 10 && violations > count && panics > count / 2);
    }
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for seed in 1..=20 {
        let hashes = [(); 2].map(|()| sim::run(seed, false).map(|report| report.hash).ok());
        assert_eq!(hashes[0], hashes[1], "seed {seed}");
    }
}

#[test]
fn replay() {
    let Some(seed) = number("SEED") else { return };
    let (log, end) = match sim::run(seed, true) {
        Ok(report) => (report.log, format!("seed {seed} ends well: hash {:016x}", report.hash)),
        Err(failure) => (failure.log.clone(), failure.to_string()),
    };
    for line in log {
        println!("{line}");
    }
    println!("{end}");
    assert!(end.contains("ends well"), "{end}");
}
