//! tickhub: a realtime server and library that unmodified SignalR clients talk to.

pub mod base;
pub mod client;
pub mod hub;
pub mod io;
pub mod protocol;
pub mod raw;
pub mod server;
pub mod shard;
#[cfg(feature = "sim")]
pub mod sim;
pub mod transport;

pub use base::{ConnectionId, ToConnectionId};
pub use hub::{
    Audience, Call, Clients, Closed, Context, Delivery, Hub, HubError, HubOptions, Methods,
};
pub use io::DriverChoice;
pub use protocol::http;
pub use protocol::hub_protocol::Text;
pub use raw::{Message, Peer, RawOptions, WebSocket};
pub use server::{Config, Error, Files, Post, Server, Shard};
pub use transport::{ConnectionOptions, OutboxLimits};
