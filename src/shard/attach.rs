//! Negotiation, and the moment a request becomes the transport of a connection.

use std::borrow::Cow;
use std::rc::Rc;

use smallvec::SmallVec;

use super::Engine;
use super::front::{forbidden, is_stranger};
use super::routes::Mount;
use crate::auth::Identity;
use crate::base::{ConnectionKey, SocketKey};
use crate::hub::contained;
use crate::protocol::http::{Method, Request, Response};
use crate::protocol::negotiate;
use crate::protocol::url;
use crate::protocol::websocket::deflate::Agreed;
use crate::protocol::websocket::{self, Decoder, Role, Verdict};
use crate::raw::Otherwise;
use crate::transport::{
    Compressed, Connection, Framing, HttpStage, SocketStage, Stage, Transport, WebSocketStage,
};

/// What became of a request.
pub(super) enum Answer {
    /// This is the answer.
    Response(Response<'static>),
    /// The socket speaks something else now; the answer is queued.
    Upgraded,
    /// The answer comes later; the request stands in the HTTP state.
    Later,
}

impl Engine {
    /// `POST {hub}/negotiate` (§1.2).
    pub(super) fn negotiate(
        &mut self,
        mount: &Mount,
        request: &Request<'_>,
        identity: Option<Rc<Identity>>,
    ) -> Response<'static> {
        if request.method() != Method::Post {
            return Response::text(405, "");
        }
        if let Some(elsewhere) = self.redirect(request) {
            return elsewhere;
        }
        let versions = parameters(request, "negotiateVersion");
        let mut body = Vec::new();
        match negotiate::choose_version(versions, mount.options.minimum_protocol_version) {
            Err(error) => negotiate::write_error(&mut body, &error.to_string()),
            Ok(version) => {
                if self.registry.len() >= self.http.connections_max {
                    return Response::text(503, "Too many connections.").header("Retry-After", "5");
                }
                let key = self.registry.create(mount.world, mount.options.clone(), version > 0);
                let connection = self.registry.get_mut(key).expect("it was just made");
                connection.identity = identity;
                let is_stateful = mount.options.allow_stateful_reconnects
                    && negotiate::asks_stateful(parameters(request, "useStatefulReconnect"));
                // In version 0 others know what opens it: nobody may take it over (T-SR).
                connection.hub.may_be_stateful = is_stateful && version > 0;
                negotiate::Response {
                    stateful_reconnect: is_stateful,
                    version,
                    connection_id: &connection.id.to_string(),
                    connection_token: &connection.token.to_string(),
                    transports: mount.options.transports,
                }
                .write(&mut body);
            }
        }
        Response::new(200).content_type("application/json").body(body)
    }

    /// `POST {path}/negotiate` where no hub is, but perhaps a way to one.
    pub(super) fn redirect_only(&mut self, request: &Request<'_>) -> Response<'static> {
        if request.method() != Method::Post {
            return Response::text(405, "");
        }
        self.redirect(request).unwrap_or_else(|| Response::text(404, "Not Found"))
    }

    /// Where a client that negotiates is sent, if it is (§1.2).
    fn redirect(&mut self, request: &Request<'_>) -> Option<Response<'static>> {
        let path = request.path();
        let redirector = self.routes.redirector(&path)?;
        let redirect = contained(|| redirector(request)).unwrap_or_else(|panic| {
            self.registry.count_panic();
            tracing::error!(panic, "a redirect panicked; its client stays here");
            None
        })?;
        let mut body = Vec::new();
        redirect.write(&mut body);
        Some(Response::new(200).content_type("application/json").body(body))
    }

    /// Any request on the path of a hub itself (§1.3, §1.4, appendix A.1).
    pub(super) fn hub_request(
        &mut self,
        mount: &Mount,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &mut Request<'_>,
    ) -> Answer {
        let id = request.query("id").filter(|id| !id.is_empty()).map(Cow::into_owned);
        let id = id.as_deref();
        let answered = match request.method() {
            Method::Get => self.get(mount, socket, http, request, id),
            Method::Post => {
                self.named(mount, http, id).map(|key| self.post(key, socket, http, request))
            }
            Method::Delete => self.named(mount, http, id).map(|key| self.delete(key)),
            _ => Err(Response::text(405, "")),
        };
        answered.unwrap_or_else(Answer::Response)
    }

    /// A GET chooses the transport (§1.3).
    fn get(
        &mut self,
        mount: &Mount,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
        id: Option<&str>,
    ) -> Result<Answer, Response<'static>> {
        if is_event_stream(request) {
            from_our_pages(mount, request)?;
            let key = self.named(mount, http, id)?;
            self.admit(mount, key, Transport::ServerSentEvents)?;
            self.open_stream(socket, key, http, request);
            return Ok(Answer::Upgraded);
        }
        // What is no proper opening of a WebSocket is an ordinary request to the original,
        // whatever is wrong with it (COR-164).
        let Verdict::Accept { key: accept } = Verdict::of(request) else {
            let polled = self.named(mount, http, id).and_then(|key| {
                self.admit(mount, key, Transport::LongPolling)?;
                Ok(self.poll(socket, key, http, request))
            });
            return polled.map_err(uncached);
        };
        from_our_pages(mount, request)?;
        let key = if let Some(token) = id {
            if self.registry.by_token(mount.world, token).is_none() {
                // The one refusal that has no content type (§1.4).
                return Err(Response::new(404).body(UNKNOWN_TOKEN.as_bytes()));
            }
            let key = self.named(mount, http, id)?;
            if self.registry.get(key).is_some_and(Connection::is_resumable) {
                offers(mount, Transport::WebSockets)?;
                return self.resume(socket, key, http, request, accept);
            }
            key
        } else {
            // Without negotiation (§1.9).
            offers(mount, Transport::WebSockets)?;
            if self.registry.len() >= self.http.connections_max {
                return Err(too_many());
            }
            self.registry.create(mount.world, mount.options.clone(), false)
        };
        self.admit(mount, key, Transport::WebSockets)?;
        self.upgrade(socket, key, http, request, accept);
        Ok(Answer::Upgraded)
    }

    /// The connection that a request names, unless it is somebody else's.
    fn named(
        &self,
        mount: &Mount,
        http: &HttpStage,
        id: Option<&str>,
    ) -> Result<ConnectionKey, Response<'static>> {
        let id = id.ok_or_else(|| Response::text(400, "Connection ID required"))?;
        let known = self.registry.by_token(mount.world, id);
        let key = known.ok_or_else(|| Response::text(404, UNKNOWN_TOKEN))?;
        match self.registry.get(key) {
            Some(known) if is_stranger(known, http.identity.as_deref()) => Err(forbidden()),
            _ => Ok(key),
        }
    }

