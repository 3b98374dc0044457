//! One SignalR connection (or raw one): what outlives a socket.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{Alarm, Classic, Compressed, Framing, Outbox, OutboxLimits, Stateful, Transport};
use crate::auth::{Cors, Identity, Origins, Policy};
use crate::base::{Checklist, ConnectionId, Mistake, Moment, SocketKey};
use crate::protocol::http::{self, RequestHead};
use crate::protocol::hub_protocol::{HubProtocolKind, RecordBuffer};
use crate::protocol::negotiate::{Transports, VERSION_MAX};
use crate::protocol::websocket;
use crate::protocol::websocket::deflate::Compression;

/// What may be set for each path that is served: limits and times below the hub.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// Bytes from the client that may wait for a busy hub before its socket is no longer read
    /// (default 64 KiB; `ApplicationMaxBufferSize`, §4.2).
    pub application_max_buffer_bytes: usize,
    /// The transports that are offered (default all three, §4.2).
    pub transports: Transports,
    /// How long a negotiated connection may stay without a transport, one over long polling
    /// without a poll, and one with stateful reconnect without a socket (default 15 s, §4.3).
    pub disconnect_timeout: Duration,
    /// How long a poll waits for something to say (default 90 s, §2.4).
    pub poll_timeout: Duration,
    /// How long the other end may take to answer our WebSocket Close before the socket is cut
    /// (default 5 s, §4.2).
    pub close_timeout: Duration,
    /// The lowest negotiate version that is served (default 0, COR-005).
    pub minimum_protocol_version: i32,
    /// Whether a client that asks for it may come back after it has lost its WebSocket, as if
    /// nothing had happened (default no; `AllowStatefulReconnects`, §5). How much is kept for it:
    /// `HubOptions::stateful_reconnect_buffer_size`.
    pub allow_stateful_reconnects: bool,
    /// WebSocket subprotocols that are spoken here, best first (default none): the first one that
    /// the client offers is chosen (COR-042).
    pub sub_protocols: Vec<String>,
    /// How WebSocket messages are compressed where the client offers it (default not at all; and
    /// not on connections with stateful reconnect).
    pub compression: Option<Compression>,
    /// What a WebSocket message may weigh. For hubs the number of fragments counts alone
    /// (default 1 024, T-FRAG): the size of hub messages is limited by their own option.
    pub websocket: websocket::Limits,
    /// Bounds of what waits for a slow client.
    pub outbox: OutboxLimits,
    /// Groups that one connection may be in (default 1 024, T-GROUP).
    pub groups_max: usize,
    /// Bytes in the name of a group (default 1 024, T-GROUP).
    pub group_name_bytes_max: usize,
    /// Questions to the client that may be open at a time (default 1 024).
    pub questions_max: usize,
    /// Says who the user of a connection is for selectors by user, by the request that opened its
    /// transport and by who sent that (default: the id of the identity, §6.5).
    pub user_id: Option<UserId>,
    /// Who may use this path (default: everybody). Asked for every request, before anything else:
    /// 401 for whoever has not signed in, 403 for others (§6.8).
    pub authorize: Option<Policy>,
    /// Ends connections when the identity expires that they were opened with (default no, §4.2).
    /// Over long polling each poll brings a new time.
    pub close_on_authentication_expiration: bool,
    /// The web pages that may open WebSockets and event streams (default: those of the same
    /// origin, and those that `cors` allows; T-ORIGIN).
    pub allowed_origins: Origins,
    /// What scripts of other origins may do (default: nothing, §1.8).
    pub cors: Option<Cors>,
}

/// Names the user of a connection.
pub type UserId = fn(&RequestHead, Option<&Identity>) -> Option<String>;

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            application_max_buffer_bytes: 64 * 1024,
            transports: Transports::ALL,
            disconnect_timeout: Duration::from_secs(15),
            poll_timeout: Duration::from_secs(90),
            close_timeout: Duration::from_secs(5),
            minimum_protocol_version: 0,
            allow_stateful_reconnects: false,
            sub_protocols: Vec::new(),
            compression: None,
            websocket: websocket::Limits::default(),
            outbox: OutboxLimits::default(),
            groups_max: 1024,
            group_name_bytes_max: 1024,
            questions_max: 1024,
            user_id: None,
            authorize: None,
            close_on_authentication_expiration: false,
            allowed_origins: Origins::default(),
            cors: None,
        }
    }
}

