//! Names that were made to collide (T-HASH): wherever clients name things, they are names like
//! any others.
//!
//! 10 000 names are played; `THREATS=full` plays 100 000 and holds the time that they cost, by the
//! clock of the thread, against that of others: it grows as their number does, and not faster.
//! Nothing else is timed in the tests.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tickhub::base::{Hasher, Rng};
use tickhub::http::Limits;
use tickhub::protocol::hub_protocol::HubProtocolKind;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{
    Call, Context, HttpOptions, Hub, HubError, HubOptions, Methods, StreamWriter, Upload,
};

use crate::hall::{call, invoke, result};
use crate::threats::share;

/// Pairs of letters that many hashes take for the same: each letter times 31 (Java and .NET of
/// old), or times 33 (PHP, Perl and C libraries), plus the next.
const FAMILIES: [(&str, [&str; 2]); 2] = [("times 31", ["Aa", "BB"]), ("times 33", ["ab", "bA"])];

/// `count` names that such a hash cannot tell apart, all of one length.
fn names(pairs: [&str; 2], count: usize) -> Vec<String> {
    let name = |number: usize| (0..17).map(|bit| pairs[number >> bit & 1]).collect();
    (0..count).map(name).collect()
}

#[derive(Deserialize)]
struct Point {
    x: i64,
    y: i64,
}

/// A hub with a place for names of every kind.
struct Vault;

impl Hub for Vault {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on("Zero", |_: &mut Self, _: &mut Context<Self>| 0)
            .on("Sum", |_: &mut Self, _: &mut Context<Self>, point: Point| point.x + point.y)
            .on(
                "Count",
                |_: &mut Self, _: &mut Context<Self>, map: tickhub::Value| {
                    if let tickhub::Value::Map(pairs) = map { pairs.len() } else { 0 }
                },
            )
            .on("Join", |_: &mut Self, context: &mut Context<Self>, names: Vec<String>| {
                names.iter().try_for_each(|name| context.join(name))
            })
            .stream_async("Wait", async |call: Call<Self>, _: StreamWriter<u8>| {
                call.cancelled().await;
            })
            .on_async("Drink", async |_: Call<Self>, mut items: Upload<u32>| {
                let mut sum = 0;
                while let Some(item) = items.next().await? {
                    sum += item;
                }
                Ok::<u32, HubError>(sum)
            });
    }
}

fn vault() -> World {
    let limits = Limits { line_bytes_max: 1 << 23, headers_max: 256, ..Limits::default() };
    let http = HttpOptions { limits, ..HttpOptions::default() };
    let hub = HubOptions { maximum_receive_message_size: None, ..HubOptions::default() };
    World::with(1, 1, &http).hub("/hub", || Vault, &hub)
}

thread_local! {
    /// What the engines of this thread have spent, and when the one that works began.
    static SPENT: Cell<(Duration, Option<Duration>)> = const { Cell::new((Duration::ZERO, None)) };
}

/// Told when an engine begins to work, and when it ends.
fn clock(begins: bool) {
    let (spent, since) = SPENT.get();
    let now = time_of_thread();
    let spent = spent + since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
    SPENT.set((spent, begins.then_some(now)));
}

/// How long this thread has had a processor: others on the machine do not count.
fn time_of_thread() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is good for the call, and nothing keeps it.
    let told = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(told, 0, "every thread has such a clock");
    let part = |value: i64| u64::try_from(value).expect("it runs forwards");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// What somebody does with names.
type Deed = fn(&mut World, &[String]);

/// The time that an engine needs for a deed.
fn cost(deed: Deed, names: &[String]) -> Duration {
    let mut world = vault();
    world.watch(clock);
    SPENT.set((Duration::ZERO, None));
    deed(&mut world, names);
    SPENT.get().0
}

/// Plays a deed with names of each family. All of them: names that collide cost about what others
/// do, and ten times as many cost about ten times as much. If each were compared with all the
/// others, the second would be a hundred.
fn is_linear(what: &str, deed: Deed) {
    let count = share(100_000);
    if count < 100_000 {
        for (_, pairs) in FAMILIES {
            deed(&mut vault(), &names(pairs, count));
        }
        return;
    }
    let mut rng = Rng::from_seed(1);
    let others: Vec<String> = (0..count).map(|_| format!("{:034x}", rng.bits())).collect();
    for (family, pairs) in FAMILIES {
        let names = names(pairs, count);
        let [mut few, mut many, mut usual] = [Duration::MAX; 3];
        let is_met = |few: Duration, many, usual: Duration| many <= usual * 4 && many <= few * 50;
        // The best of some tries, as caches are shared with others.
        for _ in 0..5 {
            few = few.min(cost(deed, &names[..count / 10]));
            many = many.min(cost(deed, &names));
            usual = usual.min(cost(deed, &others));
            if is_met(few, many, usual) {
                break;
            }
        }
        assert!(
            is_met(few, many, usual),
            "{what}, {family}: {many:?}; {few:?} for a tenth, {usual:?} for others"
        );
    }
}

