//! The hub protocol of classic SignalR 2.x (LEG §4): one JSON object a message, without an end
//! mark. Calls name their hub; results and errors carry the id of their call and nothing else.

mod ascii;
pub(super) mod convert;
mod id;
mod invocation;
mod write;

pub use ascii::write_json;
pub use id::Id;
pub use invocation::{
    ARGUMENT_DEPTH_MAX, Invocation, InvocationError, Refused, STATE_CHARACTERS_MAX,
};
pub use write::{Failure, write_call, write_error, write_invocation, write_progress, write_result};

pub(in super::super) use convert::{read_text, read_value};
