//! Classic ASP.NET SignalR 2.x: what its requests say, and the forms of what is answered.
//!
//! Where requests go is told by [`Endpoint`], [`TransportName`] and [`Parameters`]; who negotiates
//! gets a [`Negotiation`]. What is for a client travels in an [`Envelope`] with a [`Cursor`], in the
//! form of its transport: as it is, as an event, as a script ([`forever_frame`]) or as a call
//! ([`jsonp`]). What clients call comes as an [`Invocation`].
//! Nodes of a farm tell each other of it in [`backplane`] messages.
//!
//! No connections, no time, no secrets: tokens are opaque here (`auth::protect`).

pub mod backplane;
pub mod errors;
pub mod forever_frame;
pub mod jsonp;

mod connection_data;
mod content;
mod cursor;
mod endpoint;
mod envelope;
mod hub_script;
mod negotiation;
mod parameters;
mod script;
mod version;

pub use connection_data::{ConnectionDataError, HUBS_MAX, hub_names};
pub use content::{FRAME_TYPE, INITIALIZED, JAVASCRIPT_TYPE, JSON_TYPE, PONG, STARTED};
pub use cursor::{Cursor, NotACursor};
pub use endpoint::{Endpoint, TransportName};
pub use envelope::{Envelope, KEEP_ALIVE, messages_in};
pub use hub_script::{HubDescription, HubScript, MethodDescription, UnsafeName};
pub use negotiation::{Negotiation, base_path};
pub use parameters::Parameters;
pub use version::Version;

pub use super::hub_protocol::classic::{
    ARGUMENT_DEPTH_MAX, Failure, Id, Invocation, InvocationError, Refused, STATE_CHARACTERS_MAX,
    write_call, write_error, write_invocation, write_json, write_progress, write_result,
};
