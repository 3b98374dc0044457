//! Filters around streams and uploads: asked once before the method begins, and told once how it
//! has ended (§6.6).

use std::time::Duration;

use tickhub::sim::{Wire, World};
use tickhub::{
    Call, CallOutcome, Context, Filter, FilteredCall, Hub, HubError, HubOptions, Methods, Stream,
    StreamWriter, Upload, Value, iter,
};

use crate::hall::{invoke, is_error};

/// A hub that notes what happens, in one list with its filter.
#[derive(Default)]
struct Noting {
    log: Vec<String>,
}

impl Hub for Noting {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.filter(Notes)
            .stream("Count", Self::count)
            .stream("Break", |_: &mut Self, _: &mut Context<Self>| {
                iter(
                    std::iter::once(0).chain(std::iter::from_fn(|| {
                        std::panic::resume_unwind(Box::new("planned"))
                    })),
                )
            })
            .stream_async("Endless", endless)
            .stream_async("Polite", polite)
            .cooperative()
            .stream_async("Echo", echo)
            .on_async("Sum", sum);
    }
}

impl Noting {
    /// Counts to `n`; 13 is not begun, and from 20 on it fails.
    fn count(
        &mut self,
        _: &mut Context<Self>,
        n: u32,
    ) -> Result<impl Stream<Item = Result<u32, HubError>> + use<>, HubError> {
        self.log.push(format!("count to {n}"));
        if n == 13 {
            return Err(HubError::new("not so far"));
        }
        let end = (n >= 20).then(|| Err(HubError::new("no more")));
        Ok(iter((0..n.min(2)).map(Ok).chain(end)))
    }
}

/// Says in the log that a method was dropped, or has ended.
struct Guard(Call<Noting>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.post(|hub, _| hub.log.push("dropped".into()));
    }
}

async fn endless(call: Call<Noting>, mut writer: StreamWriter<u32>) {
    let guard = Guard(call);
    for number in 0.. {
        writer.send(number).await;
        guard.0.sleep(Duration::from_secs(1)).await;
    }
}

/// Needs a second after it was cancelled.
async fn polite(call: Call<Noting>, mut writer: StreamWriter<u32>) {
    writer.send(0).await;
    call.cancelled().await;
    call.sleep(Duration::from_secs(1)).await;
}

async fn echo(
    _: Call<Noting>,
    mut writer: StreamWriter<u32>,
    mut items: Upload<u32>,
) -> Result<(), HubError> {
    while let Some(item) = items.next().await? {
        writer.send(item).await;
    }
    Ok(())
}

async fn sum(_: Call<Noting>, mut items: Upload<u32>) -> Result<u32, HubError> {
    let mut sum = 0;
    while let Some(item) = items.next().await? {
        sum += item;
    }
    Ok(sum)
}

struct Notes;

impl Filter<Noting> for Notes {
    fn invoking(
        &self,
        hub: &mut Noting,
        _: &mut Context<'_, Noting>,
        call: &mut FilteredCall,
    ) -> Result<(), HubError> {
        hub.log.push(format!("before {}", call.method()));
        match call.arguments() {
            [Value::Int(14)] => Err(HubError::new("refused")),
            _ => Ok(()),
        }
    }

    fn invoked(
        &self,
        hub: &mut Noting,
        _: &mut Context<'_, Noting>,
        call: &mut FilteredCall,
        outcome: &mut CallOutcome,
    ) {
        let error = outcome.error().map(|error| error.message().to_owned());
        hub.log.push(format!("after {}: {:?} {error:?}", call.method(), outcome.value()));
        match call.arguments() {
            [Value::Int(15 | 22)] => outcome.set("a value"),
            [Value::Int(16)] => outcome.refuse(HubError::new("not 16")),
            _ => {}
        }
    }
}

fn world() -> World {
    World::new(1).hub("/noting", Noting::default, &HubOptions::default())
}

fn log(world: &mut World) -> Vec<String> {
    world.enter(0, |hub: &mut Noting, _| std::mem::take(&mut hub.log))
}

