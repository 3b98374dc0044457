//! Plain WebSockets beside hubs: messages as they come, and topics to publish to.
//!
//! They share everything below them with hubs: the codec, the limits, the outbox.

mod endpoint;
mod handler;

pub(crate) use endpoint::RawEndpoint;
pub use handler::{Message, Peer, RawOptions, WebSocket};
