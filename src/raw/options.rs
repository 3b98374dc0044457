//! What can be set for a plain WebSocket path.

use std::time::Duration;

use crate::auth::{Origins, Policy};
use crate::base::{Checklist, Mistake};
use crate::protocol::http::{Request, Response};
use crate::protocol::websocket;
use crate::protocol::websocket::deflate::Compression;
use crate::transport::{ConnectionOptions, OutboxLimits};

/// Answers a request that opens no WebSocket.
pub type Otherwise = fn(&Request<'_>) -> Response<'static>;

/// Limits and times of a plain WebSocket path.
#[derive(Clone, Debug)]
pub struct RawOptions {
    /// The largest message in bytes (default 64 KiB); more is answered with close code 1009.
    pub message_bytes_max: usize,
    /// Fragments of one message at most (default 1 024, T-FRAG).
    pub fragments_max: u32,
    /// How often an unsolicited Pong is sent (default 2 min, §9.1), or a Ping when there is a
    /// `keep_alive_timeout`; `None` for never.
    pub keep_alive_interval: Option<Duration>,
    /// How long nothing at all may come after a Ping before the socket is cut (default: Pongs are
    /// sent and nothing is expected, §9.1).
    pub keep_alive_timeout: Option<Duration>,
    /// How long the other end may take to answer our Close (default 5 s).
    pub close_timeout: Duration,
    /// Subprotocols that are spoken here, best first; the first one that the client offers is
    /// chosen.
    pub sub_protocols: Vec<String>,
    /// How messages are compressed where the client offers it (default not at all).
    pub compression: Option<Compression>,
    /// Answers requests that are no proper opening of a WebSocket (default: 400 and what is wrong,
    /// or 426 for another version).
    pub otherwise: Option<Otherwise>,
    /// Bounds of what waits for a slow client.
    pub outbox: OutboxLimits,
    /// Who may open a socket here (default: everybody): 401 for whoever has not signed in, 403
    /// for others.
    pub authorize: Option<Policy>,
    /// Ends sockets when the identity expires that they were opened with (default no).
    pub close_on_authentication_expiration: bool,
    /// The web pages that may open a socket (default: those of the same origin, T-ORIGIN).
    pub allowed_origins: Origins,
}

impl Default for RawOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024,
            fragments_max: 1024,
            keep_alive_interval: Some(Duration::from_mins(2)),
            close_timeout: Duration::from_secs(5),
            keep_alive_timeout: None,
            sub_protocols: Vec::new(),
            compression: None,
            otherwise: None,
            outbox: OutboxLimits::default(),
            authorize: None,
            close_on_authentication_expiration: false,
            allowed_origins: Origins::default(),
        }
    }
}

impl RawOptions {
    /// Everything that is wrong with these options.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        if let Some(interval) = self.keep_alive_interval {
            checks.require_time("keep_alive_interval", interval);
        }
        if let Some(timeout) = self.keep_alive_timeout {
            checks.require_time("keep_alive_timeout", timeout);
        }
        checks.extend(self.connection().mistakes());
        checks.into_mistakes()
    }

    /// The part that lower layers need.
    pub(crate) fn connection(&self) -> ConnectionOptions {
        ConnectionOptions {
            // A message in the making is bounded by its own limit, not by the buffer of a hub.
            application_max_buffer_bytes: usize::MAX,
            close_timeout: self.close_timeout,
            sub_protocols: self.sub_protocols.clone(),
            compression: self.compression.clone(),
            websocket: websocket::Limits {
                message_bytes_max: Some(self.message_bytes_max as u64),
                fragments_max: self.fragments_max,
            },
            outbox: self.outbox.clone(),
            authorize: self.authorize.clone(),
            close_on_authentication_expiration: self.close_on_authentication_expiration,
            allowed_origins: self.allowed_origins.clone(),
            ..ConnectionOptions::default()
        }
    }
}
