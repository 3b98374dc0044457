//! A connection of SignalR 2.x without a hub: texts to everybody, to one connection, to groups.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tickhub::{ClassicOptions, HubError, PersistentConnection, PersistentContext, Server};

/// Who is connected: the names by id.
#[derive(Default)]
struct Raw {
    people: BTreeMap<String, String>,
}

type Ctx<'a> = PersistentContext<'a, Raw>;

/// What a client may send.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Wish {
    Everyone { text: String },
    Others { text: String },
    Person { id: String, text: String },
    Group { group: String, text: String },
    Join { group: String },
    Leave { group: String },
}

/// What a client hears.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum News<'a> {
    Welcome { id: &'a str, people: BTreeMap<&'a str, &'a str> },
    Came { id: &'a str, name: &'a str },
    Left { id: &'a str },
    Said { from: &'a str, to: &'a str, text: &'a str },
    Joined { group: &'a str },
    Parted { group: &'a str },
    Refused { reason: &'a str },
}

impl PersistentConnection for Raw {
    type State = ();

    fn on_connected(&mut self, ctx: &mut Ctx) -> Result<(), HubError> {
        self.welcome(ctx);
        Ok(())
    }

    fn on_reconnected(&mut self, ctx: &mut Ctx) -> Result<(), HubError> {
        self.welcome(ctx);
        Ok(())
    }

    /// Whoever sends something wrong reads why; it is no error of this program.
    fn on_received(&mut self, ctx: &mut Ctx, data: Option<&str>) -> Result<(), HubError> {
        if let Err(reason) = self.grant(ctx, data.unwrap_or_default()) {
            ctx.reply(&News::Refused { reason: &reason }).ignore();
        }
        Ok(())
    }

    fn on_disconnected(&mut self, ctx: &mut Ctx, _: bool) {
        let id = ctx.connection_id().to_string();
        self.people.remove(&id);
        ctx.broadcast(&News::Left { id: &id }).ignore();
    }
}

impl Raw {
    fn welcome(&mut self, ctx: &mut Ctx) {
        let id = ctx.connection_id().to_string();
        if !self.people.contains_key(&id) {
            let asked = ctx.query("name").unwrap_or_default();
            let name: String = asked.trim().chars().take(NAME_CHARS_MAX).collect();
            let name = if name.is_empty() { "somebody".to_owned() } else { name };
            let me = ctx.connection_id();
            ctx.broadcast_except([me], &News::Came { id: &id, name: &name }).ignore();
            self.people.insert(id.clone(), name);
        }
        let people = self.people.iter().take(PEOPLE_SHOWN_MAX);
        let people = people.map(|(id, name)| (id.as_str(), name.as_str())).collect();
        ctx.reply(&News::Welcome { id: &id, people }).ignore();
    }

    fn grant(&self, ctx: &mut Ctx, data: &str) -> Result<(), String> {
        let wish =
            serde_json::from_str(data).map_err(|error| format!("Not understood: {error}"))?;
        let me = ctx.connection_id();
        let from = self.people.get(&me.to_string()).map_or("somebody", String::as_str);
        match wish {
            Wish::Everyone { text } => {
                check("A text", &text, TEXT_CHARS_MAX)?;
                ctx.broadcast(&News::Said { from, to: "everyone", text: &text }).ignore();
            }
            Wish::Others { text } => {
                check("A text", &text, TEXT_CHARS_MAX)?;
                let said = News::Said { from, to: "everyone else", text: &text };
                ctx.broadcast_except([me], &said).ignore();
            }
            Wish::Person { id, text } => {
                check("A text", &text, TEXT_CHARS_MAX)?;
                if !self.people.contains_key(&id) {
                    return Err("Whom you wrote to is not here any more.".to_owned());
                }
                ctx.send(id, &News::Said { from, to: "you alone", text: &text }).ignore();
            }
            Wish::Group { group, text } => {
                check("A text", &text, TEXT_CHARS_MAX)?;
                let to = format!("the group {group}");
                ctx.send_to_group(&group, &News::Said { from, to: &to, text: &text }).ignore();
            }
            Wish::Join { group } => {
                check("The name of a group", &group, GROUP_CHARS_MAX)?;
                ctx.join(&group).map_err(|error| error.message().to_owned())?;
                ctx.reply(&News::Joined { group: &group }).ignore();
            }
            Wish::Leave { group } => {
                ctx.leave(&group);
                ctx.reply(&News::Parted { group: &group }).ignore();
            }
        }
        Ok(())
    }
}

fn check(what: &str, text: &str, chars_max: usize) -> Result<(), String> {
    match text.chars().count() {
        0 => Err(format!("{what} is needed.")),
        count if count > chars_max => Err(format!("{what} has at most {chars_max} characters.")),
        _ => Ok(()),
    }
}

pub(crate) fn serve(server: Server) -> Server {
    server.persistent("/raw-connection", ClassicOptions::default(), |_| Raw::default())
}

const NAME_CHARS_MAX: usize = 32;
const GROUP_CHARS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 2000;

/// Of more people, the page would be no use.
const PEOPLE_SHOWN_MAX: usize = 200;
