//! A server with two hubs for clients of both generations.

use tickhub::sim::World;
use tickhub::{
    Audience, Call, ClassicHubs, ClassicOptions, Closed, Context, Hub, HubError, HubOptions,
    Methods, Policy, Progress,
};

/// The hub that most tests talk to. What happens to its connections is kept.
#[derive(Default)]
pub(super) struct Room {
    pub(super) events: Vec<String>,
    /// The sink of a call that has ended.
    pub(super) leaked: Option<Progress<u32>>,
}

impl Hub for Room {
    type State = u32;

    fn methods(m: &mut Methods<Self>) {
        m.on("Echo", |_: &mut Self, _: &mut Context<Self>, text: String| text)
            .parameters(["text"])
            .on("Nothing", |_: &mut Self, _: &mut Context<Self>| {})
            .on("Fail", |_: &mut Self, _: &mut Context<Self>| -> Result<(), HubError> {
                Err(HubError::internal("Exception", "secret"))
            })
            .on("HubFail", |_: &mut Self, _: &mut Context<Self>| -> Result<(), HubError> {
                Err(HubError::new("visible").with_data(serde_json::json!({"code": 7})))
            })
            .on("ToAll", |_: &mut Self, ctx: &mut Context<Self>, text: String| {
                ctx.all().send("message", (text,)).ignore();
            })
            .on("ToOthers", |_: &mut Self, ctx: &mut Context<Self>, text: String| {
                ctx.others().send("message", (text,)).ignore();
            })
            .on("Tell", |_: &mut Self, ctx: &mut Context<Self>, how: String, names: Vec<String>| {
                audience(ctx, &how, &names).send("message", (&*how,)).ignore();
            })
            .on("Guarded", |_: &mut Self, _: &mut Context<Self>| "passed")
            .require(Policy::signed_in())
            .on("Join", |_: &mut Self, ctx: &mut Context<Self>, group: String| ctx.join(&group))
            // Says how many the message to the group was queued for.
            .on("AddThen", |_: &mut Self, ctx: &mut Context<Self>, id: String, group: String| {
                ctx.add_to_group(&*id, &group)?;
                Ok::<u32, HubError>(ctx.group(&group).send("message", ("added",)).queued)
            })
            .on("Leave", |_: &mut Self, ctx: &mut Context<Self>, group: String| ctx.leave(&group))
            .on("ToGroup", |_: &mut Self, ctx: &mut Context<Self>, group: String, text: String| {
                ctx.group(&group).send("message", (text,)).ignore();
            })
            .on("State", |_: &mut Self, ctx: &mut Context<Self>| {
                let old: String = ctx.client_state().get("name").unwrap_or_default();
                ctx.client_state().set("name", &format!("{old}!"));
                ctx.caller().send("stateSeen", (1,)).ignore();
                "ok"
            })
            .on("Count", |_: &mut Self, ctx: &mut Context<Self>| {
                *ctx.state() += 1;
                *ctx.state()
            })
            .on_async("Later", later)
            .on_async("Work", work)
            .on_async("Leak", leak)
            .on_async("AskMe", |call: Call<Self>| async move {
                call.ask_caller::<i32>("question", ()).await
            })
            .on("Overload", |_: &mut Self, _: &mut Context<Self>| "none")
            .overload("Overload", |_: &mut Self, _: &mut Context<Self>, n: i32| n)
            .overload("Overload", |_: &mut Self, _: &mut Context<Self>, _: i32, _: i32| "two");
    }

    fn on_connected(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), HubError> {
        self.events.push(format!("connected {}", ctx.connection_id()));
        ctx.caller().send("welcome", ("hi",)).ignore();
        Ok(())
    }

    fn on_reconnected(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), HubError> {
        self.events.push(format!("reconnected {}", ctx.connection_id()));
        Ok(())
    }

    fn on_disconnected(
        &mut self,
        ctx: &mut Context<'_, Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        self.events.push(format!("disconnected {} {}", ctx.connection_id(), reason.is_stop()));
        Ok(())
    }
}

/// Whom `how` says, with names of connections, groups or users.
fn audience<'a>(ctx: &'a mut Context<Room>, how: &str, names: &'a [String]) -> Audience<'a> {
    let first = names.first().map_or("", String::as_str);
    let names = || names.iter().map(String::as_str);
    match how {
        "All" => ctx.all(),
        "AllExcept" => ctx.all_except(names()),
        "Others" => ctx.others(),
        "Caller" => ctx.caller(),
        "Client" => ctx.client(first),
        "Clients" => ctx.clients(names()),
        "Group" => ctx.group_except(first, names().skip(1)),
        "Groups" => ctx.groups(names()),
        "OthersInGroup" => ctx.others_in_group(first),
        "User" => ctx.user(first),
        "Users" => ctx.users(names()),
        other => panic!("{other} is no audience"),
    }
}

async fn leak(call: Call<Room>, progress: Progress<u32>) {
    call.hub(move |room, _| room.leaked = Some(progress)).await;
}

async fn later(call: Call<Room>, text: String, ms: u64) -> String {
    call.sleep(std::time::Duration::from_millis(ms)).await;
    text
}

async fn work(call: Call<Room>, job: String, progress: Progress<u32>) -> Result<String, HubError> {
    for percent in [0, 50, 100] {
        progress.report(&percent)?;
        call.sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(format!("{job} done"))
}

/// A second hub on the same connection.
#[derive(Default)]
pub(super) struct Side;

impl Hub for Side {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Poke", |_: &mut Self, ctx: &mut Context<Self>, text: String| {
            ctx.all().send("poked", (text,)).ignore();
        })
        .on("Join", |_: &mut Self, ctx: &mut Context<Self>, group: String| ctx.join(&group))
        .on("Ping", |_: &mut Self, _: &mut Context<Self>| "pong");
    }
}

/// A world with both hubs at `/signalr` for classic clients and `/room` for others.
pub(super) fn room() -> World {
    room_with(&ClassicOptions::default())
}

pub(super) fn room_with(options: &ClassicOptions) -> World {
    let hubs = ClassicHubs::new().hub::<Room>("RoomHub").hub::<Side>("sideHub");
    World::new(1)
        .hub("/room", Room::default, &HubOptions::default())
        .host(|| Side, &HubOptions::default())
        .classic("/signalr", options, &hubs)
}

/// What happened to a connection.
pub(super) fn events(world: &mut World, id: &str) -> Vec<String> {
    world.enter(0, |room: &mut Room, _| {
        let of_it = room.events.iter().filter(|event| event.contains(id));
        of_it.map(|event| event.replace(&format!(" {id}"), "")).collect()
    })
}
