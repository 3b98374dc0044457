//! Negotiation, and the moment a socket becomes the transport of a connection.

use smallvec::SmallVec;

use super::Engine;
use super::routes::Mount;
use crate::base::{ConnectionKey, SocketKey};
use crate::protocol::http::{Method, Request, Response};
use crate::protocol::negotiate::{self, Transports};
use crate::protocol::url;
use crate::protocol::websocket::{self, Decoder, Role, Verdict};
use crate::transport::{HttpStage, SocketStage, Stage, WebSocketStage};

/// What became of a request.
pub(super) enum Answer {
    /// This is the answer.
    Response(Response<'static>),
    /// The socket is a WebSocket now; its 101 is queued.
    Upgraded,
}

impl Engine {
    /// `POST {hub}/negotiate` (§1.2).
    pub(super) fn negotiate(&mut self, mount: &Mount, request: &Request<'_>) -> Response<'static> {
        if request.method() != Method::Post {
            return Response::text(405, "");
        }
        let versions: SmallVec<[String; 1]> = url::query_pairs(request.head().raw_query())
            .filter(|(name, _)| name.eq_ignore_ascii_case("negotiateVersion"))
            .map(|(_, value)| value.into_owned())
            .collect();
        let mut body = Vec::new();
        match negotiate::choose_version(&versions, mount.options.minimum_protocol_version) {
            Err(error) => negotiate::write_error(&mut body, &error.to_string()),
            Ok(version) => {
                if self.registry.len() >= self.http.connections_max {
                    return Response::text(503, "Too many connections.").header("Retry-After", "5");
                }
                let key = self.registry.create(mount.world, mount.options.clone(), version > 0);
                let connection = self.registry.get(key).expect("it was just made");
                negotiate::Response {
                    stateful_reconnect: false,
                    version,
                    connection_id: &connection.id.to_string(),
                    connection_token: &connection.token.to_string(),
                    transports: Transports::WEB_SOCKETS,
                }
                .write(&mut body);
            }
        }
        Response::new(200).content_type("application/json").body(body)
    }

    /// Any request on the path of a hub itself (§1.3, §1.4, appendix A.1).
    pub(super) fn hub_request(
        &mut self,
        mount: &Mount,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Answer {
        let id = request.query("id").filter(|id| !id.is_empty());
        let response = match request.method() {
            Method::Get if is_event_stream(request) => {
                self.other_transport(mount, id.as_deref(), "ServerSentEvents")
            }
            // What is no proper opening of a WebSocket is an ordinary request to the original,
            // whatever is wrong with it (COR-164).
            Method::Get => match Verdict::of(request) {
                Verdict::Accept { key } => {
                    return self.attach(mount, socket, http, request, id.as_deref(), key);
                }
                _ => uncached(self.other_transport(mount, id.as_deref(), "LongPolling")),
            },
            Method::Post => self.with_known_id(mount, id.as_deref(), |_| {
                Response::text(405, "POST requests are not allowed for WebSocket connections.")
            }),
            Method::Delete => self.with_known_id(mount, id.as_deref(), |_| {
                Response::text(400, "Cannot terminate this connection using the DELETE endpoint.")
            }),
            _ => Response::text(405, ""),
        };
        Answer::Response(response)
    }

    /// A WebSocket for a plain endpoint.
    pub(super) fn websocket_request(
        &mut self,
        mount: &Mount,
        subprotocols: &[String],
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Answer {
        let verdict = Verdict::of(request);
        let Verdict::Accept { key } = verdict else {
            return Answer::Response(verdict.refusal().expect("all others are refusals"));
        };
        if self.registry.len() >= self.http.connections_max {
            return Answer::Response(too_many());
        }
        let offered = websocket::offered_subprotocols(request.head());
        let offered: SmallVec<[&str; 4]> = offered.collect();
        let chosen = subprotocols.iter().find(|name| offered.contains(&name.as_str()));
        let connection = self.registry.create(mount.world, mount.options.clone(), false);
        self.upgrade(socket, connection, http, request, key, chosen.map(String::as_str));
        Answer::Upgraded
    }

    /// A WebSocket for a hub: for a negotiated connection, or for a new one (§1.9).
    fn attach(
        &mut self,
        mount: &Mount,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
        id: Option<&str>,
        key: &str,
    ) -> Answer {
        let connection = match id {
            None if self.registry.len() >= self.http.connections_max => {
                return Answer::Response(too_many());
            }
            None => self.registry.create(mount.world, mount.options.clone(), false),
            Some(id) => match self.registry.by_token(mount.world, id) {
                None => return Answer::Response(no_connection()),
                Some(known) => match self.registry.get(known).map(|known| known.stage) {
                    Some(Stage::Negotiated) => known,
                    Some(Stage::Closing) | None => return Answer::Response(no_connection()),
                    // A second socket for a living connection (COR-018).
                    Some(_) => return Answer::Response(Response::text(409, "")),
                },
            },
        };
        self.upgrade(socket, connection, http, request, key, None);
        Answer::Upgraded
    }

    fn upgrade(
        &mut self,
        socket_key: SocketKey,
        key: ConnectionKey,
        http: &mut HttpStage,
        request: &Request<'_>,
        accept: &str,
        subprotocol: Option<&str>,
    ) {
        let head = request.to_head();
        let connection = self.registry.get_mut(key).expect("it was found or made just now");
        if let Some(user_id) = connection.options.user_id {
            connection.user = user_id(&head).map(Into::into);
        }
        connection.request = Some(Box::new(head));
        connection.socket = Some(socket_key);
        // Answers to earlier requests of this socket leave first; the 101 follows them.
        connection.outbox = std::mem::take(&mut http.outbox);
        self.registry.control(key, |out| websocket::write_response(out, accept, subprotocol));
        if let Some(socket) = self.sockets.get_mut(socket_key) {
            socket.stage = SocketStage::WebSocket(WebSocketStage {
                decoder: Decoder::new(Role::Server),
                connection: key,
                pong: None,
                peer_closed: false,
            });
        }
        let world = self.registry.get(key).map_or(0, |connection| connection.world as usize);
        self.apps[world].opened(&mut self.registry, key);
    }

    /// A transport that this version does not offer: the answers of a hub on which it is
    /// disabled (COR-021), in the order of §1.4.
    fn other_transport(
        &mut self,
        mount: &Mount,
        id: Option<&str>,
        name: &str,
    ) -> Response<'static> {
        self.with_known_id(mount, id, |_| {
            let text = format!("{name} transport not supported by this end point type");
            Response::new(404).content_type("text/plain").body(text.into_bytes())
        })
    }

    fn with_known_id(
        &mut self,
        mount: &Mount,
        id: Option<&str>,
        respond: impl FnOnce(ConnectionKey) -> Response<'static>,
    ) -> Response<'static> {
        match id {
            None => Response::text(400, "Connection ID required"),
            Some(id) => match self.registry.by_token(mount.world, id) {
                None => no_connection(),
                Some(key) => respond(key),
            },
        }
    }
}

fn no_connection() -> Response<'static> {
    Response::text(404, "No Connection with that ID")
}

fn too_many() -> Response<'static> {
    Response::text(503, "Too many connections.").header("Retry-After", "5")
}

/// The headers of every answer to a poll (COR-028).
fn uncached(response: Response<'static>) -> Response<'static> {
    response
        .header("Cache-Control", "no-cache, no-store")
        .header("Pragma", "no-cache")
        .header("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
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
