//! A SignalR client without hands: bytes and time go in; bytes, events and a deadline come out.
//!
//! It is made for the load generator, for bots and for the simulator. It owns no socket and asks
//! no clock: whoever runs it connects when [`Client::need`] says so, hands in what arrives, sends
//! what [`Client::fill`] gives, and comes back at [`Client::deadline`]. It speaks WebSockets with
//! the hub protocols of this crate, with or without negotiation before. [`web`] carries a connection
//! where there is no WebSocket; [`classic`] is a client of SignalR 2.x.
//!
//! ```
//! use tickhub::base::{Moment, Rng};
//! use tickhub::client::{Client, Event, Need, Options};
//!
//! let now = Moment::START;
//! let mut client = Client::new(Options::new("localhost", "/chat"), Rng::from_seed(1));
//! client.start(now);
//!
//! // The loop of the owner, once around:
//! assert_eq!(client.need(), Need::Socket);
//! client.on_connected(now); // A socket was opened.
//! let mut out = Vec::new();
//! client.fill(&mut out); // To be written to it.
//! assert!(out.starts_with(b"POST /chat/negotiate?negotiateVersion=1 HTTP/1.1\r\n"));
//! let mut answer = *b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
//! client.on_bytes(now, &mut answer); // What was read from it.
//! assert_eq!(client.need(), Need::Hangup);
//! client.on_lost(now); // It is closed, or was lost.
//! let text = "negotiate was answered with status 404";
//! assert_eq!(client.poll_event(), Some(Event::Closed { error: Some(text.into()) }));
//! ```

pub mod classic;
mod event;
mod frames;
mod machine;
mod open;
mod options;
mod session;
mod streams;
pub mod web;

pub use event::{CallId, Event, Invocation, Outcome, Payload, QuestionId, UploadId};
pub use machine::{Client, Need, SendError};
pub use options::{Options, RECONNECT_DELAYS};

/// What is wrong when a server goes on behind its Close frame (RFC 6455 §5.5.1).
pub(crate) const BEHIND_CLOSE: &str = "the server sends something behind its Close frame";
