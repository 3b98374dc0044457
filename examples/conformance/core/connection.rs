//! What a hub knows about the connection that calls it.

use tickhub::{Identity, Methods, Text};

use super::{Ctx, Transcript, World, joined, query};

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    m.on("Who", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| {
        ctx.user_id().unwrap_or_default().to_owned()
    })
    .on("UserNow", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| {
        ctx.identity().and_then(Identity::name).unwrap_or_default().to_owned()
    })
    .on("MyId", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| ctx.connection_id())
    .on("Query", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, name: Text| query(ctx, &name))
    .on("Header", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, name: Text| {
        joined(ctx.request()?.head().header_values(&name))
    })
    .on("Transport", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| {
        ctx.transport().map(|transport| transport.to_string())
    })
    .on("Remember", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, key: String, value: String| {
        ctx.state().remembered.insert(key, value);
    })
    .on("Recall", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, key: Text| {
        ctx.state().remembered.get(key.as_str()).cloned()
    })
    .on("Abort", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| {
        ctx.abort();
        "too late"
    })
    .on("SendThenAbort", |_: &mut Transcript<W>, ctx: &mut Ctx<W>, s: Text| {
        ctx.caller().send("message", ("caller", s)).ignore();
        ctx.abort();
    });
}
