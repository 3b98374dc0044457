//! All connections of a shard: who they are, where they stand, what is to be done for them.
//!
//! What changed is remembered, and the shard sends it at the end of the turn.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::ask::Questions;
use super::classic::ClassicTables;
use super::closed::Closed;
use super::delivery::{Protocols, kind_of};
use super::ending::Ending;
use super::stateful::Kept;
use super::world::World;
use crate::base::{ConnectionId, ConnectionKey, HashMap, Moment, Pool, Rng, Table};
use crate::protocol::hub_protocol::HubProtocolKind;
use crate::protocol::websocket;
use crate::transport::{Codecs, Connection, ConnectionOptions, Joiner, NEVER, Stage, Transport};

/// Rings the shard that owns a registry, from any thread.
pub(crate) type Ring = Arc<dyn Fn() + Send + Sync>;

/// The tables of one shard: connections, and the worlds (hubs) they belong to.
pub(crate) struct Registry {
    pub(crate) now: Moment,
    pub(crate) rng: Rng,
    pub(crate) pool: Pool,
    pub(crate) joiner: Joiner,
    pub(super) codecs: Codecs,
    pub(crate) ring: Ring,
    pub(super) connections: Table<ConnectionKey, Connection>,
    pub(super) worlds: Vec<World>,
    pub(super) kept: Kept,
    /// What classic mounts share.
    pub(super) classic: ClassicTables,
    pub(super) by_token: HashMap<ConnectionId, ConnectionKey>,
    pub(super) by_id: HashMap<ConnectionId, ConnectionKey>,
    pub(super) dirty: Vec<ConnectionKey>,
    pub(super) ending: Vec<Ending>,
    /// Connections that have ended before they were whole: what is waited for is said there.
    pub(super) postponed: HashMap<ConnectionKey, Ending>,
    waiting: Vec<ConnectionKey>,
    /// The `on_connected` of a hub is running.
    pub(super) is_connecting: bool,
    /// What clients were asked; shared with those who wait for the answers.
    pub(super) questions: Rc<RefCell<Questions>>,
    /// One message, encoded in each hub protocol that its audience speaks.
    pub(super) bodies: [Vec<u8>; HubProtocolKind::WITH_CLASSIC.len()],
    /// Every hub protocol that was ever chosen here.
    pub(super) spoken: Protocols,
    pub(super) answer: Vec<u8>,
    pub(super) frame: Vec<u8>,
    pub(super) audience: Vec<u32>,
    pub(super) counters: Counters,
}

/// What happened in a shard, counted since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections that completed their handshake (or raw WebSockets that opened).
    pub opened: u64,
    /// Connections that ended after that.
    pub closed: u64,
    /// Messages that were queued for clients.
    pub sent: u64,
    /// Connections that ended because they read too slowly.
    pub too_slow: u64,
    /// Times that a connection with stateful reconnect lost its socket.
    pub parked: u64,
    /// Times that its client came back; the rest of them ended, or still wait.
    pub resumed: u64,
    /// Messages that were sent when clients came back: again, or for the first time.
    pub replayed: u64,
    /// Connections that ended because nobody came back in time.
    pub not_resumed: u64,
    /// Connections that ended because the peer broke a protocol.
    pub violations: u64,
    /// Times that classic clients asked for messages which were not kept any more.
    pub overrun: u64,
    /// Calls that were refused because of a rate limit.
    pub rate_limited: u64,
    /// Panics in the code of hubs.
    pub panics: u64,
}

