//! Classic SignalR 2.x, LEG-001 to LEG-127, on the wire and in virtual time.

mod again;
mod audiences;
mod calls;
mod forgeries;
mod guest;
mod limits;
mod overruns;
mod persistent;
mod receiving;
mod regressions;
mod requests;
mod room;
mod streams;