    /// Whether a transport may attach to a connection; the checks are in the order of §1.4.
    fn admit(
        &self,
        mount: &Mount,
        key: ConnectionKey,
        transport: Transport,
    ) -> Result<(), Response<'static>> {
        offers(mount, transport)?;
        let Some(connection) = self.registry.get(key) else { return Err(ended()) };
        match connection.transport {
            Some(other) if other != transport => {
                Err(Response::text(400, "Cannot change transports mid-connection"))
            }
            Some(_) if connection.stage == Stage::Closing && !connection.awaits_farewell() => {
                Err(ended())
            }
            // Nobody, or the last poll of the same connection.
            None | Some(Transport::LongPolling) => Ok(()),
            // A second stream for a living connection (COR-018, COR-019).
            Some(_) => Err(Response::text(409, "")),
        }
    }

    /// A WebSocket for a plain endpoint.
    pub(super) fn websocket_request(
        &mut self,
        mount: &Mount,
        otherwise: Option<Otherwise>,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Answer {
        let verdict = Verdict::of(request);
        let Verdict::Accept { key } = verdict else {
            let usual = || verdict.refusal().expect("all others are refusals");
            let Some(otherwise) = otherwise else { return Answer::Response(usual()) };
            let response = contained(|| otherwise(request));
            let response = response.unwrap_or_else(|panic| self.failed(&panic));
            // Frames may follow what was meant as an opening: they are no requests (T-UPG).
            let is_ordinary = verdict == Verdict::NotWebSocket;
            return Answer::Response(if is_ordinary { response } else { response.closing() });
        };
        if let Err(refusal) = from_our_pages(mount, request) {
            return Answer::Response(refusal);
        }
        if self.registry.len() >= self.http.connections_max {
            return Answer::Response(too_many());
        }
        let connection = self.registry.create(mount.world, mount.options.clone(), false);
        self.upgrade(socket, connection, http, request, key);
        Answer::Upgraded
    }

    fn upgrade(
        &mut self,
        socket_key: SocketKey,
        key: ConnectionKey,
        http: &mut HttpStage,
        request: &Request<'_>,
        accept: &str,
    ) {
        self.carry(key, Transport::WebSockets, http, request);
        self.speak_frames(socket_key, key, http, request, accept);
        self.begin(key);
    }

    /// Answers the upgrade: the socket carries a connection from now on.
    fn speak_frames(
        &mut self,
        socket_key: SocketKey,
        key: ConnectionKey,
        http: &mut HttpStage,
        request: &Request<'_>,
        accept: &str,
    ) {
        let offered = websocket::offered_subprotocols(request.head());
        let offered: SmallVec<[&str; 4]> = offered.collect();
        let connection = self.registry.get_mut(key).expect("it was found or made just now");
        connection.socket = Some(socket_key);
        // Answers to earlier requests of this socket leave first; the 101 follows them.
        connection.outbox = std::mem::take(&mut http.outbox);
        let options = connection.options.clone();
        let mut names = options.sub_protocols.iter().map(String::as_str);
        let chosen = names.find(|name| offered.contains(name));
        let headers = &http.headers;
        // What a stateful connection was sent may have to be sent again, on a socket whose windows
        // know nothing of it.
        let is_stateful = connection.hub.may_be_stateful || connection.stateful.is_some();
        let compression = options.compression.as_ref().filter(|_| !is_stateful);
        let met = compression.and_then(|options| Agreed::choose(options, request.head()));
        let mut decoder = Decoder::new(Role::Server);
        let mut extension = None;
        if let (Some(options), Some((agreed, answer))) = (compression, met) {
            connection.framing = Framing::Compressed;
            connection.compression = Some(Box::new(Compressed::new(agreed, options)));
            decoder = decoder.with_compression();
            extension = Some(answer);
        }
        self.registry.control(key, |out| {
            websocket::write_response(out, accept, chosen, extension.as_deref(), headers);
        });
        if let Some(socket) = self.sockets.get_mut(socket_key) {
            socket.stage = SocketStage::WebSocket(WebSocketStage {
                decoder,
                connection: key,
                pong: None,
                peer_closed: false,
                broken: false,
                held: None,
            });
        }
    }

    /// A client comes back to a connection with stateful reconnect: no handshake, nobody new
    /// (COR-142). Who has the token takes over: the old socket may look alive for long after the
    /// client has given it up.
    fn resume(
        &mut self,
        socket: SocketKey,
        key: ConnectionKey,
        http: &mut HttpStage,
        request: &Request<'_>,
        accept: &str,
    ) -> Result<Answer, Response<'static>> {
        let Some(connection) = self.registry.get(key) else { return Err(ended()) };
        // Whoever comes back has to be who left: nobody, too, is somebody else here.
        let (owner, identity) = (connection.identity.as_deref(), http.identity.as_deref());
        let is_owner = owner.map(Identity::id) == identity.map(Identity::id);
        let is_user = connection.options.user_id.is_none_or(|user_id| {
            user_id(&request.to_head(), identity).as_deref() == connection.user.as_deref()
        });
        if !(is_owner && is_user) {
            return Err(forbidden());
        }
        if let Some(old) = connection.socket {
            self.close_socket(old, true);
        }
        // What the old socket had brought may have ended it.
        let Some(connection) = self.registry.get(key).filter(|known| known.is_parked()) else {
            return Err(ended());
        };
        let world = connection.world as usize;
        self.prolong(key, http.identity.take());
        self.speak_frames(socket, key, http, request, accept);
        self.apps[world].resumed(&mut self.registry, key);
        Ok(Answer::Upgraded)
    }

    /// Remembers what carries a connection from now on, the request that began it, and whose that
    /// was.
    pub(super) fn carry(
        &mut self,
        key: ConnectionKey,
        transport: Transport,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) {
        let Some(connection) = self.registry.get(key) else { return };
        let identity = http.identity.take();
        let expires_at = self.expiry(connection, identity.as_deref());
        let Some(connection) = self.registry.get_mut(key) else { return };
        let head = request.to_head();
        connection.user = match connection.options.user_id {
            Some(user_id) => user_id(&head, identity.as_deref()).map(Into::into),
            None => identity.as_ref().and_then(|identity| identity.id()).map(Into::into),
        };
        connection.identity = identity;
        connection.expires_at = expires_at;
        connection.request = Some(Box::new(head));
        connection.transport = Some(transport);
    }

    /// The application hears of a connection; what was posted before is read now (COR-027).
    pub(super) fn begin(&mut self, key: ConnectionKey) {
        let Some(world) = self.world_of(key) else { return };
        self.apps[world].opened(&mut self.registry, key);
        if self.registry.get(key).is_some_and(|connection| !connection.backlog.is_empty()) {
            self.registry.wait(key);
        }
    }
}

