//! Requests of classic SignalR: what they ask for, in the order in which the original looks at
//! them (§1.1), and the answers that come at once.

mod receive;
mod returns;
mod send;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use super::Engine;
use super::attach::Answer;
use super::routes::Mount;
use crate::base::{ConnectionId, SocketKey};
use crate::classic::{Asking, ClassicApplication, Refusal};
use crate::hub::Closed;
use crate::protocol::classic::jsonp::{BadCallback, Callback};
use crate::protocol::classic::{
    Endpoint, JAVASCRIPT_TYPE, JSON_TYPE, Negotiation, PONG, Parameters, STARTED, TransportName,
    Version, base_path, errors,
};
use crate::protocol::http::{Request, Response};
use crate::transport::{HttpStage, Pending, Start};

/// A classic mount, as the shard knows it.
pub(super) type SharedMount = Rc<RefCell<dyn ClassicApplication>>;

/// One request to a classic mount.
struct Asked<'a> {
    mount: Mount,
    app: SharedMount,
    endpoint: Endpoint,
    parameters: Parameters<'a>,
    /// The name of the function that the answer is handed to.
    callback: Option<Box<str>>,
    /// Who has signed in; nobody is the empty name.
    user: String,
    /// The worlds that it may listen to.
    hubs: Vec<u16>,
}

/// The connection that a request names, and by what transport.
struct Named {
    id: ConnectionId,
    transport: TransportName,
    /// The groups that it proves to be in.
    groups: Option<Vec<String>>,
}

impl Engine {
    /// Any request below a classic mount; `rest` is what is behind its path.
    pub(super) fn classic_request(
        &mut self,
        mount: &Mount,
        rest: &str,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Answer {
        // Who was ended earlier in this turn is not let in again (T-37).
        self.settle();
        let app = self.classics.get(&mount.world).expect("a route leads to it").clone();
        http.headers.add("X-Content-Type-Options", "nosniff");
        let parameters = Parameters::new(request.head().raw_query(), request.body());
        let callback: Option<Box<str>> = parameters.non_empty("callback").map(Into::into);
        if callback.is_some() && !app.borrow().options().enable_jsonp {
            return Answer::Response(Response::new(403).reason(errors::JSONP_DISABLED));
        }
        if let Some(Err(BadCallback)) = callback.as_deref().map(Callback::parse) {
            return Answer::Response(Response::new(400).body(BadCallback.to_string().into_bytes()));
        }
        let user = http.identity.as_deref().and_then(|identity| identity.id());
        let asked = Asked {
            mount: mount.clone(),
            endpoint: Endpoint::of(rest),
            callback,
            user: user.unwrap_or_default().to_owned(),
            hubs: Vec::new(),
            parameters,
            app,
        };
        self.classic_answer(asked, socket, http, request).unwrap_or_else(Answer::Response)
    }

    fn classic_answer(
        &mut self,
        mut asked: Asked<'_>,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Result<Answer, Response<'static>> {
        let identity = http.identity.as_deref();
        let asking = Asking { head: request.head(), parameters: &asked.parameters, identity };
        let admitted = asked.app.borrow_mut().admit(&mut self.registry, &asking);
        asked.hubs = admitted.map_err(|refusal| refused(refusal, identity.is_some()))?;
        if asked.endpoint == Endpoint::Hubs {
            let url = mounted_path(&request.path());
            if let Some(script) = asked.app.borrow().script(&self.registry, &url) {
                return Ok(Answer::Response(
                    Response::new(200).content_type(JAVASCRIPT_TYPE).body(script),
                ));
            }
        }
        http.headers.add("Cache-Control", "no-store");
        match asked.endpoint {
            Endpoint::Negotiate => {
                return Ok(Answer::Response(self.classic_negotiate(&asked, request)));
            }
            Endpoint::Ping => return Ok(Answer::Response(asked.fixed(PONG))),
            _ => {}
        }
        let named = asked.named()?;
        match (asked.endpoint, named.transport) {
            (Endpoint::Start, _) => Ok(self.classic_start(&asked, &named, socket, http, request)),
            (Endpoint::Abort, _) => {
                self.classic_abort(&asked, &named);
                Ok(Answer::Response(Response::text(200, "")))
            }
            (endpoint, TransportName::WebSockets) => {
                self.classic_upgrade(&asked, named, endpoint, socket, http, request)
            }
            (Endpoint::Send, _) => self.classic_send(&asked, &named, socket, http, request),
            (endpoint, _) => self.classic_receive(&asked, named, endpoint, socket, http, request),
        }
    }

    /// `GET {mount}/negotiate` (§2.1). It leaves no trace here.
    fn classic_negotiate(&mut self, asked: &Asked<'_>, request: &Request<'_>) -> Response<'static> {
        let app = asked.app.borrow();
        let (options, rng) = (app.options(), &mut self.registry.rng);
        let id = ConnectionId::random_guid(rng);
        let path = request.path();
        let negotiation = Negotiation {
            url: base_path(&path),
            connection_token: &app.keys().connection_token(rng, id, &asked.user),
            connection_id: id,
            keep_alive_timeout: options.keep_alive_timeout(),
            disconnect_timeout: options.disconnect_timeout,
            connection_timeout: options.connection_timeout,
            try_web_sockets: options.transports.web_sockets,
            protocol_version: asked.version(),
            transport_connect_timeout: options.transport_connect_timeout,
            long_poll_delay: options.long_poll_delay,
        };
        let mut body = Vec::new();
        negotiation.write(&mut body);
        asked.json(body)
    }

    /// `GET {mount}/start` (§1.5).
    fn classic_start(
        &mut self,
        asked: &Asked<'_>,
        named: &Named,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Answer {
        let (head, identity) = (request.to_head(), http.identity.take());
        let mut app = asked.app.borrow_mut();
        if self.classic_is_full(asked, named) {
            return Answer::Response(too_many());
        }
        let key = app.connection(&mut self.registry, named.id, head, identity);
        app.start(&mut self.registry, key);
        let Some(classic) = self.registry.get_mut(key).and_then(|known| known.classic.as_mut())
        else {
            return Answer::Response(start_failed());
        };
        match classic.start {
            Start::Done => Answer::Response(asked.fixed(STARTED)),
            Start::Failed => Answer::Response(start_failed()),
            Start::Not | Start::Running(_) => {
                classic.starts.push(socket);
                let callback = asked.callback.clone();
                let reply_to = self.reply_to(request);
                http.pending = Some(Pending::Start { connection: key, callback, reply_to });
                Answer::Later
            }
        }
    }

    /// `POST {mount}/abort`: what is not there is as good as aborted (§6.4).
    fn classic_abort(&mut self, asked: &Asked<'_>, named: &Named) {
        if let Some(key) = self.registry.classic_by_id(asked.mount.world, named.id) {
            self.registry.end_with(key, Closed::ByClient, Some(1000), "");
        }
    }

    /// Whether a request would make one connection too many.
    fn classic_is_full(&self, asked: &Asked<'_>, named: &Named) -> bool {
        self.registry.classic_by_id(asked.mount.world, named.id).is_none()
            && self.registry.len() >= self.http.connections_max
    }
}

impl Asked<'_> {
    /// Rows 7 to 11 of §1.1.
    fn named(&self) -> Result<Named, Response<'static>> {
        let app = self.app.borrow();
        let transport = self.parameters.query("transport");
        let transport = transport.as_deref().and_then(TransportName::from_name);
        let transport = transport.ok_or_else(|| wrong(errors::UNKNOWN_TRANSPORT))?;
        let token = self.parameters.non_empty("connectionToken");
        let token = token.ok_or_else(|| wrong(errors::MISSING_CONNECTION_TOKEN))?;
        let token = app.keys().read_connection_token(&token);
        let (id, user) = token.map_err(|_| wrong(errors::BAD_CONNECTION_TOKEN))?;
        if user.to_lowercase() != self.user.to_lowercase() {
            let body = errors::USER_CHANGED.as_bytes();
            return Err(Response::new(403).body(body));
        }
        let groups = self.received("groupsToken", transport);
        // A bad one proves nothing, and nobody is told (§7.6).
        let groups = groups.and_then(|token| app.keys().read_groups_token(&token, id).ok());
        Ok(Named { id, transport, groups })
    }

