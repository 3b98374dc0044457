//! One classic mount: the life of its connections, whatever is behind it.

use std::rc::Rc;

use super::model::{Asking, ClassicApplication, Model, Refusal, Sent};
use super::options::ClassicOptions;
use crate::auth::Identity;
use crate::auth::KeyRing;
use crate::base::{ConnectionId, ConnectionKey, HashMap, Moment};
use crate::hub::{Application, Closed, InputEnd, Parting, Piece, Registry, ReplyPath, Welcome};
use crate::protocol::classic::KEEP_ALIVE;
use crate::protocol::http::RequestHead;
use crate::protocol::websocket::Kind;
use crate::transport::{Classic, ConnectionOptions, NEVER, Start, Transport};

/// One classic mount.
pub(crate) struct ClassicMount<M> {
    model: M,
    world: u16,
    options: Rc<ClassicOptions>,
    keys: Rc<KeyRing>,
    connection: Rc<ConnectionOptions>,
    /// Who was stopped, and until when that is remembered; the oldest are forgotten first.
    stopped: HashMap<ConnectionId, Moment>,
}

impl<M: Model> ClassicMount<M> {
    pub(crate) fn new(model: M, world: u16, options: ClassicOptions, keys: Rc<KeyRing>) -> Self {
        // Nothing is compressed: what is kept is sent again over whatever comes (LEG-076).
        let connection = ConnectionOptions { compression: None, ..options.connection.clone() };
        let connection = Rc::new(connection);
        let stopped = HashMap::default();
        Self { model, world, options: Rc::new(options), keys, connection, stopped }
    }

    /// What is the same as for ASP.NET Core.
    pub(crate) fn connection_options(&self) -> Rc<ConnectionOptions> {
        self.connection.clone()
    }

    /// What is behind it, and its world.
    pub(crate) fn model(&mut self) -> (&mut M, u16) {
        (&mut self.model, self.world)
    }

    /// `OnConnected` has ended everywhere.
    fn started(registry: &mut Registry, key: ConnectionKey, is_well: bool) {
        let Some(classic) = classic_of(registry, key) else { return };
        classic.start = if is_well { Start::Done } else { Start::Failed };
        let starts_at_once = std::mem::take(&mut classic.starts_at_once);
        if starts_at_once && is_well {
            registry.notify(key, |notices| notices.initialized = true);
        } else if starts_at_once {
            registry.end_request(key);
        }
        registry.mark(key);
    }

    /// Nobody receives any more: the client has some time to come back.
    fn park(&self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        let Some((connection, pool, _)) = registry.connection_and_buffers(key) else { return };
        connection.outbox.clear(pool);
        let threshold = match connection.transport {
            Some(Transport::LongPolling) => self.options.long_poll_delay,
            _ => STREAM_THRESHOLD,
        };
        connection.stage_ends = now + threshold + self.options.disconnect_timeout;
        connection.ping_at = NEVER;
        connection.poll_ends = NEVER;
        connection.is_answered = false;
        if let Some(classic) = &mut connection.classic {
            classic.poll = None;
            classic.text = Vec::new();
        }
        registry.mark(key);
    }

    /// The request over which somebody receives ends; a WebSocket with this code.
    fn cut(registry: &mut Registry, key: ConnectionKey, close_code: u16) {
        if let Some(classic) = classic_of(registry, key) {
            classic.close_code = close_code;
        }
        registry.end_request(key);
    }

    fn remember_stopped(&mut self, now: Moment, id: ConnectionId) {
        self.stopped.retain(|_, until| *until > now);
        if self.stopped.len() < STOPPED_MAX {
            let window = self.options.disconnect_timeout
                + self.options.keep_alive_timeout().unwrap_or_default();
            self.stopped.insert(id, now + window);
        }
    }
}

fn classic_of(registry: &mut Registry, key: ConnectionKey) -> Option<&mut Classic> {
    registry.get_mut(key)?.classic.as_deref_mut()
}

impl<M: Model> ClassicApplication for ClassicMount<M> {
    fn options(&self) -> &ClassicOptions {
        &self.options
    }

    fn keys(&self) -> &KeyRing {
        &self.keys
    }

    fn admit(&mut self, registry: &mut Registry, asking: &Asking<'_>) -> Result<Vec<u16>, Refusal> {
        self.model.admit(registry, asking)
    }

    fn script(&self, registry: &Registry, url: &str) -> Option<Vec<u8>> {
        self.model.script(registry, url)
    }

    fn connection(
        &mut self,
        registry: &mut Registry,
        id: ConnectionId,
        head: RequestHead,
        identity: Option<Rc<Identity>>,
    ) -> ConnectionKey {
        if let Some(key) = registry.classic_by_id(self.world, id) {
            return key;
        }
        let detailed = self.options.enable_detailed_errors;
        let classic = Classic::new(self.options.replay_limits(), self.keys.clone(), detailed);
        let key = registry.create_classic(self.world, id, self.connection.clone(), classic);
        let ends = registry.now + self.options.disconnect_timeout;
        if let Some(connection) = registry.get_mut(key) {
            connection.stage_ends = ends;
            connection.request = Some(Box::new(head));
            connection.identity = identity;
        }
        key
    }

