//! Classic SignalR 2.x, LEG-001 to LEG-127, on the wire and in virtual time.

mod calls;
mod guest;
mod limits;
mod overruns;
mod persistent;
mod receiving;
mod regressions;
mod requests;
mod room;