impl Registry {
    /// Empty tables.
    pub(crate) fn new(mut rng: Rng, ring: Ring) -> Self {
        let classic = ClassicTables::new(&mut rng);
        Self {
            now: Moment::START,
            rng,
            pool: Pool::default(),
            joiner: Joiner::default(),
            codecs: Codecs::default(),
            ring,
            connections: Table::default(),
            worlds: Vec::new(),
            kept: Kept::new(usize::MAX),
            classic,
            by_token: HashMap::default(),
            by_id: HashMap::default(),
            dirty: Vec::new(),
            ending: Vec::new(),
            postponed: HashMap::default(),
            is_connecting: false,
            waiting: Vec::new(),
            questions: Rc::default(),
            bodies: Default::default(),
            spoken: Protocols::default(),
            answer: Vec::new(),
            frame: Vec::new(),
            audience: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Makes room for one more hub (or raw endpoint); returns its index.
    pub(crate) fn add_world(&mut self) -> u16 {
        let index =
            u16::try_from(self.worlds.len()).expect("a server has fewer than 65 536 endpoints");
        self.worlds.push(World::new(index));
        index
    }

    /// Makes a connection that waits for its transport. Without `secret` the token is the id
    /// itself (negotiate version 0, and without negotiation).
    pub(crate) fn create(
        &mut self,
        world: u16,
        options: Rc<ConnectionOptions>,
        secret: bool,
    ) -> ConnectionKey {
        let id = ConnectionId::random(&mut self.rng);
        let token = if secret { ConnectionId::random(&mut self.rng) } else { id };
        let key = self.connections.insert(Connection::new(id, token, world, options, self.now));
        self.by_token.insert(token, key);
        self.mark(key);
        key
    }

    /// The connection that `token` opens, in a certain world.
    pub(crate) fn by_token(&self, world: u16, token: &str) -> Option<ConnectionKey> {
        let key = *self.by_token.get(&token.parse().ok()?)?;
        (self.connections.get(key)?.world == world).then_some(key)
    }

    /// The connection with a public id, in a certain world.
    pub(super) fn by_id(&self, world: u16, id: ConnectionId) -> Option<ConnectionKey> {
        let key = *self.by_id.get(&id)?;
        self.connections.get(key)?.is_in(world).then_some(key)
    }

    /// The connection, unless it is gone.
    pub(crate) fn get(&self, key: ConnectionKey) -> Option<&Connection> {
        self.connections.get(key)
    }

    /// The connection, unless it is gone. Whoever changes an alarm or the outbox calls
    /// [`Registry::mark`].
    pub(crate) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.connections.get_mut(key)
    }

    /// The connection, and the buffers that its outbox works with.
    pub(crate) fn connection_and_buffers(
        &mut self,
        key: ConnectionKey,
    ) -> Option<(&mut Connection, &mut Pool, &mut Joiner)> {
        Some((self.connections.get_mut(key)?, &mut self.pool, &mut self.joiner))
    }

    /// The connection, and what inflates for it.
    pub(crate) fn connection_and_codecs(
        &mut self,
        key: ConnectionKey,
    ) -> Option<(&mut Connection, &mut Codecs)> {
        Some((self.connections.get_mut(key)?, &mut self.codecs))
    }

    /// Everybody, in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnectionKey, &Connection)> {
        self.connections.iter()
    }

    /// How many connections there are, in whatever stage.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// The connection becomes part of its world: selectors reach it from now on.
    pub(crate) fn enter(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.stage = Stage::Open;
        connection.stage_ends = NEVER;
        self.spoken.extend(connection.hub.speaks);
        self.by_id.insert(connection.id, key);
        self.worlds[connection.world as usize].enter(key, connection);
        self.counters.opened += 1;
        self.mark(key);
    }

    /// The connection leaves its world, its groups, and the table of tokens: there it stays only
    /// when a poll is still to hear of its end.
    pub(crate) fn leave(&mut self, key: ConnectionKey) {
        self.fail_questions(key);
        self.fail_replies(key);
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.departed = true;
        // Somebody else may have its id by now: the client of a classic one has come again.
        if !connection.awaits_farewell() && self.by_token.get(&connection.token) == Some(&key) {
            self.by_token.remove(&connection.token);
        }
        let is_classic = connection.classic.is_some();
        let is_known = self.by_id.get(&connection.id) == Some(&key);
        if is_known {
            self.by_id.remove(&connection.id);
        }
        if is_known || is_classic {
            self.counters.closed += 1;
        }
        self.worlds[connection.world as usize].leave(key, connection);
        self.leave_hubs(key);
    }

    /// Requests do not find the connection any more.
    pub(crate) fn hide(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get(key) {
            self.by_token.remove(&connection.token);
        }
    }

    /// Forgets a connection that has left and has no socket any more.
    pub(crate) fn forget(&mut self, key: ConnectionKey) -> Option<Connection> {
        let mut connection = self.connections.remove(key)?;
        if self.by_token.get(&connection.token) == Some(&key) {
            self.by_token.remove(&connection.token);
        }
        self.forget_kept(connection.stateful.take());
        self.forget_replay(connection.classic.take());
        Some(connection)
    }

