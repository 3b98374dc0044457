//! Two filters around a hub, each of which leaves a trace wherever it can.

use tickhub::{CallOutcome, Closed, Filter, FilteredCall, HubError, Methods, Value};

use super::{Ctx, Transcript, World};

/// The hub with filters.
pub(crate) struct Filtered;

impl World for Filtered {
    fn filter(m: &mut Methods<Transcript<Self>>) {
        m.filter(Named("outer")).filter(Named("inner"));
    }
}

/// A filter that signs what it lets through.
struct Named(&'static str);

type Hub = Transcript<Filtered>;

impl Filter<Hub> for Named {
    fn invoking(
        &self,
        _: &mut Hub,
        _: &mut Ctx<Filtered>,
        call: &mut FilteredCall,
    ) -> Result<(), HubError> {
        if call.method() != "Add" {
            return Ok(());
        }
        let refusal = format!("{} refuses", self.0);
        match call.arguments().first() {
            Some(Value::Int(13)) => Err(HubError::new(refusal)),
            Some(Value::Int(14)) => Err(HubError::internal("InvalidOperationException", refusal)),
            _ => Ok(()),
        }
    }

    fn invoked(
        &self,
        _: &mut Hub,
        _: &mut Ctx<Filtered>,
        _: &mut FilteredCall,
        outcome: &mut CallOutcome,
    ) {
        if let Some(Value::Text(text)) = outcome.value() {
            outcome.set(&format!("{}({text})", self.0));
        }
    }

    fn connecting(&self, hub: &mut Hub, ctx: &mut Ctx<Filtered>) -> Result<(), HubError> {
        hub.note(ctx, format!("{} connecting", self.0));
        Ok(())
    }

    fn disconnecting(&self, hub: &mut Hub, ctx: &mut Ctx<Filtered>, _: &Closed) {
        hub.note(ctx, format!("{} disconnecting", self.0));
    }
}
