//! The hubs beside the transcript hub.

use tickhub::{Closed, Context, Hub, HubError, Methods, Text};

use super::farewell;
use crate::events::Events;

/// A hub that writes to the same log.
pub(super) struct Second(Events);

impl Second {
    pub(super) fn new(events: &Events) -> Self {
        Self(events.clone())
    }

    fn note(&self, ctx: &Context<Self>, what: &str) {
        self.0.note(&ctx.connection_id(), format!("second {what}"));
    }
}

impl Hub for Second {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Ping", |_: &mut Self, _: &mut Context<Self>| "pong")
            .on("Poke", |_: &mut Self, ctx: &mut Context<Self>, s: Option<String>| {
                ctx.all().send("poked", (s,)).ignore();
            })
            .on("Join", |_: &mut Self, ctx: &mut Context<Self>, g: Text| ctx.join(&g))
            .on("ToGroup", |_: &mut Self, ctx: &mut Context<Self>, g: Text, s: Option<String>| {
                ctx.group(&g).send("poked", (s,)).ignore();
            });
    }

    fn on_connected(&mut self, ctx: &mut Context<Self>) -> Result<(), HubError> {
        self.note(ctx, "connected");
        Ok(())
    }

    fn on_reconnected(&mut self, ctx: &mut Context<Self>) -> Result<(), HubError> {
        self.note(ctx, "reconnected");
        Ok(())
    }

    fn on_disconnected(
        &mut self,
        ctx: &mut Context<Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        self.note(ctx, &farewell(reason.is_stop()));
        Ok(())
    }
}

/// The hub for those who say who they are.
pub(super) struct Auth;

impl Hub for Auth {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Who", |_: &mut Self, ctx: &mut Context<Self>| {
            ctx.user_id().unwrap_or_default().to_owned()
        });
    }
}

/// The hub that is only described.
pub(super) struct Three;

impl Hub for Three {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("First", |_: &mut Self, _: &mut Context<Self>| ())
            .on("SecondOne", |_: &mut Self, _: &mut Context<Self>, a: i32| a)
            .parameters(["a"])
            .on("ThirdExplicit", |_: &mut Self, _: &mut Context<Self>, _x: String, _y: String| ())
            .parameters(["x", "y"])
            .verbatim();
    }
}
