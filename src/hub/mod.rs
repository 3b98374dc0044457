//! Hubs: what a user of the library writes, and everything that reaches them and that they reach.
//!
//! A hub is a plain struct. Its methods get `&mut self`, because everything of one shard happens
//! on one thread, one thing at a time. This layer knows connections, not sockets.

mod application;
mod arity;
mod ask;
mod authorize;
mod call;
#[cfg(feature = "sim")]
mod check;
mod classic;
mod client_macro;
mod clients;
mod closed;
mod connect;
mod context;
mod delivery;
mod dispatch;
mod ending;
mod endpoint;
mod error;
mod filter;
mod methods;
mod options;
mod rate_limit;
mod registry;
mod reply;
mod running;
mod stateful;
mod stream;
mod tasks;
mod upload;
mod world;

pub(crate) use application::{Application, InputEnd, Piece};
pub use arity::{AsyncMethod, AsyncStreamMethod, Method, StreamMethod};
pub use ask::Answer;
pub(crate) use call::Local;
pub use call::{Call, Elapsed};
pub(crate) use classic::{Asked, ClassicHub, HubTable, ReplyPath, SharedHub, Welcome};
pub use classic::{ClientState, Progress};
pub use clients::{Audience, Clients};
pub use closed::Closed;
pub use context::Context;
pub use delivery::Delivery;
pub(crate) use ending::Parting;
pub(crate) use endpoint::{HubEndpoint, contained};
pub use error::HubError;
pub use filter::{CallOutcome, Filter, FilteredCall};
pub use methods::Methods;
pub use options::HubOptions;
pub use rate_limit::{Rate, RateLimit};
pub use registry::Counters;
pub(crate) use registry::{Registry, Ring};
pub use reply::Reply;
pub use stream::{Iter, StreamEnd, StreamReply, StreamWriter, iter};
pub(crate) use tasks::{Contained, Tasks};
pub use upload::{Parameter, Upload};

/// The server side of a conversation: a struct, one per shard, whose methods clients call.
///
/// See [`Methods`] for how methods are offered, and the front page of the crate for a whole
/// program.
pub trait Hub: Sized + 'static {
    /// What is kept for each connection from `on_connected` to `on_disconnected`.
    type State: Default + 'static;

    /// Names the methods that clients can call, and timers.
    fn methods(methods: &mut Methods<Self>);

    /// A client has connected: its handshake is answered, and none of its calls ran yet.
    ///
    /// # Errors
    ///
    /// A refusal ends the connection with a Close message, and `on_disconnected` is not called
    /// (COR-117).
    fn on_connected(&mut self, context: &mut Context<'_, Self>) -> Result<(), HubError> {
        let _ = context;
        Ok(())
    }

    /// The client has lost its WebSocket and come back on another one, with the same id, groups and
    /// state. So many messages were sent to it then that it may not have had. Only with
    /// `ConnectionOptions::allow_stateful_reconnects`; a client that does not come back ends with
    /// [`Closed::NotResumed`].
    fn on_resumed(&mut self, context: &mut Context<'_, Self>, replayed: u64) {
        let _ = (context, replayed);
    }

    /// A classic client has lost its way to the server and come back on another one, with the same
    /// id, groups and state; what it has missed is sent again (§6.3).
    ///
    /// # Errors
    ///
    /// An error is logged and ends the request over which the client came back.
    fn on_reconnected(&mut self, context: &mut Context<'_, Self>) -> Result<(), HubError> {
        let _ = context;
        Ok(())
    }

    /// A classic client proves by its token that it was in these groups; it is in those that are
    /// returned (§7.6).
    fn on_rejoining_groups(
        &mut self,
        context: &mut Context<'_, Self>,
        groups: Vec<String>,
    ) -> Vec<String> {
        let _ = context;
        groups
    }

    /// The connection has ended. It is still in its groups, but nothing reaches it any more
    /// (COR-137).
    ///
    /// # Errors
    ///
    /// Nobody hears of an error, but a WebSocket ends with the code 1011 in place of 1000 (§6.3).
    fn on_disconnected(
        &mut self,
        context: &mut Context<'_, Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        let _ = (context, reason);
        Ok(())
    }
}
