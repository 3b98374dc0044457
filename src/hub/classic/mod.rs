//! What hubs and the tables of a shard know of classic SignalR: connections that listen to several
//! hubs, messages that are kept, calls that are answered elsewhere than they were made.

mod delivery;
mod endpoint;
mod errors;
mod listening;
mod methods;
mod progress;
mod replies;
mod state;
mod table;

pub(crate) use endpoint::{ClassicHub, MethodShape, Welcome};
pub(super) use methods::Shown;
pub use progress::Progress;
pub(super) use progress::Reports;
pub(super) use replies::number_of;
pub(crate) use replies::{Asked, ReplyPath, Returned};
pub use state::ClientState;
pub(crate) use table::{HubTable, SharedHub};

use crate::base::{ConnectionKey, HashMap, Rng};
use replies::Reply;

/// What the classic mounts of a shard share.
#[derive(Debug)]
pub(super) struct ClassicTables {
    /// Tells cursors of this shard from those of others.
    epoch: u32,
    /// The number of the last message.
    number: u64,
    replies: HashMap<u64, Reply>,
    next_reply: u64,
    /// Answers to calls that came as requests.
    returned: Vec<Returned>,
    /// Hubs whose `OnConnected` has ended: of which connection, and whether well.
    welcomed: Vec<(ConnectionKey, bool)>,
    /// The state of clients that have none.
    nobody: ClientState,
}

impl ClassicTables {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            epoch: rng.bits() as u32,
            number: 0,
            replies: HashMap::default(),
            next_reply: 0,
            returned: Vec::new(),
            welcomed: Vec::new(),
            nobody: ClientState::default(),
        }
    }
}