impl ConnectionOptions {
    /// Everything that is wrong with these options.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        let buffer = self.application_max_buffer_bytes;
        checks.require_some("application_max_buffer_bytes", buffer as u64);
        checks.require(
            self.transports != Transports::NONE,
            "transports",
            self.transports,
            "there must be one at least",
        );
        checks.require_time("disconnect_timeout", self.disconnect_timeout);
        checks.require_time("poll_timeout", self.poll_timeout);
        checks.require_time("close_timeout", self.close_timeout);
        checks.require(
            (0..=VERSION_MAX).contains(&self.minimum_protocol_version),
            "minimum_protocol_version",
            self.minimum_protocol_version,
            format!("it must be 0 to {VERSION_MAX}: higher versions do not exist"),
        );
        for name in &self.sub_protocols {
            checks.require(
                http::is_token(name),
                "sub_protocols",
                name,
                "a subprotocol is a token: letters, digits and a few signs (RFC 6455 §4.1)",
            );
        }
        checks.require_some("fragments_max", self.websocket.fragments_max.into());
        if let Some(bytes) = self.websocket.message_bytes_max {
            checks.require_some("message_bytes_max", bytes);
        }
        checks.extend(self.outbox.mistakes());
        checks.require_some("group_name_bytes_max", self.group_name_bytes_max as u64);
        checks.extend(self.allowed_origins.mistakes());
        if let Some(cors) = &self.cors {
            checks.extend(cors.mistakes());
        }
        checks.into_mistakes()
    }
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Negotiated; no transport has come yet.
    Negotiated,
    /// A transport is there, the hub handshake is not.
    Handshaking,
    /// In use.
    Open,
    /// Its last words are queued; the application was told or will be at the end of the turn.
    Closing,
}

/// What one connection is. Found by key, in a dense table; ordered by slot when many are sent to.
pub struct Connection {
    /// Its public name.
    pub id: ConnectionId,
    /// What opens it. The same as the id when negotiation was skipped (§1.9).
    pub token: ConnectionId,
    /// The index of the world (hub) it belongs to.
    pub world: u16,
    /// Where it is in its life.
    pub stage: Stage,
    /// What carries it; nothing until the first GET.
    pub transport: Option<Transport>,
    /// The form of what is queued for it.
    pub framing: Framing,
    /// The socket that carries it now. Over long polling: that on which an answer is being sent.
    pub socket: Option<SocketKey>,
    /// The socket of the poll that waits for something to say.
    pub poll: Option<SocketKey>,
    /// Sockets whose POSTs wait for room, in the order in which they came.
    pub posts: VecDeque<SocketKey>,
    /// What is on its way to the client.
    pub outbox: Outbox,
    /// What outlives its sockets, with stateful reconnect.
    pub stateful: Option<Box<Stateful>>,
    /// The unfinished message from the client.
    pub records: RecordBuffer,
    /// Bytes from the client that wait behind a busy hub, or the message of a raw connection that
    /// is still coming in.
    pub backlog: Vec<u8>,
    /// When the present stage ends by time-out.
    pub stage_ends: Moment,
    /// When the waiting poll is answered, or the next one has not come in time.
    pub poll_ends: Moment,
    /// When the next keep-alive is due.
    pub ping_at: Moment,
    /// When the client will have been silent for too long.
    pub silent_at: Moment,
    /// When its identity expires, if it is to end then.
    pub expires_at: Moment,
    /// Its entry in the timer wheel.
    pub alarm: Alarm,
    /// The request that opened the transport.
    pub request: Option<Box<RequestHead>>,
    /// Who negotiated it, then who opened its transport.
    pub identity: Option<Rc<Identity>>,
    /// Who it is for selectors by user.
    pub user: Option<Rc<str>>,
    /// The groups it is in: the world of each, and its index there.
    pub groups: SmallVec<[(u16, u32); 2]>,
    /// Limits and times of its path.
    pub options: Rc<ConnectionOptions>,
    /// What classic SignalR keeps for it.
    pub classic: Option<Box<Classic>>,
    /// Where compression was agreed on.
    pub compression: Option<Box<Compressed>>,
    /// The part of the state that only hubs need.
    pub hub: HubState,
    /// The Close frame was sent, and what the client still sends is read (RFC 6455 §5.5.1).
    pub output_closed: bool,
    /// The answer to its receive request is whole, and ends when all of it was sent (only classic
    /// SignalR has such requests).
    pub is_answered: bool,
    /// It ends without last words: the socket is cut as soon as the turn ends.
    pub cut: bool,
    /// It ends with an error of the server: the poll that asks for more is told so.
    pub failed: bool,
    /// It has left all tables; only its last bytes are still on their way.
    pub departed: bool,
    /// It stands in the list of those whose outbox or alarms changed this turn.
    pub dirty: bool,
}

/// What the hub layer keeps for each connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct HubState {
    /// Plain invocations that run now (asynchronous methods).
    pub running: u16,
    /// The next message must wait until one of those has ended (§6.4), or an upload has room
    /// (§3.7).
    pub blocked: bool,
    /// A stream waits until more can be queued ([`Connection::takes_items`]).
    pub awaits_room: bool,
    /// The client has pinged, so its silence counts (COR-114).
    pub armed: bool,
    /// The code behind `on_connected` runs; the messages of the client wait for its end.
    pub connecting: bool,
    /// `on_connected` was called and succeeded, so `on_disconnected` will be called.
    pub connected: bool,
    /// What was chosen in the handshake; nothing before it and on raw connections.
    pub speaks: Option<HubProtocolKind>,
    /// The client may read the details of errors.
    pub detailed: bool,
    /// Stateful reconnect was negotiated; the handshake decides (§5.1).
    pub may_be_stateful: bool,
}

