//! Questions to clients and their answers (`client-results`, `client-results-others`,
//! `msgpack-client-calls`).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tickhub::http::Response;
use tickhub::protocol::hub_protocol::{HubMessage, HubProtocolKind, RecordBuffer};
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{
    Call, Clients, Closed, ConnectionOptions, Context, Exchange, Hub, HubError, HubOptions, Methods,
};

use crate::hall::{invoke, is_error, result};
use crate::web::{HANDSHAKE, negotiated, poll, polled, post, say};

/// Asks, and remembers why connections ended.
#[derive(Debug, Default)]
struct Asker {
    ended: Vec<String>,
}

impl Hub for Asker {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Seven", |_: &mut Self, _: &mut Context<Self>| 7)
            .on("Id", |_: &mut Self, context: &mut Context<Self>| context.connection_id())
            .on("Count", |_: &mut Self, context: &mut Context<Self>| context.count())
            .on_async("Ask", ask)
            .on_async("AskInt", ask_int)
            .on_async("AskPoint", ask_point)
            .on_async("AskCaught", ask_caught)
            .on_async("AskFor", ask_for)
            .on_async("AskTwo", ask_two)
            .on_async("AskAndStay", ask_and_stay);
    }

    fn on_disconnected(
        &mut self,
        _: &mut Context<'_, Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        self.ended.push(reason.to_string());
        Ok(())
    }
}

async fn ask(call: Call<Asker>, text: String) -> Result<String, HubError> {
    let answer = call.ask_caller::<Option<String>>("ask", (text,)).await?;
    Ok(format!("got {}", answer.as_deref().unwrap_or("null")))
}

async fn ask_int(call: Call<Asker>) -> Result<String, HubError> {
    Ok(format!("got {}", call.ask_caller::<i32>("askInt", ()).await?))
}

#[derive(Debug, Serialize, Deserialize)]
struct Point {
    x: i32,
}

async fn ask_point(call: Call<Asker>, point: Point) -> Result<Point, HubError> {
    call.ask_caller("askPoint", (point,)).await
}

/// The answer, or the error with its type.
fn caught(answer: Result<String, HubError>) -> String {
    answer.map_or_else(|error| error.to_string(), |text| format!("got {text}"))
}

async fn ask_caught(call: Call<Asker>, id: String, text: String) -> String {
    caught(call.ask(id, "ask", (text,)).await)
}

async fn ask_for(call: Call<Asker>, ms: u64) -> String {
    let time = call.sleep(Duration::from_millis(ms));
    caught(call.ask_caller("ask", ("quick",)).until(time).await)
}

async fn ask_two(call: Call<Asker>) -> Result<String, HubError> {
    let (one, two) = (call.ask_caller("ask", ("one",)), call.ask_caller("ask", ("two",)));
    let (one, two): (String, String) = (one.await?, two.await?);
    Ok(format!("{one}+{two}"))
}

/// Asks twice and then takes its time.
async fn ask_and_stay(call: Call<Asker>, ms: u64) -> Result<&'static str, HubError> {
    let _: i32 = call.ask_caller("askInt", ()).await?;
    let _: i32 = call.ask_caller("askInt", ()).await?;
    call.sleep(Duration::from_millis(ms)).await;
    Ok("stayed")
}

fn world() -> World {
    World::new(1).hub("/hub", Asker::default, &HubOptions::default())
}

/// The id of the one question that came.
fn asked(wire: &mut Wire, world: &mut World, target: &str, arguments: &Value) -> String {
    let heard = wire.hear(world);
    assert_eq!(heard.len(), 1, "{heard:?}");
    question(&heard[0], target, arguments)
}

/// The id of a question.
fn question(record: &str, target: &str, arguments: &Value) -> String {
    let record: Value = serde_json::from_str(record).expect("JSON");
    let id = record["invocationId"].as_str().expect("a question has an id").to_owned();
    let expected =
        json!({ "type": 1, "invocationId": id, "target": target, "arguments": arguments });
    assert_eq!(record, expected);
    id
}