    fn was_stopped(&mut self, now: Moment, id: ConnectionId) -> bool {
        self.stopped.get(&id).is_some_and(|until| *until > now)
    }

    fn receives(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        hubs: &[u16],
        groups: Option<&[String]>,
    ) {
        let now = registry.now;
        let Some(connection) = registry.get_mut(key) else { return };
        let identity = connection.identity.as_deref();
        let head = connection.request.as_deref();
        let user: Option<Rc<str>> = match (connection.options.user_id, head) {
            (Some(user_id), Some(head)) => user_id(head, identity).map(Into::into),
            _ => identity.and_then(Identity::id).map(Into::into),
        };
        // An empty name is nobody's (LEG-115).
        let user = user.filter(|name| !name.is_empty());
        connection.stage_ends = NEVER;
        connection.ping_at = self.options.keep_alive.map_or(NEVER, |interval| now + interval);
        let is_poll = connection.transport == Some(Transport::LongPolling);
        let ends = is_poll || self.options.keep_alive.is_none();
        connection.poll_ends = if ends { now + self.options.connection_timeout } else { NEVER };
        registry.listen(key, hubs, user);
        if let Some(groups) = groups {
            self.model.rejoin(registry, key, groups);
        }
        registry.mark(key);
    }

    fn start(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let Some(classic) = classic_of(registry, key) else { return };
        if classic.start != Start::Not {
            return;
        }
        classic.start = Start::Running(0);
        match self.model.connected(registry, key) {
            (0, is_well) => Self::started(registry, key, is_well),
            (running, is_well) => {
                if let Some(classic) = classic_of(registry, key) {
                    classic.start = Start::Running(running);
                    classic.start_failed = !is_well;
                }
            }
        }
    }

    fn reconnected(&mut self, registry: &mut Registry, key: ConnectionKey) -> bool {
        self.model.reconnected(registry, key)
    }

    fn posted(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        data: Option<&mut [u8]>,
        path: ReplyPath,
        query: &str,
    ) -> Result<Sent, Refusal> {
        let ends = registry.now + self.options.disconnect_timeout;
        if let Some(connection) = registry.get_mut(key)
            && connection.stage_ends != NEVER
            && connection.classic.as_ref().is_some_and(|classic| !classic.was_attached)
        {
            // It lives for the sake of its calls alone.
            connection.stage_ends = ends;
        }
        let is_busy = classic_of(registry, key)
            .is_some_and(|classic| classic.calls >= self.options.calls_max);
        if is_busy {
            return Err(Refusal::Wrong("Too many calls of this connection run.".into()));
        }
        self.model.received(registry, key, data, path, Some(query))
    }
}

impl<M: Model> Application for ClassicMount<M> {
    fn opened(&mut self, _: &mut Registry, _: ConnectionKey) {}

    /// A piece of a WebSocket message. What is wrong with it is swallowed: the socket stays open
    /// (§4.3).
    fn received(&mut self, registry: &mut Registry, key: ConnectionKey, piece: Piece<'_>) {
        let max = self.options.max_incoming_websocket_message_size.unwrap_or(usize::MAX);
        let calls_max = self.options.calls_max;
        let Some(socket) = registry.get(key).and_then(|connection| connection.socket) else {
            return;
        };
        if registry.get(key).is_none_or(|connection| connection.is_answered) {
            return;
        }
        let Some(classic) = classic_of(registry, key) else { return };
        if piece.kind == Kind::Binary {
            Self::cut(registry, key, UNSUPPORTED_DATA);
            return;
        }
        if classic.text.len() + piece.bytes.len() > max {
            Self::cut(registry, key, MESSAGE_TOO_BIG);
            return;
        }
        if !piece.last {
            classic.text.extend_from_slice(piece.bytes);
            return;
        }
        if classic.calls >= calls_max {
            tracing::debug!("a call was dropped: too many calls of its connection run");
            return;
        }
        let mut joined = std::mem::take(&mut classic.text);
        let text = if joined.is_empty() {
            piece.bytes
        } else {
            joined.extend_from_slice(piece.bytes);
            &mut joined[..]
        };
        let path = ReplyPath::WebSocket(socket);
        let taken = self.model.received(registry, key, Some(text), path, None);
        if let Err(refusal) = taken {
            tracing::debug!(?refusal, "a message of a classic client was dropped");
        }
    }

