//! What can be set for a client.

use std::time::Duration;

use crate::protocol::hub_protocol::{HubProtocolKind, STATEFUL_BUFFER_BYTES};

/// Where a client goes, and its times. The defaults are those of the clients in the field (§4.4).
#[derive(Clone, Debug)]
pub struct Options {
    /// The value of the `Host` header.
    pub host: String,
    /// The path of the hub, with a query if it needs one.
    pub path: String,
    /// Goes straight to the WebSocket (§1.9). The client then never learns its connection id.
    pub skip_negotiation: bool,
    /// Headers for every request, such as `Authorization`.
    pub headers: Vec<(String, String)>,
    /// How messages are encoded.
    pub protocol: HubProtocolKind,
    /// A ping is sent when nothing else was for this long (default 15 s).
    pub keep_alive_interval: Duration,
    /// The server is given up when nothing came for this long (default 30 s).
    pub server_timeout: Duration,
    /// How long it may take from the socket to the answer of the handshake (default 15 s).
    pub handshake_timeout: Duration,
    /// How long the server may take to answer our Close (default 5 s).
    pub close_timeout: Duration,
    /// Asks for stateful reconnect (default no): where the server allows it, a lost socket is
    /// replaced by another, and nothing is lost or doubled (§5).
    pub stateful_reconnect: bool,
    /// Bytes of calls that may be sent ahead of the server's acknowledgement (default 100 000);
    /// those behind them wait.
    pub stateful_buffer_bytes: usize,
    /// Attempts in a row to replace a lost socket (default 1, as the clients in the field); after
    /// them the connection is lost, and `reconnect_delays` apply.
    pub resume_attempts: u32,
    /// How long to wait before each attempt to reconnect. None: it does not reconnect. After the
    /// last one it gives up. [`RECONNECT_DELAYS`] are those of the clients in the field.
    pub reconnect_delays: Vec<Duration>,
}

impl Options {
    /// The defaults, for a hub at `path` of `host`.
    pub fn new(host: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            path: path.into(),
            skip_negotiation: false,
            headers: Vec::new(),
            protocol: HubProtocolKind::Json,
            keep_alive_interval: Duration::from_secs(15),
            server_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(15),
            close_timeout: Duration::from_secs(5),
            stateful_reconnect: false,
            stateful_buffer_bytes: STATEFUL_BUFFER_BYTES,
            resume_attempts: 1,
            reconnect_delays: Vec::new(),
        }
    }

    /// With automatic reconnect, after the delays of the clients in the field.
    pub fn reconnecting(self) -> Self {
        Self { reconnect_delays: RECONNECT_DELAYS.to_vec(), ..self }
    }
}

/// What `withAutomaticReconnect()` waits before each attempt (§4.4).
pub const RECONNECT_DELAYS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];
