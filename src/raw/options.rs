//! What can be set for a plain WebSocket path.

use std::time::Duration;

use crate::base::{Checklist, Mistake};
use crate::protocol::{http, websocket};
use crate::transport::{ConnectionOptions, OutboxLimits};

/// Limits and times of a plain WebSocket path.
#[derive(Clone, Debug)]
pub struct RawOptions {
    /// The largest message in bytes (default 64 KiB); more is answered with close code 1009.
    pub message_bytes_max: usize,
    /// Fragments of one message at most (default 1 024, T-FRAG).
    pub fragments_max: u32,
    /// How often an unsolicited Pong is sent (default 2 min, §9.1); `None` for never.
    pub keep_alive_interval: Option<Duration>,
    /// How long the other end may take to answer our Close (default 5 s).
    pub close_timeout: Duration,
    /// Subprotocols that are spoken here, best first; the first one that the client offers is
    /// chosen.
    pub subprotocols: Vec<String>,
    /// Bounds of what waits for a slow client.
    pub outbox: OutboxLimits,
}

impl Default for RawOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024,
            fragments_max: 1024,
            keep_alive_interval: Some(Duration::from_mins(2)),
            close_timeout: Duration::from_secs(5),
            subprotocols: Vec::new(),
            outbox: OutboxLimits::default(),
        }
    }
}

impl RawOptions {
    /// Everything that is wrong with these options.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        checks.require_some("message_bytes_max", self.message_bytes_max as u64);
        checks.require_some("fragments_max", self.fragments_max.into());
        if let Some(interval) = self.keep_alive_interval {
            checks.require_time("keep_alive_interval", interval);
        }
        checks.require_time("close_timeout", self.close_timeout);
        for name in &self.subprotocols {
            checks.require(
                http::is_token(name),
                "subprotocols",
                name,
                "a subprotocol is a token: letters, digits and a few signs (RFC 6455 §4.1)",
            );
        }
        checks.extend(self.outbox.mistakes());
        checks.into_mistakes()
    }

    /// The part that lower layers need.
    pub(crate) fn connection(&self) -> ConnectionOptions {
        ConnectionOptions {
            // A message in the making is bounded by its own limit, not by the buffer of a hub.
            application_max_buffer_bytes: usize::MAX,
            close_timeout: self.close_timeout,
            websocket: websocket::Limits {
                message_bytes_max: Some(self.message_bytes_max as u64),
                fragments_max: self.fragments_max,
            },
            outbox: self.outbox.clone(),
            ..ConnectionOptions::default()
        }
    }
}
