//! The hub that offers everything: calls, streams, groups, questions, values.

mod asks;
mod calls;
mod groups;
mod numbered;
mod streams;
mod uploads;
mod values;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use tickhub::{Call, Closed, Context, Hub, HubError, Methods};

use super::{invalid_operation, query};
use crate::events::Events;
pub(super) use groups::select;
use numbered::Feed;

/// One of three hubs that offer the same, each with connections of its own.
pub(super) struct Work<K> {
    journal: Events,
    feeds: Vec<Feed>,
    kind: PhantomData<K>,
}

/// With the usual settings.
pub(super) struct Main;
/// With short times, and without details of errors.
pub(super) struct Quick;
/// With large messages and parallel calls.
pub(super) struct Wide;

/// What tells the hubs apart.
pub(super) trait Kind: 'static {}

impl Kind for Main {}
impl Kind for Quick {}
impl Kind for Wide {}

type Ctx<'a, K> = Context<'a, Work<K>>;

/// What is kept with a connection.
#[derive(Debug, Default)]
pub(super) struct Kept {
    items: BTreeMap<String, String>,
    taken: Vec<i32>,
    /// Under which name the journal is kept.
    tag: Option<String>,
    /// What the request asked for in `onconnect`.
    wish: Option<String>,
}

impl<K: Kind> Hub for Work<K> {
    type State = Kept;

    fn methods(m: &mut Methods<Self>) {
        calls::offer(m);
        numbered::offer(m);
        streams::offer(m);
        uploads::offer(m);
        groups::offer(m);
        asks::offer(m);
        values::offer(m);
        m.connected_async(connected);
    }

    fn on_connected(&mut self, ctx: &mut Ctx<K>) -> Result<(), HubError> {
        let (tag, wish) = (query(ctx, "tag"), query(ctx, "onconnect"));
        let id = ctx.connection_id();
        ctx.state().tag = tag;
        self.note(ctx, format!("connected {id}"));
        match wish.as_deref() {
            Some("greet") => ctx.caller().send("Welcome", (id,)).ignore(),
            Some("fail") => return Err(invalid_operation("not today")),
            Some("refuse") => return Err(HubError::new("not you")),
            Some("abort") => ctx.abort(),
            _ => {}
        }
        ctx.state().wish = wish;
        Ok(())
    }

    fn on_disconnected(&mut self, ctx: &mut Ctx<K>, reason: &Closed) -> Result<(), HubError> {
        let id = ctx.connection_id();
        let entry = match reason.error() {
            Some((type_name, _)) => format!("disconnected {id} {type_name}"),
            None => format!("disconnected {id}"),
        };
        self.note(ctx, entry);
        Ok(())
    }
}

/// The part of the welcome that takes time.
async fn connected<K: Kind>(call: Call<Work<K>>) -> Result<(), HubError> {
    let wish = call.state(|_, kept, _| kept.wish.take()).await.flatten();
    match wish.as_deref() {
        Some("ask") => drop(call.ask_caller::<String>("Answer", ()).await?),
        Some("slow") => {
            call.sleep(Duration::from_millis(500)).await;
            Page::of(&call).await.note(format!("ready {}", call.connection_id()));
        }
        _ => {}
    }
    Ok(())
}

impl<K: Kind> Work<K> {
    pub(super) fn new(journal: &Events) -> Self {
        Self { journal: journal.clone(), feeds: Vec::new(), kind: PhantomData }
    }

    /// Writes into the journal of the calling connection, if it has one.
    fn note(&mut self, ctx: &mut Ctx<K>, entry: String) {
        if let Some(tag) = &ctx.state().tag {
            self.journal.note(tag, entry);
        }
    }
}

/// The page of the journal that belongs to a connection, for code that outlives a call.
struct Page {
    journal: Events,
    tag: Option<String>,
}

impl Page {
    async fn of<K: Kind>(call: &Call<Work<K>>) -> Self {
        let page = call.state(|hub, kept, _| (hub.journal.clone(), kept.tag.clone())).await;
        let (journal, tag) = page.unwrap_or_default();
        Self { journal, tag }
    }

    fn note(&self, entry: String) {
        if let Some(tag) = &self.tag {
            self.journal.note(tag, entry);
        }
    }
}
