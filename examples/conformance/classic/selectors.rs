//! Whom a message reaches.

use serde_json::json;
use tickhub::{Methods, Text};

use super::transcript::{Ctx, Transcript};

type Names = Vec<String>;

pub(super) fn offer(m: &mut Methods<Transcript>) {
    m.on("ToAll", |_: &mut Transcript, ctx: &mut Ctx, s: Option<String>| {
        ctx.all().send("message", ("all", s)).ignore();
    })
    .on("ToOthers", |_: &mut Transcript, ctx: &mut Ctx, s: Option<String>| {
        ctx.others().send("message", ("others", s)).ignore();
    })
    .on("ToCaller", |_: &mut Transcript, ctx: &mut Ctx, s: Option<String>| {
        ctx.caller().send("message", ("caller", s)).ignore();
    })
    .on("ToAllExcept", |_: &mut Transcript, ctx: &mut Ctx, s: Option<String>, ids: Names| {
        ctx.all_except(ids).send("message", ("allExcept", s)).ignore();
    })
    .on("ToClient", |_: &mut Transcript, ctx: &mut Ctx, id: Text, s: Option<String>| {
        ctx.client(id.as_str()).send("message", ("client", s)).ignore();
    })
    .on("ToClients", |_: &mut Transcript, ctx: &mut Ctx, ids: Names, s: Option<String>| {
        ctx.clients(ids).send("message", ("clients", s)).ignore();
    })
    .on("ToUser", |_: &mut Transcript, ctx: &mut Ctx, user: Text, s: Option<String>| {
        ctx.user(&user).send("message", ("user", s)).ignore();
    })
    .on("ToUsers", |_: &mut Transcript, ctx: &mut Ctx, users: Names, s: Option<String>| {
        ctx.users(&users).send("message", ("users", s)).ignore();
    });

    m.on("Join", |_: &mut Transcript, ctx: &mut Ctx, g: Text| ctx.join(&g))
        .on("Leave", |_: &mut Transcript, ctx: &mut Ctx, g: Text| ctx.leave(&g))
        .on("JoinOther", |_: &mut Transcript, ctx: &mut Ctx, id: Text, g: Text| {
            ctx.add_to_group(id.as_str(), &g)
        })
        .on("ToGroup", |_: &mut Transcript, ctx: &mut Ctx, g: Text, s: Option<String>| {
            ctx.group(&g).send("message", (format!("group {g}"), s)).ignore();
        })
        .on(
            "ToGroupExcept",
            |_: &mut Transcript, ctx: &mut Ctx, g: Text, id: String, s: Option<String>| {
                let label = format!("groupExcept {g}");
                ctx.group_except(&g, [id]).send("message", (label, s)).ignore();
            },
        )
        .on("ToOthersInGroup", |_: &mut Transcript, ctx: &mut Ctx, g: Text, s: Option<String>| {
            let label = format!("othersInGroup {g}");
            ctx.others_in_group(&g).send("message", (label, s)).ignore();
        })
        .on("ToGroups", |_: &mut Transcript, ctx: &mut Ctx, gs: Names, s: Option<String>| {
            ctx.groups(&gs).send("message", ("groups", s)).ignore();
        });

    m.on("Burst", |_: &mut Transcript, ctx: &mut Ctx, n: u32| {
        for i in 0..n {
            ctx.caller().send("message", ("burst", i.to_string())).ignore();
        }
    })
    .on("Mixed", |_: &mut Transcript, ctx: &mut Ctx| {
        let (null, object) = (None::<String>, json!({"a": 1}));
        ctx.caller().send("mixed", (1, "two", null, object, [1.5, 2.0], true)).ignore();
    })
    .on("NoArgs", |_: &mut Transcript, ctx: &mut Ctx| {
        ctx.caller().send("noArgs", ()).ignore();
    });
}
