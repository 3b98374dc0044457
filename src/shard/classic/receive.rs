//! The request over which a client receives: one at a time, the newest wins (§5.0).

use super::{Asked, Named, too_many, wrong};
use crate::base::{ConnectionKey, SocketKey};
use crate::io::Op;
use crate::protocol::classic::forever_frame::{self, FrameId};
use crate::protocol::classic::{
    Endpoint, FRAME_TYPE, INITIALIZED, JAVASCRIPT_TYPE, JSON_TYPE, TransportName, errors,
};
use crate::protocol::event_stream;
use crate::protocol::http::{Request, Response, write_chunk};
use crate::protocol::websocket::{self, Verdict};
use crate::shard::Engine;
use crate::shard::attach::{Answer, from_our_pages};
use crate::transport::{
    EventStreamStage, Framing, HttpStage, LongPoll, NEVER, SocketStage, Start, Transport,
};

impl Engine {
    /// A receive request over a WebSocket.
    pub(super) fn classic_upgrade(
        &mut self,
        asked: &Asked<'_>,
        named: Named,
        endpoint: Endpoint,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Result<Answer, Response<'static>> {
        let Verdict::Accept { key: accept } = Verdict::of(request) else {
            return Err(wrong(errors::NO_WEB_SOCKET_REQUEST));
        };
        let (key, position) = self.take_over(asked, named, endpoint, http, request)?;
        if let Some(connection) = self.registry.get_mut(key) {
            connection.framing = Framing::WebSocket;
        }
        self.speak_frames(socket, key, http, request, accept);
        self.begin_receiving(asked, key, endpoint, position);
        Ok(Answer::Upgraded)
    }

    /// A receive request that is answered with a stream, or with one envelope.
    pub(super) fn classic_receive(
        &mut self,
        asked: &Asked<'_>,
        named: Named,
        endpoint: Endpoint,
        socket_key: SocketKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Result<Answer, Response<'static>> {
        let transport = named.transport;
        let frame = match transport {
            TransportName::ForeverFrame => {
                if request.header("sec-fetch-site").is_some_and(|site| site == "cross-site") {
                    return Err(Response::new(403));
                }
                let id = asked.parameters.query("frameId").unwrap_or_default();
                Some(FrameId::parse(&id).map_err(|_| wrong(errors::BAD_FRAME_ID))?)
            }
            _ => None,
        };
        let (key, position) = self.take_over(asked, named, endpoint, http, request)?;
        let reply_to = self.reply_to(request);
        let content_type = match transport {
            TransportName::ServerSentEvents => "text/event-stream",
            TransportName::ForeverFrame => FRAME_TYPE,
            _ if asked.callback.is_some() => JAVASCRIPT_TYPE,
            _ => JSON_TYPE,
        };
        let mut response = Response::new(200).content_type(content_type).with(&http.headers);
        response = response.header("X-Accel-Buffering", "no");
        if frame.is_some() {
            response = response.header("X-Frame-Options", "SAMEORIGIN");
        }
        let response = response.streaming();
        let (chunks, reusable) = (reply_to.uses_chunks(), !response.closes(reply_to));
        let framing = match (transport, chunks) {
            (TransportName::ServerSentEvents, true) => Framing::EventChunk,
            (TransportName::ServerSentEvents, false) => Framing::Event,
            (TransportName::ForeverFrame, true) => Framing::ScriptChunk,
            (TransportName::ForeverFrame, false) => Framing::Script,
            (_, true) => Framing::PlainChunk,
            (_, false) => Framing::Plain,
        };
        let head = self.registry.cursor().number;
        if let Some(connection) = self.registry.get_mut(key) {
            connection.framing = framing;
            connection.socket = Some(socket_key);
            // Answers to earlier requests of this socket leave first.
            connection.outbox = std::mem::take(&mut http.outbox);
            if transport == TransportName::LongPolling
                && let Some(classic) = &mut connection.classic
            {
                let delay = asked.app.borrow().options().long_poll_delay;
                let cursor = position.unwrap_or(head);
                let callback = asked.callback.clone();
                classic.poll = Some(LongPoll { cursor, callback, delay });
            }
        }
        self.registry.control(key, |out| {
            response.write_head(out, reply_to);
            // Clients take the first bytes for the opening (T-08, T-39).
            let mut opening = Vec::new();
            match frame {
                Some(frame) => forever_frame::write_prologue(&mut opening, frame),
                None if transport == TransportName::ServerSentEvents => {
                    event_stream::write_event(&mut opening, INITIALIZED);
                }
                None => {}
            }
            match (opening.is_empty(), chunks) {
                (true, _) => {}
                (false, true) => write_chunk(out, &opening),
                (false, false) => out.extend_from_slice(&opening),
            }
        });
        self.begin_stream(socket_key, EventStreamStage { connection: key, reusable });
        self.begin_receiving(asked, key, endpoint, position);
        Ok(Answer::Upgraded)
    }