fn guest(world: &mut World) -> Wire {
    Wire::hub(world, "/hub")
}

/// `"name":0,` for each of them.
fn members(names: &[String]) -> String {
    names.iter().fold(String::new(), |mut all, name| {
        write!(all, "\"{name}\":0,").expect("a string");
        all
    })
}

#[test]
fn the_hash_of_tables_is_keyed() {
    for (family, pairs) in FAMILIES {
        let names = names(pairs, share(100_000));
        let (one, other) = (Hasher::default(), Hasher::default());
        let hashes: BTreeSet<u64> = names.iter().map(|name| one.hash_one(name)).collect();
        assert_eq!(hashes.len(), names.len(), "{family}: no two of them collide");
        // What collides in one table tells nothing about another one.
        let equal = names.iter().filter(|name| one.hash_one(name) == other.hash_one(name)).count();
        assert_eq!(equal, 0, "{family}");
        let tables = names.len().next_power_of_two();
        let mut places = vec![0_u8; tables];
        for hash in hashes {
            let place = &mut places[usize::try_from(hash).expect("64 bits") & (tables - 1)];
            *place = place.saturating_add(1);
        }
        let most = places.iter().max().expect("some places");
        assert!(*most < 20, "{family}: {most} names share a place");
    }
}

#[test]
fn t_hash_members_of_a_json_record() {
    is_linear("members of a record", |world, names| {
        let mut wire = guest(world);
        let record = invoke("1", "Zero", "[]");
        let record = record.replacen('{', &format!("{{{}", members(names)), 1);
        wire.text(world, &record);
        assert_eq!(wire.hear(world), [result("1", "0")]);
    });
    is_linear("headers of a record", |world, names| {
        let mut wire = guest(world);
        let headers = members(names).replace(":0,", ":\"\",");
        let headers = format!("{{\"headers\":{{{}}},", headers.trim_end_matches(','));
        wire.text(world, &invoke("1", "Zero", "[]").replacen('{', &headers, 1));
        assert_eq!(wire.hear(world), [result("1", "0")]);
    });
}

#[test]
fn t_hash_members_of_a_json_argument() {
    is_linear("unknown members", |world, names| {
        let mut wire = guest(world);
        wire.text(world, &invoke("1", "Sum", &format!("[{{{}\"x\":2,\"y\":3}}]", members(names))));
        assert_eq!(wire.hear(world), [result("1", "5")]);
    });
    is_linear("unknown members, and one of the others twice", |world, names| {
        let mut wire = guest(world);
        let point = format!("[{{\"x\":1,{}\"x\":2,\"y\":3}}]", members(names));
        wire.text(world, &invoke("1", "Sum", &point));
        assert_eq!(wire.hear(world), [result("1", "5")], "the last one counts");
    });
    is_linear("members of a map", |world, names| {
        let mut wire = guest(world);
        let map = members(names);
        wire.text(world, &invoke("1", "Count", &format!("[{{{}}}]", map.trim_end_matches(','))));
        assert_eq!(wire.hear(world), [result("1", &names.len().to_string())]);
    });
}

#[test]
fn t_hash_keys_of_messagepack_maps() {
    fn map(names: &[String]) -> serde_json::Map<String, serde_json::Value> {
        names.iter().map(|name| (name.clone(), 0.into())).collect()
    }
    fn send(world: &mut World, record: &[u8]) -> Vec<u8> {
        let mut wire = Wire::websocket(world, "/hub");
        wire.text(world, "{\"protocol\":\"messagepack\",\"version\":1}");
        wire.frames(world);
        wire.frame(world, OpCode::Binary, true, record);
        match &wire.frames(world)[..] {
            [Frame::Binary(answer)] => answer.clone(),
            other => panic!("one answer is expected: {other:?}"),
        }
    }
    const KIND: HubProtocolKind = HubProtocolKind::MessagePack;
    is_linear("unknown members", |world, names| {
        let mut point = map(names);
        point.insert("x".into(), 2.into());
        point.insert("y".into(), 3.into());
        let (mut record, mut expected) = (Vec::new(), Vec::new());
        KIND.write_invocation(&mut record, Some("1"), "Sum", &(point,)).expect("a record");
        KIND.write_result(&mut expected, "1", &5).expect("a record");
        assert_eq!(send(world, &record), expected);
    });
    is_linear("keys of a map", |world, names| {
        let (mut record, mut expected) = (Vec::new(), Vec::new());
        KIND.write_invocation(&mut record, Some("1"), "Count", &(map(names),)).expect("a record");
        KIND.write_result(&mut expected, "1", &names.len()).expect("a record");
        assert_eq!(send(world, &record), expected);
    });
}

