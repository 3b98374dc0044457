//! The connection without hubs, which does what the texts say that it gets.

use serde_json::json;
use tickhub::{HubError, PersistentConnection, PersistentContext};

use super::{failure, farewell};
use crate::events::Events;

pub(super) struct Raw(Events);

impl Raw {
    pub(super) fn new(events: &Events) -> Self {
        Self(events.clone())
    }
}

type Ctx<'a> = PersistentContext<'a, Raw>;

impl PersistentConnection for Raw {
    type State = ();

    fn on_connected(&mut self, ctx: &mut Ctx) -> Result<(), HubError> {
        self.0.note(&ctx.connection_id(), "connected");
        Ok(())
    }

    fn on_received(&mut self, ctx: &mut Ctx, data: Option<&str>) -> Result<(), HubError> {
        let Some(data) = data else {
            ctx.reply("(null payload)").ignore();
            return Ok(());
        };
        match data.split_once(':') {
            Some(("b", text)) => ctx.broadcast(text).ignore(),
            Some(("x", text)) => {
                let sender = ctx.connection_id();
                ctx.broadcast_except([sender], text).ignore();
            }
            Some(("join", group)) => ctx.join(group)?,
            Some(("leave", group)) => ctx.leave(group),
            Some(("g", rest)) if rest.contains(':') => {
                let (group, text) = rest.split_once(':').unwrap_or_default();
                ctx.send_to_group(group, text).ignore();
            }
            Some(("events", id)) => ctx.reply(&self.0.of(id)).ignore(),
            _ => match data {
                "null" => ctx.reply(&()).ignore(),
                "object" => ctx.reply(&json!({"A": 1, "B": "x", "C": null})).ignore(),
                "number" => ctx.reply(&42).ignore(),
                "throw" => return Err(failure("boom")),
                text => ctx.reply(text).ignore(),
            },
        }
        Ok(())
    }

    fn on_reconnected(&mut self, ctx: &mut Ctx) -> Result<(), HubError> {
        self.0.note(&ctx.connection_id(), "reconnected");
        Ok(())
    }

    fn on_disconnected(&mut self, ctx: &mut Ctx, stop_called: bool) {
        self.0.note(&ctx.connection_id(), farewell(stop_called));
    }
}
