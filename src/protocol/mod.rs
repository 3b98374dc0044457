//! The protocols, as pure functions and state machines over bytes.
//!
//! No sockets, no clock, no threads: of the project this layer sees only [`crate::base`].

pub mod classic;
pub mod event_stream;
pub mod http;
pub mod hub_protocol;
pub mod negotiate;
pub mod url;
pub mod websocket;