/// A completion with these members.
fn completion(id: &str, rest: &str) -> String {
    format!(r#"{{"type":3,"invocationId":"{id}"{rest}}}"#)
}

fn id_of(wire: &mut Wire, world: &mut World) -> String {
    wire.text(world, &invoke("id", "Id", "[]"));
    let heard: Value = serde_json::from_str(&wire.hear(world)[0]).expect("JSON");
    heard["result"].as_str().expect("an id").to_owned()
}

const FAILED: &str = "An unexpected error occurred invoking";

#[test]
fn cor_124_the_answer_of_the_client_is_what_the_method_gets() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    let unreadable = "HubException: Error trying to deserialize result to";
    for (method, answer, expected) in [
        ("Ask", r#","result":"r""#, Ok("got r")),
        ("Ask", r#","result":null"#, Ok("got null")),
        ("Ask", "", Err("HubException: The client answered with neither a result nor an error.")),
        ("Ask", r#","error":"client says no""#, Err("HubException: client says no")),
        ("Ask", r#","error":"""#, Err("HubException: ")),
        ("Ask", r#","result":5"#, Err(&*format!("{unreadable} String. It has another type."))),
        ("AskInt", r#","result":5"#, Ok("got 5")),
        ("AskInt", r#","result":"x""#, Err(&*format!("{unreadable} Int32. It has another type."))),
        ("AskInt", r#","result":null"#, Err(&*format!("{unreadable} Int32. It has another type."))),
        (
            "AskInt",
            r#","result":3000000000"#,
            Err(&*format!("{unreadable} Int32. It has another type.")),
        ),
    ] {
        let (arguments, target, sent) = match method {
            "Ask" => (r#"["q"]"#, "ask", json!(["q"])),
            _ => ("[]", "askInt", json!([])),
        };
        wire.text(&mut world, &invoke("1", method, arguments));
        let id = asked(&mut wire, &mut world, target, &sent);
        wire.text(&mut world, &completion(&id, answer));
        let heard = wire.hear(&mut world);
        assert_eq!(heard.len(), 1, "{heard:?}");
        match expected {
            Ok(text) => assert_eq!(heard[0], result("1", &format!("{text:?}"))),
            Err(detail) => {
                let text = format!("{FAILED} '{method}' on the server. {detail}");
                assert!(is_error(&heard[0], "1", &text), "{answer}: {heard:?}");
            }
        }
    }
}

#[test]
fn an_object_goes_and_comes_back() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, &invoke("1", "AskPoint", r#"[{"x":1}]"#));
    let id = asked(&mut wire, &mut world, "askPoint", &json!([{ "x": 1 }]));
    wire.text(&mut world, &completion(&id, r#","result":{"x":2}"#));
    assert_eq!(wire.hear(&mut world), [result("1", r#"{"x":2}"#)]);
}

#[test]
fn cor_125_a_connection_that_is_not_there_or_goes_away() {
    let mut world = world();
    let mut a = Wire::hub(&mut world, "/hub");
    let mut b = Wire::hub(&mut world, "/hub");
    let id = id_of(&mut b, &mut world);
    a.text(&mut world, &invoke("1", "AskCaught", r#"["unknown","q"]"#));
    let unknown = "\"IOException: Connection 'unknown' does not exist.\"";
    assert_eq!(a.hear(&mut world), [result("1", unknown)]);

    a.text(&mut world, &invoke("2", "AskCaught", &format!(r#"["{id}","q"]"#)));
    asked(&mut b, &mut world, "ask", &json!(["q"]));
    assert_eq!(a.hear(&mut world), [""; 0]);
    b.close(&mut world);
    let lost = format!("\"IOException: Connection '{id}' disconnected.\"");
    assert_eq!(a.hear(&mut world), [result("2", &lost)]);

    a.text(&mut world, &invoke("3", "AskCaught", &format!(r#"["{id}","q"]"#)));
    let gone = format!("\"IOException: Connection '{id}' does not exist.\"");
    assert_eq!(a.hear(&mut world), [result("3", &gone)]);
}

/// One that has ended this very turn is still known, and will not answer.
#[test]
fn cor_125_a_connection_that_is_about_to_end() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    let id = id_of(&mut wire, &mut world);
    let answers = world.enter(0, |_: &mut Asker, clients| {
        let before = clients.ask::<i32>(&id, "askInt", ());
        clients.abort(&id);
        [before, clients.ask::<i32>(&id, "askInt", ())]
    });
    world.settle();
    let text = format!("IOException: Connection '{id}' disconnected.");
    for answer in answers {
        assert_eq!(now(answer).map_err(|error| error.to_string()), Err(text.clone()));
    }
}

/// What an answer is, when it is there.
fn now<T>(answer: tickhub::Answer<T>) -> Result<T, HubError> {
    let waker = std::task::Waker::noop();
    match std::pin::pin!(answer).poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("the answer is there"),
    }
}

#[test]
fn cor_126_and_131_a_method_that_waits_for_an_answer_has_no_slot() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, &invoke("1", "AskAndStay", "[1000]"));
    let id = asked(&mut wire, &mut world, "askInt", &json!([]));
    // Another call begins and ends, behind it and before the answer.
    wire.text(&mut world, &invoke("2", "Seven", "[]"));
    assert_eq!(wire.hear(&mut world), [result("2", "7")]);
    wire.text(&mut world, &completion(&id, r#","result":1"#));
    let id = asked(&mut wire, &mut world, "askInt", &json!([]));
    wire.text(&mut world, &completion(&id, r#","result":2"#));
    // The slot was given up once, and is not taken again: this call holds the only one.
    wire.text(&mut world, &invoke("3", "AskAndStay", "[0]"));
    let id = asked(&mut wire, &mut world, "askInt", &json!([]));
    for _ in 0..2 {
        wire.text(&mut world, &completion(&id, r#","result":3"#));
    }
    let id = asked(&mut wire, &mut world, "askInt", &json!([]));
    wire.text(&mut world, &completion(&id, r#","result":4"#));
    assert_eq!(wire.hear(&mut world), [result("3", "\"stayed\"")]);
    world.pass(Duration::from_secs(1));
    assert_eq!(wire.hear(&mut world), [result("1", "\"stayed\"")]);
}

#[test]
fn a_call_that_waited_for_the_slot_begins_when_it_is_free() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    let records = [invoke("1", "Ask", r#"["q"]"#), invoke("2", "Seven", "[]")].join("\u{1e}");
    wire.text(&mut world, &records);
    let heard = wire.hear(&mut world);
    assert_eq!(heard.len(), 2, "{heard:?}");
    let id = question(&heard[0], "ask", &json!(["q"]));
    assert_eq!(heard[1], result("2", "7"));
    wire.text(&mut world, &completion(&id, r#","result":"r""#));
    assert_eq!(wire.hear(&mut world), [result("1", "\"got r\"")]);
}

#[test]
fn a_question_that_is_taken_back_and_answers_that_come_too_late() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, &invoke("5", "AskFor", "[200]"));
    let id = asked(&mut wire, &mut world, "ask", &json!(["quick"]));
    world.pass(Duration::from_millis(199));
    assert_eq!(wire.hear(&mut world), [""; 0]);
    world.pass(Duration::from_millis(1));
    let canceled = "\"HubException: Invocation canceled by the server.\"";
    assert_eq!(wire.hear(&mut world), [result("5", canceled)]);
    wire.text(&mut world, &completion(&id, r#","result":"too late""#));
    wire.text(&mut world, &completion("s99999", r#","result":"never asked""#));
    wire.text(&mut world, &completion("0", r#","result":"no id of ours""#));
    wire.text(&mut world, &invoke("6", "Seven", "[]"));
    assert_eq!(wire.hear(&mut world), [result("6", "7")]);
    // In time.
    wire.text(&mut world, &invoke("7", "AskFor", "[200]"));
    let id = asked(&mut wire, &mut world, "ask", &json!(["quick"]));
    wire.text(&mut world, &completion(&id, r#","result":"r""#));
    assert_eq!(wire.hear(&mut world), [result("7", "\"got r\"")]);
}

#[test]
fn two_questions_at_once_in_order_and_answers_in_another() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, &invoke("7", "AskTwo", "[]"));
    let heard = wire.hear(&mut world);
    assert_eq!(heard.len(), 2, "{heard:?}");
    let one = question(&heard[0], "ask", &json!(["one"]));
    let two = question(&heard[1], "ask", &json!(["two"]));
    let answers = [completion(&two, r#","result":"2""#), completion(&one, r#","result":"1""#)];
    wire.text(&mut world, &answers.join("\u{1e}"));
    assert_eq!(wire.hear(&mut world), [result("7", "\"1+2\"")]);
}

#[test]
fn cor_128_an_answer_from_a_stranger_ends_the_stranger() {
    let detailed = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    let mut world = World::new(1).hub("/hub", Asker::default, &detailed).hub(
        "/other",
        Asker::default,
        &detailed,
    );
    let mut a = Wire::hub(&mut world, "/hub");
    a.text(&mut world, &invoke("1", "Ask", r#"["q"]"#));
    let question = asked(&mut a, &mut world, "ask", &json!(["q"]));
    for path in ["/hub", "/other"] {
        let mut stranger = Wire::hub(&mut world, path);
        let id = id_of(&mut stranger, &mut world);
        stranger.text(&mut world, &completion(&question, r#","result":"mine""#));
        let text = format!(
            "InvalidOperationException: Connection ID '{id}' is not valid for invocation ID \
             '{question}'."
        );
        let error = format!("Connection closed with an error. {text}");
        let close = json!({ "type": 7, "error": error, "allowReconnect": true });
        let frames = stranger.frames(&mut world);
        let Frame::Text(record) = &frames[0] else { panic!("{frames:?}") };
        let heard: Value = serde_json::from_str(record.trim_end_matches('\u{1e}')).expect("JSON");
        assert_eq!(heard, close);
        assert_eq!(frames[1], Frame::Close(Some(1000), String::new()));
    }
    assert_eq!(a.hear(&mut world), [""; 0]);
    a.text(&mut world, &completion(&question, r#","result":"r""#));
    assert_eq!(a.hear(&mut world), [result("1", "\"got r\"")]);
    let ended = world.enter(0, |hub: &mut Asker, _| hub.ended.len());
    assert_eq!(ended, 1);
}

#[test]
fn a_connection_has_no_more_open_questions_than_allowed() {
    let connection = ConnectionOptions { questions_max: 2, ..ConnectionOptions::default() };
    let mut world =
        World::new(1).hub_with("/hub", Asker::default, &HubOptions::default(), &connection);
    let mut wire = Wire::hub(&mut world, "/hub");
    let id = id_of(&mut wire, &mut world);
    let ask = |world: &mut World| {
        world.enter(0, |_: &mut Asker, clients| clients.ask::<i32>(&id, "askInt", ()))
    };
    let answers = [(); 2].map(|()| ask(&mut world));
    let refused = now(ask(&mut world)).map_err(|error| error.to_string());
    let text = "HubException: A connection has at most 2 open questions.";
    assert_eq!(refused, Err(text.to_owned()));
    world.settle();
    let heard = wire.hear(&mut world);
    assert_eq!(heard.len(), 2, "the third was not asked");
    // One that is answered and one that is dropped make room.
    let number = question(&heard[0], "askInt", &json!([]));
    wire.text(&mut world, &completion(&number, r#","result":1"#));
    let [first, second] = answers;
    assert_eq!(now(first), Ok(1));
    drop(second);
    let answers = [(); 2].map(|()| ask(&mut world));
    assert!(now(ask(&mut world)).is_err());
    world.settle();
    assert_eq!(wire.hear(&mut world).len(), 2);
    drop(answers);
}

#[test]
fn the_default_limit_of_open_questions() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    let id = id_of(&mut wire, &mut world);
    let answers = world.enter(0, |_: &mut Asker, clients| {
        (0..1025).map(|_| clients.ask::<i32>(&id, "askInt", ())).collect::<Vec<_>>()
    });
    world.settle();
    assert_eq!(wire.hear(&mut world).len(), 1024);
    drop(answers);
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("cannot be written"))
    }
}

/// Panics when it is read.
#[derive(Debug)]
struct Explosive;

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::panic::resume_unwind(Box::new("planned"))
    }
}

#[test]
fn what_the_own_code_does_wrong_is_told_to_it_alone() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/hub");
    let id = id_of(&mut wire, &mut world);
    let (unwritable, explosive) = world.enter(0, |_: &mut Asker, clients| {
        let unwritable = clients.ask::<i32>(&id, "ask", (Unwritable,));
        (unwritable, clients.ask::<Explosive>(&id, "askInt", ()))
    });
    let error = now(unwritable).expect_err("it cannot be written");
    assert_eq!(error.to_string(), "InvalidOperationException: cannot be written");
    world.settle();
    let number = asked(&mut wire, &mut world, "askInt", &json!([]));
    wire.text(&mut world, &completion(&number, r#","result":1"#));
    assert_eq!(now(explosive).expect_err("it panics").to_string(), "Panic: planned");
    wire.text(&mut world, &invoke("1", "Seven", "[]"));
    assert_eq!(wire.hear(&mut world), [result("1", "7")]);
}

/// An ordinary request asks a client.
async fn client_result(exchange: Exchange) -> Response<'static> {
    let id = exchange.request().query("id").unwrap_or_default().into_owned();
    let ask = |_: &mut Asker, clients: &mut Clients<'_>| clients.ask::<i32>(id, "Result", ());
    let said = match exchange.hub(ask).await.await {
        Ok(number) => number.to_string(),
        Err(error) => error.message().to_owned(),
    };
    Response::new(200).body(said.into_bytes())
}

#[test]
fn code_outside_of_a_call_asks_too() {
    let mut world = world().http_async("/clientresult", client_result);
    let mut wire = Wire::hub(&mut world, "/hub");
    let id = id_of(&mut wire, &mut world);
    for (answer, expected) in [
        (r#","result":42"#, "42"),
        (r#","error":"Error: oops""#, "Error: oops"),
        (r#","error":"Client didn't provide a result.""#, "Client didn't provide a result."),
    ] {
        let mut request = Wire::tcp(&mut world);
        request.ask(&mut world, "GET", &format!("/clientresult?id={id}"), &[], b"");
        let number = asked(&mut wire, &mut world, "Result", &json!([]));
        assert!(request.try_answer(&mut world).is_none());
        wire.text(&mut world, &completion(&number, answer));
        assert_eq!(request.answer(&mut world).body, expected);
    }
    // Who gives up takes the question back.
    let mut request = Wire::tcp(&mut world);
    request.ask(&mut world, "GET", &format!("/clientresult?id={id}"), &[], b"");
    asked(&mut wire, &mut world, "Result", &json!([]));
    request.reset(&mut world);
    wire.close(&mut world);
    world.settle();
    assert!(world.is_quiet(), "no question is left");
}

#[test]
fn questions_over_event_streams_and_long_polling() {
    let mut world = world();
    let target = negotiated(&mut world);
    assert_eq!(polled(&mut world, &target).body, "");
    assert_eq!(post(&mut world, &target, HANDSHAKE).head.status(), 200);
    assert_eq!(polled(&mut world, &target).body, "{}\u{1e}");
    say(&mut world, &target, &invoke("1", "Ask", r#"["q"]"#));
    let body = polled(&mut world, &target).body;
    let id = question(body.trim_end_matches('\u{1e}'), "ask", &json!(["q"]));
    let mut waiting = poll(&mut world, &target);
    say(&mut world, &target, &completion(&id, r#","result":"r""#));
    let answer = format!("{}\u{1e}", result("1", "\"got r\""));
    assert_eq!(waiting.answer(&mut world).body, answer);

    let target = negotiated(&mut world);
    let mut stream = crate::web::Stream::open(&mut world, &target);
    assert_eq!(post(&mut world, &target, HANDSHAKE).head.status(), 200);
    say(&mut world, &target, &invoke("1", "Ask", r#"["q"]"#));
    let chunks = stream.chunks(&mut world);
    let last = chunks.last().expect("a question").strip_prefix("data: ").expect("an event");
    let id = question(last.trim_end_matches("\u{1e}\r\n\r\n"), "ask", &json!(["q"]));
    say(&mut world, &target, &completion(&id, r#","result":"r""#));
    assert_eq!(stream.hear(&mut world), [result("1", "\"got r\"")]);
}

const PACKED: HubProtocolKind = HubProtocolKind::MessagePack;

fn packed(wire: &mut Wire, world: &mut World, write: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    write(&mut out);
    wire.frame(world, OpCode::Binary, true, &out);
}

/// The id of the one question that came as MessagePack.
fn packed_question(wire: &mut Wire, world: &mut World) -> String {
    let frames = wire.frames(world);
    let [Frame::Binary(bytes)] = frames.as_slice() else { panic!("{frames:?}") };
    let mut bytes = bytes.clone();
    let mut records = RecordBuffer::default();
    records.speak(PACKED);
    let mut input = bytes.as_mut_slice();
    let record = records.next(&mut input, None).expect("a record").expect("all of it");
    let Ok(HubMessage::Invocation(call)) = PACKED.read(record) else { panic!("a call") };
    assert_eq!(call.target, "ask");
    call.invocation_id.expect("a question has an id").into_owned()
}

/// Writes a completion.
type Write = fn(&mut Vec<u8>, &str);

#[test]
fn messagepack_questions_and_answers() {
    let mut world = world();
    let mut wire = Wire::websocket(&mut world, "/hub");
    let handshake = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";
    wire.frame(&mut world, OpCode::Text, true, handshake);
    wire.frames(&mut world);
    let failed = |detail: &str| format!("{FAILED} 'Ask' on the server. HubException: {detail}");
    let cases: [(Write, Result<&str, String>); 5] = [
        (|out, id| PACKED.write_result(out, id, "r").expect("written"), Ok("got r")),
        (|out, id| PACKED.write_result(out, id, &()).expect("written"), Ok("got null")),
        (|out, id| PACKED.write_error(out, id, "no"), Err(failed("no"))),
        (
            |out, id| PACKED.write_end(out, id),
            Err(failed("The client answered with neither a result nor an error.")),
        ),
        (
            |out, id| PACKED.write_result(out, id, &5).expect("written"),
            Err(failed("Error trying to deserialize result to String. It has another type.")),
        ),
    ];
    for (answer, expected) in cases {
        packed(&mut wire, &mut world, |out| {
            PACKED.write_invocation(out, Some("q1"), "Ask", &("q",)).expect("written");
        });
        let id = packed_question(&mut wire, &mut world);
        packed(&mut wire, &mut world, |out| answer(out, &id));
        let mut completion = Vec::new();
        match &expected {
            Ok(text) => PACKED.write_result(&mut completion, "q1", *text).expect("written"),
            Err(text) => PACKED.write_error(&mut completion, "q1", text),
        }
        assert_eq!(wire.frames(&mut world), [Frame::Binary(completion)], "{expected:?}");
    }
}

/// An answer that is dropped before its question has left was never a question.
#[test]
fn a_question_that_nobody_waits_for_is_not_asked() {
    struct Hasty(Rc<RefCell<u32>>);
    impl Hub for Hasty {
        type State = ();
        fn methods(m: &mut Methods<Self>) {
            m.on_async("Hasty", |call: Call<Self>| async move {
                drop(call.ask_caller::<i32>("ask", ()));
                call.hub(|hub, _| *hub.0.borrow_mut() += 1).await;
            });
        }
    }
    let count = Rc::new(RefCell::new(0));
    let shared = count.clone();
    let mut world =
        World::new(1).hub("/hub", move || Hasty(shared.clone()), &HubOptions::default());
    let mut wire = Wire::hub(&mut world, "/hub");
    wire.text(&mut world, &invoke("1", "Hasty", "[]"));
    assert_eq!(wire.hear(&mut world), [result("1", "null")]);
    assert_eq!(*count.borrow(), 1);
}
