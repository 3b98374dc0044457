//! What can be set for one hub.

use std::time::Duration;

use super::rate_limit::RateLimit;
use crate::base::{Checklist, Mistake};
use crate::protocol::hub_protocol::{HubProtocolKind, STATEFUL_BUFFER_BYTES};

/// Options of one hub, with the names and defaults of ASP.NET Core SignalR (§4.1).
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// How long a client may take for its handshake (default 15 s, COR-065).
    pub handshake_timeout: Duration,
    /// How often the server pings (default 15 s, COR-113).
    pub keep_alive_interval: Duration,
    /// How long a client that has pinged once may be silent (default 30 s, COR-114).
    pub client_timeout_interval: Duration,
    /// The largest message that is accepted, in bytes with its end mark (default 32 768,
    /// COR-116); `None` for no limit.
    pub maximum_receive_message_size: Option<usize>,
    /// Whether clients read the texts of errors that are not a `HubException` (default no,
    /// COR-097).
    pub enable_detailed_errors: bool,
    /// How many plain invocations of one client may run at a time (default 1, COR-130). Only
    /// asynchronous methods can overlap. Calls with streams in either direction do not count.
    pub maximum_parallel_invocations_per_client: u16,
    /// How many streams, in both directions together, the running calls of one client may have
    /// (default 256, T-STREAM). One call more is refused.
    pub maximum_streams_per_client: usize,
    /// How many items of an upload may wait for their method (default 10, COR-109). While there is
    /// one more, no message of the client is looked at.
    pub stream_buffer_capacity: usize,
    /// The hub protocols that clients may choose (default all; `SupportedProtocols`, §4.1).
    pub supported_protocols: Vec<HubProtocolKind>,
    /// Bytes that may be sent to a client with stateful reconnect ahead of its acknowledgement
    /// (default 100 000, COR-147). What follows waits, up to `OutboxLimits::hard_bytes`.
    pub stateful_reconnect_buffer_size: usize,
    /// How much one connection may send (default: no limit but those of its buffers).
    pub rate_limit: Option<RateLimit>,
}

impl HubOptions {
    /// Everything that is wrong with these options.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        checks.require_time("handshake_timeout", self.handshake_timeout);
        checks.require_time("keep_alive_interval", self.keep_alive_interval);
        checks.require_time("client_timeout_interval", self.client_timeout_interval);
        checks.require(
            self.keep_alive_interval < self.client_timeout_interval,
            "keep_alive_interval",
            self.keep_alive_interval,
            format!(
                "it must be shorter than client_timeout_interval, which is {:?}",
                self.client_timeout_interval
            ),
        );
        if let Some(bytes) = self.maximum_receive_message_size {
            checks.require_some("maximum_receive_message_size", bytes as u64);
        }
        let parallel = self.maximum_parallel_invocations_per_client;
        checks.require_some("maximum_parallel_invocations_per_client", parallel.into());
        checks.require(
            !self.supported_protocols.is_empty(),
            "supported_protocols",
            &self.supported_protocols,
            "there must be one at least",
        );
        checks.require_some("stream_buffer_capacity", self.stream_buffer_capacity as u64);
        let buffer = self.stateful_reconnect_buffer_size;
        checks.require_some("stateful_reconnect_buffer_size", buffer as u64);
        for rate in self.rate_limit.iter().flat_map(|limit| [limit.messages, limit.bytes]) {
            let Some(rate) = rate else { continue };
            checks.require(
                rate.per_second > 0 && rate.burst > 0,
                "rate_limit",
                rate,
                "per_second and burst must be 1 at least",
            );
        }
        checks.into_mistakes()
    }
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(15),
            keep_alive_interval: Duration::from_secs(15),
            client_timeout_interval: Duration::from_secs(30),
            maximum_receive_message_size: Some(32 * 1024),
            enable_detailed_errors: false,
            maximum_parallel_invocations_per_client: 1,
            maximum_streams_per_client: 256,
            stream_buffer_capacity: 10,
            supported_protocols: HubProtocolKind::ALL.to_vec(),
            stateful_reconnect_buffer_size: STATEFUL_BUFFER_BYTES,
            rate_limit: None,
        }
    }
}
