//! The engine of one shard: completions and time go in, operations and a deadline come out.
//!
//! It has no clock, no descriptor and no thread. One turn is: any number of
//! `on_completion`, then `end_turn`, which runs what became due and is the only
//! place that sends.

mod alarms;
mod attach;
#[cfg(feature = "sim")]
mod check;
mod classic;
mod drain;
mod endpoints;
mod exchange;
mod flush;
mod front;
mod http;
mod poll;
mod post;
mod routes;
mod stream;
mod websocket;

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::rc::Rc;

use crate::auth::Authenticate;
use crate::base::{ConnectionKey, HashMap, Moment, Rng, SideTable, SocketKey, WallClock, Wheel};
use crate::classic::{ClassicMount, Peers, Persistent, PersistentConnection};
use crate::hub::{
    Application, Clients, Closed, Counters, Hub, HubTable, InputEnd, Registry, Ring, contained,
};
use crate::io::{Completion, Op};
use crate::transport::{Socket, SocketStage};

use alarms::Token;
use classic::SharedMount;
use drain::Drain;
pub(crate) use exchange::Code;
pub use exchange::Exchange;
use exchange::Exchanges;
pub(crate) use front::Before;
pub use http::HttpOptions;
use routes::Routes;

/// Everything that one shard holds.
pub(crate) struct Engine {
    registry: Registry,
    apps: Vec<Rc<RefCell<dyn Application>>>,
    /// The hubs among them.
    hubs: HubTable,
    /// The classic mounts among them, by their world.
    classics: HashMap<u16, SharedMount>,
    /// The first `PersistentConnection` of each type.
    persistents: HashMap<TypeId, Rc<dyn Any>>,
    routes: Routes,
    before: Vec<Before>,
    schemes: Rc<[Rc<dyn Authenticate>]>,
    wall: WallClock,
    sockets: SideTable<SocketKey, Socket>,
    exchanges: Exchanges,
    wheel: Wheel<Token>,
    http: Rc<HttpOptions>,
    ops: Vec<Op>,
    dirty: Vec<ConnectionKey>,
    dirty_sockets: Vec<SocketKey>,
    /// Sockets whose pending request was answered and that have more to read.
    resumed: Vec<SocketKey>,
    rung: Vec<Token>,
    /// Where messages are inflated, once one was.
    inflated: Vec<u8>,
    drain: Option<Drain>,
    sockets_max: usize,
}

impl Engine {
    /// An engine without endpoints. `ring` wakes the shard from another thread.
    pub(crate) fn new(now: Moment, rng: Rng, ring: Ring, http: HttpOptions) -> Self {
        let exchanges = Exchanges::new(ring.clone());
        let mut registry = Registry::new(rng, ring);
        registry.now = now;
        registry.limit_kept(http.stateful_bytes_max);
        Self {
            registry,
            apps: Vec::new(),
            hubs: HubTable::default(),
            classics: HashMap::default(),
            persistents: HashMap::default(),
            routes: Routes::default(),
            before: Vec::new(),
            schemes: Rc::new([]),
            wall: WallClock::default(),
            sockets: SideTable::default(),
            exchanges,
            wheel: Wheel::new(now),
            sockets_max: http.sockets_max,
            http: Rc::new(http),
            ops: Vec::new(),
            dirty: Vec::new(),
            dirty_sockets: Vec::new(),
            resumed: Vec::new(),
            rung: Vec::new(),
            inflated: Vec::new(),
            drain: None,
        }
    }

    /// Time goes on. Called before completions are handed in.
    pub(crate) fn advance(&mut self, now: Moment) {
        self.registry.now = self.registry.now.max(now);
    }

    /// Which time it is on the wall, and since when we know.
    pub(crate) fn wall_clock(&self) -> WallClock {
        self.wall
    }

    /// Tells which time it is on the wall.
    pub(crate) fn set_wall_clock(&mut self, wall: WallClock) {
        self.wall = wall;
    }

    /// Something happened in the kernel.
    pub(crate) fn on_completion(&mut self, completion: Completion<'_>) {
        match completion {
            Completion::Accepted { socket, peer } => self.on_accepted(socket, peer),
            Completion::AcceptFailed { error } => {
                tracing::warn!(%error, sockets = self.sockets.len(),
                    "no connection can be accepted; raise the limit of open files (ulimit -n)");
            }
            Completion::Received { socket, bytes } => self.on_received(socket, bytes.into_bytes()),
            Completion::Finished { socket } => self.on_finished(socket),
            Completion::Sent { socket, batch, result } => {
                self.registry.pool.give(batch.into_shared());
                self.on_sent(socket, result.is_ok());
            }
            Completion::Lost { socket, error } => {
                tracing::debug!(?socket, %error, "a socket was lost");
                self.on_lost(socket);
            }
            Completion::Closed { socket } | Completion::Detached { socket, .. } => {
                self.on_closed(socket);
            }
        }
    }

