//! The hub that the statements are checked on, and records to send to it.

use std::time::Duration;

use serde_json::{Value, json};
use tickhub::sim::{Wire, World};
use tickhub::{Call, Closed, Context, Hub, HubError, HubOptions, Methods, Text, Transport};

/// Does a bit of everything, and remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Hall {
    /// Who came and went, and what was said, in order.
    pub(crate) log: Vec<String>,
    pub(crate) refusal: Option<HubError>,
}

impl Hub for Hall {
    type State = Option<String>;

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on("Echo", |_: &mut Self, _: &mut Context<Self>, text: String| text)
            .on("Add", |_: &mut Self, _: &mut Context<Self>, a: i64, b: i64| a + b)
            .on("Nothing", |_: &mut Self, _: &mut Context<Self>| {})
            .on("Null", |_: &mut Self, _: &mut Context<Self>| None::<u8>)
            .on("Large", |_: &mut Self, _: &mut Context<Self>, bytes: usize| "x".repeat(bytes))
            .on("Id", |_: &mut Self, context: &mut Context<Self>| context.connection_id())
            .on("Transport", |_: &mut Self, context: &mut Context<Self>| {
                context.transport().map(Transport::name)
            })
            .on("Say", say)
            .on("Join", join)
            .on("Leave", |_: &mut Self, context: &mut Context<Self>, room: String| {
                context.leave(&room);
            })
            .on("Fail", |_: &mut Self, _: &mut Context<Self>| -> Result<u8, HubError> {
                Err(HubError::new("disk full"))
            })
            .on("Break", |_: &mut Self, _: &mut Context<Self>| -> Result<u8, HubError> {
                Err(HubError::internal("InvalidOperationException", "disk full"))
            })
            .on("Panic", |_: &mut Self, _: &mut Context<Self>| -> u8 {
                std::panic::resume_unwind(Box::new("planned"))
            })
            .on("Abort", |_: &mut Self, context: &mut Context<Self>| context.abort())
            .on("Select", select)
            .stream("Counter", |_: &mut Self, _: &mut Context<Self>, n: u32| tickhub::iter(0..n))
            .stream("Blocks", |_: &mut Self, _: &mut Context<Self>, count: u32, bytes: usize| {
                tickhub::iter((0..count).map(move |_| "x".repeat(bytes)))
            })
            .on_async("Later", later);
    }

    fn on_connected(&mut self, context: &mut Context<'_, Self>) -> Result<(), HubError> {
        self.log.push("connected".into());
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        context.all().send("arrived", ()).ignore();
        Ok(())
    }

    fn on_resumed(&mut self, _: &mut Context<'_, Self>, replayed: u64) {
        self.log.push(format!("resumed, {replayed} replayed"));
    }

    fn on_disconnected(
        &mut self,
        context: &mut Context<'_, Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        let members = context.group_count("hall");
        self.log.push(format!("{reason}; {members} in the hall"));
        context.group("hall").send("left", ()).ignore();
        Ok(())
    }
}

fn say(hub: &mut Hall, _: &mut Context<Hall>, text: Text) {
    hub.log.push(format!("said {}", text.as_str()));
}

fn join(_: &mut Hall, context: &mut Context<Hall>, room: Text) -> Result<(), HubError> {
    context.join(&room)
}

async fn later(call: Call<Hall>, text: String, ms: u64) -> String {
    call.sleep(Duration::from_millis(ms)).await;
    text
}

/// Sends `here` to whomever the arguments select.
#[expect(clippy::needless_pass_by_value, reason = "arguments of a method are owned")]
fn select(_: &mut Hall, context: &mut Context<Hall>, how: String, names: Vec<String>) {
    let first = || names[0].as_str();
    let audience = match how.as_str() {
        "all" => context.all(),
        "all except" => context.all_except(&names),
        "client" => context.client(first()),
        "clients" => context.clients(&names),
        "group" => context.group(first()),
        "group except" => context.group_except(first(), &names[1..]),
        "groups" => context.groups(&names),
        "user" => context.user(first()),
        "users" => context.users(&names),
        "caller" => context.caller(),
        "others" => context.others(),
        "others in group" => context.others_in_group(first()),
        other => panic!("there is no selector {other}"),
    };
    audience.send("here", ()).ignore();
}

/// A World with one Hall at `/hub`.
pub(crate) fn hall() -> World {
    hall_with(&HubOptions::default())
}

pub(crate) fn hall_with(options: &HubOptions) -> World {
    World::new(1).hub("/hub", Hall::default, options)
}

/// A connection whose greeting was heard.
pub(crate) fn guest(world: &mut World) -> Wire {
    guest_at(world, "/hub")
}

pub(crate) fn guest_at(world: &mut World, target: &str) -> Wire {
    let mut wire = Wire::hub(world, target);
    assert_eq!(wire.hear(world), [ARRIVED]);
    wire
}

/// What everybody hears when somebody comes.
pub(crate) const ARRIVED: &str = r#"{"type":1,"target":"arrived","arguments":[]}"#;

/// What [`select`] sends.
pub(crate) const HERE: &str = r#"{"type":1,"target":"here","arguments":[]}"#;

/// What the hub remembers.
pub(crate) fn log(world: &mut World) -> Vec<String> {
    world.enter(0, |hub: &mut Hall, _| hub.log.clone())
}

/// An invocation that wants an answer. `arguments` is JSON.
pub(crate) fn invoke(id: &str, target: &str, arguments: &str) -> String {
    format!(r#"{{"type":1,"invocationId":"{id}","target":"{target}","arguments":{arguments}}}"#)
}

/// An invocation that wants none.
pub(crate) fn call(target: &str, arguments: &str) -> String {
    format!(r#"{{"type":1,"target":"{target}","arguments":{arguments}}}"#)
}

/// The completion with a result. `result` is JSON.
pub(crate) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"type":3,"invocationId":"{id}","result":{result}}}"#)
}

/// The completion with an error, whatever order its properties have.
pub(crate) fn is_error(record: &str, id: &str, text: &str) -> bool {
    let record: Value = serde_json::from_str(record).expect("a record is JSON");
    record == json!({ "type": 3, "invocationId": id, "error": text })
}
