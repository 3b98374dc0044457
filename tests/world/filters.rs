//! Filters around methods and the lifecycle (§6.6, COR-101).

use std::time::Duration;

use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{
    Call, CallOutcome, Closed, Context, Filter, FilteredCall, Hub, HubError, HubOptions, Methods,
    Value,
};

use crate::hall::{call, invoke, is_error, result};

/// The hub of the transcript `filters`, as far as it is about filters.
#[derive(Default)]
struct Filtered {
    log: Vec<String>,
}

impl Hub for Filtered {
    type State = u32;

    fn methods(m: &mut Methods<Self>) {
        m.filter(Named("outer"))
            .filter(Named("inner"))
            .on("EchoString", |_: &mut Self, _: &mut Context<Self>, v: Option<String>| v)
            .on("EchoInt", |_: &mut Self, _: &mut Context<Self>, v: i32| v)
            .on("EchoFloat", |_: &mut Self, _: &mut Context<Self>, v: f32| v)
            .on("Add", |hub: &mut Self, _: &mut Context<Self>, a: i32, b: i32| {
                hub.log.push(format!("add {a} {b}"));
                a + b
            })
            .on("Fail", |_: &mut Self, _: &mut Context<Self>| -> Result<u8, HubError> {
                Err(HubError::internal("InvalidOperationException", "secret"))
            })
            .on("Break", |_: &mut Self, _: &mut Context<Self>| -> u8 {
                std::panic::resume_unwind(Box::new("planned"))
            })
            .on("Nothing", |_: &mut Self, _: &mut Context<Self>| {})
            .on_async("Later", later);
    }

    fn on_connected(&mut self, _: &mut Context<'_, Self>) -> Result<(), HubError> {
        self.log.push("connected".into());
        Ok(())
    }

    fn on_disconnected(&mut self, _: &mut Context<'_, Self>, _: &Closed) -> Result<(), HubError> {
        self.log.push("disconnected".into());
        Ok(())
    }
}

async fn later(call: Call<Filtered>, text: String) -> Result<String, HubError> {
    call.sleep(Duration::from_millis(5)).await;
    if text == "no" { Err(HubError::new("no")) } else { Ok(text) }
}

