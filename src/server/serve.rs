//! The whole program: shards on threads, signals, the end.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::config::Config;
use super::error::Error;
use super::files::Files;
use super::mailbox::{Mail, Post};
use super::shard::Shard;
use crate::auth::{Authenticate, Identity};
use crate::classic::{ClassicHubs, ClassicOptions, PersistentConnection};
use crate::hub::{Hub, HubOptions};
use crate::protocol::http::{Headers, Request, Response};
use crate::protocol::negotiate::Redirect;
use crate::raw::{ConnectionHandler, RawOptions, WebSocket};
use crate::shard::Exchange;
use crate::transport::ConnectionOptions;

type OnListening = Box<dyn FnOnce(&[SocketAddr])>;

/// A server program: endpoints, then [`Server::run`].
///
/// Each endpoint is given as a function of the shard's number, because each shard has a hub of
/// its own and needs no locks.
pub struct Server {
    config: Config,
    endpoints: Vec<Box<dyn Fn(Shard, usize) -> Shard + Send + Sync>>,
    post: Arc<PostOffice>,
    on_listening: Option<OnListening>,
}

impl Server {
    /// A server without endpoints.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, endpoints: Vec::new(), post: Arc::default(), on_listening: None }
    }

    /// Serves a hub at `path`, with default options.
    #[must_use]
    pub fn hub<H: Hub>(self, path: &str, hub: impl Fn(usize) -> H + Send + Sync + 'static) -> Self {
        self.hub_with(path, HubOptions::default(), ConnectionOptions::default(), hub)
    }

    /// Serves a hub at `path`.
    #[must_use]
    pub fn hub_with<H: Hub>(
        self,
        path: &str,
        options: HubOptions,
        connection: ConnectionOptions,
        hub: impl Fn(usize) -> H + Send + Sync + 'static,
    ) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, number| {
            shard.hub_with(&path, hub(number), options.clone(), connection.clone())
        })
    }

    /// Serves the hub of type `H`, which was added before, at one more path; see
    /// [`Shard::also_at`].
    #[must_use]
    pub fn also_at<H: Hub>(self, path: &str, connection: ConnectionOptions) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, _| shard.also_at::<H>(&path, connection.clone()))
    }

    /// Keeps a hub without a path of its own, for classic clients; see [`Server::classic`].
    #[must_use]
    pub fn host<H: Hub>(
        self,
        options: HubOptions,
        hub: impl Fn(usize) -> H + Send + Sync + 'static,
    ) -> Self {
        self.endpoint(move |shard, number| shard.host(hub(number), options.clone()))
    }

    /// Serves hubs to clients of classic SignalR below `path`; see [`Shard::classic`].
    #[must_use]
    pub fn classic(self, path: &str, options: ClassicOptions, hubs: ClassicHubs) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, _| shard.classic(&path, options.clone(), &hubs))
    }

    /// Serves a `PersistentConnection` to clients of classic SignalR below `path`.
    #[must_use]
    pub fn persistent<P: PersistentConnection>(
        self,
        path: &str,
        options: ClassicOptions,
        code: impl Fn(usize) -> P + Send + Sync + 'static,
    ) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, number| shard.persistent(&path, code(number), options.clone()))
    }

    /// Serves plain WebSockets at `path`.
    #[must_use]
    pub fn websocket<W: WebSocket>(
        self,
        path: &str,
        options: RawOptions,
        handler: impl Fn(usize) -> W + Send + Sync + 'static,
    ) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, number| shard.websocket(&path, handler(number), &options))
    }

    /// Serves connections without a hub at `path`: bytes over any transport of SignalR.
    #[must_use]
    pub fn connection<C: ConnectionHandler>(
        self,
        path: &str,
        handler: impl Fn(usize) -> C + Send + Sync + 'static,
        options: ConnectionOptions,
    ) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, number| {
            shard.connection(&path, handler(number), options.clone())
        })
    }

    /// Answers ordinary requests at `path` and below it. The handler must not block.
    #[must_use]
    pub fn http(
        self,
        path: &str,
        handler: impl Fn(&Request<'_>) -> Response<'static> + Clone + Send + Sync + 'static,
    ) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, _| shard.http(&path, handler.clone()))
    }

    /// Tells by `scheme` who requests are from: a function of the request, or
    /// [`Jwt`](crate::Jwt). Several are asked in the order in which they were added, until one
    /// knows. Hubs and WebSockets always ask, ordinary handlers by
    /// [`Request::identity`](crate::http::Request::identity).
    ///
    /// ```no_run
    /// use tickhub::{Config, ConnectionOptions, HubOptions, Jwt, JwtAlgorithm, Policy, Server};
    /// # use tickhub::{Hub, Methods};
    /// # struct Chat;
    /// # impl Hub for Chat {
    /// #     type State = ();
    /// #     fn methods(_: &mut Methods<Self>) {}
    /// # }
    ///
    /// let secret = std::env::var("TOKEN_SECRET")?;
    /// let scheme = Jwt::new().secret(JwtAlgorithm::HS256, secret.as_bytes())?.audience("chat");
    /// let connection =
    ///     ConnectionOptions { authorize: Some(Policy::signed_in()), ..Default::default() };
    /// Server::new(Config::default())
    ///     .authenticate(scheme)
    ///     .hub_with("/chat", HubOptions::default(), connection, |_| Chat)
    ///     .run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn authenticate(self, scheme: impl Authenticate + Send + Sync) -> Self {
        let scheme = Arc::new(scheme);
        self.endpoint(move |shard, _| shard.authenticate(OfAllShards(scheme.clone())))
    }

    /// Has `before` see every request in front of all routes: hubs, handlers and files. It may
    /// add headers to whatever the answer will be, and may answer itself. Several are asked in
    /// the order in which they were added, until one has answered.
    ///
    /// ```no_run
    /// use tickhub::http::Response;
    /// use tickhub::{Config, Server};
    ///
    /// Server::new(Config::default())
    ///     .before(|request, headers| {
    ///         headers.add("X-Content-Type-Options", "nosniff");
    ///         (request.path() == "/old").then(|| Response::new(308).header("Location", "/new"))
    ///     })
    ///     .files("/", "web")
    ///     .run()?;
    /// # Ok::<(), tickhub::Error>(())
    /// ```
    #[must_use]
    pub fn before(
        self,
        before: impl Fn(&Request<'_>, &mut Headers) -> Option<Response<'static>>
        + Clone
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.endpoint(move |shard, _| shard.before(before.clone()))
    }

    /// Answers ordinary requests at `path` and below it with code that may wait; see
    /// [`Shard::http_async`].
    #[must_use]
    pub fn http_async<F>(
        self,
        path: &str,
        handler: impl Fn(Exchange) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<'static>> + 'static,
    {
        let path = path.to_owned();
        self.endpoint(move |shard, _| shard.http_async(&path, handler.clone()))
    }

    /// Sends clients that negotiate at `path` elsewhere, where `redirect` says so; the others stay
    /// with the hub of that path, if there is one. Clients follow up to 100 of these.
    ///
    /// ```no_run
    /// use tickhub::{Config, Redirect, Server};
    ///
    /// Server::new(Config::default())
    ///     .redirect("/chat", |_| Some(Redirect::to("https://other.example/chat")))
    ///     .run()?;
    /// # Ok::<(), tickhub::Error>(())
    /// ```
    #[must_use]
    pub fn redirect(
        self,
        path: &str,
        redirect: impl Fn(&Request<'_>) -> Option<Redirect> + Clone + Send + Sync + 'static,
    ) -> Self {
        let path = path.to_owned();
        self.endpoint(move |shard, _| shard.redirect(&path, redirect.clone()))
    }

    /// Serves the files below the directory `root` at `path` and below it.
    #[must_use]
    pub fn files(self, path: &str, root: impl Into<std::path::PathBuf>) -> Self {
        let (path, root) = (path.to_owned(), root.into());
        self.endpoint(move |shard, _| shard.files(&path, Files::new(&root)))
    }

    /// Calls `ready` with the addresses, once connections are accepted.
    #[must_use]
    pub fn on_listening(mut self, ready: impl FnOnce(&[SocketAddr]) + 'static) -> Self {
        self.on_listening = Some(Box::new(ready));
        self
    }

    /// Posts work to the shard from other threads; what is posted before [`Server::run`] waits
    /// for it.
    pub fn post(&self) -> Post {
        let office = self.post.clone();
        Post::new(move |mail| office.put(mail))
    }

    /// Serves until the process is told to end (SIGTERM or SIGINT): then nobody new is accepted
    /// and everybody is asked to come back elsewhere. A second signal ends the process at once,
    /// with exit code 1.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be served, or the system fails.
    pub fn run(self) -> Result<(), Error> {
        let mut shard = Shard::with_config(&self.config)?;
        for endpoint in &self.endpoints {
            shard = endpoint(shard, 0);
        }
        shard.check()?;
        self.post.open(&shard.post());
        end_on_signals(shard.post(), self.config.drain_timeout)?;
        let addresses = shard.local_addrs();
        tracing::info!(?addresses, driver = shard.driver_name(), "listening");
        if let Some(ready) = self.on_listening {
            ready(&addresses);
        }
        while !shard.is_drained() {
            shard.turn_before_turn(Duration::MAX)?;
        }
        tracing::info!(counters = ?shard.counters(), "drained");
        Ok(())
    }

    fn endpoint(mut self, add: impl Fn(Shard, usize) -> Shard + Send + Sync + 'static) -> Self {
        self.endpoints.push(Box::new(add));
        self
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}

/// One scheme for every shard.
struct OfAllShards<A>(Arc<A>);

impl<A: Authenticate> Authenticate for OfAllShards<A> {
    fn authenticate(&self, request: &Request<'_>, now: SystemTime) -> Option<Identity> {
        self.0.authenticate(request, now)
    }
}

/// Keeps what is posted before there is a shard.
#[derive(Default)]
struct PostOffice(Mutex<Office>);

enum Office {
    Waiting(Vec<Mail>),
    Open(Post),
}

impl Default for Office {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

impl PostOffice {
    fn put(&self, mail: Mail) {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Office::Waiting(letters) => letters.push(mail),
            Office::Open(post) => post.put(mail),
        }
    }

    fn open(&self, post: &Post) {
        let mut office = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Office::Waiting(letters) =
            std::mem::replace(&mut *office, Office::Open(post.clone()))
        {
            for mail in letters {
                post.put(mail);
            }
        }
    }
}

/// The first signal drains, the second ends the process at once (T-SIG).
fn end_on_signals(post: Post, limit: Duration) -> Result<(), Error> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if std::mem::replace(&mut asked, true) {
                tracing::warn!(signal, "a second signal: ending at once");
                std::process::exit(1);
            }
            tracing::info!(signal, "going down; a second signal ends at once");
            post.drain(limit);
        }
    })?;
    Ok(())
}
