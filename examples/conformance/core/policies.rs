//! Methods that not everybody may call.

use tickhub::{Methods, Policy};

use super::{Ctx, Transcript, World};
use crate::sign_in::ADMIN;

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    m.on("Signed", |_: &mut Transcript<W>, ctx: &mut Ctx<W>| {
        format!("for {}", ctx.user_id().unwrap_or_default())
    })
    .require(Policy::signed_in())
    .on("AdminOnly", |_: &mut Transcript<W>, _: &mut Ctx<W>| "admin ok")
    .require(Policy::role(ADMIN))
    .on("Guarded", |_: &mut Transcript<W>, _: &mut Ctx<W>, n: i32| n)
    .require(Policy::custom(|access| access.argument::<i32>(0) != Some(5)))
    .on("AdminNote", |hub: &mut Transcript<W>, ctx: &mut Ctx<W>, s: String| hub.note(ctx, s))
    .require(Policy::role(ADMIN));
}