#[test]
fn t_hash_methods_and_ids_that_nobody_knows() {
    is_linear("targets", |world, names| {
        let mut wire = guest(world);
        for some in names.chunks(1000) {
            let calls: String = some.iter().map(|name| call(name, "[]") + "\u{1e}").collect();
            wire.frame(world, OpCode::Text, true, calls.as_bytes());
        }
        wire.text(world, &invoke("1", "Zero", "[]"));
        assert_eq!(wire.hear(world), [result("1", "0")]);
    });
    is_linear("ids of cancellations, items and completions", |world, names| {
        let mut wire = guest(world);
        for some in names.chunks(1000) {
            let records = some.iter().enumerate().map(|(number, name)| {
                let rest = ["5", "2", "3"][number % 3];
                let item = if rest == "2" { ",\"item\":1" } else { "" };
                format!("{{\"type\":{rest},\"invocationId\":\"{name}\"{item}}}\u{1e}")
            });
            wire.frame(world, OpCode::Text, true, records.collect::<String>().as_bytes());
        }
        wire.text(world, &invoke("1", "Zero", "[]"));
        assert_eq!(wire.hear(world), [result("1", "0")]);
    });
}

#[test]
fn t_hash_groups() {
    is_linear("groups", |world, names| {
        // As many as one connection may be in.
        let rooms = names.chunks(1000);
        let mut wires: Vec<Wire> = rooms.clone().map(|_| guest(world)).collect();
        for (wire, some) in wires.iter_mut().zip(rooms) {
            wire.text(world, &call("Join", &json!([some]).to_string()));
        }
        let found = world.enter(0, |_: &mut Vault, clients| {
            names.iter().filter(|name| clients.group_count(name) == 1).count()
        });
        assert_eq!(found, names.len());
        for wire in wires {
            wire.close(world);
        }
    });
}

#[test]
fn t_hash_streams() {
    // As many as one client may have.
    const EACH: usize = 250;
    is_linear("streams to clients", |world, names| {
        for some in names.chunks(EACH) {
            let mut wire = guest(world);
            let wait = |name: &String| {
                invoke(name, "Wait", "[]").replace("\"type\":1", "\"type\":4") + "\u{1e}"
            };
            let calls: String = some.iter().map(wait).collect();
            wire.frame(world, OpCode::Text, true, calls.as_bytes());
            assert_eq!(wire.hear(world), [""; 0], "all of them run");
            let cancel = |name| format!("{{\"type\":5,\"invocationId\":\"{name}\"}}\u{1e}");
            let cancels: String = some.iter().map(cancel).collect();
            wire.frame(world, OpCode::Text, true, cancels.as_bytes());
            assert_eq!(wire.hear(world).len(), some.len(), "each has ended");
            wire.close(world);
        }
    });
    is_linear("streams from clients", |world, names| {
        for some in names.chunks(EACH) {
            let mut wire = guest(world);
            let mut records = String::new();
            for name in some {
                let streams = format!(",\"streamIds\":[\"{name}\"]}}");
                let call = invoke(name, "Drink", "[]");
                let call = format!("{}{streams}", call.trim_end_matches('}'));
                let item = format!("{{\"type\":2,\"invocationId\":\"{name}\",\"item\":7}}");
                write!(records, "{call}\u{1e}{item}\u{1e}").expect("a string");
            }
            for name in some {
                write!(records, "{{\"type\":3,\"invocationId\":\"{name}\"}}\u{1e}")
                    .expect("a string");
            }
            wire.frame(world, OpCode::Text, true, records.as_bytes());
            let heard = wire.hear(world);
            assert_eq!(heard.len(), some.len());
            assert!(heard.iter().all(|record| record.ends_with("\"result\":7}")), "{}", heard[0]);
            wire.close(world);
        }
    });
}

#[test]
fn t_hash_queries_and_headers() {
    is_linear("query parameters", |world, names| {
        let query = names.iter().fold(String::new(), |query, name| query + name + "=0&");
        let target = format!("/hub/negotiate?{query}negotiateVersion=1");
        let answer = Wire::tcp(world).request(world, "POST", &target);
        assert_eq!(answer.head.status(), 200);
        assert!(answer.body.contains("\"negotiateVersion\":1"), "{}", answer.body);
    });
    is_linear("headers", |world, names| {
        let mut wire = Wire::tcp(world);
        for some in names.chunks(250) {
            let headers: Vec<(&str, &str)> = some.iter().map(|name| (&**name, "0")).collect();
            wire.ask(world, "POST", "/hub/negotiate?negotiateVersion=1", &headers, b"");
            assert_eq!(wire.answer(world).head.status(), 200);
        }
    });
    // More of them than are allowed are refused, however many.
    let mut world = vault();
    let names = names(FAMILIES[0].1, share(100_000));
    for count in [257, names.len() / 2] {
        let headers: Vec<(&str, &str)> = names[..count].iter().map(|name| (&**name, "0")).collect();
        let mut wire = Wire::tcp(&mut world);
        wire.ask(&mut world, "GET", "/hub", &headers, b"");
        assert_eq!(wire.answer(&mut world).head.status(), 431, "{count} headers");
    }
}
