//! What goes over the wire, as pure functions of bytes: nothing here owns a socket or asks a clock.

pub mod hub_protocol;
pub mod negotiate;
