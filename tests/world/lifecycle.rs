//! How connections begin and end, as the hub likes (`lifecycle`, `abort`, `close-by-client`).

use std::time::Duration;

use serde_json::{Value, json};
use tickhub::protocol::hub_protocol::HubProtocolKind;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{Call, Closed, Context, Filter, Hub, HubError, HubOptions, Methods};

use crate::hall::{call, invoke, result};
use crate::web::{HANDSHAKE, Stream, negotiated, poll, polled, post, say};

/// Does what the query of the request says.
#[derive(Debug, Default)]
struct Door {
    log: Vec<String>,
}

/// What one query parameter of the request asks for.
fn wish(context: &Context<'_, Door>, name: &str) -> String {
    let wish = context.request().and_then(|request| request.query(name));
    wish.unwrap_or_default().into_owned()
}

impl Hub for Door {
    type State = String;

    fn methods(m: &mut Methods<Self>) {
        m.on("Seven", |_: &mut Self, _: &mut Context<Self>| 7)
            .on("Say", |hub: &mut Self, _: &mut Context<Self>, text: String| hub.log.push(text))
            .on("State", |_: &mut Self, context: &mut Context<Self>| context.state().clone())
            .on("Abort", |_: &mut Self, context: &mut Context<Self>| {
                context.abort();
                "too late"
            })
            .on("SendThenAbort", |_: &mut Self, context: &mut Context<Self>| {
                context.caller().send("message", ("last words",)).ignore();
                context.abort();
            })
            .connected_async(slowly);
    }

