//! The chat: names, rooms, a short history, who is typing.

use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tickhub::{
    ClassicHubs, ClassicOptions, Closed, ConnectionOptions, Context, Hub, HubError, HubOptions,
    Methods, Server, Text, client,
};

client! {
    /// What a browser can hear.
    trait Browser {
        fn message(from: &str, text: &str, at: u64) = "message";
        fn joined(name: &str) = "joined";
        fn left(name: &str) = "left";
        fn typing(name: &str, is_typing: bool) = "typing";
        fn members(names: Vec<&String>) = "members";
    }
}

/// All rooms.
#[derive(Default)]
struct Chat {
    rooms: BTreeMap<String, Room>,
}

/// One room: there while somebody is in it.
#[derive(Default)]
struct Room {
    /// Names in the order in which they came.
    names: Vec<String>,
    history: VecDeque<Said>,
}

#[derive(Clone, Serialize)]
struct Said {
    from: String,
    text: String,
    /// Milliseconds since the Unix epoch.
    at: u64,
}

/// Where a connection is.
#[derive(Clone, PartialEq)]
struct Seat {
    room: String,
    name: String,
}

#[derive(Serialize)]
struct Welcome {
    members: Vec<String>,
    history: Vec<Said>,
}

impl Hub for Chat {
    type State = Option<Seat>;

    fn methods(m: &mut Methods<Self>) {
        m.on("Join", Chat::join)
            .parameters(["room", "name"])
            .on("Leave", Chat::leave)
            .on("Say", Chat::say)
            .parameters(["text"])
            .on("Typing", Chat::typing)
            .parameters(["isTyping"]);
    }

    fn on_disconnected(&mut self, ctx: &mut Context<Self>, _: &Closed) -> Result<(), HubError> {
        self.leave(ctx);
        Ok(())
    }
}

impl Chat {
    fn join(
        &mut self,
        ctx: &mut Context<Self>,
        room: Text,
        name: Text,
    ) -> Result<Welcome, HubError> {
        let (room, name) = (room.trim(), name.trim());
        check("A name", name, NAME_CHARS_MAX)?;
        check("The name of a room", room, ROOM_CHARS_MAX)?;
        if self.is_taken(ctx.state().as_ref(), room, name) {
            return Err(HubError::new(format!("{name} is taken in this room.")));
        }
        let seat = Some(Seat { room: room.to_owned(), name: name.to_owned() });
        // Who comes back on the same connection, as classic clients do, is still there.
        if *ctx.state() != seat {
            self.leave(ctx);
            ctx.join(room)?;
            self.rooms.entry(room.to_owned()).or_default().names.push(name.to_owned());
            *ctx.state() = seat;
            ctx.others_in_group(room).joined(name).ignore();
            self.tell_members(ctx, room);
        }
        let room = &self.rooms[room];
        Ok(Welcome { members: room.names.clone(), history: room.history.iter().cloned().collect() })
    }

    fn leave(&mut self, ctx: &mut Context<Self>) {
        let Some(Seat { room, name }) = ctx.state().take() else { return };
        ctx.leave(&room);
        let Some(there) = self.rooms.get_mut(&room) else { return };
        there.names.retain(|other| *other != name);
        if there.names.is_empty() {
            self.rooms.remove(&room);
            return;
        }
        ctx.group(&room).left(&name).ignore();
        self.tell_members(ctx, &room);
    }

    fn say(&mut self, ctx: &mut Context<Self>, text: Text) -> Result<(), HubError> {
        let Seat { room, name } = seat(ctx)?;
        check("A message", text.trim(), TEXT_CHARS_MAX)?;
        let at = now_ms();
        let history = &mut self.rooms.entry(room.clone()).or_default().history;
        if history.len() == HISTORY_MAX {
            history.pop_front();
        }
        history.push_back(Said { from: name.clone(), text: text.to_string(), at });
        ctx.group(&room).message(&name, &text, at).ignore();
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn typing(&mut self, ctx: &mut Context<Self>, is_typing: bool) -> Result<(), HubError> {
        let Seat { room, name } = seat(ctx)?;
        ctx.others_in_group(&room).typing(&name, is_typing).ignore();
        Ok(())
    }

    /// Whether somebody else goes by this name in the room.
    fn is_taken(&self, seat: Option<&Seat>, room: &str, name: &str) -> bool {
        let own = seat.filter(|seat| seat.room == room).map(|seat| seat.name.as_str());
        self.rooms.get(room).is_some_and(|there| {
            there.names.iter().any(|other| {
                Some(other.as_str()) != own && other.to_lowercase() == name.to_lowercase()
            })
        })
    }

    fn tell_members(&self, ctx: &mut Context<Self>, room: &str) {
        let names = self.rooms[room].names.iter().collect();
        ctx.group(room).members(names).ignore();
    }
}

fn seat(ctx: &mut Context<Chat>) -> Result<Seat, HubError> {
    ctx.state().clone().ok_or_else(|| HubError::new("Join a room first."))
}

fn check(what: &str, text: &str, chars_max: usize) -> Result<(), HubError> {
    if text.is_empty() {
        return Err(HubError::new(format!("{what} is needed.")));
    }
    if text.chars().count() > chars_max {
        return Err(HubError::new(format!("{what} has at most {chars_max} characters.")));
    }
    Ok(())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn serve(server: Server) -> Server {
    // The page shows why it was closed, such as the limit that a message was over.
    let options = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    server
        .hub_with("/hubs/chat", options, ConnectionOptions::default(), |_| Chat::default())
        // The same rooms for clients of SignalR 2.x.
        .classic("/signalr", ClassicOptions::default(), ClassicHubs::new().hub::<Chat>("ChatHub"))
}

const NAME_CHARS_MAX: usize = 32;
const ROOM_CHARS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 2000;

/// Messages that a newcomer sees.
const HISTORY_MAX: usize = 50;
