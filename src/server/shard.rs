//! One shard: an engine, a driver and a clock, for a thread of the server or for a loop of one's
//! own.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::config::Config;
use super::error::Error;
use super::files::Files;
use super::mailbox::{Mailbox, Post};
use super::setup::Setup;
use crate::auth::Authenticate;
use crate::base::{Moment, Rng, WallClock};
use crate::classic::{ClassicHubs, ClassicOptions, Peers, PersistentConnection};
use crate::hub::{Clients, Counters, Hub, HubOptions};
use crate::io::{self, Driver, Listener};
use crate::protocol::http::{Headers, Request, Response};
use crate::protocol::negotiate::Redirect;
use crate::raw::{ConnectionHandler, RawOptions, WebSocket};
use crate::shard::{Code, Engine, Exchange};
use crate::transport::ConnectionOptions;

/// One shard, to be embedded in a loop of one's own. It has no thread, no signal handler and
/// nothing global; several may live in one thread.
///
/// ```no_run
/// use std::time::Duration;
/// use tickhub::{Hub, Methods, Shard};
///
/// #[derive(Default)]
/// struct Arena { tick: u64 }
///
/// impl Hub for Arena {
///     type State = ();
///     fn methods(_: &mut Methods<Self>) {}
/// }
///
/// let mut shard = Shard::bind("127.0.0.1:5000")?.hub("/arena", Arena::default());
/// loop {
///     shard.turn(Duration::from_millis(16))?;
///     // Between turns the hub is yours.
///     shard.enter(|arena: &mut Arena, clients| {
///         arena.tick += 1;
///         clients.all().send("tick", (arena.tick,)).ignore();
///     });
/// }
/// # Ok::<(), tickhub::Error>(())
/// ```
pub struct Shard {
    engine: Engine,
    driver: Box<dyn Driver>,
    mailbox: Arc<Mailbox>,
    setup: Setup,
    began: Instant,
}

impl Shard {
    /// A shard that listens on one address, with defaults for the rest.
    ///
    /// # Errors
    ///
    /// When the text is no address, or cannot be listened on.
    pub fn bind(address: &str) -> Result<Self, Error> {
        let unreadable = || Error::Address(address.to_owned());
        let resolved = address.to_socket_addrs().map_err(|_| unreadable())?;
        let listen: Vec<SocketAddr> = resolved.take(1).collect();
        if listen.is_empty() {
            return Err(unreadable());
        }
        Self::with_config(&Config { listen, ..Config::default() })
    }