    fn on_connected(&mut self, context: &mut Context<'_, Self>) -> Result<(), HubError> {
        self.log.push("connected".into());
        *context.state() = wish(context, "on");
        match wish(context, "on").as_str() {
            "throw" => Err(HubError::internal("InvalidOperationException", "no entry")),
            "hubthrow" => Err(HubError::new("no entry")),
            "panic" => std::panic::resume_unwind(Box::new("planned")),
            "send" => {
                context.caller().send("message", ("hi",)).ignore();
                Ok(())
            }
            "abort" => {
                context.abort();
                Ok(())
            }
            "ask now" => {
                let id = context.connection_id();
                let answer = context.ask::<String>(id, "ask", ("early",));
                let waker = std::task::Waker::noop();
                let mut task = std::task::Context::from_waker(waker);
                match std::pin::pin!(answer).poll(&mut task) {
                    std::task::Poll::Ready(answer) => answer.map(|_| ()),
                    std::task::Poll::Pending => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn on_disconnected(
        &mut self,
        context: &mut Context<'_, Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        self.log.push(format!("disconnected: {reason}"));
        match wish(context, "off").as_str() {
            "throw" => Err(HubError::internal("InvalidOperationException", "no exit")),
            "panic" => std::panic::resume_unwind(Box::new("planned")),
            "send" => {
                context.all().send("message", ("bye",)).ignore();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

async fn slowly(call: Call<Door>) -> Result<(), HubError> {
    let id = call.connection_id();
    let behind = |hub: &mut Door, wish: &mut String, _: &mut tickhub::Clients<'_>| {
        assert_eq!(hub.log.last().map(String::as_str), Some("connected"), "it is behind");
        wish.clone()
    };
    let wish = call.state(behind).await.expect("the connection is there");
    let patience = Duration::from_millis(700);
    match wish.as_str() {
        "slow" => {
            call.sleep(patience).await;
            call.hub(|hub, _| hub.log.push("slow connected".into())).await;
            call.state(|_, state, _| *state = "ready".into()).await;
        }
        "slow throw" => {
            call.sleep(patience).await;
            return Err(HubError::internal("InvalidOperationException", "no entry"));
        }
        "slow panic" => {
            call.sleep(patience).await;
            std::panic::resume_unwind(Box::new("planned"));
        }
        "slow abort" => {
            call.hub(move |_, clients| clients.abort(id)).await;
            call.sleep(patience).await;
        }
        "ask" => drop(call.ask_caller::<String>("ask", ("early",)).await?),
        _ => {}
    }
    Ok(())
}

fn world() -> World {
    World::new(1).hub("/hub", Door::default, &HubOptions::default())
}

fn detailed() -> World {
    let options = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    World::new(1).hub("/hub", Door::default, &options)
}

fn log(world: &mut World) -> Vec<String> {
    world.enter(0, |hub: &mut Door, _| hub.log.clone())
}

/// A WebSocket that said its handshake and did not look for the answer.
fn come(world: &mut World, query: &str) -> Wire {
    let mut wire = Wire::websocket(world, &format!("/hub?{query}"));
    wire.text(world, r#"{"protocol":"json","version":1}"#);
    wire
}

/// The records that came, and the code of the Close frame behind them.
fn heard(wire: &mut Wire, world: &mut World) -> (Vec<String>, Option<u16>) {
    let (mut records, mut code) = (Vec::new(), None);
    for frame in wire.frames(world) {
        match frame {
            Frame::Text(text) => {
                assert_eq!(code, None, "nothing comes behind the Close frame");
                let whole = text.strip_suffix('\u{1e}').expect("whole records");
                records.extend(whole.split('\u{1e}').map(str::to_owned));
            }
            Frame::Close(found, reason) => {
                assert_eq!(reason, "");
                code = found;
            }
            other => panic!("{other:?}"),
        }
    }
    (records, code)
}

const CLOSE: &str = r#"{"type":7}"#;

/// The Close message of a connection that was refused.
fn refused(text: &str) -> String {
    json!({ "type": 7, "error": format!("Connection closed with an error.{text}") }).to_string()
}

fn same(record: &str, expected: &str) {
    let read = |text| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(read(record), read(expected));
}

#[test]
fn cor_117_who_is_refused_is_told_and_was_never_there() {
    for (query, public, private) in [
        ("on=throw", "", " InvalidOperationException: no entry"),
        ("on=hubthrow", " HubException: no entry", " HubException: no entry"),
        ("on=panic", "", " Panic: planned"),
    ] {
        for (mut world, text) in [(world(), public), (detailed(), private)] {
            let mut wire = come(&mut world, query);
            let (records, code) = heard(&mut wire, &mut world);
            assert_eq!((records.len(), records[0].as_str(), code), (2, "{}", Some(1000)));
            same(&records[1], &refused(text));
            assert_eq!(log(&mut world), ["connected"]);
        }
    }
}

#[test]
fn an_abort_in_on_connected() {
    let mut world = world();
    let mut wire = come(&mut world, "on=abort");
    assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into(), CLOSE.into()], Some(1000)));
    assert_eq!(log(&mut world), ["connected", "disconnected: aborted by the hub"]);
}

#[test]
fn what_on_connected_sends_comes_behind_the_handshake() {
    let mut world = world();
    let mut wire = come(&mut world, "on=send");
    let hi = r#"{"type":1,"target":"message","arguments":["hi"]}"#;
    assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into(), hi.into()], None));
}

#[test]
fn cor_127_no_question_while_on_connected_runs() {
    for query in ["on=ask", "on=ask%20now"] {
        let mut world = detailed();
        let mut wire = come(&mut world, query);
        let (records, code) = heard(&mut wire, &mut world);
        assert_eq!((records.len(), records[0].as_str(), code), (2, "{}", Some(1000)), "{query}");
        same(
            &records[1],
            &refused(
                " InvalidOperationException: Client results inside OnConnectedAsync Hub methods \
                 are not allowed.",
            ),
        );
        assert_eq!(log(&mut world), ["connected"]);
    }
}

#[test]
fn cor_069_the_handshake_is_answered_at_once_and_messages_wait() {
    let mut world = world();
    let mut wire = Wire::websocket(&mut world, "/hub?on=slow");
    let first = [
        r#"{"protocol":"json","version":1}"#.to_owned(),
        call("Say", r#"["first"]"#),
        r#"{"type":6}"#.to_owned(),
    ];
    wire.text(&mut world, &first.join("\u{1e}"));
    wire.text(&mut world, &invoke("1", "State", "[]"));
    assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into()], None));
    world.pass(Duration::from_millis(699));
    assert_eq!(heard(&mut wire, &mut world), (vec![], None));
    assert_eq!(log(&mut world), ["connected"]);
    // It is a member from the beginning: what is sent to it arrives.
    world.enter(0, |_: &mut Door, clients| clients.all().send("message", ("you",)).ignore());
    let you = r#"{"type":1,"target":"message","arguments":["you"]}"#;
    assert_eq!(heard(&mut wire, &mut world), (vec![you.into()], None));
    world.pass(Duration::from_millis(1));
    assert_eq!(heard(&mut wire, &mut world), (vec![result("1", "\"ready\"")], None));
    assert_eq!(log(&mut world), ["connected", "slow connected", "first"]);
}