    /// Ends the turn: runs what is due, lets endings happen, and puts what is to be sent into
    /// the operations.
    pub(crate) fn end_turn(&mut self) -> &mut Vec<Op> {
        self.ring_alarms();
        for key in self.registry.take_waiting() {
            let Some(connection) = self.registry.get(key) else { continue };
            if connection.transport.is_some() {
                let world = connection.world as usize;
                self.apps[world].borrow_mut().resume(&mut self.registry, key);
            }
            self.admit_posts(key);
            self.resume_frames(key);
            self.return_starts(key);
        }
        for key in std::mem::take(&mut self.resumed) {
            self.read_backlog(key);
        }
        self.run_apps();
        self.run_exchanges();
        self.return_calls();
        self.advance_drain();
        self.settle();
        // Connections that ended just now have left answers to requests that waited for them.
        self.return_calls();
        self.flush();
        &mut self.ops
    }

    fn run_apps(&mut self) {
        for app in &self.apps {
            app.borrow_mut().turn(&mut self.registry);
        }
    }

    /// When the next turn is due at the latest, though nothing happens.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let has_sockets = !self.dirty_sockets.is_empty() || !self.resumed.is_empty();
        let has_work = self.registry.has_work() || self.exchanges.is_ready();
        if has_work || !self.dirty.is_empty() || has_sockets {
            return Some(self.registry.now);
        }
        let apps = self.apps.iter().filter_map(|app| app.borrow().deadline());
        apps.chain(self.wheel.next_deadline()).chain(self.drain_deadline()).min()
    }

    /// Runs `work` with the first hub of type `H`. `None`: there is none.
    pub(crate) fn enter<H: Hub, T>(
        &mut self,
        work: impl FnOnce(&mut H, &mut Clients<'_>) -> T,
    ) -> Option<T> {
        let endpoint = self.hubs.find::<H>()?;
        let mut endpoint = endpoint.borrow_mut();
        let (hub, mut clients) = endpoint.enter(&mut self.registry);
        Some(work(hub, &mut clients))
    }

    /// Runs `work` with the first `PersistentConnection` of type `P`. `None`: there is none.
    pub(crate) fn enter_persistent<P: PersistentConnection, T>(
        &mut self,
        work: impl FnOnce(&mut P, &mut Peers<'_>) -> T,
    ) -> Option<T> {
        let mount = self.persistents.get(&TypeId::of::<P>())?.clone();
        let mount = mount.downcast::<RefCell<ClassicMount<Persistent<P>>>>().ok()?;
        let mut mount = mount.borrow_mut();
        let (persistent, world) = mount.model();
        Some(work(persistent.code(), &mut Peers::new(&mut self.registry, world)))
    }

    /// Runs `work` on the engine; a panic in it is logged and goes no further.
    pub(crate) fn contain(&mut self, work: impl FnOnce(&mut Self)) {
        if let Err(panic) = contained(|| work(self)) {
            self.registry.count_panic();
            tracing::error!(panic, "work that was posted to a shard panicked");
        }
    }

    /// What happened so far.
    pub(crate) fn counters(&self) -> Counters {
        self.registry.counters()
    }

    /// TCP connections that are open, and SignalR (or raw) connections in any stage.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.sockets.len(), self.registry.len())
    }

    /// Whether nothing is left of anybody: for the simulator.
    #[cfg(feature = "sim")]
    pub(crate) fn is_quiet(&self) -> bool {
        let apps_are_quiet = self.apps.iter().all(|app| app.borrow().is_quiet());
        let nobody_asks = self.exchanges.len() == 0 && apps_are_quiet;
        self.sockets.is_empty() && self.registry.is_quiet() && nobody_asks
    }

    /// Whether a connection has messages that wait for its client.
    #[cfg(feature = "sim")]
    pub(crate) fn is_holding(&self) -> bool {
        self.registry
            .iter()
            .any(|(_, connection)| connection.is_holding() || connection.is_parked())
    }

    /// Lets connections end whose time has come: the application hears of it, then they leave
    /// all tables.
    fn settle(&mut self) {
        loop {
            let ending = self.registry.take_ending();
            if ending.is_empty() {
                return;
            }
            for ending in ending {
                let key = ending.key;
                let Some(world) = self.world_of(key) else { continue };
                tracing::debug!(reason = %ending.closed, "a connection ends");
                let parting =
                    self.apps[world].borrow_mut().closed(&mut self.registry, key, &ending.closed);
                if self.registry.part(ending, parting) {
                    self.refuse_posts(key);
                    self.refuse_starts(key);
                    self.forget_unless_carried(key);
                }
            }
        }
    }

    fn on_accepted(&mut self, socket: SocketKey, peer: std::net::SocketAddr) {
        tracing::trace!(?socket, %peer, "accepted");
        let now = self.registry.now;
        self.sockets.insert(socket, Socket::new(now));
        if self.drain.is_some() || self.sockets.len() > self.sockets_max {
            self.close_socket(socket, true);
            return;
        }
        self.arm_socket(socket, now + self.http.idle_timeout);
    }

    fn on_received(&mut self, key: SocketKey, bytes: &mut [u8]) {
        match self.sockets.get(key).map(|socket| &socket.stage) {
            Some(SocketStage::Http(_)) => self.on_http(key, bytes),
            Some(SocketStage::WebSocket(_)) => self.on_frames(key, bytes),
            Some(SocketStage::EventStream(_)) => self.on_stream_input(key, bytes),
            Some(SocketStage::Farewell(_) | SocketStage::Lingering(_) | SocketStage::Closing)
            | None => {}
        }
    }

    fn on_finished(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.finished = true;
        match &socket.stage {
            SocketStage::Http(_) => self.on_http_finished(key),
            SocketStage::WebSocket(_) => self.on_frames_ended(key),
            SocketStage::EventStream(_) => self.on_stream_lost(key),
            SocketStage::Lingering(_) => self.close_socket(key, false),
            SocketStage::Farewell(_) | SocketStage::Closing => {}
        }
    }

    fn on_lost(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.finished = true;
        match &socket.stage {
            SocketStage::WebSocket(_) => self.on_frames_ended(key),
            SocketStage::EventStream(_) => self.on_stream_lost(key),
            SocketStage::Http(_)
            | SocketStage::Farewell(_)
            | SocketStage::Lingering(_)
            | SocketStage::Closing => {}
        }
        self.close_socket(key, true);
    }

    fn on_sent(&mut self, key: SocketKey, whole: bool) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        match &mut socket.stage {
            SocketStage::Http(http) => {
                http.outbox.on_sent(&mut self.registry.pool);
                // What broke on its way answers no poll.
                if whole {
                    self.on_http_sent(key);
                }
            }
            SocketStage::WebSocket(websocket) => {
                let connection = websocket.connection;
                // The socket may be read again, or a pong has waited for this batch.
                let has_more = socket.paused || websocket.pong.is_some();
                self.registry.on_sent(connection);
                if has_more {
                    self.registry.mark(connection);
                }
            }
            SocketStage::EventStream(stream) => {
                let connection = stream.connection;
                self.registry.on_sent(connection);
                // Those who post may have waited for this.
                if self.registry.get(connection).is_some_and(|known| !known.posts.is_empty()) {
                    self.registry.mark(connection);
                }
            }
            SocketStage::Farewell(outbox) => {
                outbox.on_sent(&mut self.registry.pool);
                if whole {
                    self.flush_farewell(key);
                }
            }
            SocketStage::Lingering(_) | SocketStage::Closing => {}
        }
        if !whole {
            self.on_lost(key);
        }
    }

    fn on_closed(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.remove(key) else { return };
        // Only a driver that closes by itself finds anything here; it is a lost socket.
        self.part_from(key, &socket.stage);
    }

    /// Asks the driver to close a socket, and parts it from its connection.
    fn close_socket(&mut self, key: SocketKey, reset: bool) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let stage = std::mem::replace(&mut socket.stage, SocketStage::Closing);
        if matches!(stage, SocketStage::Closing) {
            return;
        }
        self.part_from(key, &stage);
        self.ops.push(Op::Close { socket: key, reset });
    }

    /// A socket is gone: parts it from whom it carried, or was to carry an answer for.
    fn part_from(&mut self, key: SocketKey, stage: &SocketStage) {
        match stage {
            SocketStage::WebSocket(websocket) => self.part(websocket.connection),
            SocketStage::EventStream(stream) => self.part(stream.connection),
            SocketStage::Http(http) => {
                if let Some(pending) = &http.pending {
                    self.on_pending_lost(key, pending);
                }
            }
            SocketStage::Farewell(_) | SocketStage::Lingering(_) | SocketStage::Closing => {}
        }
    }

    /// A connection has no socket any more. One with stateful reconnect is parked.
    fn part(&mut self, key: ConnectionKey) {
        let Some(connection) = self.registry.get_mut(key) else { return };
        connection.socket = None;
        if connection.departed {
            self.forget(key);
        } else if connection.is_resumable() {
            let world = connection.world as usize;
            self.apps[world].borrow_mut().input_ended(&mut self.registry, key, InputEnd::Lost);
        } else {
            // It leaves the tables at the end of the turn.
            self.registry.end(key, Closed::Lost);
        }
    }

    /// Forgets a connection that has left.
    fn forget(&mut self, key: ConnectionKey) {
        self.refuse_posts(key);
        self.registry.forget(key);
    }

    fn world_of(&self, key: ConnectionKey) -> Option<usize> {
        Some(self.registry.get(key)?.world as usize)
    }
}