    /// Remembers that the outbox or an alarm of a connection changed.
    pub(crate) fn mark(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Remembers that a connection has input which could not be processed yet.
    pub(crate) fn wait(&mut self, key: ConnectionKey) {
        self.waiting.push(key);
    }

    /// Takes the list of those that changed.
    pub(crate) fn take_dirty(&mut self, into: &mut Vec<ConnectionKey>) {
        into.append(&mut self.dirty);
    }

    /// Takes the list of those that are about to end.
    pub(crate) fn take_ending(&mut self) -> Vec<Ending> {
        std::mem::take(&mut self.ending)
    }

    /// Takes the list of those that have input left.
    pub(crate) fn take_waiting(&mut self) -> Vec<ConnectionKey> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether the next turn has something to do at once.
    pub(crate) fn has_work(&self) -> bool {
        !self.dirty.is_empty() || !self.ending.is_empty() || !self.waiting.is_empty()
    }

    /// Whether a connection goes on in the next turn.
    #[cfg(feature = "sim")]
    pub(super) fn goes_on(&self, key: ConnectionKey) -> bool {
        self.waiting.contains(&key)
    }

    /// Whether a world holds nobody and nothing.
    #[cfg(feature = "sim")]
    pub(crate) fn is_quiet(&self) -> bool {
        self.worlds.iter().all(World::is_empty)
            && self.by_id.is_empty()
            && self.by_token.is_empty()
            && self.connections.is_empty()
            && self.questions.borrow().asked().next().is_none()
    }

    /// What happened so far.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Counts a panic of hub code.
    pub(crate) fn count_panic(&mut self) {
        self.counters.panics += 1;
    }

    /// Counts a call that was one too many.
    pub(crate) fn count_rate_limited(&mut self) {
        self.counters.rate_limited += 1;
    }

    /// Queues a Close message and lets the connection end at the end of the turn. Everything that
    /// is queued for it later is dropped, but for the Close frame, which comes when the
    /// application has heard of the end.
    pub(crate) fn end(&mut self, key: ConnectionKey, closed: Closed) {
        let code = closed.websocket_code();
        self.end_with(key, closed, code, "");
    }

    /// Like [`Registry::end`], with a close code and reason of one's own.
    pub(crate) fn end_with(
        &mut self,
        key: ConnectionKey,
        closed: Closed,
        code: Option<u16>,
        reason: &str,
    ) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.stage == Stage::Closing {
            return;
        }
        match closed {
            Closed::TooSlow(_) => {
                self.counters.too_slow += 1;
                // What waits would never arrive; the reason has a chance.
                connection.outbox.drop_waiting(&mut self.pool);
            }
            Closed::Protocol { .. } | Closed::WebSocket { .. } => self.counters.violations += 1,
            Closed::NotResumed => self.counters.not_resumed += 1,
            _ => {}
        }
        self.frame.clear();
        if let Some(protocol) = connection.hub.speaks
            && protocol != HubProtocolKind::Classic
            && let Some(message) = closed.message(connection.hub.detailed)
        {
            let body = &mut self.bodies[protocol.index()];
            body.clear();
            protocol.write_close(body, message.error.as_deref(), message.allow_reconnect);
            connection.framing.write(&mut self.frame, kind_of(protocol), body);
        }
        connection.cut = code.is_none();
        connection.failed = matches!(closed, Closed::Failed(_));
        connection.stage = Stage::Closing;
        let time = if connection.polls() {
            connection.options.disconnect_timeout
        } else {
            connection.options.close_timeout
        };
        connection.stage_ends = self.now + time;
        connection.poll_ends = NEVER;
        connection.ping_at = NEVER;
        connection.silent_at = NEVER;
        connection.expires_at = NEVER;
        connection.backlog = Vec::new();
        if let Some(compressed) = connection.compression.take() {
            self.codecs.release(&compressed);
        }
        if !self.keep_last_words(key, &closed)
            && !self.frame.is_empty()
            && let Some(connection) = self.connections.get_mut(key)
        {
            connection.outbox.append_control(&self.frame, &mut self.pool);
        }
        self.ending.push(Ending { key, closed, code, reason: reason.into() });
        self.mark(key);
    }

    /// Queues the Close frame and goes on reading until the client's comes, or `close_timeout` has
    /// passed. Nothing is queued for the connection any more. Over transports that have no such
    /// half this is the end.
    pub(crate) fn close_output(&mut self, key: ConnectionKey, code: u16, reason: &str) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.transport != Some(Transport::WebSockets) {
            self.end_with(key, Closed::Aborted, Some(code), reason);
            return;
        }
        if !connection.is_open() {
            return;
        }
        connection.output_closed = true;
        connection.stage_ends = self.now + connection.options.close_timeout;
        self.control(key, |out| websocket::write_close(out, Some(code), reason));
    }

    /// The kernel took the batch that was in flight for a connection.
    pub(crate) fn on_sent(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.outbox.on_sent(&mut self.pool);
        let makes_room = connection.frees_streams();
        // More may wait, or the socket may have nothing left to live for.
        if !connection.outbox.is_empty() || !connection.is_open() || connection.is_answered {
            self.mark(key);
        }
        if makes_room {
            self.wait(key);
        }
    }
}
