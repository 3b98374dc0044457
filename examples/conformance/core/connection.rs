//! What a hub knows about the connection that calls it.

use tickhub::{Methods, Text};

use super::{Ctx, Transcript, joined, query};

pub(super) fn offer(m: &mut Methods<Transcript>) {
    m.on("Who", |_: &mut Transcript, ctx: &mut Ctx| ctx.user_id().unwrap_or_default().to_owned())
        .on("UserNow", |_: &mut Transcript, ctx: &mut Ctx| {
            ctx.user_id().unwrap_or_default().to_owned()
        })
        .on("MyId", |_: &mut Transcript, ctx: &mut Ctx| ctx.connection_id())
        .on("Query", |_: &mut Transcript, ctx: &mut Ctx, name: Text| query(ctx, &name))
        .on("Header", |_: &mut Transcript, ctx: &mut Ctx, name: Text| {
            joined(ctx.request()?.head().header_values(&name))
        })
        .on("Transport", |_: &mut Transcript, ctx: &mut Ctx| {
            ctx.transport().map(|transport| transport.to_string())
        })
        .on("Remember", |_: &mut Transcript, ctx: &mut Ctx, key: String, value: String| {
            ctx.state().insert(key, value);
        })
        .on("Recall", |_: &mut Transcript, ctx: &mut Ctx, key: Text| {
            ctx.state().get(key.as_str()).cloned()
        })
        .on("Abort", |_: &mut Transcript, ctx: &mut Ctx| {
            ctx.abort();
            "too late"
        })
        .on("SendThenAbort", |_: &mut Transcript, ctx: &mut Ctx, s: Text| {
            ctx.caller().send("message", ("caller", s)).ignore();
            ctx.abort();
        });
}
