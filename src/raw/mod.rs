//! Paths without a hub: plain WebSockets, with messages as they come and topics to publish to, and
//! plain bytes over any transport of SignalR.
//!
//! They share everything below them with hubs: the codec, the limits, the outbox.

mod endpoint;
mod handler;
mod options;
mod peer;
mod reading;

pub(crate) use endpoint::{KeepAlive, RawEndpoint};
pub use handler::{ConnectionHandler, WebSocket};
pub use options::{Otherwise, RawOptions};
pub use peer::{Message, Peer};
pub(crate) use reading::{Bytes, Messages};
