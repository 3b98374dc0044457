//! The hub of the tests with real clients: every selector, every way to fail. Served with
//! `--lab` only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::questions;
use tickhub::http::{Request, Response};
use tickhub::{
    Call, Closed, ConnectionOptions, Context, Hub, HubError, HubOptions, Methods, Redirect, Server,
    Text, Transport, Transports, bearer_token,
};

/// What happened to each connection, by id.
type Journal = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

pub(crate) struct Lab {
    journal: Journal,
}

impl Hub for Lab {
    /// How long its welcome takes, in milliseconds.
    type State = u64;

    fn methods(m: &mut Methods<Self>) {
        m.on("Add", |_: &mut Lab, _: &mut Context<Lab>, a: i32, b: i32| a.wrapping_add(b))
            .on("Nothing", |_: &mut Lab, _: &mut Context<Lab>| ())
            .on("Large", |_: &mut Lab, _: &mut Context<Lab>, n: usize| "x".repeat(n))
            .on("ConnectionId", |_: &mut Lab, ctx: &mut Context<Lab>| ctx.connection_id())
            .on("Transport", |_: &mut Lab, ctx: &mut Context<Lab>| {
                ctx.transport().map(Transport::name)
            })
            .on("Token", |_: &mut Lab, ctx: &mut Context<Lab>| {
                ctx.request()
                    .and_then(|request| bearer_token(request.head()))
                    .map(std::borrow::Cow::into_owned)
            })
            .on("Fail", Lab::fail)
            .on("Abort", |_: &mut Lab, ctx: &mut Context<Lab>| ctx.abort())
            .on("CloseWithReconnect", |_: &mut Lab, ctx: &mut Context<Lab>| {
                let id = ctx.connection_id();
                ctx.send_away(id);
            })
            .on("Burst", Lab::burst)
            .on("Join", |_: &mut Lab, ctx: &mut Context<Lab>, group: Text| ctx.join(&group))
            .on("Leave", |_: &mut Lab, ctx: &mut Context<Lab>, group: Text| ctx.leave(&group))
            .on("JoinAndSend", Lab::join_and_send)
            .on_async("Later", later)
            .connected_async(welcome);
        selectors(m);
        questions::offer(m);
    }

    fn on_connected(&mut self, ctx: &mut Context<Self>) -> Result<(), HubError> {
        self.note(ctx, "connected");
        let welcome = ctx.request().and_then(|request| request.query("welcome")?.parse().ok());
        *ctx.state() = welcome.unwrap_or(0);
        Ok(())
    }

    fn on_resumed(&mut self, ctx: &mut Context<Self>, _: u64) {
        self.note(ctx, "resumed");
    }

    fn on_disconnected(
        &mut self,
        ctx: &mut Context<Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        let entry = match reason.error() {
            Some((type_name, text)) => format!("disconnected {type_name}: {text}"),
            None => "disconnected".to_owned(),
        };
        self.note(ctx, &entry);
        Ok(())
    }
}

impl Lab {
    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn fail(&mut self, _: &mut Context<Self>, kind: Text, text: String) -> Result<(), HubError> {
        match kind.as_str() {
            "hub" => Err(HubError::new(text)),
            "panic" => panic!("{text}"),
            _ => Err(HubError::internal("InvalidOperationException", text)),
        }
    }

    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn burst(&mut self, ctx: &mut Context<Self>, count: u32) {
        for number in 0..count {
            ctx.caller().send("message", (number.to_string(),)).ignore();
        }
    }

    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn join_and_send(
        &mut self,
        ctx: &mut Context<Self>,
        group: Text,
        text: Text,
    ) -> Result<&'static str, HubError> {
        ctx.join(&group)?;
        ctx.group(&group).send("message", (format!("group {group}"), text)).ignore();
        Ok("sent")
    }

    fn note(&self, ctx: &Context<Self>, entry: &str) {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.entry(ctx.connection_id().to_string()).or_default().push(entry.to_owned());
    }
}

async fn welcome(call: Call<Lab>) -> Result<(), HubError> {
    let ms = call.state(|_, ms, _| *ms).await.unwrap_or(0);
    call.sleep(Duration::from_millis(ms)).await;
    Ok(())
}

