//! Attacks on framing and dispatch: each gets its error, and a bystander never notices.
//!
//! A tenth of the large rows is played; `THREATS=full` plays all of them.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use tickhub::base::{ConnectionId, Rng};
use tickhub::protocol::event_stream::write_event;
use tickhub::protocol::hub_protocol::HubProtocolKind;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{HttpOptions, HubOptions};

use crate::hall::{Hall, call, guest, guest_at, hall, invoke, is_error, log, result};

/// How much of a row is played.
pub(crate) fn share(full: usize) -> usize {
    if env::var("THREATS").is_ok_and(|value| value == "full") { full } else { full.div_ceil(10) }
}

/// Somebody who does nothing wrong.
struct Bystander(Wire);

impl Bystander {
    fn new(world: &mut World) -> Self {
        Self(guest(world))
    }

    fn is_well(&mut self, world: &mut World) {
        self.0.text(world, &invoke("well", "Add", "[20,22]"));
        let heard = self.0.hear(world);
        assert!(heard.contains(&result("well", "42")), "the bystander is answered: {heard:?}");
    }
}

/// The limit of one message, as `HubOptions` has it by default.
const LIMIT: usize = 32 * 1024;

const HANDSHAKES: [(HubProtocolKind, &str); 2] = [
    (HubProtocolKind::Json, "{\"protocol\":\"json\",\"version\":1}\u{1e}"),
    (HubProtocolKind::MessagePack, "{\"protocol\":\"messagepack\",\"version\":1}\u{1e}"),
];

fn speaker(world: &mut World, handshake: &str) -> Wire {
    let mut wire = Wire::websocket(world, "/hub");
    wire.frame(world, OpCode::Text, true, handshake.as_bytes());
    assert!(!wire.frames(world).is_empty(), "the handshake is answered");
    wire
}

/// A call of `Echo` of `bytes` bytes with everything that frames it.
fn echo_of(protocol: HubProtocolKind, bytes: usize) -> Vec<u8> {
    let record = |text: usize| {
        let mut out = Vec::new();
        let arguments = ("x".repeat(text),);
        protocol.write_invocation(&mut out, Some("1"), "Echo", &arguments).expect("text");
        out
    };
    // What frames the text is shorter for a shorter text, by a byte or two.
    let texts = bytes.saturating_sub(80)..bytes;
    texts.map(record).find(|record| record.len() == bytes).expect("a text of that length fits")
}

fn send_in_pieces(wire: &mut Wire, world: &mut World, bytes: &[u8], piece: usize) {
    for piece in bytes.chunks(piece) {
        wire.frame(world, OpCode::Binary, true, piece);
    }
}

/// Whether the connection ended with the error that a message is too long.
fn ended_as_too_long(frames: &[Frame]) -> bool {
    let Some(Frame::Close(Some(1000), _)) = frames.last() else { return false };
    frames.iter().any(|frame| match frame {
        Frame::Text(text) => text.contains("\"allowReconnect\":true") && text.contains("error"),
        Frame::Binary(bytes) => bytes.windows(5).any(|part| part == b"error"),
        _ => false,
    })
}

