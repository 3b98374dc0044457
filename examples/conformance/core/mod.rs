//! The Core transcript hub and its mount points.

mod calls;
mod connection;
mod echoes;
mod raw;
mod selectors;
mod sign_in;

use std::collections::BTreeMap;
use std::time::Duration;

use tickhub::http::{Method, Request, Response};
use tickhub::{
    Call, Closed, ConnectionOptions, Context, Hub, HubError, HubOptions, HubProtocolKind, Methods,
    Server,
};

use crate::events::Events;

/// The hub of the transcripts: one method for everything that a client can see.
pub(crate) struct Transcript {
    events: Events,
}

/// What a method of it gets.
type Ctx<'a> = Context<'a, Transcript>;

impl Hub for Transcript {
    /// What `Remember` stored.
    type State = BTreeMap<String, String>;

    fn methods(m: &mut Methods<Self>) {
        echoes::offer(m);
        calls::offer(m);
        selectors::offer(m);
        connection::offer(m);
    }

    fn on_connected(&mut self, ctx: &mut Ctx) -> Result<(), HubError> {
        self.events.note(ctx.connection_id(), "connected");
        match query(ctx, "onconnected").as_deref() {
            Some("throw") => return Err(failure("no entry")),
            Some("hubthrow") => return Err(HubError::new("no entry")),
            Some("abort") => ctx.abort(),
            Some("send") => ctx.caller().send("message", ("connected", "hi")).ignore(),
            Some("join") => ctx.join("lobby")?,
            _ => {}
        }
        Ok(())
    }

    fn on_disconnected(&mut self, ctx: &mut Ctx, reason: &Closed) {
        let entry = match reason.error() {
            Some((type_name, text)) => format!("disconnected {type_name}: {text}"),
            None => "disconnected".to_owned(),
        };
        self.events.note(ctx.connection_id(), entry);
        match query(ctx, "ondisconnected").as_deref() {
            Some("send") => ctx.all().send("message", ("gone", "bye")).ignore(),
            Some("group") => ctx.group("lobby").send("message", ("gone", "bye")).ignore(),
            _ => {}
        }
    }
}

impl Transcript {
    /// Writes to the event log of the calling connection.
    fn note(&mut self, ctx: &Ctx, entry: impl Into<String>) {
        self.events.note(ctx.connection_id(), entry);
    }
}

/// Writes to the event log from an asynchronous method.
async fn note(call: &Call<Transcript>, entry: String) {
    let id = call.connection_id();
    call.hub(move |hub, _| hub.events.note(id, entry)).await;
}

/// An error of the program, whose text is nobody's business.
fn failure(text: &'static str) -> HubError {
    HubError::internal("InvalidOperationException", text)
}

/// All values of a query parameter of the request that opened the connection.
fn query(ctx: &Ctx, name: &str) -> Option<String> {
    joined(ctx.request()?.head().query_values(name))
}

fn joined<T: AsRef<str>>(values: impl Iterator<Item = T>) -> Option<String> {
    values.fold(None, |all: Option<String>, value| {
        Some(all.map_or(String::new(), |all| all + ",") + value.as_ref())
    })
}

const SECOND: Duration = Duration::from_secs(1);

/// Mounts everything; what is not mounted is 404 without a body.
pub(crate) fn serve(server: Server) -> Server {
    let events = Events::default();
    let connection = ConnectionOptions {
        disconnect_timeout: 5 * SECOND,
        user_id: Some(sign_in::user),
        ..ConnectionOptions::default()
    };
    let plain = HubOptions::default();
    let detailed = HubOptions { enable_detailed_errors: true, ..plain.clone() };
    let world = |server: Server, path: &str, hub: HubOptions, connection: ConnectionOptions| {
        let events = events.clone();
        server.hub_with(path, hub, connection, move |_| Transcript { events: events.clone() })
    };

    let server = world(server, "/hub", plain.clone(), connection.clone());
    let server = world(server, "/detailed", detailed.clone(), connection.clone());
    let server = world(
        server,
        "/fast",
        HubOptions {
            keep_alive_interval: SECOND,
            client_timeout_interval: 3 * SECOND,
            handshake_timeout: SECOND,
            ..detailed.clone()
        },
        ConnectionOptions { poll_timeout: SECOND, close_timeout: SECOND, ..connection.clone() },
    );
    let server = world(
        server,
        "/small",
        HubOptions { maximum_receive_message_size: Some(200), ..detailed },
        connection.clone(),
    );
    let server = world(
        server,
        "/parallel3",
        HubOptions { maximum_parallel_invocations_per_client: 3, ..plain.clone() },
        connection.clone(),
    );
    let server = world(
        server,
        "/json-only",
        HubOptions { supported_protocols: vec![HubProtocolKind::Json], ..plain.clone() },
        connection.clone(),
    );
    raw::serve(server)
        .http("/events", move |request| event_log(&events, request))
        .http("/", |_| Response::new(404))
}

/// `GET /events/ID`.
fn event_log(events: &Events, request: &Request<'_>) -> Response<'static> {
    let path = request.path();
    match path.strip_prefix("/events/") {
        Some(id) if request.method() == Method::Get => {
            Response::new(200).content_type("application/json").body(events.json(id))
        }
        _ => Response::new(404),
    }
}