async fn later(call: Call<Lab>, text: String, ms: u64) -> String {
    call.sleep(Duration::from_millis(ms)).await;
    text
}

/// Each selector calls `message(its name, text)`.
fn selectors(m: &mut Methods<Lab>) {
    type C<'a> = Context<'a, Lab>;
    m.on("ToAll", |_: &mut Lab, ctx: &mut C, text: Text| {
        ctx.all().send("message", ("all", text)).ignore();
    })
    .on("ToAllExcept", |_: &mut Lab, ctx: &mut C, text: Text, ids: Vec<String>| {
        ctx.all_except(ids).send("message", ("allExcept", text)).ignore();
    })
    .on("ToOthers", |_: &mut Lab, ctx: &mut C, text: Text| {
        ctx.others().send("message", ("others", text)).ignore();
    })
    .on("ToCaller", |_: &mut Lab, ctx: &mut C, text: Text| {
        ctx.caller().send("message", ("caller", text)).ignore();
    })
    .on("ToClient", |_: &mut Lab, ctx: &mut C, id: Text, text: Text| {
        ctx.client(id.as_str()).send("message", ("client", text)).ignore();
    })
    .on("ToClients", |_: &mut Lab, ctx: &mut C, ids: Vec<String>, text: Text| {
        ctx.clients(ids).send("message", ("clients", text)).ignore();
    })
    .on("ToUser", |_: &mut Lab, ctx: &mut C, user: Text, text: Text| {
        ctx.user(&user).send("message", ("user", text)).ignore();
    })
    .on("ToUsers", |_: &mut Lab, ctx: &mut C, users: Vec<String>, text: Text| {
        ctx.users(&users).send("message", ("users", text)).ignore();
    })
    .on("ToGroup", |_: &mut Lab, ctx: &mut C, group: Text, text: Text| {
        ctx.group(&group).send("message", (format!("group {group}"), text)).ignore();
    })
    .on("ToGroups", |_: &mut Lab, ctx: &mut C, groups: Vec<String>, text: Text| {
        ctx.groups(&groups).send("message", ("groups", text)).ignore();
    })
    .on("ToGroupExcept", |_: &mut Lab, ctx: &mut C, group: Text, ids: Vec<String>, text: Text| {
        let name = format!("groupExcept {group}");
        ctx.group_except(&group, ids).send("message", (name, text)).ignore();
    })
    .on("ToOthersInGroup", |_: &mut Lab, ctx: &mut C, group: Text, text: Text| {
        let name = format!("othersInGroup {group}");
        ctx.others_in_group(&group).send("message", (name, text)).ignore();
    });
}

/// From `/hubs/away` to this hub, by as many steps as the query says.
fn to_the_lab(request: &Request<'_>) -> Option<Redirect> {
    let host = request.header("host")?;
    let steps = request.query("steps").and_then(|steps| steps.parse().ok()).unwrap_or(0_u32);
    let url = match steps {
        0 => format!("http://{host}/hubs/lab?user=sent"),
        _ => format!("http://{host}/hubs/away?steps={}", steps - 1),
    };
    Some(Redirect::to(url).access_token(format!("token-{steps}")))
}

pub(crate) fn serve(server: Server) -> Server {
    let journal = Journal::default();
    let shown = journal.clone();
    let connection = ConnectionOptions {
        allow_stateful_reconnects: true,
        user_id: Some(|request, _| request.query("user").map(std::borrow::Cow::into_owned)),
        ..ConnectionOptions::default()
    };
    let polling = ConnectionOptions { transports: Transports::LONG_POLLING, ..connection.clone() };
    server
        .hub_with("/hubs/lab", HubOptions::default(), connection, move |_| Lab {
            journal: journal.clone(),
        })
        .redirect("/hubs/away", to_the_lab)
        .also_at::<Lab>("/hubs/lab-by-polling", polling)
        .http_async("/lab/ask", questions::answer)
        .http("/lab/events", move |request| {
            let journal = shown.lock().unwrap_or_else(PoisonError::into_inner);
            let entries = request.query("id").and_then(|id| journal.get(id.as_ref()));
            let body = serde_json::to_vec(entries.unwrap_or(&Vec::new()));
            Response::new(200).content_type("application/json").body(body.unwrap_or_default())
        })
}