/// The connection is known, but has ended.
pub(super) fn ended() -> Response<'static> {
    Response::text(404, "")
}

/// Whether a browser that follows the page of somebody else may open this (T-ORIGIN).
fn from_our_pages(mount: &Mount, request: &Request<'_>) -> Result<(), Response<'static>> {
    let options = &mount.options;
    let is_ours = options.allowed_origins.admit(request.head(), options.cors.as_ref());
    if is_ours { Ok(()) } else { Err(forbidden()) }
}

fn offers(mount: &Mount, transport: Transport) -> Result<(), Response<'static>> {
    if transport.is_in(mount.options.transports) {
        return Ok(());
    }
    let text = format!("{transport} transport not supported by this end point type");
    Err(Response::new(404).content_type("text/plain").body(text.into_bytes()))
}

/// What nobody is known by; perhaps no more (§1.4).
const UNKNOWN_TOKEN: &str = "No Connection with that ID";

fn too_many() -> Response<'static> {
    Response::text(503, "Too many connections.").header("Retry-After", "5")
}

/// The headers of every answer to a poll (COR-028).
pub(super) fn uncached(response: Response<'static>) -> Response<'static> {
    response
        .header("Cache-Control", "no-cache, no-store")
        .header("Pragma", "no-cache")
        .header("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}

/// The values of a query parameter, in whatever letter case it is named (COR-005).
fn parameters(request: &Request<'_>, name: &str) -> SmallVec<[String; 1]> {
    url::query_pairs(request.head().raw_query())
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// Whether the client asks for an event stream: the media type as an element of its own, without
/// parameters (§1.3).
fn is_event_stream(request: &Request<'_>) -> bool {
    request
        .head()
        .header_values("accept")
        .flat_map(|list| list.split(','))
        .any(|element| element.trim().eq_ignore_ascii_case("text/event-stream"))
}