#[test]
fn t_buf_a_message_is_counted_as_it_arrives() {
    let mut world = hall();
    let mut bystander = Bystander::new(&mut world);
    for (protocol, handshake) in HANDSHAKES {
        for bytes in [LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT] {
            for piece in [usize::MAX, 4096, 1000, 37] {
                let mut wire = speaker(&mut world, handshake);
                send_in_pieces(&mut wire, &mut world, &echo_of(protocol, bytes), piece);
                let frames = wire.frames(&mut world);
                let what = format!("{bytes} bytes of {protocol:?} in pieces of {piece}");
                if bytes > LIMIT {
                    assert!(ended_as_too_long(&frames), "{what}: {frames:?}");
                } else {
                    assert_eq!(frames.len(), 1, "{what} are answered");
                }
                wire.close(&mut world);
            }
        }
        // A message without an end, and nothing but the beginning of a prefix.
        let mut wire = speaker(&mut world, handshake);
        let endless = match protocol {
            HubProtocolKind::Json => vec![b'{'; LIMIT + 1],
            _ => echo_of(protocol, LIMIT * 3)[..=LIMIT].to_vec(),
        };
        send_in_pieces(&mut wire, &mut world, &endless, 999);
        let frames = wire.frames(&mut world);
        assert!(ended_as_too_long(&frames), "{protocol:?} without an end: {frames:?}");
    }
    for prefix in [
        [0x80, 0x80, 0x80, 0x80, 0x80].as_slice(),
        &[0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0x07],
        &[0x80, 0x80, 0x02],
        &[0x00],
    ] {
        for piece in [1, 5] {
            let mut wire = speaker(&mut world, HANDSHAKES[1].1);
            send_in_pieces(&mut wire, &mut world, prefix, piece);
            let frames = wire.frames(&mut world);
            assert!(ended_as_too_long(&frames), "prefix {prefix:x?}: {frames:?}");
        }
    }
    // Before the handshake the same limit holds, and then its time.
    for bytes in [LIMIT, LIMIT + 1] {
        let mut wire = Wire::websocket(&mut world, "/hub");
        send_in_pieces(&mut wire, &mut world, &vec![b' '; bytes], 5000);
        let frames = wire.frames(&mut world);
        assert_eq!(frames.is_empty(), bytes <= LIMIT, "{bytes} bytes of handshake: {frames:?}");
        world.pass(Duration::from_secs(16));
        wire.frames(&mut world);
        wire.close(&mut world);
    }
    bystander.is_well(&mut world);
}

#[test]
fn t_sep_many_tiny_messages_are_read_one_by_one() {
    let mut world = hall();
    let mut bystander = Bystander::new(&mut world);
    let mut wire = guest(&mut world);
    let mut pings = "{\"type\":6}\u{1e}".repeat(2900);
    write!(pings, "{}\u{1e}", invoke("1", "Add", "[1,2]")).expect("a string");
    wire.frame(&mut world, OpCode::Text, true, pings.as_bytes());
    assert_eq!(wire.hear(&mut world), [result("1", "3")]);

    let mut wire = speaker(&mut world, HANDSHAKES[1].1);
    wire.frame(&mut world, OpCode::Binary, true, &[0x02, 0x91, 0x06].repeat(10_000));
    let echo = echo_of(HubProtocolKind::MessagePack, 100);
    wire.frame(&mut world, OpCode::Binary, true, &echo);
    assert_eq!(wire.frames(&mut world).len(), 1);

    // Nothing but separators is no message at all: the first one ends the connection.
    let mut wire = guest(&mut world);
    wire.frame(&mut world, OpCode::Text, true, "\u{1e}".repeat(LIMIT).as_bytes());
    let frames = wire.frames(&mut world);
    assert_eq!(frames.len(), 2, "a Close message and a Close frame: {frames:?}");
    bystander.is_well(&mut world);
}

