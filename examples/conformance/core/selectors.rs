//! Whom a message reaches.

use tickhub::{HubError, Methods, Text};

use super::{Ctx, Transcript};
use crate::values::Point;

type Ids = Vec<String>;

pub(super) fn offer(m: &mut Methods<Transcript>) {
    m.on("ToAll", |_: &mut Transcript, ctx: &mut Ctx, s: Text| {
        ctx.all().send("message", ("all", s)).ignore();
    })
    .on("ToAllExcept", |_: &mut Transcript, ctx: &mut Ctx, s: Text, ids: Ids| {
        ctx.all_except(ids).send("message", ("allExcept", s)).ignore();
    })
    .on("ToOthers", |_: &mut Transcript, ctx: &mut Ctx, s: Text| {
        ctx.others().send("message", ("others", s)).ignore();
    })
    .on("ToCaller", |_: &mut Transcript, ctx: &mut Ctx, s: Text| {
        ctx.caller().send("message", ("caller", s)).ignore();
    })
    .on("ToClient", |_: &mut Transcript, ctx: &mut Ctx, id: Text, s: Text| {
        ctx.client(id.as_str()).send("message", ("client", s)).ignore();
    })
    .on("ToClients", |_: &mut Transcript, ctx: &mut Ctx, ids: Ids, s: Text| {
        ctx.clients(ids).send("message", ("clients", s)).ignore();
    })
    .on("ToUser", |_: &mut Transcript, ctx: &mut Ctx, user: Text, s: Text| {
        ctx.user(&user).send("message", ("user", s)).ignore();
    })
    .on("ToUsers", |_: &mut Transcript, ctx: &mut Ctx, users: Vec<String>, s: Text| {
        ctx.users(&users).send("message", ("users", s)).ignore();
    });

    m.on("Join", |_: &mut Transcript, ctx: &mut Ctx, group: Text| ctx.join(&group))
        .on("Leave", |_: &mut Transcript, ctx: &mut Ctx, group: Text| ctx.leave(&group))
        .on("JoinOther", |_: &mut Transcript, ctx: &mut Ctx, id: Text, group: Text| {
            ctx.add_to_group(id.as_str(), &group)
        })
        .on("LeaveOther", |_: &mut Transcript, ctx: &mut Ctx, id: Text, group: Text| {
            ctx.remove_from_group(id.as_str(), &group);
        })
        .on("ToGroup", |_: &mut Transcript, ctx: &mut Ctx, group: Text, s: Text| {
            ctx.group(&group).send("message", (format!("group {group}"), s)).ignore();
        })
        .on("ToGroupExcept", |_: &mut Transcript, ctx: &mut Ctx, group: Text, ids: Ids, s: Text| {
            let label = format!("groupExcept {group}");
            ctx.group_except(&group, ids).send("message", (label, s)).ignore();
        })
        .on("ToOthersInGroup", |_: &mut Transcript, ctx: &mut Ctx, group: Text, s: Text| {
            let label = format!("othersInGroup {group}");
            ctx.others_in_group(&group).send("message", (label, s)).ignore();
        })
        .on("ToGroups", |_: &mut Transcript, ctx: &mut Ctx, groups: Vec<String>, s: Text| {
            ctx.groups(&groups).send("message", ("groups", s)).ignore();
        })
        .on("JoinAndSend", |_: &mut Transcript, ctx: &mut Ctx, group: Text, s: Text| {
            ctx.join(&group)?;
            ctx.group(&group).send("message", (format!("group {group}"), s)).ignore();
            Ok::<_, HubError>("sent")
        });

    m.on("Burst", |_: &mut Transcript, ctx: &mut Ctx, n: u32| {
        for i in 0..n {
            ctx.caller().send("message", ("burst", i.to_string())).ignore();
        }
    })
    .on("Mixed", |_: &mut Transcript, ctx: &mut Ctx| {
        let point = Point { x: 3, long_name: Some("p".into()), ..Point::default() };
        let null = None::<String>;
        ctx.caller().send("mixed", (1, "two", null, point, [1.5, 2.0], true)).ignore();
    })
    .on("NoArgs", |_: &mut Transcript, ctx: &mut Ctx| ctx.caller().send("noArgs", ()).ignore());
}
