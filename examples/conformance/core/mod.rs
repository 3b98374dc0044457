//! The Core transcript hub and its mount points.

mod asks;
mod calls;
mod connection;
mod echo;
mod echoes;
mod filters;
mod outside;
mod policies;
mod raw;
mod selectors;
mod sign_in;
mod streams;
mod uploads;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use tickhub::http::{Method, Request, Response};
use tickhub::{
    Call, Closed, ConnectionOptions, Context, Cors, Hub, HubError, HubOptions, HubProtocolKind,
    Methods, Origins, Policy, Server, Transports,
};

use crate::events::Events;

/// The hub of the transcripts: one method for everything that a client can see.
pub(crate) struct Transcript<W = Plain> {
    events: Events,
    world: PhantomData<W>,
}

/// What a method of it gets.
type Ctx<'a, W> = Context<'a, Transcript<W>>;

/// The filters around a hub belong to its type, as its methods do.
pub(crate) trait World: Sized + 'static {
    /// Puts filters around the hub.
    fn filter(m: &mut Methods<Transcript<Self>>) {
        let _ = m;
    }
}

/// A hub without filters.
pub(crate) struct Plain;

impl World for Plain {}

impl<W: World> Hub for Transcript<W> {
    type State = Kept;

    fn methods(m: &mut Methods<Self>) {
        W::filter(m);
        echoes::offer(m);
        calls::offer(m);
        selectors::offer(m);
        connection::offer(m);
        asks::offer(m);
        policies::offer(m);
        streams::offer(m);
        uploads::offer(m);
        m.connected_async(connected);
    }

    fn on_connected(&mut self, ctx: &mut Ctx<W>) -> Result<(), HubError> {
        self.note(ctx, "connected");
        let wish = query(ctx, "onconnected");
        ctx.state().wish.clone_from(&wish);
        match wish.as_deref() {
            Some("throw") => return Err(failure("no entry")),
            Some("hubthrow") => return Err(HubError::new("no entry")),
            Some("abort") => ctx.abort(),
            Some("send") => ctx.caller().send("message", ("connected", "hi")).ignore(),
            Some("join") => ctx.join("lobby")?,
            _ => {}
        }
        Ok(())
    }

    fn on_disconnected(&mut self, ctx: &mut Ctx<W>, reason: &Closed) -> Result<(), HubError> {
        let entry = match reason.error() {
            Some((type_name, text)) => format!("disconnected {type_name}: {text}"),
            None => "disconnected".to_owned(),
        };
        self.note(ctx, entry);
        match query(ctx, "ondisconnected").as_deref() {
            Some("send") => ctx.all().send("message", ("gone", "bye")).ignore(),
            Some("group") => ctx.group("lobby").send("message", ("gone", "bye")).ignore(),
            Some("throw") => return Err(failure("no exit")),
            _ => {}
        }
        Ok(())
    }
}

/// What is kept with a connection.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// What `Remember` stored.
    remembered: BTreeMap<String, String>,
    /// What the request asked for in `onconnected`.
    wish: Option<String>,
}

/// The part of the welcome that takes time.
async fn connected<W: World>(call: Call<Transcript<W>>) -> Result<(), HubError> {
    let wish = call.state(|_, kept, _| kept.wish.take()).await.flatten();
    match wish.as_deref() {
        Some("slow") => {
            call.sleep(Duration::from_millis(700)).await;
            note(&call, "slow connected".to_owned()).await;
        }
        Some("ask") => drop(call.ask_caller::<String>("ask", ("early",)).await?),
        _ => {}
    }
    Ok(())
}

impl<W: World> Transcript<W> {
    fn new(events: &Events) -> Self {
        Self { events: events.clone(), world: PhantomData }
    }

    /// Writes to the event log of the calling connection.
    fn note(&mut self, ctx: &Ctx<W>, entry: impl Into<String>) {
        self.events.note(&ctx.connection_id(), entry);
    }
}

/// Writes to the event log from an asynchronous method.
async fn note<W: World>(call: &Call<Transcript<W>>, entry: String) {
    let id = call.connection_id();
    call.hub(move |hub, _| hub.events.note(&id, entry)).await;
}

/// An error of the program, whose text is nobody's business.
fn failure(text: &'static str) -> HubError {
    HubError::internal("InvalidOperationException", text)
}

/// All values of a query parameter of the request that opened the connection.
fn query<W: World>(ctx: &Ctx<W>, name: &str) -> Option<String> {
    joined(ctx.request()?.head().query_values(name))
}