    /// A shard as configured. What is wrong with the options is told by [`Shard::check`].
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on, or the driver is refused.
    pub fn with_config(config: &Config) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for &address in &config.listen {
            let listener =
                Listener::bind(address).map_err(|source| Error::Listen { address, source })?;
            listeners.push(listener);
        }
        let driver = io::open(config.driver, listeners).map_err(Error::Driver)?;
        let waker = driver.waker();
        let ring = waker.clone();
        let mut engine = Engine::new(
            Moment::START,
            Rng::from_kernel()?,
            Arc::new(move || ring.wake()),
            config.http.clone(),
        );
        engine.set_wall_clock(WallClock::new(Moment::START, SystemTime::now()));
        if let Some(jwt) = config.settings.jwt() {
            engine.add_scheme(Rc::new(jwt.clone()));
        }
        let (mailbox, setup) = (Arc::new(Mailbox::new(waker)), Setup::new(config));
        Ok(Self { engine, driver, mailbox, setup, began: Instant::now() })
    }

    /// Serves a hub at `path`, with default options.
    #[must_use]
    pub fn hub<H: Hub>(self, path: &str, hub: H) -> Self {
        self.hub_with(path, hub, HubOptions::default(), ConnectionOptions::default())
    }

    /// Serves a hub at `path`.
    #[must_use]
    pub fn hub_with<H: Hub>(
        mut self,
        path: &str,
        hub: H,
        options: HubOptions,
        connection: ConnectionOptions,
    ) -> Self {
        let (options, connection) = self.setup.hub(path, options, connection);
        self.engine.add_hub(path, hub, options, connection);
        self
    }

    /// Serves the hub of type `H` at one more path, with connection options of its own. The
    /// connections of both paths are one: they share groups and users, and selectors reach all.
    /// Of several hubs of that type the first is meant.
    ///
    /// ```no_run
    /// use tickhub::{ConnectionOptions, Hub, Methods, Shard, Transports};
    ///
    /// struct Chat;
    ///
    /// impl Hub for Chat {
    ///     type State = ();
    ///     fn methods(_: &mut Methods<Self>) {}
    /// }
    ///
    /// let transports = Transports::LONG_POLLING;
    /// let polling = ConnectionOptions { transports, ..ConnectionOptions::default() };
    /// let shard = Shard::bind("127.0.0.1:5000")?
    ///     .hub("/chat", Chat)
    ///     .also_at::<Chat>("/chat-by-polling", polling);
    /// # Ok::<(), tickhub::Error>(())
    /// ```
    ///
    /// A path for which there is no hub yet is a mistake that [`Shard::check`] tells.
    #[must_use]
    pub fn also_at<H: Hub>(mut self, path: &str, connection: ConnectionOptions) -> Self {
        let connection = self.setup.connection(path, connection);
        if !self.engine.add_mount::<H>(path, connection) {
            self.setup.without_hub::<H>(path);
        }
        self
    }

    /// Keeps a hub without a path of its own, for classic clients; see [`Shard::classic`].
    #[must_use]
    pub fn host<H: Hub>(mut self, hub: H, options: HubOptions) -> Self {
        let options = self.setup.hosted(options);
        self.engine.host_hub(hub, options);
        self
    }

    /// Serves hubs to clients of classic SignalR (ASP.NET SignalR 2.x) below `path`. The hubs were
    /// added before, with [`Shard::hub`] or [`Shard::host`]: their groups, users and sends reach
    /// the clients of both generations.
    #[must_use]
    pub fn classic(mut self, path: &str, options: ClassicOptions, hubs: &ClassicHubs) -> Self {
        let mistakes = hubs.mistakes(self.engine.hubs());
        let options = self.setup.classic(path, options, &mistakes);
        self.engine.add_classic(path, options, hubs);
        self
    }

    /// Serves a `PersistentConnection` to clients of classic SignalR below `path`.
    #[must_use]
    pub fn persistent<P: PersistentConnection>(
        mut self,
        path: &str,
        code: P,
        options: ClassicOptions,
    ) -> Self {
        let options = self.setup.classic(path, options, &[]);
        self.engine.add_persistent(path, code, options);
        self
    }

    /// Serves plain WebSockets at `path`.
    #[must_use]
    pub fn websocket<W: WebSocket>(mut self, path: &str, handler: W, options: &RawOptions) -> Self {
        let options = self.setup.websocket(path, options.clone());
        self.engine.add_websocket(path, handler, &options);
        self
    }

    /// Serves connections without a hub at `path`: bytes over any transport of SignalR.
    #[must_use]
    pub fn connection<C: ConnectionHandler>(
        mut self,
        path: &str,
        handler: C,
        options: ConnectionOptions,
    ) -> Self {
        let options = self.setup.connection(path, options);
        self.engine.add_connection(path, handler, options);
        self
    }

    /// Answers ordinary requests at `path` and below it. The handler runs on the shard's thread,
    /// so it must not block.
    #[must_use]
    pub fn http(
        mut self,
        path: &str,
        handler: impl FnMut(&Request<'_>) -> Response<'static> + 'static,
    ) -> Self {
        self.setup.http(path);
        self.engine.add_http(path, Box::new(handler));
        self
    }

    /// Tells by `scheme` who requests are from: a function of the request, or
    /// [`Jwt`](crate::Jwt). Several are asked in the order in which they were added, until one
    /// knows. Hubs and WebSockets always ask, ordinary handlers by
    /// [`Request::identity`](crate::http::Request::identity).
    #[must_use]
    pub fn authenticate(mut self, scheme: impl Authenticate) -> Self {
        self.engine.add_scheme(Rc::new(scheme));
        self
    }

    /// Has `before` see every request in front of all routes: hubs, handlers and files. It may
    /// add headers to whatever the answer will be, and may answer itself. Several are asked in
    /// the order in which they were added, until one has answered.
    #[must_use]
    pub fn before(
        mut self,
        before: impl FnMut(&Request<'_>, &mut Headers) -> Option<Response<'static>> + 'static,
    ) -> Self {
        self.engine.add_before(Box::new(before));
        self
    }

    /// Answers ordinary requests at `path` and below it with code that may wait: for a hub, for
    /// time, for a client. Requests behind it on the same socket wait too; a client that goes
    /// away drops what was begun for it. See [`Exchange`].
    #[must_use]
    pub fn http_async<F>(
        mut self,
        path: &str,
        mut handler: impl FnMut(Exchange) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = Response<'static>> + 'static,
    {
        let handler = Box::new(move |exchange| Box::pin(handler(exchange)) as Code);
        self.setup.http(path);
        self.engine.add_http_async(path, handler);
        self
    }

    /// Sends clients that negotiate at `path` elsewhere, where `redirect` says so; the others stay
    /// with the hub of that path, if there is one.
    #[must_use]
    pub fn redirect(
        mut self,
        path: &str,
        redirect: impl FnMut(&Request<'_>) -> Option<Redirect> + 'static,
    ) -> Self {
        self.setup.redirect(path);
        self.engine.add_redirect(path, Box::new(redirect));
        self
    }

    /// Serves the files below a directory at `path` and below it.
    #[must_use]
    pub fn files(self, path: &str, mut files: Files) -> Self {
        let prefix = path.trim_end_matches('/').to_owned();
        self.http(path, move |request| files.answer(request, &prefix))
    }

    /// Says everything that is wrong with the configuration and with what is served: options that
    /// cannot be, paths that are served twice or have no hub, sections of a file for paths that are
    /// not served.
    /// The first turn asks by itself.
    ///
    /// # Errors
    ///
    /// When something is wrong; the second time what was said is not repeated.
    pub fn check(&mut self) -> Result<(), Error> {
        self.setup.check()
    }

    /// One turn: waits for something to happen, at most `budget` long (zero never waits), and
    /// does what is due.
    ///
    /// # Errors
    ///
    /// When the driver fails as a whole; the shard is of no more use then. Before that, once, when
    /// something is wrong with what is served (see [`Shard::check`]).
    pub fn turn(&mut self, budget: Duration) -> Result<(), Error> {
        self.check()?;
        self.turn_before_turn(budget)?;
        // Nobody knows when the next turn comes, so what was queued must not wait for it.
        Ok(self.driver.flush()?)
    }

    /// A turn that another one follows at once: it brings what was queued to the kernel.
    pub(super) fn turn_before_turn(&mut self, budget: Duration) -> Result<(), Error> {
        let wait = match self.engine.deadline() {
            Some(deadline) => budget.min(deadline.since(self.now())),
            None => budget,
        };
        let (engine, began) = (&mut self.engine, self.began);
        let mut first = true;
        self.driver.reap(Some(wait), &mut |completion| {
            // The clock is read when the wait is over, and once for all that came with it.
            if std::mem::take(&mut first) {
                advance(engine, moment(began));
            }
            engine.on_completion(completion);
        })?;
        advance(&mut self.engine, moment(self.began));
        for mail in self.mailbox.take() {
            mail(&mut self.engine);
        }
        self.driver.submit(self.engine.end_turn())?;
        Ok(())
    }

    /// Runs `work` with the hub of type `H` and everybody connected to it. What it queues leaves
    /// with the next turn.
    ///
    /// # Panics
    ///
    /// When the shard serves no such hub.
    pub fn enter<H: Hub, T>(&mut self, work: impl FnOnce(&mut H, &mut Clients<'_>) -> T) -> T {
        let now = self.now();
        self.engine.advance(now);
        self.engine
            .enter(work)
            .unwrap_or_else(|| panic!("no hub of type {} is served", std::any::type_name::<H>()))
    }

    /// Runs `work` with the `PersistentConnection` of type `P` and everybody connected to it.
    ///
    /// # Panics
    ///
    /// When the shard serves no such one.
    pub fn enter_persistent<P: PersistentConnection, T>(
        &mut self,
        work: impl FnOnce(&mut P, &mut Peers<'_>) -> T,
    ) -> T {
        let now = self.now();
        self.engine.advance(now);
        self.engine
            .enter_persistent(work)
            .unwrap_or_else(|| panic!("no {} is served", std::any::type_name::<P>()))
    }

    /// A descriptor for somebody else's epoll: readable when a turn would find something to do.
    pub fn pollable(&self) -> Option<RawFd> {
        self.driver.pollable()
    }

    /// The latest moment for the next turn, though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = self.engine.deadline()?;
        Some(self.began + Duration::from_nanos(deadline.as_nanos()))
    }

    /// Posts work from other threads.
    pub fn post(&self) -> Post {
        let mailbox = self.mailbox.clone();
        Post::new(move |mail| mailbox.put(mail))
    }

    /// Begins to go down: accepts nobody, and asks everybody to come back elsewhere. Go on with
    /// turns until [`Shard::is_drained`]; after `limit` the rest is cut.
    pub fn drain(&mut self, limit: Duration) {
        let now = self.now();
        self.engine.advance(now);
        self.engine.begin_drain(limit);
    }

    /// Whether a drain has ended.
    pub fn is_drained(&self) -> bool {
        self.engine.is_drained()
    }

    /// The addresses that are listened on, with real port numbers.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.driver.local_addrs()
    }

    /// Which driver was taken.
    pub fn driver_name(&self) -> &'static str {
        self.driver.name()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }

    fn now(&self) -> Moment {
        moment(self.began)
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sockets, connections) = self.engine.sizes();
        f.debug_struct("Shard")
            .field("driver", &self.driver.name())
            .field("sockets", &sockets)
            .field("connections", &connections)
            .finish_non_exhaustive()
    }
}

/// Lets time go on. The clock on the wall may be set at any time, and is read once a second.
fn advance(engine: &mut Engine, now: Moment) {
    engine.advance(now);
    if now - engine.wall_clock().read_at() >= WALL_CLOCK_INTERVAL {
        engine.set_wall_clock(WallClock::new(now, SystemTime::now()));
    }
}

/// How old our knowledge of the time on the wall may be.
const WALL_CLOCK_INTERVAL: Duration = Duration::from_secs(1);

fn moment(began: Instant) -> Moment {
    let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Moment::from_nanos(nanos)
}
