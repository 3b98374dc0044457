//! What may be set for a classic mount, and which hubs it has.

use std::rc::Rc;
use std::time::Duration;

use crate::auth::KeyRing;
use crate::auth::Policy;
use crate::base::{Checklist, Mistake};
use crate::hub::{Hub, HubTable, SharedHub};
use crate::protocol::classic::TransportName;
use crate::transport::{ConnectionOptions, ReplayLimits};

/// What may be set for a classic mount, with the names and defaults of the field (§6.1).
#[derive(Clone, Debug)]
pub struct ClassicOptions {
    /// How long a long poll waits for something to say, and a stream without keep-alive lives
    /// (default 110 s).
    pub connection_timeout: Duration,
    /// How long the client tries to come back, and the server waits for it (default 30 s; at
    /// least 6 s).
    pub disconnect_timeout: Duration,
    /// The time between two signs of life (default 10 s; at least 2 s, at most a third of
    /// `disconnect_timeout`); nothing for none.
    pub keep_alive: Option<Duration>,
    /// How long clients wait for a transport to open (default 5 s).
    pub transport_connect_timeout: Duration,
    /// How long clients wait between two long polls (default not at all).
    pub long_poll_delay: Duration,
    /// Messages that are kept for a client that may come back (default 1 000; never fewer than
    /// 32).
    pub default_message_buffer_size: usize,
    /// Bytes of messages that are kept for one client (default 256 KiB); one message is kept
    /// whatever its size.
    pub message_buffer_bytes_max: usize,
    /// Bytes in a WebSocket message of a client (default 64 KiB); nothing for no limit.
    pub max_incoming_websocket_message_size: Option<usize>,
    /// Calls of one client that run at a time (default 1 024).
    pub calls_max: u32,
    /// Whether JSONP is answered (default no).
    pub enable_jsonp: bool,
    /// Whether callers read why their calls failed (default no).
    pub enable_detailed_errors: bool,
    /// Whether the script for `$.connection` is generated at `/hubs` (default yes).
    pub enable_javascript_proxies: bool,
    /// The transports that are served (default all).
    pub transports: ClassicTransports,
    /// What tokens are protected with. All nodes of a farm need the same keys; without, each
    /// process makes its own.
    pub keys: Option<KeyRing>,
    /// What is the same as for ASP.NET Core: who may connect, CORS, origins, groups, and what may
    /// wait for a slow client. The times in it mean nothing here.
    pub connection: ConnectionOptions,
}

/// Which transports a classic mount serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassicTransports {
    /// `webSockets`.
    pub web_sockets: bool,
    /// `serverSentEvents`.
    pub server_sent_events: bool,
    /// `foreverFrame`.
    pub forever_frame: bool,
    /// `longPolling`.
    pub long_polling: bool,
}

impl ClassicTransports {
    pub(crate) fn serves(self, transport: TransportName) -> bool {
        match transport {
            TransportName::WebSockets => self.web_sockets,
            TransportName::ServerSentEvents => self.server_sent_events,
            TransportName::ForeverFrame => self.forever_frame,
            TransportName::LongPolling => self.long_polling,
        }
    }
}

impl Default for ClassicTransports {
    fn default() -> Self {
        Self {
            web_sockets: true,
            server_sent_events: true,
            forever_frame: true,
            long_polling: true,
        }
    }
}

impl Default for ClassicOptions {
    fn default() -> Self {
        Self {
            connection_timeout: Duration::from_secs(110),
            disconnect_timeout: Duration::from_secs(30),
            keep_alive: Some(Duration::from_secs(10)),
            transport_connect_timeout: Duration::from_secs(5),
            long_poll_delay: Duration::ZERO,
            default_message_buffer_size: 1000,
            message_buffer_bytes_max: 256 * 1024,
            max_incoming_websocket_message_size: Some(64 * 1024),
            calls_max: 1024,
            enable_jsonp: false,
            enable_detailed_errors: false,
            enable_javascript_proxies: true,
            transports: ClassicTransports::default(),
            keys: None,
            connection: ConnectionOptions::default(),
        }
    }
}