/// A moment that does not come.
pub(crate) const NEVER: Moment = Moment::from_nanos(u64::MAX);

impl Connection {
    /// A connection that no transport has attached to yet.
    pub fn new(
        id: ConnectionId,
        token: ConnectionId,
        world: u16,
        options: Rc<ConnectionOptions>,
        now: Moment,
    ) -> Self {
        Self {
            id,
            token,
            world,
            stage: Stage::Negotiated,
            transport: None,
            framing: Framing::default(),
            socket: None,
            poll: None,
            posts: VecDeque::new(),
            outbox: Outbox::default(),
            stateful: None,
            records: RecordBuffer::default(),
            backlog: Vec::new(),
            stage_ends: now + options.disconnect_timeout,
            poll_ends: NEVER,
            ping_at: NEVER,
            silent_at: NEVER,
            expires_at: NEVER,
            alarm: Alarm::default(),
            request: None,
            identity: None,
            user: None,
            groups: SmallVec::new(),
            options,
            classic: None,
            compression: None,
            hub: HubState::default(),
            output_closed: false,
            is_answered: false,
            cut: false,
            failed: false,
            departed: false,
            dirty: false,
        }
    }

    /// The earliest moment at which something is due.
    pub fn deadline(&self) -> Moment {
        let hub = self.ping_at.min(self.silent_at);
        let plain = self.stage_ends.min(self.poll_ends).min(hub).min(self.expires_at);
        match &self.stateful {
            None => plain,
            Some(stateful) => plain.min(stateful.deadline()),
        }
    }

    /// Whether it goes over the long polling of ASP.NET Core.
    pub fn polls(&self) -> bool {
        self.transport == Some(Transport::LongPolling) && self.classic.is_none()
    }

    /// Whether it belongs to a world: a classic one may be in several.
    pub fn is_in(&self, world: u16) -> bool {
        self.world == world
            || self.classic.as_ref().is_some_and(|classic| classic.hubs.contains(&world))
    }

    /// Whether it has ended and a poll is to hear of it: it is known until then.
    pub fn awaits_farewell(&self) -> bool {
        self.polls() && self.stage == Stage::Closing && !self.cut
    }

    /// Sets the time until the poll that waits, or the next one, is late.
    pub fn time_polls(&mut self, now: Moment) {
        self.poll_ends = match (self.poll, self.socket) {
            _ if !self.polls() || self.stage == Stage::Closing => NEVER,
            (Some(_), _) => now + self.options.poll_timeout,
            (None, Some(_)) => NEVER,
            (None, None) => now + self.options.disconnect_timeout,
        };
    }

    /// Whether more should be read from the client: not while too much waits in either direction.
    pub fn wants_input(&self) -> bool {
        self.outbox.bytes() <= self.options.outbox.soft_bytes
            && (self.backlog.len() <= self.options.application_max_buffer_bytes
                || self.backlog.len() <= self.options.outbox.hard_bytes && self.is_holding())
    }

    /// Whether messages wait for an acknowledgement of the client. It may come behind calls that
    /// wait as well, and has to be found there (§5.4).
    pub fn is_holding(&self) -> bool {
        self.stateful.as_ref().is_some_and(|stateful| stateful.outbound.is_holding())
    }

    /// Whether it has lost its socket, and somebody may come back (§5.5).
    pub fn is_parked(&self) -> bool {
        self.stateful.as_ref().is_some_and(|stateful| stateful.is_parked)
    }

    /// Whether it survives the loss of its socket.
    pub fn is_resumable(&self) -> bool {
        (self.stateful.is_some() || self.classic.is_some()) && self.stage == Stage::Open
    }

    /// Whether its last words wait until the client has acknowledged what is before them.
    pub fn owes_last_words(&self) -> bool {
        self.stateful.as_ref().is_some_and(|stateful| !stateful.last_words.is_empty())
    }

    /// Whether streams may write for it. They stop well before [`Connection::wants_input`] does,
    /// so that they can be cancelled however slowly the client reads, and while messages wait for
    /// an acknowledgement.
    pub fn takes_items(&self) -> bool {
        self.outbox.bytes() <= self.options.outbox.soft_bytes / 2 && !self.is_holding()
    }

    /// Whether streams have waited for it to take more, and it does.
    pub fn frees_streams(&self) -> bool {
        self.hub.awaits_room && self.takes_items()
    }

    /// Whether messages may be queued for it.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open && !self.output_closed
    }

    /// Whether its Close frame was sent or will not be: no frame may follow.
    pub fn is_silent(&self) -> bool {
        self.stage == Stage::Closing || self.output_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        let bytes = size_of::<Connection>();
        assert!(bytes <= 432, "Connection has {bytes} bytes");
    }
}
