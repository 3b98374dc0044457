//! The vocabulary that every layer shares: keys, bytes, time, randomness, limits.
//!
//! Nothing here knows a protocol, and nothing here touches the operating system except
//! [`Rng::from_kernel`], which is called once when a shard is made.

mod buffer;
mod hash;
mod id;
mod key;
mod mistake;
mod rng;
mod time;
mod wheel;

pub use buffer::{Batch, Lent, Pool, SLACK_BYTES, Shared};
pub use hash::{HashMap, Hasher};
pub use id::{ConnectionId, NotAnId, ToConnectionId};
pub use key::{ConnectionKey, Keyed, SideTable, SocketKey, Table, TaskKey};
pub(crate) use mistake::Checklist;
pub use mistake::Mistake;
pub use rng::Rng;
pub use time::{Moment, WallClock};
pub use wheel::Wheel;