impl ClassicOptions {
    /// Everything that is wrong with these options.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        checks.require_time("connection_timeout", self.connection_timeout);
        checks.require(
            self.disconnect_timeout >= DISCONNECT_TIMEOUT_MIN,
            "disconnect_timeout",
            format!("{:?}", self.disconnect_timeout),
            "DisconnectTimeout must be at least six seconds.",
        );
        if let Some(keep_alive) = self.keep_alive {
            checks.require(
                keep_alive >= KEEP_ALIVE_MIN,
                "keep_alive",
                format!("{keep_alive:?}"),
                "KeepAlive value must be greater than two seconds.",
            );
            checks.require(
                keep_alive <= self.disconnect_timeout / 3,
                "keep_alive",
                format!("{keep_alive:?}"),
                "KeepAlive value must be no more than a third of the DisconnectTimeout.",
            );
        }
        checks.require_time("transport_connect_timeout", self.transport_connect_timeout);
        checks.require_some("message_buffer_bytes_max", self.message_buffer_bytes_max as u64);
        if let Some(bytes) = self.max_incoming_websocket_message_size {
            checks.require_some("max_incoming_websocket_message_size", bytes as u64);
        }
        checks.require_some("calls_max", self.calls_max.into());
        checks.extend(self.connection.mistakes());
        checks.into_mistakes()
    }

    /// What clients are told about the time without a sign of life (§6.1).
    pub(crate) fn keep_alive_timeout(&self) -> Option<Duration> {
        self.keep_alive.map(|keep_alive| keep_alive * 2)
    }

    /// What is kept for a client that may come back.
    pub(crate) fn replay_limits(&self) -> ReplayLimits {
        let window = self.disconnect_timeout + self.keep_alive_timeout().unwrap_or_default();
        ReplayLimits {
            messages: self.default_message_buffer_size.max(MESSAGES_KEPT_MIN),
            bytes: self.message_buffer_bytes_max,
            age: window * 2,
        }
    }
}

/// What may be set for a hub on a classic mount.
#[derive(Clone, Debug, Default)]
pub struct ClassicHubOptions {
    /// Who may listen to this hub and call it (default: everybody). Who may not is not told of it
    /// while another hub is there to listen to (§1.6).
    pub authorize: Option<Policy>,
    /// Whether the generated script shows the name as it is (default: with a small first letter).
    pub verbatim: bool,
}

/// The hubs of a classic mount, and the names by which its clients know them.
///
/// ```no_run
/// use tickhub::{ClassicHubs, ClassicOptions, Hub, Methods, Shard};
///
/// struct Chat;
///
/// impl Hub for Chat {
///     type State = ();
///     fn methods(_: &mut Methods<Self>) {}
/// }
///
/// // One room for clients of both generations.
/// let hubs = ClassicHubs::new().hub::<Chat>("ChatHub");
/// let shard = Shard::bind("127.0.0.1:5000")?
///     .hub("/chat", Chat)
///     .classic("/signalr", ClassicOptions::default(), &hubs);
/// # Ok::<(), tickhub::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ClassicHubs {
    pub(super) declared: Vec<Declared>,
}

/// A hub that was named.
#[derive(Clone)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) options: ClassicHubOptions,
    pub(super) type_name: &'static str,
    pub(super) find: fn(&HubTable) -> Option<SharedHub>,
}

impl ClassicHubs {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first hub of type `H`, under a name.
    #[must_use]
    pub fn hub<H: Hub>(self, name: &str) -> Self {
        self.hub_with::<H>(name, ClassicHubOptions::default())
    }

    /// The first hub of type `H`, under a name, with options.
    #[must_use]
    pub fn hub_with<H: Hub>(mut self, name: &str, options: ClassicHubOptions) -> Self {
        self.declared.push(Declared {
            name: name.to_owned(),
            options,
            type_name: std::any::type_name::<H>(),
            find: |table| table.find::<H>().map(|hub| hub as SharedHub),
        });
        self
    }

    /// Everything that is wrong with the names (§4.8).
    pub(crate) fn mistakes(&self, table: &HubTable) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        checks.require(
            !self.declared.is_empty(),
            "hubs",
            "none",
            "a classic mount needs one at least",
        );
        for (place, hub) in self.declared.iter().enumerate() {
            let name = &hub.name;
            checks.require(
                !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'),
                "hub name",
                name,
                "it is made of letters, digits and '_', because scripts and groups carry it",
            );
            let earlier = &self.declared[..place];
            checks.require(
                !earlier.iter().any(|other| other.name.to_lowercase() == name.to_lowercase()),
                "hub name",
                name,
                "two hubs share it; letter case does not matter",
            );
            checks.require(
                (hub.find)(table).is_some(),
                "hub",
                hub.type_name,
                "no hub of this type is served yet: add it before, with hub(…) or host(…)",
            );
        }
        checks.into_mistakes()
    }
}

impl std::fmt::Debug for ClassicHubs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.declared.iter().map(|hub| &hub.name)).finish()
    }
}

/// The keys of a mount; made now, if none were given.
pub(crate) fn keys_of(options: &ClassicOptions, rng: &mut crate::base::Rng) -> Rc<KeyRing> {
    Rc::new(options.keys.clone().unwrap_or_else(|| KeyRing::random(rng)))
}

const DISCONNECT_TIMEOUT_MIN: Duration = Duration::from_secs(6);
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(2);

/// Fewer messages than this are never kept (§7.4).
const MESSAGES_KEPT_MIN: usize = 32;