    /// Some hub has news about the beginning of the connection.
    fn resume(&mut self, registry: &mut Registry, key: ConnectionKey) {
        for is_well in registry.take_welcomed(key) {
            let Some(classic) = classic_of(registry, key) else { return };
            classic.start_failed |= !is_well;
            let Start::Running(running) = classic.start else { continue };
            let failed = classic.start_failed;
            classic.start = Start::Running(running.saturating_sub(1));
            if running <= 1 {
                Self::started(registry, key, !failed);
            }
        }
    }

    fn alarm(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let now = registry.now;
        let Some((connection, pool, _)) = registry.connection_and_buffers(key) else { return };
        if connection.stage_ends <= now {
            let runs = connection.classic.as_ref().is_some_and(|classic| {
                classic.calls > 0 || matches!(classic.start, Start::Running(_))
            });
            if runs && !connection.classic.as_ref().is_some_and(|classic| classic.was_attached) {
                connection.stage_ends = now + self.options.disconnect_timeout;
            } else {
                registry.end(key, Closed::NotResumed);
            }
            return;
        }
        if connection.poll_ends <= now {
            connection.poll_ends = NEVER;
            let is_poll = connection.classic.as_ref().is_some_and(|known| known.poll.is_some());
            if is_poll {
                registry.end_long_poll(key);
            } else {
                Self::cut(registry, key, NORMAL);
            }
            return;
        }
        if let Some(interval) = self.options.keep_alive
            && connection.ping_at <= now
        {
            // Whatever else was sent meanwhile (T-23).
            connection.ping_at = now + interval;
            let Some(classic) = &mut connection.classic else { return };
            classic.replay.expire(now, classic.limits.age, pool);
            let sign: &[u8] = match &classic.poll {
                None => KEEP_ALIVE,
                Some(poll) if poll.callback.is_some() => b"",
                Some(_) => b" ",
            };
            if !sign.is_empty() && !connection.is_answered && connection.socket.is_some() {
                registry.write_to_stream(key, sign);
            }
        }
    }

    fn input_ended(&mut self, registry: &mut Registry, key: ConnectionKey, end: InputEnd<'_>) {
        match end {
            // The Close frame is answered, and the socket is lost then.
            InputEnd::Closed { .. } => Self::cut(registry, key, NORMAL),
            InputEnd::Lost => self.park(registry, key),
        }
    }

    fn closed(&mut self, registry: &mut Registry, key: ConnectionKey, reason: &Closed) -> Parting {
        let drained = matches!(reason, Closed::Drained);
        let Some(connection) = registry.get_mut(key) else { return Parting::Done };
        let Some(classic) = &mut connection.classic else { return Parting::Done };
        let id = connection.id;
        if classic.poll.is_some() {
            classic.notices.terminate |= drained;
            registry.end_long_poll(key);
        }
        let Some(connection) = registry.get_mut(key) else { return Parting::Done };
        let Some(classic) = &mut connection.classic else { return Parting::Done };
        // An answer that is whole is not ended twice.
        connection.output_closed = connection.is_answered && !connection.framing.is_websocket();
        let is_known = classic.was_attached || classic.start == Start::Done;
        if reason.is_stop() {
            self.remember_stopped(registry.now, id);
        }
        self.model.ended(registry, key, reason, is_known)
    }

    fn turn(&mut self, _: &mut Registry) {}

    fn deadline(&self) -> Option<Moment> {
        None
    }

    #[cfg(feature = "sim")]
    fn check(&self, registry: &Registry) -> Result<(), String> {
        let mine = |connection: &&crate::transport::Connection| connection.world == self.world;
        for connection in registry.iter().map(|(_, connection)| connection).filter(mine) {
            let Some(classic) = &connection.classic else {
                return Err("a connection of a classic mount is none".into());
            };
            let limits = &classic.limits;
            if classic.replay.len() > limits.messages {
                return Err(format!("{} messages are kept", classic.replay.len()));
            }
            if classic.replay.len() > 1 && classic.replay.bytes() > limits.bytes {
                return Err(format!("{} bytes are kept", classic.replay.bytes()));
            }
        }
        Ok(())
    }

    #[cfg(feature = "sim")]
    fn is_quiet(&self) -> bool {
        self.model.is_quiet()
    }
}

/// Result of [`ClassicHub::connected`](crate::hub::ClassicHub::connected) of several hubs.
pub(super) fn sum(welcomes: impl Iterator<Item = Welcome>) -> (u16, bool) {
    welcomes.fold((0, true), |(running, is_well), welcome| match welcome {
        Welcome::Done(ended_well) => (running, is_well && ended_well),
        Welcome::Later => (running + 1, is_well),
    })
}

const NORMAL: u16 = 1000;
const UNSUPPORTED_DATA: u16 = 1003;
const MESSAGE_TOO_BIG: u16 = 1009;

/// A stream that is not there may be on its way for so long (§5.6).
const STREAM_THRESHOLD: std::time::Duration = std::time::Duration::from_secs(5);

/// Connections of which is remembered at most that they were stopped.
const STOPPED_MAX: usize = 100_000;
