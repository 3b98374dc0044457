//! The transcript hub: what it does when clients come and go.

use tickhub::{Closed, Context, Hub, HubError, Methods};

use super::{calls, farewell, selectors, shown};
use crate::events::Events;

/// One method for everything that a client can see.
pub(super) struct Transcript {
    pub(super) events: Events,
}

/// What a method of it gets.
pub(super) type Ctx<'a> = Context<'a, Transcript>;

impl Transcript {
    pub(super) fn new(events: &Events) -> Self {
        Self { events: events.clone() }
    }
}

impl Hub for Transcript {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        calls::offer(m);
        selectors::offer(m);
        shown::offer(m);
    }

    fn on_connected(&mut self, ctx: &mut Ctx) -> Result<(), HubError> {
        self.events.note(&ctx.connection_id(), "connected");
        ctx.caller().send("welcome", ("hi",)).ignore();
        Ok(())
    }

    fn on_reconnected(&mut self, ctx: &mut Ctx) -> Result<(), HubError> {
        self.events.note(&ctx.connection_id(), "reconnected");
        Ok(())
    }

    fn on_disconnected(&mut self, ctx: &mut Ctx, reason: &Closed) -> Result<(), HubError> {
        self.events.note(&ctx.connection_id(), farewell(reason.is_stop()));
        Ok(())
    }
}
