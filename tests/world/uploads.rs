//! Streams from the client (§3.7), and how many calls run at a time (§6.4).

use std::time::Duration;

use tickhub::HubOptions;
use tickhub::protocol::hub_protocol::HubProtocolKind::Json;
use tickhub::sim::World;

use crate::flows::{detailed, in_both, log, world_with};
use crate::talk::Talk;

fn plain() -> HubOptions {
    HubOptions::default()
}

/// A plain call that sends streams along. `arguments` and `streams` are JSON.
fn call(id: &str, target: &str, arguments: &str, streams: &str) -> String {
    let (id, target) = (format!(r#""invocationId":"{id}""#), format!(r#""target":"{target}""#));
    format!(r#"{{"type":1,{id},{target},"arguments":{arguments},"streamIds":{streams}}}"#)
}

/// The same as a stream call.
fn stream_call(id: &str, target: &str, arguments: &str, streams: &str) -> String {
    call(id, target, arguments, streams).replace(r#""type":1"#, r#""type":4"#)
}

fn item(id: &str, item: &str) -> String {
    format!(r#"{{"type":2,"invocationId":"{id}","item":{item}}}"#)
}

fn end(id: &str) -> String {
    format!(r#"{{"type":3,"invocationId":"{id}"}}"#)
}

fn error(id: &str, text: &str) -> String {
    format!(r#"{{"type":3,"invocationId":"{id}","error":"{text}"}}"#)
}

fn result(id: &str, value: &str) -> String {
    format!(r#"{{"type":3,"invocationId":"{id}","result":{value}}}"#)
}

fn failed(target: &str, detail: &str) -> String {
    format!("An unexpected error occurred invoking '{target}' on the server.{detail}")
}

/// Tells these messages in one piece and checks all that comes back.
fn exchange(world: &mut World, talk: &mut Talk, told: &[String], heard: &[String]) {
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    talk.tell(world, &told);
    talk.hears(world, &heard);
}

/// `upload`.
#[test]
fn cor_107_items_then_the_end_and_the_result_of_the_method() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let all = [
            call("1", "Collect", "[]", r#"["s"]"#),
            item("s", r#""a""#),
            item("s", r#""b""#),
            item("s", "null"),
            end("s"),
        ];
        exchange(&mut world, &mut talk, &all, &[result("1", r#""a,b,null""#)]);

        exchange(&mut world, &mut talk, &[call("2", "Sum", "[]", r#"["s"]"#)], &[]);
        for number in ["1", "2", "39"] {
            exchange(&mut world, &mut talk, &[item("s", number)], &[]);
        }
        exchange(&mut world, &mut talk, &[end("s")], &[result("2", "42")]);

        let empty = [call("3", "Collect", "[]", r#"["e"]"#), end("e")];
        exchange(&mut world, &mut talk, &empty, &[result("3", r#""""#)]);

        let between = [
            call("4", "CollectBetween", r#"["<",">"]"#, r#"["b"]"#),
            item("b", r#""x""#),
            item("b", r#""y""#),
            end("b"),
        ];
        exchange(&mut world, &mut talk, &between, &[result("4", r#""<x,y>""#)]);

        let two = [
            call("5", "CollectTwo", "[]", r#"["x","y"]"#),
            item("y", r#""y1""#),
            item("x", r#""x1""#),
            item("y", r#""y2""#),
            end("y"),
            item("x", r#""x2""#),
            end("x"),
        ];
        exchange(&mut world, &mut talk, &two, &[result("5", r#""x1,x2;y1,y2""#)]);

        // A result in the place of an end says nothing.
        let ignored = [
            result("z", "1"),
            call("6", "Collect", "[]", r#"["r"]"#),
            item("r", r#""1""#),
            result("r", r#""ignored""#),
        ];
        exchange(&mut world, &mut talk, &ignored, &[result("6", r#""1""#)]);

        // A call that wants no answer.
        let silent = [
            r#"{"type":1,"target":"CollectCaught","arguments":[],"streamIds":["n"]}"#.into(),
            item("n", r#""1""#),
            end("n"),
        ];
        exchange(&mut world, &mut talk, &silent, &[]);
        assert_eq!(log(&mut world), ["1"]);
    });
}

/// `upload-errors`, `upload-ids`.
#[test]
fn cor_107_and_108_uploads_that_fail_and_wrong_numbers_of_them() {
    for (options, is_detailed) in [(plain(), false), (detailed(), true)] {
        in_both(|protocol| {
            let mut world = world_with(&options);
            let mut talk = Talk::new(&mut world, protocol);
            let with =
                |detail: &str| if is_detailed { format!(" {detail}") } else { String::new() };
            let s = r#"["s"]"#;

            let broken = |target| {
                [call("1", target, "[]", s), item("s", r#""a""#), error("s", "broken off")]
            };
            let text = failed("Collect", " HubException: broken off");
            exchange(&mut world, &mut talk, &broken("Collect"), &[error("1", &text)]);
            let caught = result("1", r#""a,HubException: broken off""#);
            exchange(&mut world, &mut talk, &broken("CollectCaught"), &[caught]);

            let unread = "InvalidDataException: Error binding arguments. Make sure that the types \
                          of the provided values match the types of the hub method being invoked.";
            let unread = format!("HubException: Failed to bind Stream message.{}", with(unread));
            for wrong in [r#""x""#, "null", "1.5"] {
                let told = [
                    call("3", "Sum", "[]", s),
                    item("s", "1"),
                    item("s", wrong),
                    item("s", "2"),
                    end("s"),
                ];
                let text = failed("Sum", &format!(" {unread}"));
                exchange(&mut world, &mut talk, &told, &[error("3", &text)]);
            }
            let told = [
                call("3", "CollectCaught", "[]", s),
                item("s", r#""1""#),
                item("s", "5"),
                item("s", r#""2""#),
                end("s"),
            ];
            let caught = result("3", &format!(r#""1,{unread}""#));
            exchange(&mut world, &mut talk, &told, &[caught]);

            let differs = |target, sent, expected| {
                let what = format!("Client sent {sent} stream(s), Hub method expects {expected}.");
                [error("4", &failed(target, &format!(" HubException: {what}")))]
            };
            for (target, streams, sent, expected) in [
                ("Collect", "[]", 0, 1),
                ("Collect", r#"["p","q"]"#, 2, 1),
                ("CollectTwo", r#"["p"]"#, 1, 2),
                ("Seven", r#"["p"]"#, 1, 0),
            ] {
                let told = [call("4", target, "[]", streams)];
                exchange(&mut world, &mut talk, &told, &differs(target, sent, expected));
            }
            let none =
                [r#"{"type":1,"invocationId":"4","target":"Collect","arguments":[]}"#.into()];
            exchange(&mut world, &mut talk, &none, &differs("Collect", 0, 1));
            for (target, arguments, streams, sent, expected) in [
                ("Shout", "[]", "[]", 0, 1),
                ("Shout", "[]", r#"["p","q"]"#, 2, 1),
                ("Counter", "[1]", r#"["p"]"#, 1, 0),
            ] {
                let told = [stream_call("4", target, arguments, streams)];
                exchange(&mut world, &mut talk, &told, &differs(target, sent, expected));
            }

            // Calls that fail before leave their uploads without a reader.
            let count = with(
                "InvalidDataException: Invocation provides 1 argument(s) but target expects 0.",
            );
            let text = format!("Failed to invoke 'Collect' due to an error on the server.{count}");
            let told = [call("8", "Collect", r#"["x"]"#, r#"["p"]"#), item("p", "1"), end("p")];
            exchange(&mut world, &mut talk, &told, &[error("8", &text)]);
            let text = "Failed to invoke 'Nope' due to an error on the server. HubException: \
                        Method does not exist.";
            let told = [call("9", "Nope", "[]", r#"["p"]"#), item("p", "1"), end("p")];
            exchange(&mut world, &mut talk, &told, &[error("9", text)]);
            exchange(&mut world, &mut talk, &[item("u", "1"), end("u"), error("u", "e")], &[]);

            // One id for a call and its upload.
            let told = [
                call("i", "Collect", "[]", r#"["i"]"#),
                item("i", r#""one id for both""#),
                end("i"),
            ];
            exchange(&mut world, &mut talk, &told, &[result("i", r#""one id for both""#)]);
        });
    }
}

#[test]
fn the_id_of_an_open_upload_cannot_be_used_twice() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    let in_use = |id: &str, target: &str| {
        error(id, &failed(target, " HubException: Stream ID 's' is already in use."))
    };
    let first = call("1", "Collect", "[]", r#"["s"]"#);
    exchange(&mut world, &mut talk, &[first, item("s", r#""a""#)], &[]);
    let second = [call("2", "Sum", "[]", r#"["s"]"#)];
    exchange(&mut world, &mut talk, &second, &[in_use("2", "Sum")]);
    let twice = [call("3", "CollectTwo", "[]", r#"["t","s"]"#)];
    exchange(&mut world, &mut talk, &twice, &[in_use("3", "CollectTwo")]);
    exchange(&mut world, &mut talk, &[end("s")], &[result("1", r#""a""#)]);
    let both = [call("4", "CollectTwo", "[]", r#"["s","s"]"#)];
    exchange(&mut world, &mut talk, &both, &[in_use("4", "CollectTwo")]);
    // The first has ended for the client, though its method still runs.
    let told = [
        call("5", "Ignore", "[1000]", r#"["s"]"#),
        end("s"),
        call("6", "Collect", "[]", r#"["s"]"#),
        item("s", r#""b""#),
        end("s"),
    ];
    exchange(&mut world, &mut talk, &told, &[result("6", r#""b""#)]);
}

/// `upload-ends-early`.
#[test]
fn cor_110_a_method_that_stops_reading_and_late_items() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let first = [call("1", "TakeOne", "[]", r#"["s"]"#), item("s", r#""first""#)];
        exchange(&mut world, &mut talk, &first, &[result("1", r#""first""#)]);
        let late: Vec<String> = (0..30).map(|_| item("s", r#""late""#)).chain([end("s")]).collect();
        exchange(&mut world, &mut talk, &late, &[]);

        let told = [call("2", "Ignore", "[100]", r#"["s"]"#), item("s", r#""x""#), end("s")];
        exchange(&mut world, &mut talk, &told, &[]);
        world.pass(Duration::from_millis(100));
        talk.hears(&mut world, &[&result("2", r#""ignored""#)]);

        let again = [call("3", "Collect", "[]", r#"["s"]"#), item("s", r#""again""#), end("s")];
        exchange(&mut world, &mut talk, &again, &[result("3", r#""again""#)]);

        // A method that has dropped its upload and runs on holds up nobody.
        let mut told = vec![call("4", "DropsIt", "[100]", r#"["s"]"#)];
        told.extend((0..30).map(|_| item("s", r#""x""#)));
        told.push(call("5", "Seven", "[]", "[]"));
        exchange(&mut world, &mut talk, &told, &[result("5", "7")]);
        world.pass(Duration::from_millis(100));
        talk.hears(&mut world, &[&result("4", r#""dropped""#)]);

        // One that has left its upload with somebody else has returned all the same.
        let kept = [call("6", "Keep", "[]", r#"["s"]"#)];
        exchange(&mut world, &mut talk, &kept, &[result("6", "null")]);
        exchange(&mut world, &mut talk, &late, &[]);
    });
}

#[test]
fn cor_109_a_full_upload_holds_up_what_is_behind_it() {
    in_both(|protocol| {
        let options = HubOptions { stream_buffer_capacity: 2, ..plain() };
        let mut world = world_with(&options);
        let mut talk = Talk::new(&mut world, protocol);
        let seven = || call("7", "Seven", "[]", "[]");
        let x = || item("s", r#""x""#);
        // Two fit, and what is behind them is looked at.
        let told = [call("1", "ReadAfter", "[1000]", r#"["s"]"#), x(), x(), seven()];
        exchange(&mut world, &mut talk, &told, &[result("7", "7")]);
        // The third waits, and so does everything else.
        exchange(&mut world, &mut talk, &[x(), seven()], &[]);
        exchange(&mut world, &mut talk, &[x(), seven(), end("s")], &[]);
        // Another client is served.
        let mut other = Talk::new(&mut world, protocol);
        exchange(&mut world, &mut other, &[seven()], &[result("7", "7")]);
        world.pass(Duration::from_secs(1));
        let heard = [result("7", "7"), result("7", "7"), result("1", r#""x,x,x,x""#)];
        talk.hears(&mut world, &heard.each_ref().map(String::as_str));

        // A method that returns without having read lets go of what waited.
        let told = [call("2", "Ignore", "[1000]", r#"["s"]"#), x(), x(), x(), seven()];
        exchange(&mut world, &mut talk, &told, &[]);
        world.pass(Duration::from_secs(1));
        talk.hears(&mut world, &[&result("2", r#""ignored""#), &result("7", "7")]);
    });
}

#[test]
fn cor_115_the_silence_of_a_client_behind_a_full_upload_does_not_count() {
    let mut world = world_with(&HubOptions { stream_buffer_capacity: 1, ..plain() });
    let mut talk = Talk::new(&mut world, Json);
    let ping = r#"{"type":6}"#.to_owned();
    let x = || item("s", r#""x""#);
    let told = [ping, call("1", "Ignore", "[100000]", r#"["s"]"#), x(), x()];
    exchange(&mut world, &mut talk, &told, &[]);
    world.pass(Duration::from_secs(100));
    talk.hears(&mut world, &[&result("1", r#""ignored""#)]);
    // From here on it does.
    world.pass(Duration::from_secs(29));
    talk.hears(&mut world, &[]);
    world.pass(Duration::from_secs(2));
    let frames = talk.wire.frames(&mut world);
    assert!(format!("{frames:?}").contains("allowReconnect"), "{frames:?}");
}

/// Many items pass through a small queue, in order, in one piece.
#[test]
fn a_thousand_items_pass_in_order() {
    let mut world = world_with(&plain());
    let mut talk = Talk::new(&mut world, Json);
    let mut told = vec![call("1", "Collect", "[]", r#"["s"]"#)];
    told.extend((0..1000).map(|number| item("s", &format!("\"{number}\""))));
    told.push(end("s"));
    let all: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let heard = [result("1", &format!("\"{}\"", all.join(",")))];
    exchange(&mut world, &mut talk, &told, &heard);
}

/// `upload-and-download`.
#[test]
fn cor_111_a_stream_up_and_a_stream_down_in_one_call() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let shout = |id, streams| stream_call(id, "Shout", "[]", streams);
        let one = [shout("1", r#"["u"]"#), item("u", r#""one""#)];
        exchange(&mut world, &mut talk, &one, &[item("1", r#""ONE""#)]);
        let add = [r#"{"type":1,"invocationId":"m","target":"Add","arguments":[1,2]}"#.into()];
        exchange(&mut world, &mut talk, &add, &[result("m", "3")]);
        let two = [item("u", r#""two""#), end("u")];
        exchange(&mut world, &mut talk, &two, &[item("1", r#""TWO""#), end("1")]);

        let told = [
            shout("2", r#"["p"]"#),
            shout("3", r#"["q"]"#),
            item("q", r#""q1""#),
            item("p", r#""p1""#),
            item("q", r#""q2""#),
            end("q"),
            end("p"),
        ];
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        talk.tell(&mut world, &told);
        let heard = talk.hear(&mut world);
        let of = |id: &str| {
            let of: Vec<_> = heard.iter().filter(|message| message["invocationId"] == id).collect();
            of.iter().map(|message| message.get("item").cloned()).collect::<Vec<_>>()
        };
        assert_eq!(of("2"), [Some("P1".into()), None]);
        assert_eq!(of("3"), [Some("Q1".into()), Some("Q2".into()), None]);

        let broken = [shout("4", r#"["w"]"#), item("w", r#""x""#), error("w", "gone wrong")];
        let text = "An error occurred on the server while streaming results. HubException: gone \
                    wrong";
        exchange(&mut world, &mut talk, &broken, &[item("4", r#""X""#), error("4", text)]);

        // Cancelled, it reads no more; the id of its upload is free.
        let cancelled = [shout("5", r#"["w"]"#), item("w", r#""y""#)];
        exchange(&mut world, &mut talk, &cancelled, &[item("5", r#""Y""#)]);
        let cancel = [r#"{"type":5,"invocationId":"5"}"#.to_owned(), item("w", r#""z""#)];
        exchange(&mut world, &mut talk, &cancel, &[end("5")]);
        let again = [shout("6", r#"["w"]"#), item("w", r#""v""#), end("w")];
        exchange(&mut world, &mut talk, &again, &[item("6", r#""V""#), end("6")]);
    });
}

#[test]
fn cor_112_uploads_fail_with_their_connection() {
    let ends: [fn(&mut World, Talk); 3] = [
        |world, mut talk| talk.wire.close_frame(world, 1000, ""),
        |world, talk| talk.wire.close(world),
        |world, mut talk| talk.wire.reset(world),
    ];
    for end in ends {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, Json);
        let told = [call("1", "CollectCaught", "[]", r#"["s"]"#), item("s", r#""a""#)];
        exchange(&mut world, &mut talk, &told, &[]);
        end(&mut world, talk);
        world.settle();
        let error = "a,OperationCanceledException: The underlying connection was closed.";
        let mut log = log(&mut world);
        log.sort();
        assert_eq!(log, [error, "disconnected"]);
    }
}

/// `order-of-calls`.
#[test]
fn cor_129_and_131_streams_and_uploads_pass_a_running_call_and_no_waiting_one() {
    in_both(|protocol| {
        let mut world = world_with(&plain());
        let mut talk = Talk::new(&mut world, protocol);
        let later = |id| call(id, "Later", r#"["slow",250]"#, "[]");
        let counter = |id, n| stream_call(id, "Counter", &format!("[{n}]"), "[]");
        let told = [
            later("4"),
            counter("s", 2),
            call("6", "Collect", "[]", r#"["u"]"#),
            item("u", r#""i""#),
            end("u"),
        ];
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        talk.tell(&mut world, &told);
        let mut heard: Vec<String> =
            talk.hear(&mut world).iter().map(ToString::to_string).collect();
        heard.sort();
        let mut expected =
            [item("s", "0"), item("s", "1"), end("s"), result("6", r#""i""#)].map(|message| {
                let message: serde_json::Value = serde_json::from_str(&message).expect("JSON");
                message.to_string()
            });
        expected.sort();
        assert_eq!(heard, expected);
        world.pass(Duration::from_millis(250));
        talk.hears(&mut world, &[&result("4", r#""slow""#)]);

        let told = [later("7"), call("8", "Seven", "[]", "[]"), counter("t", 1)];
        exchange(&mut world, &mut talk, &told, &[]);
        world.pass(Duration::from_millis(250));
        let heard = [result("7", r#""slow""#), result("8", "7"), item("t", "0"), end("t")];
        talk.hears(&mut world, &heard.each_ref().map(String::as_str));

        // What cannot run at all needs no slot, and is answered at once.
        let nope = "Failed to invoke 'Nope' due to an error on the server. HubException: Method \
                    does not exist.";
        let unbound = "Failed to invoke 'Add' due to an error on the server.";
        let told = [
            later("9"),
            call("a", "Nope", "[]", "[]"),
            call("b", "Add", r#"[1,"x"]"#, "[]"),
            call("c", "Later", "[]", "[]"),
            call("d", "Add", "[1,2]", "[]"),
        ];
        let later_unbound = unbound.replace("Add", "Later");
        let heard = [error("a", nope), error("b", unbound), error("c", &later_unbound)];
        exchange(&mut world, &mut talk, &told, &heard);
        world.pass(Duration::from_millis(250));
        talk.hears(&mut world, &[&result("9", r#""slow""#), &result("d", "3")]);
    });
}

/// `parallel-calls`.
#[test]
fn cor_130_three_calls_run_at_a_time_and_the_fourth_waits() {
    in_both(|protocol| {
        let options = HubOptions { maximum_parallel_invocations_per_client: 3, ..plain() };
        let mut world = world_with(&options);
        let mut talk = Talk::new(&mut world, protocol);
        let told: Vec<String> = [("1", 300), ("2", 150), ("3", 450), ("4", 10)]
            .map(|(id, ms)| call(id, "LaterNoted", &format!(r#"["{ms}",{ms}]"#), "[]"))
            .into();
        exchange(&mut world, &mut talk, &told, &[]);
        world.pass(Duration::from_secs(1));
        let heard = [("2", "150"), ("4", "10"), ("1", "300"), ("3", "450")]
            .map(|(id, text)| result(id, &format!("\"{text}\"")));
        talk.hears(&mut world, &heard.each_ref().map(String::as_str));
        let expected = [
            "begin 300",
            "begin 150",
            "begin 450",
            "end 150",
            "begin 10",
            "end 10",
            "end 300",
            "end 450",
        ];
        assert_eq!(log(&mut world), expected);
    });
}