    /// Whoever received for a connection does not any more; the new request says what it is and
    /// what it has seen.
    fn take_over(
        &mut self,
        asked: &Asked<'_>,
        named: Named,
        endpoint: Endpoint,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Result<(ConnectionKey, Option<u64>), Response<'static>> {
        from_our_pages(&asked.mount, request)?;
        let now = self.registry.now;
        let Named { id, transport, groups } = named;
        let mut app = asked.app.borrow_mut();
        if !app.options().transports.serves(transport) {
            return Err(wrong(errors::UNKNOWN_TRANSPORT));
        }
        if endpoint != Endpoint::Connect && app.was_stopped(now, id) {
            return Err(wrong("The connection has ended."));
        }
        let named = Named { id, transport, groups: None };
        if self.classic_is_full(asked, &named) {
            return Err(too_many());
        }
        let cursor = asked.received("messageId", transport);
        let position = cursor.and_then(|cursor| self.registry.number_at(&cursor));
        let (head, identity) = (request.to_head(), http.identity.take());
        let key = app.connection(&mut self.registry, id, head.clone(), None);
        drop(app);
        self.detach(key);
        let expires_at = match self.registry.get(key) {
            Some(connection) => self.expiry(connection, identity.as_deref()),
            None => NEVER,
        };
        let Some(connection) = self.registry.get_mut(key) else { return Err(too_many()) };
        connection.request = Some(Box::new(head));
        connection.identity = identity;
        connection.expires_at = expires_at;
        connection.transport = Some(match transport {
            TransportName::WebSockets => Transport::WebSockets,
            TransportName::ServerSentEvents => Transport::ServerSentEvents,
            TransportName::ForeverFrame => Transport::ForeverFrame,
            TransportName::LongPolling => Transport::LongPolling,
        });
        let mut proved = Some(groups.unwrap_or_default());
        connection.is_answered = false;
        if let Some(classic) = &mut connection.classic {
            classic.close_code = 1000;
            classic.poll = None;
            // Half a message of another WebSocket does not go on here.
            classic.text.clear();
            classic.was_attached = true;
            if position.is_some_and(|seen| seen < classic.groups_changed) {
                // It has not seen its newest token: we know better which groups it is in.
                proved = None;
                classic.notices.groups = true;
            }
        }
        let mut app = asked.app.borrow_mut();
        app.receives(&mut self.registry, key, &asked.hubs, proved.as_deref());
        Ok((key, position))
    }

    /// The socket carries the connection: its application hears of it, and what its client has
    /// missed is sent.
    fn begin_receiving(
        &mut self,
        asked: &Asked<'_>,
        key: ConnectionKey,
        endpoint: Endpoint,
        position: Option<u64>,
    ) {
        let mut app = asked.app.borrow_mut();
        let registry = &mut self.registry;
        let Some(classic) = registry.get_mut(key).and_then(|known| known.classic.as_mut()) else {
            return;
        };
        let is_poll = classic.poll.is_some();
        if endpoint == Endpoint::Connect {
            if asked.version().starts_delayed() || classic.start == Start::Done {
                classic.notices.initialized = true;
            } else {
                classic.starts_at_once = true;
                app.start(registry, key);
            }
        } else {
            // The first poll comes before `/start` as often as behind it.
            let is_news = !is_poll || endpoint == Endpoint::Reconnect;
            if is_news && classic.start == Start::Not {
                // It has begun elsewhere, or so long ago that nobody remembers (§6.3).
                classic.start = Start::Done;
            }
            if is_news && !app.reconnected(registry, key) {
                registry.end_request(key);
                return;
            }
        }
        match position {
            Some(position) if !is_poll => registry.replay(key, position),
            _ => registry.notify(key, |_| {}),
        }
    }

    /// Somebody else receives for a connection from now on, or nobody: what was begun is ended
    /// properly (LEG-119).
    pub(in crate::shard) fn detach(&mut self, key: ConnectionKey) {
        self.registry.end_long_poll(key);
        let Some((connection, pool, _)) = self.registry.connection_and_buffers(key) else { return };
        let Some(socket_key) = connection.socket.take() else { return };
        let framing = connection.framing;
        let mut outbox = std::mem::take(&mut connection.outbox);
        let Some(classic) = connection.classic.as_deref_mut() else { return };
        let mut end = Vec::new();
        if framing.is_websocket() {
            outbox.drop_waiting(pool);
            websocket::write_close(&mut end, Some(classic.close_code), "");
        } else if !connection.is_answered {
            outbox.drop_waiting(pool);
            framing.write_end(&mut end, 1000, "");
        }
        if !end.is_empty() {
            outbox.append_control(&end, pool);
        }
        connection.is_answered = false;
        let Some(socket) = self.sockets.get_mut(socket_key) else { return };
        if matches!(socket.stage, SocketStage::Closing) {
            return;
        }
        socket.stage = SocketStage::Farewell(Box::new(outbox));
        self.flush_farewell(socket_key);
    }

    /// Sends what is left for a socket that carries nobody any more.
    pub(in crate::shard) fn flush_farewell(&mut self, key: SocketKey) {
        let now = self.registry.now;
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let SocketStage::Farewell(outbox) = &mut socket.stage else { return };
        let registry = &mut self.registry;
        if let Some(batch) = outbox.take(now, &mut registry.joiner, &mut registry.pool) {
            self.ops.push(Op::Send { socket: key, batch });
            self.arm_socket(key, now + FAREWELL_TIMEOUT);
        } else if outbox.is_empty() {
            self.linger(key);
        }
    }
}

/// How long the last bytes for a socket may take.
const FAREWELL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