fn stream(target: &str, arguments: &str) -> String {
    format!(r#"{{"type":4,"invocationId":"1","target":"{target}","arguments":[{arguments}]}}"#)
}

/// A call with an upload `u`.
fn upload(kind: u32, target: &str) -> String {
    format!(
        r#"{{"type":{kind},"invocationId":"1","target":"{target}","arguments":[],"streamIds":["u"]}}"#
    )
}

fn item(id: &str, number: u32) -> String {
    format!(r#"{{"type":2,"invocationId":"{id}","item":{number}}}"#)
}

const END: &str = r#"{"type":3,"invocationId":"1"}"#;

const CANCEL: &str = r#"{"type":5,"invocationId":"1"}"#;

const STREAMING: &str = "An error occurred on the server while streaming results.";

#[test]
fn a_filter_sees_a_stream_before_it_begins_and_after_its_end() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/noting");
    wire.text(&mut world, &stream("Count", "2"));
    assert_eq!(wire.hear(&mut world), [item("1", 0), item("1", 1), END.to_owned()]);
    assert_eq!(log(&mut world), ["before Count", "count to 2", "after Count: None None"]);

    // It fails after items, before there are any, and in a panic.
    wire.text(&mut world, &stream("Count", "20"));
    let heard = wire.hear(&mut world);
    assert!(is_error(&heard[2], "1", &format!("{STREAMING} HubException: no more")), "{heard:?}");
    let after = r#"after Count: None Some("no more")"#;
    assert_eq!(log(&mut world), ["before Count", "count to 20", after]);
    wire.text(&mut world, &stream("Count", "13"));
    assert!(wire.hear(&mut world)[0].contains("HubException: not so far"));
    let after = r#"after Count: None Some("not so far")"#;
    assert_eq!(log(&mut world), ["before Count", "count to 13", after]);
    wire.text(&mut world, &stream("Break", ""));
    let heard = wire.hear(&mut world);
    assert!(is_error(&heard[1], "1", STREAMING), "{heard:?}");
    assert_eq!(log(&mut world), ["before Break", r#"after Break: None Some("planned")"#]);

    // What is no call in order does not come to filters (§3.6).
    wire.text(&mut world, &invoke("1", "Count", "[1]"));
    assert!(wire.hear(&mut world)[0].contains("non-streaming invocation"));
    assert_eq!(log(&mut world), [""; 0]);
}

#[test]
fn a_stream_that_a_filter_refuses_does_not_begin() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/noting");
    wire.text(&mut world, &stream("Count", "14"));
    let heard = wire.hear(&mut world);
    assert!(heard.len() == 1 && heard[0].contains("HubException: refused"), "{heard:?}");
    assert_eq!(log(&mut world), ["before Count"]);
    // Refused at the end, its items have come.
    wire.text(&mut world, &stream("Count", "16"));
    let heard = wire.hear(&mut world);
    assert!(heard.len() == 3 && heard[2].contains("HubException: not 16"), "{heard:?}");
}

/// A completion of a stream with a result is against the protocol, and .NET clients say so.
#[test]
fn regression_a_value_that_a_filter_gives_a_stream_is_not_sent() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/noting");
    wire.text(&mut world, &stream("Count", "15"));
    assert_eq!(wire.hear(&mut world), [item("1", 0), item("1", 1), END.to_owned()]);
    // In the place of an error it is an end in order.
    wire.text(&mut world, &stream("Count", "22"));
    assert_eq!(wire.hear(&mut world)[2], END);
}

#[test]
fn a_filter_sees_a_cancelled_stream_end_once_and_without_an_error() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/noting");
    wire.text(&mut world, &stream("Endless", ""));
    world.pass(Duration::from_secs(2));
    assert_eq!(wire.hear(&mut world).len(), 3);
    assert_eq!(log(&mut world), ["before Endless"]);
    wire.text(&mut world, CANCEL);
    assert_eq!(wire.hear(&mut world), [END]);
    assert_eq!(log(&mut world), ["after Endless: None None", "dropped"]);
    wire.text(&mut world, CANCEL);
    world.pass(Duration::from_secs(2));
    assert_eq!(log(&mut world), [""; 0]);

    // Who ends by itself has ended when it has.
    wire.text(&mut world, &stream("Polite", ""));
    wire.text(&mut world, CANCEL);
    world.pass(Duration::from_millis(999));
    assert_eq!(log(&mut world), ["before Polite"]);
    world.pass(Duration::from_millis(1));
    assert_eq!(log(&mut world), ["after Polite: None None"]);
    assert_eq!(wire.hear(&mut world), [item("1", 0), END.to_owned()]);
}

#[test]
fn a_filter_sees_a_call_with_an_upload_begin_and_end() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/noting");
    let end = |error: &str| format!(r#"{{"type":3,"invocationId":"u"{error}}}"#);
    let broken = r#","error":"broken off""#;
    for (error, after) in
        [("", "after Sum: Some(Int(7)) None"), (broken, r#"after Sum: None Some("broken off")"#)]
    {
        wire.text(&mut world, &upload(1, "Sum"));
        wire.text(&mut world, &item("u", 3));
        wire.text(&mut world, &item("u", 4));
        assert_eq!(log(&mut world), ["before Sum"], "items are nothing to filters");
        wire.text(&mut world, &end(error));
        assert_eq!(log(&mut world), [after]);
    }
    wire.hear(&mut world);
    // Up and down in one call.
    for (error, after) in
        [("", "after Echo: None None"), (broken, r#"after Echo: None Some("broken off")"#)]
    {
        wire.text(&mut world, &upload(4, "Echo"));
        wire.text(&mut world, &item("u", 3));
        assert_eq!(wire.hear(&mut world), [item("1", 3)]);
        wire.text(&mut world, &end(error));
        assert_eq!(log(&mut world), ["before Echo", after]);
        assert_eq!(wire.hear(&mut world).len(), 1);
    }
}

#[test]
fn a_filter_hears_no_more_of_what_ends_with_its_connection() {
    let mut world = world();
    let mut wire = Wire::hub(&mut world, "/noting");
    wire.text(&mut world, &stream("Endless", ""));
    wire.text(&mut world, &upload(1, "Sum"));
    wire.close_frame(&mut world, 1000, "");
    world.pass(Duration::from_secs(2));
    assert_eq!(log(&mut world), ["before Endless", "before Sum", "dropped"]);
    assert!(world.is_quiet());
}
