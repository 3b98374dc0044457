//! tickhub: a realtime server and library that unmodified SignalR clients talk to.

pub mod base;
pub mod io;
pub mod protocol;
