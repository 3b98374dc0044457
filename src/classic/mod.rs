//! Classic SignalR 2.x: several hubs, or one `PersistentConnection`, behind a path, for clients that
//! know `ASP.NET SignalR` and nothing newer.
//!
//! The hubs are those that clients of ASP.NET Core reach: the same groups, users and sends. This
//! layer knows connections and calls; requests are the shard's affair.

mod context;
mod hubs;
mod model;
mod mount;
mod options;
mod persistent;

pub use context::{Peers, PersistentContext};
pub(crate) use hubs::Hubs;
pub(crate) use model::{Asking, ClassicApplication, Model, Refusal, Sent};
pub(crate) use mount::ClassicMount;
pub(crate) use options::keys_of;
pub use options::{ClassicHubOptions, ClassicHubs, ClassicOptions, ClassicTransports};
pub(crate) use persistent::Persistent;
pub use persistent::PersistentConnection;
