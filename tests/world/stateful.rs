//! Stateful reconnect (§5): numbers, acknowledgements, losing a socket and coming back.

use std::time::Duration;

use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Wire, World};
use tickhub::{ConnectionOptions, HubOptions, HubProtocolKind};

use crate::hall::{Hall, hall, log};
use crate::lasting::{
    Guest, Json, STATEFUL, Say, lasting_hall, lasting_hall_with, negotiated, number,
};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a test once for each hub protocol.
fn in_both(test: impl Fn(&mut World, Guest)) {
    for protocol in HubProtocolKind::ALL {
        let mut world = lasting_hall();
        let guest = Guest::new(&mut world, *protocol);
        test(&mut world, guest);
    }
}

/// Everybody hears `news` with a number.
fn tell_all(world: &mut World, number: u32) {
    world.enter(0, |_: &mut Hall, clients| clients.all().send("news", (number,)).ignore());
}

/// `negotiate-stateful`.
#[test]
fn cor_011_stateful_reconnect_is_answered_only_where_allowed_and_asked() {
    let answered = |world: &mut World, query: &str| {
        let target = format!("/hub/negotiate?{query}");
        let body = Wire::tcp(world).request(world, "POST", &target).body;
        assert!(body.contains("connectionId"), "{body}");
        match body.starts_with(r#"{"useStatefulReconnect":true,"negotiateVersion":"#) {
            true => true,
            false if body.starts_with(r#"{"negotiateVersion":"#) => false,
            _ => panic!("{body}"),
        }
    };
    let mut world = lasting_hall();
    for (query, is_answered) in [
        ("negotiateVersion=1&useStatefulReconnect=true", true),
        ("negotiateVersion=1&useStatefulReconnect=TRUE", true),
        ("negotiateVersion=1&UseStatefulReconnect=True", true),
        ("negotiateVersion=1&useStatefulReconnect=false", false),
        ("negotiateVersion=1&useStatefulReconnect=1", false),
        ("negotiateVersion=1&useStatefulReconnect=", false),
        ("negotiateVersion=1", false),
        ("useStatefulReconnect=true", true),
        ("negotiateVersion=0&useStatefulReconnect=true", true),
    ] {
        assert_eq!(answered(&mut world, query), is_answered, "{query}");
    }
    assert!(!answered(&mut hall(), "negotiateVersion=1&useStatefulReconnect=true"));
}

/// `stateful-not-used`; and version 0, whose token everybody may know.
#[test]
fn cor_141_without_the_whole_chain_nothing_is_numbered_and_a_lost_socket_is_the_end() {
    for (query, version) in [
        (STATEFUL, 1),
        (STATEFUL, 0),
        ("negotiateVersion=1", 2),
        ("negotiateVersion=0&useStatefulReconnect=true", 2),
    ] {
        let mut world = lasting_hall();
        let mut guest = Guest::with(&mut world, Json, query, version);
        assert_eq!(guest.hear(&mut world), ["arrived []"]);
        guest.say(&mut world, &[Say::Ack(5), Say::Sequence(1), Say::Sequence(99)]);
        guest.say(&mut world, &[Say::Call("1", "Add", "[1,2]")]);
        assert_eq!(guest.hear(&mut world), ["1: 3"]);
        world.pass(3 * SECOND);
        assert_eq!(guest.hear(&mut world), [""; 0], "no acknowledgement");
        assert_eq!(guest.knock(&mut world), 409);
        guest.wire.reset(&mut world);
        assert_eq!(log(&mut world), ["connected", "the transport was lost; 0 in the hall"]);
        assert_eq!(guest.knock(&mut world), 404);
        assert!(world.is_quiet());
    }
}

#[test]
fn before_the_handshake_there_is_nothing_to_come_back_to() {
    let mut world = lasting_hall();
    let target = negotiated(&mut world, STATEFUL);
    let mut wire = Wire::websocket(&mut world, &target);
    let second = Wire::tcp(&mut world).upgrade(&mut world, &target, &[]);
    assert_eq!(second.head.status(), 409);
    wire.reset(&mut world);
    assert!(world.is_quiet());
}

/// `stateful-other-transports`.
#[test]
fn over_another_transport_nothing_is_numbered() {
    let mut world = lasting_hall();
    let target = negotiated(&mut world, STATEFUL);
    crate::web::polled(&mut world, &target);
    crate::web::post(&mut world, &target, "{\"protocol\":\"json\",\"version\":2}\u{1e}");
    crate::web::polled(&mut world, &target);
    crate::web::say(&mut world, &target, &crate::hall::invoke("1", "Add", "[1,2]"));
    let heard = crate::web::polled(&mut world, &target).body;
    assert_eq!(heard, format!("{}\u{1e}", crate::hall::result("1", "3")));
    assert_eq!(Wire::tcp(&mut world).upgrade(&mut world, &target, &[]).head.status(), 400);
    world.pass(3 * SECOND);
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", &target, &[], b"");
    world.pass(3 * SECOND);
    assert!(wire.try_answer(&mut world).is_none(), "no acknowledgement");
}

/// Ways to lose a socket without a Close frame.
const WAYS: [&str; 5] = ["reset", "end", "vanish", "cut in a frame", "stall"];

fn lose(world: &mut World, guest: &mut Guest, way: &str) {
    match way {
        "reset" => guest.wire.reset(world),
        "end" => guest.wire.shutdown(world),
        "cut in a frame" => {
            guest.wire.bytes(world, b"\x81\xa0\x01\x02\x03\x04half");
            guest.wire.shutdown(world);
        }
        // The server does not know yet, and the old socket looks alive.
        "vanish" => guest.wire.vanish(),
        "stall" => {
            guest.wire.shut_window(world.now() + Duration::from_mins(1));
            tell_all(world, 0);
            world.pass(12 * SECOND);
            assert_eq!(world.counters(0).parked, 1, "10 s without progress");
        }
        way => panic!("{way}"),
    }
}

/// `stateful-resume`, `stateful-ways-to-lose`.
#[test]
fn cor_142_and_143_after_a_loss_the_connection_goes_on_without_a_handshake() {
    for way in WAYS {
        in_both(|world, mut guest| {
            guest.say(world, &[Say::Call("1", "Id", "[]"), Say::Call("2", "Join", r#"["hall"]"#)]);
            let before = guest.hear(world);
            assert_eq!(before[1], "2: null");
            let slow = Say::Call("3", "Later", r#"["while away",1000]"#);
            guest.say(world, &[Say::Ack(2), slow]);
            world.pass(Duration::from_millis(100));
            lose(world, &mut guest, way);
            tell_all(world, 1);
            world.pass(Duration::from_millis(1100));
            guest.come_back(world);

            let slow = "3: \"while away\"";
            let expected: &[&str] = match way {
                "stall" => &["sequence 3", "2: null", "news [0]", slow, "news [1]"],
                _ => &["sequence 3", "2: null", "news [1]", slow],
            };
            assert_eq!(guest.hear_calls(world), expected, "{way}");
            // The client repeats what was not acknowledged, as another call, to see that it does
            // not run, and goes on.
            let repeated = Say::Tell("Say", r#"["twice?"]"#);
            let here = Say::Call("4", "Select", r#"["group",["hall"]]"#);
            guest.say(world, &[Say::Sequence(3), repeated, Say::Call("5", "Id", "[]"), here]);
            let after = guest.hear_calls(world);
            assert_eq!(after[0].strip_prefix("5: "), before[0].strip_prefix("1: "), "the same id");
            assert_eq!(after[1..], ["here []", "4: null"], "still a member");
            let replayed = expected.len() - 1;
            assert_eq!(log(world), ["connected", &format!("resumed, {replayed} replayed")]);
            let counters = world.counters(0);
            assert_eq!((counters.parked, counters.resumed, counters.not_resumed), (1, 1, 0));
            assert_eq!((counters.opened, counters.replayed), (1, replayed as u64));
        });
    }
}

/// `stateful-resume-empty`, `stateful-no-messages`.
#[test]
fn cor_144_when_nothing_is_owed_the_sequence_is_that_of_the_next_message() {
    in_both(|world, mut guest| {
        guest.say(world, &[Say::Call("1", "Add", "[1,2]"), Say::Ack(2)]);
        assert_eq!(guest.hear(world), ["1: 3"]);
        guest.lose_and_come_back(world);
        assert_eq!(guest.hear_calls(world), ["sequence 3"]);
        guest.say(world, &[Say::Sequence(2), Say::Call("2", "Add", "[3,4]")]);
        assert_eq!(guest.hear_calls(world), ["2: 7"]);
        guest.lose_and_come_back(world);
        assert_eq!(guest.hear_calls(world), ["sequence 3", "2: 7"]);
        guest.lose_and_come_back(world);
        assert_eq!(guest.hear_calls(world), ["sequence 3", "2: 7"], "as often as it takes");
    });
}

#[test]
fn cor_145_what_the_client_repeats_does_not_run_twice() {
    in_both(|world, mut guest| {
        guest.say(world, &[Say::Tell("Say", r#"["a"]"#), Say::Tell("Say", r#"["b"]"#)]);
        guest.lose_and_come_back(world);
        let again = [
            Say::Sequence(1),
            Say::Tell("Say", r#"["a"]"#),
            Say::Tell("Say", r#"["b"]"#),
            Say::Tell("Say", r#"["c"]"#),
        ];
        guest.say(world, &again);
        // The same Sequence in the middle of a socket is no more than what it says.
        guest.say(world, &again);
        guest.say(world, &[Say::Tell("Say", r#"["d"]"#)]);
        let said: Vec<String> = log(world).split_off(1);
        assert_eq!(said, ["said a", "said b", "resumed, 1 replayed", "said c", "said d"]);
    });
}

/// `stateful-cut-message`: the better answer.
#[test]
fn half_a_message_is_forgotten_with_its_socket() {
    for whole_frame in [true, false] {
        in_both(|world, mut guest| {
            let bytes = guest.records(&[Say::Call("1", "Echo", r#"["whole"]"#)]);
            let code = if guest.protocol.is_binary() { OpCode::Binary } else { OpCode::Text };
            guest.wire.frame(world, code, whole_frame, &bytes[..bytes.len() / 2]);
            guest.lose_and_come_back(world);
            assert_eq!(guest.hear_calls(world), ["sequence 1", "arrived []"]);
            guest.say(world, &[Say::Sequence(1), Say::Call("1", "Echo", r#"["whole"]"#)]);
            assert_eq!(guest.hear_calls(world), ["1: \"whole\""]);
        });
    }
}

/// `stateful-acks`.
#[test]
fn cor_148_the_server_acknowledges_once_a_second_when_something_came() {
    in_both(|world, mut guest| {
        guest.say(world, &[Say::Call("1", "Add", "[1,2]")]);
        assert_eq!(guest.hear(world), ["1: 3"]);
        world.pass(Duration::from_millis(990));
        assert_eq!(guest.hear(world), [""; 0]);
        world.pass(Duration::from_millis(20));
        assert_eq!(guest.hear(world), ["ack 1"]);
        world.pass(5 * SECOND);
        assert_eq!(guest.hear(world), [""; 0], "nothing new");
        for _ in 0..4 {
            guest.say(world, &[Say::Call("2", "Add", "[1,2]")]);
            world.pass(Duration::from_millis(300));
        }
        assert_eq!(guest.hear(world).last().map(String::as_str), Some("ack 5"));
    });
}

/// `stateful-acks`.
#[test]
fn cor_149_types_1_to_5_are_counted_whatever_becomes_of_them() {
    in_both(|world, mut guest| {
        guest.say(world, &[Say::Ack(1), Say::Ping, Say::Cancel("none"), Say::Answer("none")]);
        guest.say(world, &[Say::Call("1", "Nobody", "[]"), Say::Ping]);
        guest.say(world, &[Say::Call("2", "Add", r#"["x"]"#), Say::Sequence(5)]);
        guest.say(world, &[Say::Tell("Add", "[1,2]")]);
        world.pass(2 * SECOND);
        let heard = guest.hear(world);
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert_eq!(heard[2], "ack 5");
        // Towards the client: the greeting and two answers, and no ping.
        world.pass(16 * SECOND);
        assert_eq!(guest.hear(world), ["ping"]);
        guest.say(world, &[Say::Ack(3)]);
        guest.lose_and_come_back(world);
        assert_eq!(guest.hear(world), ["sequence 4", "ack 5"], "and the Ack is told again");
    });
}

/// `stateful-odd-acks`; what is lower than before is ignored.
#[test]
fn odd_acknowledgements() {
    for (acks, replay) in [
        (&[1, 99][..], &["sequence 5"][..]),
        (&[3, 2], &["sequence 4", "3: 3"]),
        (&[0], &["sequence 1", "arrived []", "1: 1", "2: 2", "3: 3"]),
        (&[-7], &["sequence 1", "arrived []", "1: 1", "2: 2", "3: 3"]),
        (&[3, 3], &["sequence 4", "3: 3"]),
        (&[i64::MAX], &["sequence 5"]),
        (&[4, i64::MIN], &["sequence 5"]),
    ] {
        in_both(|world, mut guest| {
            for (id, sum) in [("1", "[1,0]"), ("2", "[2,0]"), ("3", "[3,0]")] {
                guest.say(world, &[Say::Call(id, "Add", sum)]);
            }
            guest.hear(world);
            let acks: Vec<Say> = acks.iter().map(|ack| Say::Ack(*ack)).collect();
            guest.say(world, &acks);
            guest.lose_and_come_back(world);
            assert_eq!(guest.hear_calls(world), replay);
            guest.say(world, &[Say::Sequence(4), Say::Call("4", "Add", "[4,0]")]);
            assert_eq!(guest.hear_calls(world), ["4: 4"]);
        });
    }
}

/// What a client sends, whether after it came back, and what it hears or is accused of.
type Row<'a> = (&'a [Say<'a>], bool, Result<&'a [&'a str], &'a str>);

/// T-SR, one row for each: what ends the connection with an error, and what does not.
#[test]
fn cor_146_and_odd_sequences() {
    let (call, ping) = (Say::Call("9", "Add", "[9,0]"), Say::Ping);
    let (gap, first) = ("Sequence ID greater than", "Sequence IDs begin at 1.");
    let early = "before the sequence ID of its transport";
    // After two messages of the client; on the first socket or on the second.
    let rows: [Row<'_>; 14] = [
        (&[Say::Sequence(4)], false, Err(gap)),
        (&[Say::Sequence(3), call], false, Ok(&["9: 9"])),
        (&[Say::Sequence(1), call, call, call], false, Ok(&["9: 9"])),
        (&[Say::Sequence(4)], true, Err(gap)),
        (&[Say::Sequence(i64::MAX)], true, Err(gap)),
        (&[Say::Sequence(0)], true, Err(first)),
        (&[Say::Sequence(-1)], true, Err(first)),
        (&[Say::Sequence(i64::MIN)], true, Err(first)),
        (&[Say::Sequence(3), call], true, Ok(&["9: 9"])),
        (&[Say::Sequence(2), call, call], true, Ok(&["9: 9"])),
        (&[ping, Say::Ack(1), Say::Sequence(3), call], true, Ok(&["9: 9"])),
        (&[call], true, Err(early)),
        (&[Say::Answer("x")], true, Err(early)),
        (&[Say::Ack(3), ping, Say::Cancel("x")], true, Err(early)),
    ];
    for protocol in HubProtocolKind::ALL {
        for (index, (messages, on_second, expected)) in rows.iter().enumerate() {
            let options = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
            let mut world = lasting_hall_with(&options, ConnectionOptions::default());
            let mut guest = Guest::new(&mut world, *protocol);
            guest.say(&mut world, &[Say::Tell("Say", r#"["a"]"#), Say::Tell("Say", r#"["b"]"#)]);
            if *on_second {
                guest.lose_and_come_back(&mut world);
            }
            guest.hear(&mut world);
            guest.say(&mut world, messages);
            let heard = guest.hear_calls(&mut world);
            match expected {
                Ok(answers) => assert_eq!(heard, *answers, "row {index}"),
                Err(part) => {
                    assert!(heard[0].contains(part), "row {index}: {heard:?}");
                    assert_eq!(heard[1..], ["closed 1000"], "row {index}");
                    assert_eq!(guest.knock(&mut world), 404);
                    assert_eq!(world.counters(0).violations, 1);
                }
            }
        }
    }
}

/// `stateful-ways-to-lose`, `stateful-ends`: what ends it for good.
#[test]
fn cor_150_an_end_that_was_told_is_an_end() {
    type Way = fn(&mut World, &mut Guest);
    let ways: [(&str, Way); 7] = [
        ("closed by the client", |world, guest| guest.wire.close_frame(world, 1000, "")),
        ("closed by the client", |world, guest| guest.wire.close_frame(world, 1001, "")),
        ("closed by the client", |world, guest| guest.wire.close_frame(world, 4000, "x")),
        ("closed by the client", |world, guest| {
            guest.wire.frame(world, OpCode::Close, true, b"");
        }),
        ("closed by the client", |world, guest| guest.say(world, &[Say::Close])),
        ("aborted by the hub", |world, guest| guest.say(world, &[Say::Tell("Abort", "[]")])),
        ("InvalidDataException: ", |world, guest| {
            let code = if guest.protocol.is_binary() { OpCode::Binary } else { OpCode::Text };
            let wrong: &[u8] =
                if guest.protocol.is_binary() { &[0x02, 0x91, 0x01] } else { b"{\"type\":1}\x1e" };
            guest.wire.frame(world, code, true, wrong);
        }),
    ];
    for (reason, way) in ways {
        in_both(|world, mut guest| {
            way(world, &mut guest);
            assert_eq!(guest.knock(world), 404);
            let heard = guest.hear_calls(world);
            assert!(heard.contains(&"closed 1000".to_owned()), "{heard:?}");
            guest.wire.reset(world);
            assert!(log(world)[1].starts_with(reason), "{:?}", log(world));
            assert_eq!(guest.knock(world), 404);
            assert!(world.is_quiet(), "nothing is kept");
        });
    }
}

/// `stateful-lost-for-good`.
#[test]
fn cor_151_who_does_not_come_back_in_time_is_forgotten() {
    in_both(|world, mut guest| {
        guest.wire.reset(world);
        world.pass(Duration::from_millis(14_990));
        assert_eq!(log(world), ["connected"], "not yet");
        world.pass(Duration::from_millis(20));
        let end = "the transport was lost, and nobody came back; 0 in the hall";
        assert_eq!(log(world), ["connected", end]);
        assert_eq!(guest.knock(world), 404);
        assert!(world.is_quiet(), "what was kept is gone");
        assert_eq!(world.counters(0).not_resumed, 1);
    });
    in_both(|world, mut guest| {
        guest.wire.reset(world);
        world.pass(Duration::from_millis(14_990));
        guest.come_back(world);
        world.pass(Duration::from_mins(1));
        assert_eq!(log(world), ["connected", "resumed, 1 replayed"], "in the last moment");
    });
}

#[test]
fn who_comes_back_takes_over_and_the_old_socket_is_cut() {
    in_both(|world, mut guest| {
        let mut old = Wire::websocket(world, &guest.target);
        std::mem::swap(&mut old, &mut guest.wire);
        assert_eq!(old.frames(world), [tickhub::sim::Frame::Reset]);
        assert_eq!(guest.hear_calls(world), ["sequence 1", "arrived []"]);
        guest.say(world, &[Say::Sequence(1), Say::Call("1", "Add", "[1,2]"), Say::Ack(1)]);
        assert_eq!(guest.hear_calls(world), ["1: 3"]);
        world.pass(2 * SECOND);
        assert_eq!(guest.hear(world), ["ack 1"]);
        guest.lose_and_come_back(world);
        assert_eq!(guest.hear(world), ["sequence 2", "ack 1", "1: 3"]);
        assert_eq!(world.sizes(), (1, 1));
    });
}

#[test]
fn many_losses_cost_nothing_and_lose_nothing() {
    in_both(|world, mut guest| {
        let mut heard = 1;
        for round in 0..200 {
            tell_all(world, round);
            guest.lose_and_come_back(world);
            let messages = guest.hear_calls(world);
            assert_eq!(messages[0], format!("sequence {heard}"));
            assert_eq!(messages.last(), Some(&format!("news [{round}]")));
            heard += number(messages.len()) - 1;
            guest.say(world, &[Say::Sequence(1), Say::Ack(heard - 1)]);
        }
        assert_eq!(world.counters(0).resumed, 200);
        assert_eq!(world.sizes(), (1, 1));
    });
}

#[test]
fn pings_and_silence_while_nobody_is_there_mean_nothing() {
    in_both(|world, mut guest| {
        guest.say(world, &[Say::Ping]);
        world.pass(20 * SECOND);
        guest.wire.reset(world);
        // 30 s of silence are over in between; the window counts from the loss.
        world.pass(14 * SECOND);
        guest.come_back(world);
        assert_eq!(guest.hear(world), ["sequence 1", "arrived []"]);
        world.pass(Duration::from_millis(15_010));
        assert_eq!(guest.hear(world), ["ping"]);
        world.pass(15 * SECOND);
        assert_eq!(world.counters(0).closed, 1, "and from the return on it counts again");
    });
}

#[test]
fn a_drain_ends_those_who_are_not_there() {
    in_both(|world, mut guest| {
        guest.wire.reset(world);
        world.drain(10 * SECOND);
        world.settle();
        assert!(world.is_drained() && world.is_quiet());
        assert_eq!(log(world)[1], "the server is going down; 0 in the hall");
    });
}

#[test]
fn nobody_takes_over_the_connection_of_somebody_else() {
    let connection = ConnectionOptions {
        user_id: Some(|request, _| request.query("user").map(std::borrow::Cow::into_owned)),
        ..ConnectionOptions::default()
    };
    let mut world = lasting_hall_with(&HubOptions::default(), connection);
    let token = negotiated(&mut world, STATEFUL);
    let mut wire = Wire::websocket(&mut world, &format!("{token}&user=ann"));
    wire.text(&mut world, r#"{"protocol":"json","version":2}"#);
    for (user, status) in [("&user=bob", 403), ("", 403), ("&user=ann", 101)] {
        let target = format!("{token}{user}");
        let answer = Wire::tcp(&mut world).upgrade(&mut world, &target, &[]);
        assert_eq!(answer.head.status(), status, "{user}");
    }
    let other = Wire::tcp(&mut world).upgrade(&mut world, "/hub?id=abcdefghijklmnopqrstuv", &[]);
    assert_eq!(other.head.status(), 404);
}