/// Several values of one name, as .NET shows them.
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
        // As the original does unless told otherwise.
        allowed_origins: Origins::Any,
        ..ConnectionOptions::default()
    };
    let server = one_world(server.authenticate(sign_in::identity), &events, &connection);
    let server = worlds_of_their_own(server, &events, &connection);
    let server = raw::serve(server);
    let server = echo::serve(server, &events, &connection);
    let server = outside::serve(server);
    server
        .http("/events", move |request| event_log(&events, request))
        .http("/", |_| Response::new(404))
}

/// The hub of `/hub`, and all the paths that lead to it.
fn one_world(server: Server, events: &Events, connection: &ConnectionOptions) -> Server {
    let events = events.clone();
    let server = server.hub_with("/hub", HubOptions::default(), connection.clone(), move |_| {
        Transcript::<Plain>::new(&events)
    });
    let by = |transports| ConnectionOptions { transports, ..connection.clone() };
    let cors = Cors::origins(["http://good.example"]).any_method().any_header();
    let without_web_sockets = Transports::SERVER_SENT_EVENTS | Transports::LONG_POLLING;
    server
        .also_at::<Transcript>("/ws-only", by(Transports::WEB_SOCKETS))
        .also_at::<Transcript>("/sse-only", by(Transports::SERVER_SENT_EVENTS))
        .also_at::<Transcript>("/lp-only", by(Transports::LONG_POLLING))
        .also_at::<Transcript>("/no-ws", by(without_web_sockets))
        .also_at::<Transcript>(
            "/min1",
            ConnectionOptions { minimum_protocol_version: 1, ..connection.clone() },
        )
        .also_at::<Transcript>(
            "/cors",
            ConnectionOptions { cors: Some(cors), ..connection.clone() },
        )
        .also_at::<Transcript>(
            "/subprotocol",
            ConnectionOptions { sub_protocols: vec!["beta".into()], ..connection.clone() },
        )
}

/// Hubs of the same kind with connections, groups and users of their own.
fn worlds_of_their_own(server: Server, events: &Events, connection: &ConnectionOptions) -> Server {
    let plain = HubOptions::default();
    let detailed = HubOptions { enable_detailed_errors: true, ..plain.clone() };
    let fast = HubOptions {
        keep_alive_interval: SECOND,
        client_timeout_interval: 3 * SECOND,
        handshake_timeout: SECOND,
        ..detailed.clone()
    };
    let fast_connection =
        ConnectionOptions { poll_timeout: SECOND, close_timeout: SECOND, ..connection.clone() };
    let small = HubOptions { maximum_receive_message_size: Some(200), ..detailed.clone() };
    let parallel = HubOptions {
        maximum_parallel_invocations_per_client: 3,
        stream_buffer_capacity: 2,
        ..plain.clone()
    };
    let json_only =
        HubOptions { supported_protocols: vec![HubProtocolKind::Json], ..plain.clone() };
    let signed_in =
        ConnectionOptions { authorize: Some(Policy::signed_in()), ..connection.clone() };
    let admin =
        ConnectionOptions { authorize: Some(Policy::role(sign_in::ADMIN)), ..connection.clone() };
    let expiring =
        ConnectionOptions { close_on_authentication_expiration: true, ..connection.clone() };
    let stateful = ConnectionOptions { allow_stateful_reconnects: true, ..connection.clone() };
    let stateful_small =
        HubOptions { stateful_reconnect_buffer_size: 300, ..HubOptions::default() };
    let worlds = [
        ("/stateful", plain.clone(), &stateful),
        ("/stateful-small", stateful_small, &stateful),
        ("/auth", plain.clone(), &signed_in),
        ("/admin", plain.clone(), &admin),
        ("/expiring", plain.clone(), &expiring),
        ("/detailed", detailed, connection),
        ("/fast", fast, &fast_connection),
        ("/small", small, connection),
        ("/parallel3", parallel, connection),
        ("/json-only", json_only, connection),
    ];
    let server = worlds.into_iter().fold(server, |server, (path, options, connection)| {
        let events = events.clone();
        server
            .hub_with(path, options, connection.clone(), move |_| Transcript::<Plain>::new(&events))
    });
    let events = events.clone();
    server.hub_with("/filtered", plain, connection.clone(), move |_| {
        Transcript::<filters::Filtered>::new(&events)
    })
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
