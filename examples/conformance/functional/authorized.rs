//! The hub that wants to know who its clients are.

use tickhub::{Context, Hub, Identity, Methods, Text};

pub(super) struct Authorized;

type Ctx<'a> = Context<'a, Authorized>;

impl Hub for Authorized {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Echo", |_: &mut Self, _: &mut Ctx, text: Option<String>| text)
            .on("GetUserNameIdentifier", |_: &mut Self, ctx: &mut Ctx| {
                ctx.user_id().map(str::to_owned)
            })
            .on("GetUserClaim", |_: &mut Self, ctx: &mut Ctx, kind: Text| {
                let claim = ctx.identity().and_then(|user: &Identity| user.first_claim(&kind));
                claim.unwrap_or_default().to_owned()
            });
    }
}
