//! The ground of every simulation: shards, a network and a clock.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::auth::Authenticate;
use crate::base::{Moment, Rng, WallClock};
use crate::classic::{ClassicHubs, ClassicOptions, Peers, PersistentConnection};
use crate::hub::{Clients, Counters, Hub, HubOptions};
use crate::io::Driver as _;
use crate::io::sim::{Dials, SimDriver, SimNet, SimPeer};
use crate::protocol::http::{Headers, Request, Response};
use crate::protocol::negotiate::Redirect;
use crate::raw::{ConnectionHandler, RawOptions, WebSocket};
use crate::shard::{Code, Engine, Exchange, HttpOptions};
use crate::transport::ConnectionOptions;

/// Shards on a simulated network. Time stands still until [`World::pass`] or
/// [`World::set_now`].
///
/// ```
/// use std::time::Duration;
/// use tickhub::{Context, Hub, HubOptions, Methods};
/// use tickhub::sim::{Wire, World};
///
/// struct Echo;
///
/// impl Hub for Echo {
///     type State = ();
///     fn methods(methods: &mut Methods<Self>) {
///         methods.on("Echo", |_: &mut Self, _: &mut Context<Self>, n: i64| n);
///     }
/// }
///
/// let mut world = World::new(1).hub("/hub", || Echo, &HubOptions::default());
/// let mut wire = Wire::hub(&mut world, "/hub");
/// wire.text(&mut world, r#"{"type":1,"invocationId":"7","target":"echo","arguments":[42]}"#);
/// assert_eq!(wire.hear(&mut world), [r#"{"type":3,"invocationId":"7","result":42}"#]);
/// world.pass(Duration::from_secs(16));
/// assert_eq!(wire.hear(&mut world), [r#"{"type":6}"#]);
/// ```
pub struct World {
    net: SimNet,
    now: Moment,
    address: SocketAddr,
    shards: Vec<SimShard>,
    turns: u64,
    /// Told before (true) and after (false) each time that an engine works.
    watch: fn(bool),
}

struct SimShard {
    engine: Engine,
    driver: SimDriver,
    /// Turns in a row after which the engine wanted another one at once.
    restless: u32,
}

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Completions that the driver told.
    pub completions: usize,
    /// Operations that the engine asked for.
    pub operations: usize,
}

