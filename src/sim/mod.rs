//! The deterministic simulator: a server, its clients and the network between them in one value,
//! driven by one seed.
//!
//! [`World`] is the ground: shards with real engines on a simulated network, and a clock that
//! moves only when it is told to. [`Wire`] is a client that speaks bytes, for tests that check
//! them one by one. [`run`] is the whole play: honest clients, liars and a bad network for some
//! simulated minutes, with everything checked after every step and once more at the end. [`Rig`]
//! is an engine without a network, for benches.
//!
//! Nothing here depends on a clock, a thread or the order of a hash table, so that a seed is a
//! whole run: what goes wrong once goes wrong again.

mod calls;
mod classic;
mod classic_lies;
mod flows;
mod honest;
mod ledger;
mod liar;
mod line;
mod listener;
mod play;
mod rig;
mod stage;
mod streaming;
mod topic;
mod trace;
mod web_liar;
mod wire;
mod world;

pub use ledger::Carried;
pub use play::{Failure, Report, run};
pub use rig::Rig;
pub use trace::Trace;
pub use wire::{Answer, Frame, Wire};
pub use world::{Turn, World};
