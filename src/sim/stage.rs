//! The hub of the simulator: rooms, calls of every kind, and hubs' usual misbehaviour.

use std::time::Duration;

use super::flows;
use super::ledger::Books;
use crate::base::Rng;
use crate::hub::{Call, Clients, Closed, Context, Hub, HubError, Methods};
use crate::protocol::hub_protocol::Text;

/// What clients of the simulator talk to.
pub(super) struct SimHub {
    books: Books,
    rng: Rng,
    /// Refuses one in so many connections; zero is never.
    refuse_one_in: u64,
}

impl SimHub {
    pub(super) fn new(books: Books, rng: Rng, refuse_one_in: u64) -> Self {
        Self { books, rng, refuse_one_in }
    }

    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    pub(super) fn refuse_nobody(&mut self) {
        self.refuse_one_in = 0;
    }

    fn refuses(&mut self) -> bool {
        self.refuse_one_in > 0 && self.rng.one_in(self.refuse_one_in)
    }

    fn refuse(&mut self, id: &str) -> HubError {
        let mut books = self.books.borrow_mut();
        let visit = books.visits.get_mut(id).expect("it came just now");
        visit.refused = true;
        HubError::new("not you")
    }

    /// Whose connection has ended long ago is sent away: what it has missed is not there any more.
    fn look_at(&self, context: &mut Context<'_, Self>) {
        if self.books.borrow_mut().is_revived(&context.connection_id().to_string()) {
            context.abort();
        }
    }

    fn say(&self, clients: &mut Clients<'_>, room: &str, sender: u64, number: u64) {
        let place = self.books.borrow_mut().say(room, sender, number);
        clients.group(room).send("heard", (room, place, sender, number)).ignore();
    }
}

impl Hub for SimHub {
    /// Rooms, so that the hub knows by itself where somebody is.
    type State = Vec<String>;

    fn methods(methods: &mut Methods<Self>) {
        flows::offer(methods);
        methods
            .on("Join", join)
            .on("Leave", leave)
            .on("Say", say)
            .on("Burst", burst)
            .on("Echo", |_: &mut Self, _: &mut Context<Self>, text: String| text)
            .on("Large", |_: &mut Self, _: &mut Context<Self>, bytes: usize| "x".repeat(bytes))
            .on("Refuse", |_: &mut Self, _: &mut Context<Self>| -> Result<u8, HubError> {
                Err(HubError::new("no"))
            })
            .on("Panic", |_: &mut Self, _: &mut Context<Self>| -> u8 {
                // Silent: `resume_unwind` does not call the panic hook.
                std::panic::resume_unwind(Box::new("a panic of the play"))
            })
            .on("AbortMe", |_: &mut Self, context: &mut Context<Self>| context.abort())
            .on("SendMeAway", |_: &mut Self, context: &mut Context<Self>| {
                let id = context.connection_id();
                context.send_away(id);
            })
            .on_async("Slow", slow)
            .on_async("SlowSay", slow_say)
            .on_async("SlowPanic", slow_panic)
            .on_async("AskMe", ask_me)
            .on_async("AskSomebody", ask_somebody)
            .connected_async(welcome)
            .every(Duration::from_millis(700), tick);
    }

    fn on_connected(&mut self, context: &mut Context<'_, Self>) -> Result<(), HubError> {
        let id = context.connection_id().to_string();
        self.books.borrow_mut().connected(&id, context.transport());
        if self.refuses() {
            return Err(self.refuse(&id));
        }
        context.caller().send("welcome", (id,)).ignore();
        Ok(())
    }

    fn on_reconnected(&mut self, context: &mut Context<'_, Self>) -> Result<(), HubError> {
        let id = context.connection_id().to_string();
        self.books.borrow_mut().reconnected(&id, context.transport());
        self.look_at(context);
        Ok(())
    }