impl World {
    /// One shard that serves nothing yet, on a network that behaves.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, 1, &HttpOptions::default())
    }

    /// `shards` shards that share one address.
    pub fn with(seed: u64, shards: usize, http: &HttpOptions) -> Self {
        let net = SimNet::new(seed, Dials::default());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let mut rng = Rng::from_seed(seed ^ ENGINE_SEED);
        let shards = (0..shards)
            .map(|_| {
                let driver = net.driver(&[address]);
                let waker = driver.waker();
                let rng = Rng::from_seed(rng.bits());
                let ring = Arc::new(move || waker.wake());
                let engine = Engine::new(Moment::START, rng, ring, http.clone());
                SimShard { engine, driver, restless: 0 }
            })
            .collect();
        Self { net, now: Moment::START, address, shards, turns: 0, watch: |_| {} }
    }

    /// Serves a hub at `path` of every shard.
    #[must_use]
    pub fn hub<H: Hub>(self, path: &str, hub: impl Fn() -> H, options: &HubOptions) -> Self {
        self.hub_with(path, hub, options, &ConnectionOptions::default())
    }

    /// Serves a hub at `path` of every shard.
    #[must_use]
    pub fn hub_with<H: Hub>(
        mut self,
        path: &str,
        hub: impl Fn() -> H,
        options: &HubOptions,
        connection: &ConnectionOptions,
    ) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_hub(path, hub(), options.clone(), connection.clone());
        }
        self
    }

    /// Serves the hub of type `H` at one more path of every shard.
    ///
    /// # Panics
    ///
    /// When no such hub is served.
    #[must_use]
    pub fn also_at<H: Hub>(mut self, path: &str, connection: &ConnectionOptions) -> Self {
        for shard in &mut self.shards {
            let is_served = shard.engine.add_mount::<H>(path, connection.clone());
            assert!(is_served, "also_at({path:?}): its hub is not served yet");
        }
        self
    }

    /// Keeps a hub without a path in every shard.
    #[must_use]
    pub fn host<H: Hub>(mut self, hub: impl Fn() -> H, options: &HubOptions) -> Self {
        for shard in &mut self.shards {
            shard.engine.host_hub(hub(), options.clone());
        }
        self
    }

    /// Serves hubs to classic clients below `path` of every shard.
    #[must_use]
    pub fn classic(mut self, path: &str, options: &ClassicOptions, hubs: &ClassicHubs) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_classic(path, options.clone(), hubs);
        }
        self
    }

    /// Serves a `PersistentConnection` to classic clients below `path` of every shard.
    #[must_use]
    pub fn persistent<P: PersistentConnection>(
        mut self,
        path: &str,
        options: &ClassicOptions,
        code: impl Fn() -> P,
    ) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_persistent(path, code(), options.clone());
        }
        self
    }

    /// Answers requests at `path` of every shard, with code that may wait.
    #[must_use]
    pub fn http_async<F>(
        mut self,
        path: &str,
        handler: impl Fn(Exchange) -> F + Clone + 'static,
    ) -> Self
    where
        F: Future<Output = Response<'static>> + 'static,
    {
        for shard in &mut self.shards {
            let handler = handler.clone();
            let handler = Box::new(move |exchange| Box::pin(handler(exchange)) as Code);
            shard.engine.add_http_async(path, handler);
        }
        self
    }

    /// Serves plain WebSockets at `path` of every shard.
    #[must_use]
    pub fn websocket<W: WebSocket>(
        mut self,
        path: &str,
        handler: impl Fn() -> W,
        options: &RawOptions,
    ) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_websocket(path, handler(), options);
        }
        self
    }

    /// Tells who requests are from, in every shard.
    #[must_use]
    pub fn authenticate(mut self, scheme: &(impl Authenticate + Clone)) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_scheme(Rc::new(scheme.clone()));
        }
        self
    }

    /// Sends those who negotiate at `path` elsewhere, where `redirect` says so.
    #[must_use]
    pub fn redirect(
        mut self,
        path: &str,
        redirect: impl Fn(&Request<'_>) -> Option<Redirect> + Clone + 'static,
    ) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_redirect(path, Box::new(redirect.clone()));
        }
        self
    }

    /// Sets the clocks on the walls: it is `time` now. Until then it was the beginning of Unix
    /// time when the world began.
    pub fn set_wall_clock(&mut self, time: SystemTime) {
        for shard in &mut self.shards {
            shard.engine.set_wall_clock(WallClock::new(self.now, time));
        }
    }

    /// Has `before` see every request in front of all routes, of every shard.
    #[must_use]
    pub fn before(
        mut self,
        before: impl Fn(&Request<'_>, &mut Headers) -> Option<Response<'static>> + Clone + 'static,
    ) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_before(Box::new(before.clone()));
        }
        self
    }

    /// Answers ordinary requests at `path` and below it, in every shard.
    #[must_use]
    pub fn http(
        mut self,
        path: &str,
        handler: impl Fn(&Request<'_>) -> Response<'static> + Clone + 'static,
    ) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_http(path, Box::new(handler.clone()));
        }
        self
    }

    /// Serves connections without a hub at `path` of every shard.
    #[must_use]
    pub fn connection<C: ConnectionHandler>(
        mut self,
        path: &str,
        handler: impl Fn() -> C,
        options: &ConnectionOptions,
    ) -> Self {
        for shard in &mut self.shards {
            shard.engine.add_connection(path, handler(), options.clone());
        }
        self
    }

    /// Has `watch` called with true before, and with false after, each time an engine works: so
    /// that a test counts what the engine does and not what the simulation around it does.
    pub fn watch(&mut self, watch: fn(bool)) {
        self.watch = watch;
    }

    /// The time.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// The network.
    pub fn net(&self) -> &SimNet {
        &self.net
    }

    /// Turns of all shards so far.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Opens a connection; `None` when nobody listens any more.
    pub fn connect(&self) -> Option<SimPeer> {
        self.net.connect(self.address).ok()
    }

    /// Moves the clock, without a turn: a shard that sleeps through it wakes late.
    pub fn set_now(&mut self, now: Moment) {
        self.now = self.now.max(now);
        self.net.set_now(self.now);
    }

    /// One turn of one shard.
    ///
    /// # Errors
    ///
    /// What is wrong after it.
    pub fn turn(&mut self, shard: usize) -> Result<Turn, String> {
        let (now, watch) = (self.now, self.watch);
        let shard = &mut self.shards[shard];
        let engine = &mut shard.engine;
        let mut turn = Turn::default();
        let reaped = shard.driver.reap(Some(Duration::ZERO), &mut |completion| {
            turn.completions += 1;
            watch(true);
            engine.advance(now);
            engine.on_completion(completion);
            watch(false);
        });
        reaped.map_err(|error| format!("the driver failed: {error}"))?;
        watch(true);
        engine.advance(now);
        let operations = engine.end_turn();
        watch(false);
        turn.operations = operations.len();
        let submitted = shard.driver.submit(operations);
        submitted.map_err(|error| format!("the driver failed: {error}"))?;
        self.turns += 1;
        let is_due = shard.engine.deadline().is_some_and(|deadline| deadline <= now);
        shard.restless = if is_due && turn.completions == 0 { shard.restless + 1 } else { 0 };
        if shard.restless > RESTLESS_TURNS_MAX {
            return Err("the engine wants turn after turn and does nothing".into());
        }
        shard.engine.check().map(|()| turn)
    }

    /// Turns of all shards until nothing moves at this moment. Not for a network that dawdles:
    /// there it ends early.
    ///
    /// # Panics
    ///
    /// When something is wrong after a turn.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < QUIET_TURNS {
            quiet += 1;
            for shard in 0..self.shards.len() {
                let turn = self.turn(shard).unwrap_or_else(|wrong| panic!("{wrong}"));
                if turn != Turn::default() || self.is_due() {
                    quiet = 0;
                }
            }
        }
    }

    /// Lets time pass, with a turn whenever something is due.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let next = self.deadline().unwrap_or(end).min(end);
            self.set_now(next);
            if next == end {
                self.settle();
                return;
            }
        }
    }

    /// When the next turn of any shard is due at the latest.
    pub fn deadline(&self) -> Option<Moment> {
        self.shards.iter().filter_map(|shard| shard.engine.deadline()).min()
    }

    fn is_due(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Runs `work` with the hub of a shard, between two turns.
    ///
    /// # Panics
    ///
    /// When no such hub is served.
    pub fn enter<H: Hub, T>(
        &mut self,
        shard: usize,
        work: impl FnOnce(&mut H, &mut Clients<'_>) -> T,
    ) -> T {
        let engine = &mut self.shards[shard].engine;
        engine.advance(self.now);
        (self.watch)(true);
        let result = engine.enter(work);
        (self.watch)(false);
        result.expect("the hub is served")
    }

    /// Runs `work` with the `PersistentConnection` of type `P` of a shard.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn enter_persistent<P: PersistentConnection, T>(
        &mut self,
        shard: usize,
        work: impl FnOnce(&mut P, &mut Peers<'_>) -> T,
    ) -> T {
        let engine = &mut self.shards[shard].engine;
        engine.advance(self.now);
        (self.watch)(true);
        let result = engine.enter_persistent(work);
        (self.watch)(false);
        result.expect("it is served")
    }

    /// Begins a drain of every shard.
    pub fn drain(&mut self, limit: Duration) {
        for shard in &mut self.shards {
            shard.engine.advance(self.now);
            shard.engine.begin_drain(limit);
        }
    }

    /// Whether a drain has ended everywhere.
    pub fn is_drained(&self) -> bool {
        self.shards.iter().all(|shard| shard.engine.is_drained())
    }

    /// Whether no shard holds anything of anybody.
    pub fn is_quiet(&self) -> bool {
        self.shards.iter().all(|shard| shard.engine.is_quiet())
    }

    /// Whether messages wait somewhere for the acknowledgement of a client, or for the client.
    pub fn is_holding(&self) -> bool {
        self.shards.iter().any(|shard| shard.engine.is_holding())
    }

    /// TCP connections and SignalR (or raw) connections of all shards.
    pub fn sizes(&self) -> (usize, usize) {
        self.shards
            .iter()
            .map(|shard| shard.engine.sizes())
            .fold((0, 0), |sum, (sockets, all)| (sum.0 + sockets, sum.1 + all))
    }

    /// What happened in a shard so far.
    pub fn counters(&self, shard: usize) -> Counters {
        self.shards[shard].engine.counters()
    }

    /// What happened in all shards so far.
    pub fn counters_of_all(&self) -> Counters {
        let mut sum = Counters::default();
        for shard in 0..self.shards.len() {
            let one = self.counters(shard);
            sum.opened += one.opened;
            sum.closed += one.closed;
            sum.sent += one.sent;
            sum.too_slow += one.too_slow;
            sum.violations += one.violations;
            sum.overrun += one.overrun;
            sum.parked += one.parked;
            sum.resumed += one.resumed;
            sum.replayed += one.replayed;
            sum.not_resumed += one.not_resumed;
            sum.rate_limited += one.rate_limited;
            sum.panics += one.panics;
        }
        sum
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now).finish_non_exhaustive()
    }
}

/// So that ids do not repeat what the network draws.
const ENGINE_SEED: u64 = 0x656e_6769_6e65;

/// Turns in a row that may find nothing and still want another.
const RESTLESS_TURNS_MAX: u32 = 64;

/// Turns without anything after which nothing more happens at this moment.
const QUIET_TURNS: u32 = 2;
