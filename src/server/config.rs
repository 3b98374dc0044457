//! What the operator decides.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::io::DriverChoice;
use crate::shard::HttpOptions;

/// What the operator of a server decides; everything else is decided per endpoint.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on (default `127.0.0.1:5000`). Port 0 is any free port.
    pub listen: Vec<SocketAddr>,
    /// Threads that each run a shard (default 1).
    pub shards: usize,
    /// Which way to talk to the kernel (default: the best that it allows).
    pub driver: DriverChoice,
    /// Limits and times below the endpoints.
    pub http: HttpOptions,
    /// How long a drain may take before the rest is cut (default 28 s, so that the process is
    /// gone within 30).
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5000))],
            shards: 1,
            driver: DriverChoice::Auto,
            http: HttpOptions::default(),
            drain_timeout: Duration::from_secs(28),
        }
    }
}