/// Ids come back as they are, whatever they are; what was never asked for is ignored; what is
/// wrong is told to the caller alone.
#[test]
fn t_inv_odd_calls_concern_their_caller_alone() {
    let mut world = hall();
    let mut bystander = Bystander::new(&mut world);
    let mut wire = guest(&mut world);
    let mut odd: Vec<String> = [
        "0", "-1", " ", "\u{0}", "\u{1e}", "\"", "\\", "\u{7f}", "\u{2028}", "\u{feff}",
        "\u{202e}", "é", "漢字", "😀", "nil", "{}", "../..", "%00", "a\r\nb", "'",
    ]
    .map(String::from)
    .to_vec();
    odd.extend([255, 256, 1000, 30_000].map(|count| "i".repeat(count)));
    for id in &odd {
        let record = json!({"type": 1, "invocationId": id, "target": "Add", "arguments": [1, 2]});
        wire.text(&mut world, &record.to_string());
        let heard: Vec<serde_json::Value> =
            wire.hear(&mut world).iter().map(|r| serde_json::from_str(r).expect("JSON")).collect();
        assert_eq!(heard, [json!({"type": 3, "invocationId": id, "result": 3})]);
    }
    for name in &odd {
        let record = json!({"type": 1, "invocationId": "1", "target": name, "arguments": []});
        wire.text(&mut world, &record.to_string());
        let text = format!(
            "Failed to invoke '{name}' due to an error on the server. HubException: Method does \
             not exist."
        );
        let heard = wire.hear(&mut world);
        assert!(heard.len() == 1 && is_error(&heard[0], "1", &text), "{heard:?}");
    }
    for arguments in [
        "[]",
        "[1]",
        "[1,2,3]",
        "[\"1\",2]",
        "[1,null]",
        "[1.5,2]",
        "[1e3,2]",
        "[{},2]",
        "[[1],2]",
        "[true,2]",
        "[1,99999999999999999999]",
    ] {
        wire.text(&mut world, &invoke("1", "Add", arguments));
        let text = "Failed to invoke 'Add' due to an error on the server.";
        let heard = wire.hear(&mut world);
        assert!(heard.len() == 1 && is_error(&heard[0], "1", text), "{arguments}: {heard:?}");
    }
    for stray in [
        r#"{"type":2,"invocationId":"9","item":1}"#,
        r#"{"type":3,"invocationId":"9"}"#,
        r#"{"type":3,"invocationId":"9","result":1}"#,
        r#"{"type":3,"invocationId":"9","error":"x"}"#,
        r#"{"type":5,"invocationId":"9"}"#,
        r#"{"type":8,"sequenceId":9}"#,
        r#"{"type":9,"sequenceId":9}"#,
        r#"{"type":0}"#,
        r#"{"type":10}"#,
        r#"{"type":-1}"#,
        r#"{"type":2147483647}"#,
    ] {
        for _ in 0..share(100) {
            wire.text(&mut world, stray);
        }
        assert_eq!(wire.hear(&mut world), [""; 0], "{stray}");
    }
    wire.text(&mut world, &invoke("last", "Add", "[1,2]"));
    assert_eq!(wire.hear(&mut world), [result("last", "3")]);

    // Before the handshake a call is a refused handshake; behind a Close nothing is looked at.
    let mut early = Wire::websocket(&mut world, "/hub");
    early.text(&mut world, &invoke("1", "Say", r#"["early"]"#));
    assert!(matches!(early.frames(&mut world).last(), Some(Frame::Close(Some(1000), _))));
    let mut late = guest(&mut world);
    let both = format!("{{\"type\":7}}\u{1e}{}\u{1e}", call("Say", r#"["late"]"#));
    late.frame(&mut world, OpCode::Text, true, both.as_bytes());
    assert!(!log(&mut world).iter().any(|line| line.starts_with("said")));
    bystander.is_well(&mut world);
}

#[test]
fn t_neg_what_is_negotiated_and_never_used_is_bounded_and_goes() {
    let most = share(100_000) / 2;
    let http = HttpOptions { connections_max: most, ..HttpOptions::default() };
    let mut world = World::with(1, 1, &http).hub("/hub", Hall::default, &HubOptions::default());
    let mut bystander = Bystander::new(&mut world);
    let mut wire = Wire::tcp(&mut world);
    for number in 1..most + 20 {
        let answer = wire.request(&mut world, "POST", "/hub/negotiate?negotiateVersion=1");
        if number < most {
            assert_eq!(answer.head.status(), 200, "number {number} of {most}");
        } else {
            assert_eq!(answer.head.status(), 503);
            assert_eq!(answer.head.header("retry-after"), Some("5"));
        }
    }
    assert_eq!(world.sizes().1, most);
    bystander.is_well(&mut world);
    world.pass(Duration::from_secs(16));
    assert_eq!(world.sizes().1, 1, "all but the bystander are forgotten");
    bystander.is_well(&mut world);
}

#[test]
fn t_id_ids_are_neither_repeated_nor_biased_nor_enough_to_get_in() {
    let mut rng = Rng::from_kernel().expect("the kernel has random bits");
    let count = share(10_000_000);
    let mut seen = BTreeSet::new();
    let mut ones = [0_usize; 64 * 8];
    for number in 0..count {
        let id = ConnectionId::random(&mut rng).to_string();
        if number < 100_000 {
            for (place, byte) in id.bytes().enumerate() {
                for bit in 0..6 {
                    ones[place * 8 + bit] += usize::from(byte >> bit & 1);
                }
            }
        }
        // Half of an id is enough to find repetitions by.
        let half =
            id.as_bytes()[..11].iter().fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
        assert!(seen.insert(half), "{id} came twice");
    }
    let looked_at = count.min(100_000);
    // In base64 some bits are not even; none of them is constant in the places that are random.
    for place in 0..20 {
        let varies = (0..6).any(|bit| {
            let ones = ones[place * 8 + bit];
            ones > looked_at / 10 && ones < looked_at * 9 / 10
        });
        assert!(varies, "place {place} of an id hardly varies");
    }

    let mut world = hall();
    for number in 0..share(200) {
        let answer =
            Wire::tcp(&mut world).request(&mut world, "POST", "/hub/negotiate?negotiateVersion=1");
        let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        let (id, token) = (text("connectionId"), text("connectionToken"));
        let mut near = token.clone().into_bytes();
        let place = number % near.len();
        near[place] = if near[place] == b'A' { b'B' } else { b'A' };
        let near = String::from_utf8(near).expect("letters");
        for stolen in [id, near, token[..token.len() - 1].to_owned(), format!("{token}A")] {
            let target = format!("/hub?id={stolen}");
            let answer = Wire::tcp(&mut world).upgrade(&mut world, &target, &[]);
            assert_eq!(answer.head.status(), 404, "{stolen} for {token}");
        }
        guest_at(&mut world, &format!("/hub?id={token}")).close(&mut world);
    }
}

/// What an event stream's client understands of it, by the rules of the HTML standard.
fn understood(stream: &str) -> Vec<String> {
    let lines = stream.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut data) = (Vec::new(), Vec::new());
    for line in lines.split('\n') {
        if line.is_empty() && !data.is_empty() {
            events.push(std::mem::take(&mut data).join("\n"));
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
        }
    }
    events
}

#[test]
fn t_sse_one_message_is_one_event_with_equal_data() {
    let mut rng = Rng::from_seed(7);
    let parts = [
        "\r", "\n", "\r\n", "\0", "\u{2028}", "\u{2029}", "\u{feff}", "data:", "event: x", "id:",
        ":", "retry: 1", " ", "é", "😀", "a", "\u{85}", "\u{b}",
    ];
    for _ in 0..share(2000) {
        let count = 1 + rng.below(8);
        let text: String = (0..count)
            .map(|_| parts[usize::try_from(rng.below(parts.len() as u64)).expect("few")])
            .collect();
        // A hub's records are JSON, where line breaks are escaped; so they come back exactly.
        let record = format!("{}\u{1e}", json!({"type": 1, "target": "t", "arguments": [text]}));
        let mut stream = Vec::new();
        write_event(&mut stream, record.as_bytes());
        write_event(&mut stream, b"{\"type\":6}\x1e");
        let stream = String::from_utf8(stream).expect("text stays text");
        assert_eq!(understood(&stream), [record, "{\"type\":6}\u{1e}".to_owned()]);
    }
}

#[test]
fn t_err_what_a_hub_hides_stays_hidden() {
    let mut world = hall();
    let mut wire = guest(&mut world);
    for method in ["Break", "Panic", "bReAk", "pAnIc"] {
        for arguments in ["[]", "[\"disk full\"]", "{\"planned\":1}"] {
            let mut wire = guest(&mut world);
            wire.text(&mut world, &invoke("1", method, arguments));
            for frame in wire.frames(&mut world) {
                let Frame::Text(text) = frame else { continue };
                assert!(!text.contains("disk full") && !text.contains("planned"), "{text}");
                assert!(!text.contains("Exception"), "{text}");
            }
            wire.close(&mut world);
        }
    }
    wire.text(&mut world, &invoke("1", "Fail", "[]"));
    assert!(wire.hear(&mut world).iter().any(|record| record.contains("HubException: disk full")));
}

#[test]
fn t_group_names_are_bytes_and_both_limits_hold() {
    let mut world = hall();
    let mut bystander = Bystander::new(&mut world);
    let mut wire = guest(&mut world);
    let join = |world: &mut World, wire: &mut Wire, name: &str| {
        let arguments = json!([name]).to_string();
        wire.text(world, &invoke("1", "Join", &arguments));
        let heard = wire.hear(world);
        heard == [result("1", "null")]
    };
    let alike = [
        "room",
        "Room",
        "ROOM",
        "rооm",
        "room ",
        " room",
        "room\u{200b}",
        "room\0",
        "ro\0om",
        "room/",
        "room\u{301}",
        "e\u{301}",
        "é",
        "",
        "\u{1e}",
        "room\r\n",
        "%72oom",
        "room\u{202e}",
    ];
    for name in alike {
        assert!(join(&mut world, &mut wire, name), "{name:?}");
    }
    for name in alike {
        let count = world.enter(0, |_: &mut Hall, clients| clients.group_count(name));
        assert_eq!(count, 1, "{name:?} is a group of its own");
    }
    assert!(join(&mut world, &mut wire, &"n".repeat(1024)), "at the limit of bytes");
    assert!(!join(&mut world, &mut wire, &"n".repeat(1025)), "one past it");
    assert!(!join(&mut world, &mut wire, &"é".repeat(513)), "bytes, not letters");
    let most = 1024 - alike.len() - 1;
    for number in 0..most {
        assert!(join(&mut world, &mut wire, &format!("room {number}")), "{number} of {most}");
    }
    assert!(!join(&mut world, &mut wire, "one more"), "one group past the limit");
    for _ in 0..share(1000) {
        wire.text(&mut world, &call("Leave", r#"["room"]"#));
        wire.text(&mut world, &call("Join", r#"["room"]"#));
    }
    assert_eq!(wire.hear(&mut world), [""; 0]);
    bystander.is_well(&mut world);
    wire.close(&mut world);
    world.pass(Duration::from_secs(1));
    let count = world.enter(0, |_: &mut Hall, clients| clients.group_count("room"));
    assert_eq!(count, 0, "nobody is left in a group");
}

#[test]
fn t_panic_one_call_in_a_thousand_panics_and_nobody_else_notices() {
    let calls = share(1_000_000);
    let mut world = hall();
    let mut bystander = Bystander::new(&mut world);
    let mut wire = guest(&mut world);
    let mut answered = 0;
    for batch in 0..calls / 1000 {
        let mut piece = String::new();
        for number in 0..1000 {
            let method = if number == batch % 1000 { "Panic" } else { "Nothing" };
            write!(piece, "{}\u{1e}", invoke("1", method, "[]")).expect("a string");
        }
        wire.frame(&mut world, OpCode::Text, true, piece.as_bytes());
        answered += wire.hear(&mut world).len();
    }
    assert_eq!(answered, calls);
    assert_eq!(world.counters(0).panics, calls as u64 / 1000);
    bystander.is_well(&mut world);
}