#[test]
fn a_slow_welcome_holds_up_nobody_else() {
    let mut world = world();
    let mut slow = come(&mut world, "on=slow");
    let mut other = Wire::hub(&mut world, "/hub");
    other.text(&mut world, &invoke("1", "Seven", "[]"));
    assert_eq!(other.hear(&mut world), [result("1", "7")]);
    assert_eq!(heard(&mut slow, &mut world), (vec!["{}".into()], None));
}

#[test]
fn a_slow_refusal_is_a_refusal() {
    for (query, text) in [
        ("on=slow%20throw", " InvalidOperationException: no entry"),
        ("on=slow%20panic", " Panic: connected_async panicked"),
    ] {
        let mut world = detailed();
        let mut wire = come(&mut world, query);
        wire.text(&mut world, &invoke("1", "Seven", "[]"));
        assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into()], None));
        world.pass(Duration::from_millis(700));
        let (records, code) = heard(&mut wire, &mut world);
        assert_eq!((records.len(), code), (1, Some(1000)));
        same(&records[0], &refused(text));
        assert_eq!(log(&mut world), ["connected"]);
        assert_eq!(world.counters(0).panics, u64::from(query.ends_with("panic")));
    }
}

#[test]
fn who_leaves_during_a_slow_welcome_is_said_goodbye_behind_it() {
    for how in ["message", "frame", "end", "reset"] {
        let mut world = world();
        let mut wire = come(&mut world, "on=slow");
        assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into()], None));
        match how {
            "message" => wire.text(&mut world, CLOSE),
            "frame" => wire.close_frame(&mut world, 1000, ""),
            "end" => wire.shutdown(&mut world),
            _ => wire.reset(&mut world),
        }
        world.pass(Duration::from_millis(699));
        assert_eq!(log(&mut world), ["connected"], "{how}");
        if how != "reset" && how != "end" {
            assert_eq!(heard(&mut wire, &mut world), (vec![], None), "{how}");
        }
        world.pass(Duration::from_millis(1));
        let reason = if matches!(how, "message" | "frame") {
            "disconnected: closed by the client"
        } else {
            "disconnected: the transport was lost"
        };
        assert_eq!(log(&mut world), ["connected", "slow connected", reason], "{how}");
        match how {
            "message" => {
                let goodbye = (vec![CLOSE.to_owned()], Some(1000));
                assert_eq!(heard(&mut wire, &mut world), goodbye);
            }
            "frame" => assert_eq!(
                wire.frames(&mut world)[0],
                Frame::Close(Some(1000), String::new()),
                "the Close frame is answered when the hub is done"
            ),
            _ => {}
        }
        wire.close(&mut world);
        world.pass(Duration::from_secs(10));
        assert!(world.is_quiet(), "{how}");
    }
}

#[test]
fn a_refusal_behind_the_end_is_no_goodbye() {
    let mut world = world();
    let mut wire = come(&mut world, "on=slow%20throw");
    wire.reset(&mut world);
    world.pass(Duration::from_secs(1));
    assert_eq!(log(&mut world), ["connected"]);
    assert!(world.is_quiet());
}

#[test]
fn an_abort_during_a_slow_welcome_waits_for_it() {
    let mut world = world();
    let mut wire = come(&mut world, "on=slow%20abort");
    assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into(), CLOSE.into()], None));
    world.pass(Duration::from_millis(700));
    assert_eq!(heard(&mut wire, &mut world), (vec![], Some(1000)));
    assert_eq!(log(&mut world), ["connected", "disconnected: aborted by the hub"]);
}

#[test]
fn slow_welcomes_over_event_streams_and_long_polling() {
    let mut world = world();
    let target = format!("{}&on=slow", negotiated(&mut world));
    let mut stream = Stream::open(&mut world, &target);
    assert_eq!(post(&mut world, &target, HANDSHAKE).head.status(), 200);
    say(&mut world, &target, &invoke("1", "State", "[]"));
    say(&mut world, &target, CLOSE);
    assert_eq!(stream.chunks(&mut world), [":\r\n", "data: {}\u{1e}\r\n\r\n"]);
    world.pass(Duration::from_millis(700));
    assert_eq!(stream.hear(&mut world), [result("1", "\"ready\""), CLOSE.into()]);
    assert!(stream.has_ended);

    let target = format!("{}&on=slow%20abort", negotiated(&mut world));
    assert_eq!(polled(&mut world, &target).body, "");
    assert_eq!(post(&mut world, &target, HANDSHAKE).head.status(), 200);
    assert_eq!(polled(&mut world, &target).body, format!("{{}}\u{1e}{CLOSE}\u{1e}"));
    let mut last = poll(&mut world, &target);
    assert!(last.try_answer(&mut world).is_none(), "it is not over before the hub is done");
    world.pass(Duration::from_millis(700));
    assert_eq!(last.answer(&mut world).head.status(), 204);
    assert_eq!(polled(&mut world, &target).head.status(), 404);
    last.close(&mut world);
    stream.close(&mut world);
    world.settle();
    assert!(world.is_quiet());
}