    /// This is asked of polls too.
    fn on_rejoining_groups(
        &mut self,
        context: &mut Context<'_, Self>,
        groups: Vec<String>,
    ) -> Vec<String> {
        self.look_at(context);
        groups
    }

    fn on_disconnected(
        &mut self,
        context: &mut Context<'_, Self>,
        _: &Closed,
    ) -> Result<(), HubError> {
        let id = context.connection_id().to_string();
        self.books.borrow_mut().disconnected(&id);
        // It is still a member, but must hear nothing of this (COR-137).
        for room in context.state().clone() {
            self.say(context, &room, 0, 0);
        }
        Ok(())
    }
}

fn join(hub: &mut SimHub, context: &mut Context<SimHub>, room: Text) -> Result<(), HubError> {
    context.join(&room)?;
    hub.books.borrow_mut().joined(&context.connection_id().to_string(), &room);
    if !context.state().iter().any(|known| known == room.as_str()) {
        context.state().push(room.as_str().to_owned());
    }
    Ok(())
}

fn leave(hub: &mut SimHub, context: &mut Context<SimHub>, room: Text) {
    context.leave(&room);
    hub.books.borrow_mut().left(&context.connection_id().to_string(), &room);
    context.state().retain(|known| known != room.as_str());
}

fn say(hub: &mut SimHub, context: &mut Context<SimHub>, room: Text, sender: u64, number: u64) {
    hub.say(context, &room, sender, number);
}

/// Many messages at once, which a slow client may not be able to take.
fn burst(hub: &mut SimHub, context: &mut Context<SimHub>, room: Text, count: u64) {
    for number in 0..count {
        hub.say(context, &room, 1_000_000, number);
    }
}

async fn slow(call: Call<SimHub>, number: u64, ms: u64) -> u64 {
    call.sleep(Duration::from_millis(ms)).await;
    number
}

async fn slow_say(call: Call<SimHub>, room: String, ms: u64) -> u64 {
    call.sleep(Duration::from_millis(ms)).await;
    call.hub(move |hub, clients| {
        hub.say(clients, &room, 2_000_000, 0);
        hub.books.borrow().ticks
    })
    .await
}

async fn slow_panic(call: Call<SimHub>, ms: u64) -> u64 {
    call.sleep(Duration::from_millis(ms)).await;
    std::panic::resume_unwind(Box::new("a late panic of the play"))
}

/// Every third connection has to wait a little, and some of those are sent away.
async fn welcome(call: Call<SimHub>) -> Result<(), HubError> {
    let wait = call.hub(|hub, _| hub.rng.one_in(3).then(|| hub.rng.below(500))).await;
    let Some(ms) = wait else { return Ok(()) };
    call.sleep(Duration::from_millis(ms)).await;
    let id = call.connection_id().to_string();
    call.hub(move |hub, _| if hub.refuses() { Err(hub.refuse(&id)) } else { Ok(()) }).await
}

/// Asks the caller, who says one more than it is asked.
async fn ask_me(call: Call<SimHub>, number: u64, ms: u64) -> Result<u64, HubError> {
    let time = call.sleep(Duration::from_millis(ms));
    call.ask_caller("ask", (number,)).until(time).await
}

/// Asks somebody who is or was there.
async fn ask_somebody(call: Call<SimHub>, number: u64, ms: u64) -> Result<u64, HubError> {
    let whom = call.hub(|hub, _| {
        let books = hub.books.borrow();
        let place = hub.rng.below(books.visits.len() as u64) as usize;
        books.visits.keys().nth(place).cloned().unwrap_or_default()
    });
    let whom = whom.await;
    let time = call.sleep(Duration::from_millis(ms));
    call.ask(whom, "ask", (number,)).until(time).await
}

fn tick(hub: &mut SimHub, clients: &mut Clients<'_>) {
    let mut books = hub.books.borrow_mut();
    clients.all().send("tick", (books.ticks,)).ignore();
    books.ticks += 1;
}
