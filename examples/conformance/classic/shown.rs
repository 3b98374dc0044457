//! What only classic clients know: overloads, and state that goes there and back.

use serde_json::json;
use tickhub::Methods;

use super::transcript::{Ctx, Transcript};

pub(super) fn offer(m: &mut Methods<Transcript>) {
    m.on("Overload", |_: &mut Transcript, _: &mut Ctx| "none")
        .overload("Overload", |_: &mut Transcript, _: &mut Ctx, n: i32| n)
        .overload("Overload", |_: &mut Transcript, _: &mut Ctx, _a: i32, _b: i32| "two")
        // Nobody can say which one is meant.
        .on("Ambiguous", |_: &mut Transcript, _: &mut Ctx, _x: String| ())
        .overload("Ambiguous", |_: &mut Transcript, _: &mut Ctx, _x: i32| ())
        .on("renamed", |_: &mut Transcript, _: &mut Ctx| "renamed ok")
        .verbatim();

    m.on("State", |_: &mut Transcript, ctx: &mut Ctx| {
        let state = ctx.client_state();
        let name: String = state.get("name").unwrap_or_default();
        state.set("name", &(name + "!"));
        ctx.caller().send("stateSeen", (1,)).ignore();
        "ok"
    })
    .on("StateRead", |_: &mut Transcript, ctx: &mut Ctx| ctx.client_state().get::<String>("name"))
    .on("StateNew", |_: &mut Transcript, ctx: &mut Ctx| {
        ctx.client_state().set("added", &json!({"N": [1, 2]}));
    });
}