#[test]
fn on_disconnected_that_fails_turns_the_close_frame_into_1011() {
    for query in ["off=throw", "off=panic"] {
        for by_message in [true, false] {
            let mut world = world();
            let mut wire = come(&mut world, query);
            assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into()], None));
            if by_message {
                wire.text(&mut world, CLOSE);
            } else {
                wire.close_frame(&mut world, 1000, "");
            }
            let frames = wire.frames(&mut world);
            let close = Frame::Close(Some(1011), String::new());
            if by_message {
                assert_eq!(frames, [Frame::Text(format!("{CLOSE}\u{1e}")), close]);
            } else {
                assert_eq!(frames[0], close);
            }
            assert_eq!(log(&mut world).len(), 2);
        }
    }
}

/// The code that says what the client did wrong stays.
#[test]
fn on_disconnected_that_fails_changes_no_other_code() {
    let mut world = world();
    let mut wire = come(&mut world, "off=throw");
    assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into()], None));
    wire.frame(&mut world, OpCode::Ping, false, b"");
    assert_eq!(wire.frames(&mut world)[0], Frame::Close(Some(1002), String::new()));
}

#[test]
fn what_on_disconnected_sends_does_not_reach_who_has_left() {
    let mut world = world();
    let mut other = Wire::hub(&mut world, "/hub");
    let mut wire = come(&mut world, "off=send");
    assert_eq!(heard(&mut wire, &mut world), (vec!["{}".into()], None));
    wire.text(&mut world, CLOSE);
    assert_eq!(heard(&mut wire, &mut world), (vec![CLOSE.into()], Some(1000)));
    let bye = r#"{"type":1,"target":"message","arguments":["bye"]}"#;
    assert_eq!(other.hear(&mut world), [bye]);
}

#[test]
fn cor_118_an_abort_drops_the_result_and_what_is_behind_the_call() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    let records = [invoke("1", "Abort", "[]"), invoke("2", "Seven", "[]")].join("\u{1e}");
    wire.text(&mut world, &records);
    assert_eq!(heard(&mut wire, &mut world), (vec![CLOSE.into()], Some(1000)));
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, &invoke("1", "SendThenAbort", "[]"));
    let last = r#"{"type":1,"target":"message","arguments":["last words"]}"#;
    assert_eq!(heard(&mut wire, &mut world), (vec![last.into(), CLOSE.into()], Some(1000)));
}

/// Filters see a failure of `on_disconnected` no more than anybody else, and one that panics is
/// one.
#[test]
fn a_filter_that_panics_is_a_failure_too() {
    struct Broken;
    impl Filter<Plain> for Broken {
        fn disconnecting(&self, _: &mut Plain, _: &mut Context<'_, Plain>, _: &Closed) {
            std::panic::resume_unwind(Box::new("planned"))
        }
    }
    struct Plain;
    impl Hub for Plain {
        type State = ();
        fn methods(m: &mut Methods<Self>) {
            m.filter(Broken);
        }
    }
    let mut world = World::new(1).hub("/hub", || Plain, &HubOptions::default());
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, CLOSE);
    assert_eq!(heard(&mut wire, &mut world), (vec![CLOSE.into()], Some(1011)));
}

/// The refusal of a slow welcome in the other protocol.
#[test]
fn a_slow_refusal_in_messagepack() {
    let packed = HubProtocolKind::MessagePack;
    let mut world = world();
    let mut wire = Wire::websocket(&mut world, "/hub?on=slow%20throw");
    let handshake = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";
    wire.frame(&mut world, OpCode::Text, true, handshake);
    assert_eq!(wire.frames(&mut world), [Frame::Binary(b"{}\x1e".to_vec())]);
    world.pass(Duration::from_millis(700));
    let mut close = Vec::new();
    packed.write_close(&mut close, Some("Connection closed with an error."), false);
    let expected = [Frame::Binary(close), Frame::Close(Some(1000), String::new())];
    assert_eq!(wire.frames(&mut world), expected);
}
