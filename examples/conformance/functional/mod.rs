//! The hubs and helpers that client libraries are driven against.

mod authorized;
mod front;
mod outside;
mod test_hub;
mod tokens;
mod work;

use std::time::Duration;

use tickhub::http::Response;
use tickhub::{
    ConnectionHandler, ConnectionOptions, Context, Hub, HubError, HubOptions, Message, Origins,
    Peer, Policy, Server, Transports,
};

use crate::events::Events;
use authorized::Authorized;
use test_hub::TestHub;
use tokens::Tokens;
use work::{Main, Quick, Wide, Work};

const SECOND: Duration = Duration::from_secs(1);

/// Mounts everything.
pub(crate) fn serve(server: Server) -> Server {
    let journal = Events::default();
    let tokens = Tokens::new();
    // What a page may do is decided by the headers of `front`.
    let connection =
        ConnectionOptions { allowed_origins: Origins::Any, ..ConnectionOptions::default() };
    let detailed = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    let server = front::serve(server).authenticate(tokens.scheme());
    let server = named_hubs(server, &detailed, &connection);
    let server = work_hubs(server, &journal, &detailed, &connection);
    let server = outside::serve(server);
    server
        .connection("/echo", |_| Echo, connection)
        .http("/generateJwtToken", move |request| {
            let token = tokens.issue(
                request.query("user").as_deref().unwrap_or("testuser"),
                request.query("role").as_deref(),
                request.query("lifetime").and_then(|seconds| seconds.parse().ok()).unwrap_or(5),
            );
            Response::new(200).content_type("text/plain").body(token.into_bytes())
        })
        .http("/events", move |request| {
            let tag = request.query("tag").unwrap_or_default();
            Response::new(200).content_type("application/json").body(journal.json(&tag))
        })
}

fn named_hubs(server: Server, options: &HubOptions, connection: &ConnectionOptions) -> Server {
    let without_web_sockets = ConnectionOptions {
        transports: Transports::SERVER_SENT_EVENTS | Transports::LONG_POLLING,
        ..connection.clone()
    };
    let named = ConnectionOptions { authorize: Some(Policy::named()), ..connection.clone() };
    let expiring = ConnectionOptions { close_on_authentication_expiration: true, ..named.clone() };
    server
        .hub_with("/testhub", options.clone(), connection.clone(), |_| TestHub)
        .also_at::<TestHub>("/testhub-nowebsockets", without_web_sockets)
        .hub_with("/authorizedhub", options.clone(), named, |_| Authorized)
        .also_at::<Authorized>("/expiringhub", expiring)
}

fn work_hubs(
    server: Server,
    journal: &Events,
    detailed: &HubOptions,
    connection: &ConnectionOptions,
) -> Server {
    let stateful = ConnectionOptions { allow_stateful_reconnects: true, ..connection.clone() };
    let quick = HubOptions {
        keep_alive_interval: SECOND,
        client_timeout_interval: 4 * SECOND,
        handshake_timeout: 2 * SECOND,
        ..HubOptions::default()
    };
    let quick_polls = ConnectionOptions { poll_timeout: 2 * SECOND, ..connection.clone() };
    let wide = HubOptions {
        maximum_parallel_invocations_per_client: 4,
        maximum_receive_message_size: Some(1 << 20),
        stream_buffer_capacity: 2,
        ..detailed.clone()
    };
    let (a, b, c) = (journal.clone(), journal.clone(), journal.clone());
    server
        .hub_with("/workhub", detailed.clone(), connection.clone(), move |_| Work::<Main>::new(&a))
        .also_at::<Work<Main>>("/workhub-stateful", stateful)
        .hub_with("/quickhub", quick, quick_polls, move |_| Work::<Quick>::new(&b))
        .hub_with("/widehub", wide, connection.clone(), move |_| Work::<Wide>::new(&c))
}

/// Writes back every piece of bytes that comes in.
struct Echo;

impl ConnectionHandler for Echo {
    fn on_receive(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) {
        peer.send(Message::new(bytes)).ignore();
    }
}

/// A query parameter of the request that opened the transport.
fn query<H: Hub>(ctx: &Context<'_, H>, name: &str) -> Option<String> {
    ctx.request()?.query(name).map(std::borrow::Cow::into_owned)
}

/// An error of the program, as .NET programs have most.
fn invalid_operation(text: impl Into<std::borrow::Cow<'static, str>>) -> HubError {
    HubError::internal("InvalidOperationException", text)
}
