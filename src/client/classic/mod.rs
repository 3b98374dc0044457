//! A client of classic SignalR 2.x without hands: bytes and time go in; bytes, events and a deadline
//! come out.
//!
//! It has two sockets ([`Lane`]): one over which it receives, and one for everything that it asks.
//! Whoever runs it connects them when [`Client::wants_socket`] says so, hands in what arrives,
//! sends what [`Client::fill`] gives, closes what [`Client::holds`] no more, and comes back at
//! [`Client::deadline`]. A lost receive request is asked for again, with the cursor and the groups
//! token of the last envelope (LEG §10.2).
//!
//! ```
//! use tickhub::base::{Moment, Rng};
//! use tickhub::client::classic::{Client, Event, Lane, Options};
//!
//! let now = Moment::START;
//! let mut client = Client::new(Options::new("localhost", "/signalr", "chat"), Rng::from_seed(1));
//! client.start(now);
//! assert!(client.wants_socket(now, Lane::Send) && !client.wants_socket(now, Lane::Receive));
//! client.on_connected(Lane::Send); // A socket was opened.
//! let mut out = Vec::new();
//! client.fill(now, Lane::Send, &mut out); // To be written to it.
//! assert!(out.starts_with(b"GET /signalr/negotiate?clientProtocol=2.1&"));
//! client.on_lost(now, Lane::Send); // It is gone.
//! let error = Some("the server did not answer".into());
//! assert_eq!(client.poll_event(), Some(Event::Closed { error }));
//! ```

mod envelope;
mod machine;
mod receiving;
mod requests;
mod socket;

pub use machine::{CallId, Client, Event, NotConnected, Outcome};
pub use socket::Lane;

use std::time::Duration;

use crate::protocol::classic::TransportName;

/// Where a client goes, and its times. The defaults are those of the clients in the field (LEG
/// §10.1).
#[derive(Clone, Debug)]
pub struct Options {
    /// The value of the `Host` header.
    pub host: String,
    /// The path of the mount.
    pub path: String,
    /// The hub that it listens to and calls.
    pub hub: String,
    /// Over what it receives (default: WebSockets).
    pub transport: TransportName,
    /// How long it waits before it asks again for a lost receive request (default 2 s).
    pub reconnect_delay: Duration,
    /// How long the answer to a request may take (default 30 s).
    pub request_timeout: Duration,
}

impl Options {
    /// The defaults, for a hub of the mount at `path` of `host`.
    pub fn new(host: impl Into<String>, path: impl Into<String>, hub: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            path: path.into(),
            hub: hub.into(),
            transport: TransportName::WebSockets,
            reconnect_delay: Duration::from_secs(2),
            request_timeout: Duration::from_secs(30),
        }
    }
}
