//! Whom a message reaches.

use tickhub::{HubError, Methods, Text};

use super::{Ctx, Transcript, World};
use crate::values::Point;

type Ids = Vec<String>;

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    m.on("ToAll", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, s: Option<String>| {
        ctx.all().send("message", ("all", s)).ignore();
    })
    .on("ToAllExcept", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, s: Text, ids: Ids| {
        ctx.all_except(ids).send("message", ("allExcept", s)).ignore();
    })
    .on("ToOthers", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, s: Option<String>| {
        ctx.others().send("message", ("others", s)).ignore();
    })
    .on("ToCaller", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, s: Option<String>| {
        ctx.caller().send("message", ("caller", s)).ignore();
    })
    .on("ToClient", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, id: Text, s: Option<String>| {
        ctx.client(id.as_str()).send("message", ("client", s)).ignore();
    })
    .on("ToClients", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, ids: Ids, s: Option<String>| {
        ctx.clients(ids).send("message", ("clients", s)).ignore();
    })
    .on("ToUser", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, user: Text, s: Option<String>| {
        ctx.user(&user).send("message", ("user", s)).ignore();
    })
    .on(
        "ToUsers",
        |_: &mut Transcript<W>, ctx: &mut Ctx<W>, users: Vec<String>, s: Option<String>| {
            ctx.users(&users).send("message", ("users", s)).ignore();
        },
    );

    m.on("Join", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, group: Text| ctx.join(&group))
        .on("Leave", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, group: Text| ctx.leave(&group))
        .on("JoinOther", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, id: Text, group: Text| {
            ctx.add_to_group(id.as_str(), &group)
        })
        .on("LeaveOther", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, id: Text, group: Text| {
            ctx.remove_from_group(id.as_str(), &group);
        })
        .on("ToGroup", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, group: Text, s: Option<String>| {
            ctx.group(&group).send("message", (format!("group {group}"), s)).ignore();
        })
        .on(
            "ToGroupExcept",
            |_: &mut Transcript<W>, ctx: &mut Ctx<W>, group: Text, ids: Ids, s: Option<String>| {
                let label = format!("groupExcept {group}");
                ctx.group_except(&group, ids).send("message", (label, s)).ignore();
            },
        )
        .on(
            "ToOthersInGroup",
            |_: &mut Transcript<W>, ctx: &mut Ctx<W>, group: Text, s: Option<String>| {
                let label = format!("othersInGroup {group}");
                ctx.others_in_group(&group).send("message", (label, s)).ignore();
            },
        )
        .on(
            "ToGroups",
            |_: &mut Transcript<W>, ctx: &mut Ctx<W>, groups: Vec<String>, s: Option<String>| {
                ctx.groups(&groups).send("message", ("groups", s)).ignore();
            },
        )
        .on(
            "JoinAndSend",
            |_: &mut Transcript<W>, ctx: &mut Ctx<W>, group: Text, s: Option<String>| {
                ctx.join(&group)?;
                ctx.group(&group).send("message", (format!("group {group}"), s)).ignore();
                Ok::<_, HubError>("sent")
            },
        );

    m.on("Burst", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, n: u32| {
        for i in 0..n {
            ctx.caller().send("message", ("burst", i.to_string())).ignore();
        }
    })
    .on("Mixed", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| {
        let point = Point { x: 3, long_name: Some("p".into()), ..Point::default() };
        let null = None::<String>;
        ctx.caller().send("mixed", (1, "two", null, point, [1.5, 2.0], true)).ignore();
    })
    .on("NoArgs", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| {
        ctx.caller().send("noArgs", ()).ignore();
    });
}
