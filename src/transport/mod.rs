//! How a connection uses sockets: the state of one TCP connection, of one SignalR connection, and
//! the queue of what is on its way to a client. Bytes and time go in, effects come out.

mod alarm;
mod classic;
mod compression;
mod connection;
mod kind;
mod outbox;
mod socket;
mod stateful;

pub use alarm::Alarm;
pub use classic::{Classic, LongPoll, Notices, Replay, ReplayLimits, Start};
pub use compression::{Codecs, Compressed};
pub(crate) use connection::NEVER;
pub use connection::{Connection, ConnectionOptions, HubState, Stage, UserId};
pub use kind::{Framing, Transport};
pub use outbox::{Joiner, Outbox, OutboxLimits, Overflow};
pub use socket::{EventStreamStage, Held, HttpStage, Pending, Socket, SocketStage, WebSocketStage};
pub use stateful::Stateful;
