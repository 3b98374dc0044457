//! tickhub: a realtime server and library that unmodified SignalR clients talk to.
//!
//! The paved path is [`Hub`], [`Methods`], [`Context`] and [`Server`]:
//!
//! ```no_run
//! use tickhub::{Config, Context, Error, Hub, HubError, Methods, Server, Text, client};
//!
//! client! {
//!     /// What a browser can hear.
//!     trait Browser {
//!         fn message(from: &str, text: &str) = "message";
//!         fn joined(who: &str) = "joined";
//!     }
//! }
//!
//! /// One per shard, yours alone: no locks.
//! #[derive(Default)]
//! struct Chat {
//!     said: u64,
//! }
//!
//! impl Hub for Chat {
//!     /// Per connection: here, a name.
//!     type State = String;
//!
//!     fn methods(m: &mut Methods<Self>) {
//!         m.on("join", Chat::join).on("say", Chat::say);
//!     }
//! }
//!
//! impl Chat {
//!     fn join(
//!         &mut self,
//!         ctx: &mut Context<Self>,
//!         room: String,
//!         name: String,
//!     ) -> Result<u64, HubError> {
//!         if name.is_empty() {
//!             return Err(HubError::new("a name, please"));
//!         }
//!         ctx.join(&room)?;
//!         ctx.group(&room).joined(&name).ignore();
//!         *ctx.state() = name;
//!         Ok(self.said)
//!     }
//!
//!     fn say(&mut self, ctx: &mut Context<Self>, room: Text, text: Text) {
//!         self.said += 1;
//!         let from = ctx.state().clone();
//!         ctx.group(&room).message(&from, &text).ignore();
//!     }
//! }
//!
//! fn main() -> Result<(), Error> {
//!     Server::new(Config::default()).hub("/chat", |_| Chat::default()).run()
//! }
//! ```
//!
//! [`WebSocket`] serves plain WebSockets beside hubs, and [`ConnectionHandler`] plain bytes over any
//! transport of SignalR. [`Shard`] is the same server without a
//! thread, for a loop of your own. How it is built: [`architecture`].

mod auth;
pub mod base;
mod classic;
pub mod client;
mod hub;
pub mod io;
pub mod protocol;
mod raw;
mod server;
mod shard;
#[cfg(feature = "sim")]
pub mod sim;
pub mod transport;

#[doc = include_str!("ARCHITECTURE.md")]
pub mod architecture {}

/// The example of the front page is a whole program.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use auth::{
    Access, Authenticate, BadToken, Cors, Identity, Jwt, JwtAlgorithm, JwtError, KeyError, KeyRing,
    Origins, Policy, bearer_token,
};
pub use base::{ConnectionId, Mistake, ToConnectionId};
pub use classic::{
    ClassicHubOptions, ClassicHubs, ClassicOptions, ClassicTransports, Peers, PersistentConnection,
    PersistentContext,
};
/// What a streaming hub method returns; [`iter`] makes one.
pub use futures_core::Stream;
pub use hub::{
    Answer, AsyncMethod, AsyncStreamMethod, Audience, Call, CallOutcome, ClientState, Clients,
    Closed, Context, Counters, Delivery, Elapsed, Filter, FilteredCall, Hub, HubError, HubOptions,
    Iter, Method, Methods, Parameter, Progress, Rate, RateLimit, Reply, StreamEnd, StreamMethod,
    StreamReply, StreamWriter, Upload, iter,
};
pub use io::DriverChoice;
pub use protocol::http;
pub use protocol::hub_protocol::{Bytes, DateTime, DateTimeOffset, HubProtocolKind, Text, Value};
pub use protocol::negotiate::{Redirect, Transports};
pub use protocol::websocket::deflate::Compression;
pub use raw::{ConnectionHandler, Message, Otherwise, Peer, RawOptions, WebSocket};
pub use server::{Config, ConfigMistake, ConfigPlace, Error, Files, Post, Server, Settings, Shard};
pub use shard::{Exchange, HttpOptions};
pub use transport::{ConnectionOptions, OutboxLimits, Transport};