    /// A parameter that long polls may send in their form (§5.4).
    fn received(&self, name: &str, transport: TransportName) -> Option<Cow<'_, str>> {
        match transport {
            TransportName::LongPolling => self.parameters.query_or_form(name),
            _ => self.parameters.query(name),
        }
    }

    fn version(&self) -> Version {
        Version::resolve(self.parameters.query("clientProtocol").as_deref())
    }

    /// A fixed body.
    fn fixed(&self, json: &[u8]) -> Response<'static> {
        self.json(json.to_vec())
    }

    /// A JSON body, handed to the callback if there is one.
    fn json(&self, json: Vec<u8>) -> Response<'static> {
        answer(json, self.callback.as_deref())
    }
}

/// A JSON body, handed to a callback if there is one.
fn answer(json: Vec<u8>, callback: Option<&str>) -> Response<'static> {
    match callback.and_then(|name| Callback::parse(name).ok()) {
        None => Response::new(200).content_type(JSON_TYPE).body(json),
        Some(callback) => {
            let mut body = Vec::with_capacity(json.len() + callback.as_str().len() + 3);
            callback.write(&mut body, &json);
            Response::new(200).content_type(JAVASCRIPT_TYPE).body(body)
        }
    }
}

/// The path in front of `/hubs` or `/js`, as the client sees it.
fn mounted_path(path: &str) -> String {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or("", |(front, _)| front).to_owned()
}

fn refused(refusal: Refusal, is_signed_in: bool) -> Response<'static> {
    match refusal {
        Refusal::Denied if is_signed_in => Response::new(403),
        Refusal::Denied => Response::new(401),
        Refusal::Wrong(text) => Response::new(400).body(text.into_bytes()),
    }
}

/// A request that is wrong; there is no kind of content to it (§1.1).
fn wrong(text: &'static str) -> Response<'static> {
    Response::new(400).body(text.as_bytes())
}

fn too_many() -> Response<'static> {
    Response::new(503).body("Too many connections.".as_bytes()).header("Retry-After", "5")
}

fn start_failed() -> Response<'static> {
    Response::new(500).body("The connection could not be started.".as_bytes())
}
