//! Groups, and whom a message reaches.

use tickhub::{Audience, Clients, HubError, Methods, Text};

use super::{Ctx, Kind, Work};

pub(super) fn offer<K: Kind>(m: &mut Methods<Work<K>>) {
    m.on("Join", |_: &mut Work<K>, ctx: &mut Ctx<K>, group: Text| ctx.join(&group))
        .on("Leave", |_: &mut Work<K>, ctx: &mut Ctx<K>, group: Text| ctx.leave(&group))
        .on("JoinOther", |_: &mut Work<K>, ctx: &mut Ctx<K>, id: Text, group: Text| {
            ctx.add_to_group(id.as_str(), &group)
        })
        .on("LeaveOther", |_: &mut Work<K>, ctx: &mut Ctx<K>, id: Text, group: Text| {
            ctx.remove_from_group(id.as_str(), &group);
        })
        .on("Send", send)
        .on(
            "SendMany",
            |_: &mut Work<K>, ctx: &mut Ctx<K>, group: Text, count: u32, prefix: String| {
                for number in 1..=count {
                    ctx.group(&group).send("Message", (format!("{prefix}{number}"),)).ignore();
                }
            },
        );
}

fn send<K: Kind>(
    _: &mut Work<K>,
    ctx: &mut Ctx<K>,
    selector: Text,
    names: Option<Vec<String>>,
    except: Option<Vec<String>>,
    text: Option<String>,
) -> Result<(), HubError> {
    let (names, except) = (names.unwrap_or_default(), except.unwrap_or_default());
    let audience = match (selector.as_str(), names.as_slice()) {
        ("Caller", _) => ctx.caller(),
        ("Others", _) => ctx.others(),
        ("OthersInGroup", [group, ..]) => ctx.others_in_group(group),
        _ => select(ctx.everybody(), selector.as_str(), &names, &except)
            .ok_or_else(|| HubError::internal("ArgumentException", "an unknown selector"))?,
    };
    audience.send("Message", (text,)).ignore();
    Ok(())
}

/// The receivers that do not depend on a caller; nothing, if there is no such selector.
pub(in super::super) fn select<'n>(
    clients: &'n mut Clients<'_>,
    selector: &str,
    names: &'n [String],
    except: &[String],
) -> Option<Audience<'n>> {
    let except = except.iter().map(String::as_str);
    Some(match (selector, names) {
        ("All", _) => clients.all(),
        ("AllExcept", _) => clients.all_except(except),
        ("Client", [id, ..]) => clients.client(id.as_str()),
        ("Clients", ids) => clients.clients(ids.iter().map(String::as_str)),
        ("Group", [group, ..]) => clients.group(group),
        ("GroupExcept", [group, ..]) => clients.group_except(group, except),
        ("Groups", groups) => clients.groups(groups),
        ("User", [user, ..]) => clients.user(user),
        ("Users", users) => clients.users(users),
        _ => return None,
    })
}