struct Named(&'static str);

impl Filter<Filtered> for Named {
    fn invoking(
        &self,
        hub: &mut Filtered,
        context: &mut Context<'_, Filtered>,
        call: &mut FilteredCall,
    ) -> Result<(), HubError> {
        *context.state() += 1;
        hub.log.push(format!("{} {}", self.0, call.method()));
        let refuses = format!("{} refuses", self.0);
        match call.arguments() {
            [Value::Int(13), _] => return Err(HubError::new(refuses)),
            [Value::Int(14), _] => {
                return Err(HubError::internal("InvalidOperationException", refuses));
            }
            [Value::Int(15), _] if self.0 == "inner" => return Err(HubError::new(refuses)),
            [Value::Int(16), _] if self.0 == "inner" => {
                std::panic::resume_unwind(Box::new("planned"))
            }
            // What the method gets is what the innermost filter leaves.
            [Value::Int(number @ 20..=29), _] => {
                let number = *number;
                call.arguments_mut()[0] = Value::Int(number * 10);
            }
            [Value::Int(30), _] => {
                call.arguments_mut().pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn invoked(
        &self,
        hub: &mut Filtered,
        _: &mut Context<'_, Filtered>,
        call: &mut FilteredCall,
        outcome: &mut CallOutcome,
    ) {
        let name = self.0;
        match outcome.value() {
            Some(Value::Text(text)) => outcome.set(&format!("{name}({text})")),
            Some(Value::Int(99)) if name == "outer" => outcome.refuse(HubError::new("not 99")),
            _ => {}
        }
        if let Some(error) = outcome.error() {
            hub.log.push(format!("{name} sees {}", error.message()));
            if error.message() == "inner refuses" {
                outcome.set(call.arguments());
            }
        }
    }

    fn connecting(
        &self,
        hub: &mut Filtered,
        context: &mut Context<'_, Filtered>,
    ) -> Result<(), HubError> {
        hub.log.push(format!("{} connecting", self.0));
        let query = context.request().and_then(|request| request.query("stop")).unwrap_or_default();
        if query == self.0 { Err(HubError::new("stopped")) } else { Ok(()) }
    }

    fn connected(
        &self,
        hub: &mut Filtered,
        context: &mut Context<'_, Filtered>,
        outcome: &mut Result<(), HubError>,
    ) {
        hub.log.push(format!("{} connected {}", self.0, outcome.is_ok()));
        if context.request().is_some_and(|request| request.query("rescue").is_some()) {
            *outcome = Ok(());
        }
    }

    fn disconnecting(&self, hub: &mut Filtered, _: &mut Context<'_, Filtered>, _: &Closed) {
        hub.log.push(format!("{} disconnecting", self.0));
    }

    fn disconnected(&self, hub: &mut Filtered, _: &mut Context<'_, Filtered>, _: &Closed) {
        hub.log.push(format!("{} disconnected", self.0));
    }
}

fn world() -> World {
    World::new(1).hub("/filtered", Filtered::default, &HubOptions::default())
}

fn log(world: &mut World) -> Vec<String> {
    world.enter(0, |hub: &mut Filtered, _| std::mem::take(&mut hub.log))
}

/// A connection, and an empty log.
fn guest(world: &mut World) -> Wire {
    let wire = Wire::hub(world, "/filtered");
    log(world);
    wire
}

fn answer(world: &mut World, wire: &mut Wire, record: &str) -> String {
    wire.text(world, record);
    let mut heard = wire.hear(world);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard.remove(0)
}

const FAILED: &str = "An unexpected error occurred invoking 'Add' on the server.";

/// The transcript `filters`.
#[test]
fn cor_101_filters_run_in_order_and_have_the_last_word() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/filtered");
    for (target, arguments, expected) in [
        ("EchoString", r#"["x"]"#, r#""outer(inner(x))""#),
        ("EchoString", "[null]", "null"),
        ("EchoInt", "[1]", "1"),
        ("Add", "[1,2]", "3"),
        ("Nothing", "[]", "null"),
    ] {
        let heard = answer(&mut world, &mut wire, &invoke("0", target, arguments));
        assert_eq!(heard, result("0", expected), "{target}");
    }
    let heard = answer(&mut world, &mut wire, &invoke("3", "Add", "[13,1]"));
    assert!(is_error(&heard, "3", &format!("{FAILED} HubException: outer refuses")), "{heard}");
    let heard = answer(&mut world, &mut wire, &invoke("4", "Add", "[14,1]"));
    assert!(is_error(&heard, "4", FAILED), "{heard}");
    let heard = answer(&mut world, &mut wire, &invoke("5", "Fail", "[]"));
    let text = "An unexpected error occurred invoking 'Fail' on the server.";
    assert!(is_error(&heard, "5", text), "{heard}");
    log(&mut world);
    wire.close_frame(&mut world, 1000, "");
    let all = ["outer disconnecting", "inner disconnecting", "disconnected"];
    assert_eq!(log(&mut world)[..3], all);
}

#[test]
fn filters_enclose_each_other_around_the_lifecycle() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/filtered");
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(
        log(&mut world),
        [
            "outer connecting",
            "inner connecting",
            "connected",
            "inner connected true",
            "outer connected true",
            "outer disconnecting",
            "inner disconnecting",
            "disconnected",
            "inner disconnected",
            "outer disconnected",
        ]
    );
    // A refusal reaches neither the hub nor filters further in, and ends the connection (COR-117).
    let mut wire = Wire::websocket(&mut world, "/filtered?stop=inner");
    wire.text(&mut world, r#"{"protocol":"json","version":1}"#);
    let frames = wire.frames(&mut world);
    let close = r#"{"type":7,"error":"Connection closed with an error. HubException: stopped"}"#;
    assert_eq!(frames[1], Frame::Text(format!("{close}\u{1e}")));
    wire.close_frame(&mut world, 1000, "");
    assert_eq!(log(&mut world), ["outer connecting", "inner connecting", "outer connected false"]);
    // A filter further out may think otherwise.
    let mut wire = Wire::hub(&mut world, "/filtered?stop=inner&rescue");
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", "[1,2]"));
    assert_eq!(heard, result("1", "3"));
}

#[test]
fn what_does_not_exist_or_does_not_fit_is_not_filtered() {
    let mut world = world();
    let mut wire = guest(&mut world);
    for record in [
        invoke("1", "Nope", "[]"),
        invoke("1", "Add", "[1]"),
        invoke("1", "Add", r#"[1,"2"]"#),
        invoke("1", "Later", "[5]"),
    ] {
        let heard = answer(&mut world, &mut wire, &record);
        assert!(heard.contains("Failed to invoke '"), "{heard}");
    }
    assert_eq!(log(&mut world), [""; 0]);
}

#[test]
fn arguments_can_be_changed() {
    let mut world = world();
    let mut wire = guest(&mut world);
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", "[21,1]"));
    assert_eq!(heard, result("1", "211"), "inner saw 210 and left it");
    assert_eq!(log(&mut world), ["outer Add", "inner Add", "add 210 1"]);
    // What does not fit any more is the fault of the filter.
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", "[30,1]"));
    assert!(is_error(&heard, "1", FAILED), "{heard}");
}

#[test]
fn a_refusal_further_in_is_an_outcome_further_out() {
    let mut world = world();
    let mut wire = guest(&mut world);
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", "[15,1]"));
    assert_eq!(heard, result("1", "[15,1]"), "outer answers with what it kept");
    assert_eq!(log(&mut world), ["outer Add", "inner Add", "outer sees inner refuses"]);
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", "[98,1]"));
    assert!(is_error(&heard, "1", &format!("{FAILED} HubException: not 99")), "{heard}");
}

#[test]
fn a_panic_is_a_refusal() {
    let mut world = world();
    let mut wire = guest(&mut world);
    let heard = answer(&mut world, &mut wire, &invoke("1", "Add", "[16,1]"));
    assert!(is_error(&heard, "1", FAILED), "{heard}");
    assert_eq!(log(&mut world), ["outer Add", "inner Add", "outer sees planned"]);
    let heard = answer(&mut world, &mut wire, &invoke("1", "Break", "[]"));
    assert!(heard.contains("An unexpected error occurred invoking 'Break'"), "{heard}");
    assert_eq!(world.counters(0).panics, 2);
}

#[test]
fn methods_that_wait_are_filtered_too() {
    let mut world = world();
    let mut wire = guest(&mut world);
    for (text, expected) in [("x", Some(r#""outer(inner(x))""#)), ("no", None)] {
        wire.text(&mut world, &invoke("1", "Later", &format!("[\"{text}\"]")));
        assert_eq!(log(&mut world), ["outer Later", "inner Later"], "it waits");
        world.pass(Duration::from_millis(5));
        let heard = wire.hear(&mut world);
        match expected {
            Some(expected) => assert_eq!(heard, [result("1", expected)]),
            None => assert!(heard[0].ends_with("HubException: no\"}"), "{heard:?}"),
        }
    }
    assert_eq!(log(&mut world), ["inner sees no", "outer sees no"]);
    wire.text(&mut world, &invoke("1", "Later", r#"["x"]"#));
    wire.close_frame(&mut world, 1000, "");
    world.pass(Duration::from_millis(5));
    assert!(world.is_quiet());
}

#[test]
fn a_call_without_id_is_filtered_and_not_answered() {
    let mut world = world();
    let mut wire = guest(&mut world);
    wire.text(&mut world, &call("Add", "[13,1]"));
    wire.text(&mut world, &call("EchoString", r#"["x"]"#));
    wire.text(&mut world, &call("Fail", "[]"));
    wire.text(&mut world, &call("Later", r#"["x"]"#));
    world.pass(Duration::from_millis(5));
    assert_eq!(wire.hear(&mut world), [""; 0]);
    assert!(log(&mut world).contains(&"outer sees secret".to_owned()));
}

/// What no filter changes goes out as the method wrote it: a float of MessagePack stays one of
/// four bytes.
#[test]
fn unchanged_results_keep_their_bytes() {
    let mut world = world();
    let mut wire = Wire::websocket(&mut world, "/filtered");
    wire.text(&mut world, r#"{"protocol":"messagepack","version":1}"#);
    wire.frames(&mut world);
    for (target, argument, expected) in [
        (&b"\xa9EchoFloat"[..], &[0xca, 0x3f, 0x80, 0, 0][..], &[0xca, 0x3f, 0x80, 0, 0][..]),
        (b"\xaaEchoString", b"\xa1x", b"\xafouter(inner(x))"),
    ] {
        let record = [b"\x96\x01\x80\xa11", target, b"\x91", argument, b"\x90"].concat();
        let frame = [&[record.len() as u8], record.as_slice()].concat();
        wire.frame(&mut world, OpCode::Binary, true, &frame);
        let expected = [b"\x95\x03\x80\xa11\x03", expected].concat();
        let expected = [&[expected.len() as u8], expected.as_slice()].concat();
        assert_eq!(wire.frames(&mut world), [Frame::Binary(expected)]);
    }
    // Replaced arguments are bound in the same protocol.
    let frame = b"\x0d\x96\x01\x80\xa11\xa3Add\x92\x15\x01\x90";
    wire.frame(&mut world, OpCode::Binary, true, frame);
    let expected = b"\x08\x95\x03\x80\xa11\x03\xcc\xd3".to_vec();
    assert_eq!(wire.frames(&mut world), [Frame::Binary(expected)]);
}
