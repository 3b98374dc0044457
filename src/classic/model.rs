//! What a classic mount asks of what is behind it, and the shard of a mount.

use std::rc::Rc;

use super::options::ClassicOptions;
use crate::auth::{Identity, KeyRing};
use crate::base::{ConnectionId, ConnectionKey, Moment};
use crate::hub::{Application, Closed, Parting, Registry, ReplyPath};
use crate::protocol::classic::Parameters;
use crate::protocol::http::{Head, RequestHead};

/// A request that wants to know whether it may come in.
pub(crate) struct Asking<'a> {
    pub(crate) head: Head<'a>,
    pub(crate) parameters: &'a Parameters<'a>,
    pub(crate) identity: Option<&'a Identity>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It may not: 401 or 403, by whether somebody has signed in (§1.6).
    Denied,
    /// It is wrong, and this is said.
    Wrong(String),
}

/// What became of data from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The answer to this call comes, or has come, from the registry.
    Call(u64),
    /// It was taken, and there is nothing to say.
    Taken,
}

/// What is behind a mount: hubs, or a `PersistentConnection`.
pub(crate) trait Model: 'static {
    /// Whether a request may come in, and the worlds that it may listen to.
    fn admit(&mut self, registry: &mut Registry, asking: &Asking<'_>) -> Result<Vec<u16>, Refusal>;

    /// `OnConnected`: in how many hubs it still runs, and whether it went well elsewhere.
    fn connected(&mut self, registry: &mut Registry, key: ConnectionKey) -> (u16, bool);

    /// `OnReconnected`; whether it went well.
    fn reconnected(&mut self, registry: &mut Registry, key: ConnectionKey) -> bool;

    /// The connection is in these groups from now on, which its client has proved, as far as
    /// whoever is behind the mount agrees.
    fn rejoin(&mut self, registry: &mut Registry, key: ConnectionKey, groups: &[String]);

    /// Data from a client; none, if the request had none.
    fn received(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        data: Option<&mut [u8]>,
        path: ReplyPath,
        query: Option<&str>,
    ) -> Result<Sent, Refusal>;

    /// The connection has ended; `is_known` says whether anybody heard of its beginning.
    fn ended(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        reason: &Closed,
        is_known: bool,
    ) -> Parting;

    /// The script for pages, if there is one (§9).
    fn script(&self, registry: &Registry, url: &str) -> Option<Vec<u8>>;

    /// Whether it keeps nothing of anybody: for the simulator.
    #[cfg(feature = "sim")]
    fn is_quiet(&self) -> bool {
        true
    }
}

/// What the shard asks of a mount beside what it asks of every application.
pub(crate) trait ClassicApplication: Application {
    /// What was set for it.
    fn options(&self) -> &ClassicOptions;

    /// What its tokens are protected with.
    fn keys(&self) -> &KeyRing;

    /// Row 3 of §1.1.
    fn admit(&mut self, registry: &mut Registry, asking: &Asking<'_>) -> Result<Vec<u16>, Refusal>;

    /// The script for pages (§9).
    fn script(&self, registry: &Registry, url: &str) -> Option<Vec<u8>>;

    /// The connection with an id, made if it is not there.
    fn connection(
        &mut self,
        registry: &mut Registry,
        id: ConnectionId,
        head: RequestHead,
        identity: Option<Rc<Identity>>,
    ) -> ConnectionKey;

    /// Whether a connection was ended by its client or by us, and its client may not have heard of
    /// it: nobody comes back to it (T-37).
    fn was_stopped(&mut self, now: Moment, id: ConnectionId) -> bool;

    /// Somebody receives from now on; the hubs it listens to, and the groups it has proved to be
    /// in, if it has.
    fn receives(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        hubs: &[u16],
        groups: Option<&[String]>,
    );

    /// Runs `OnConnected`, unless it ran.
    fn start(&mut self, registry: &mut Registry, key: ConnectionKey);

    /// Runs `OnReconnected`; whether it went well.
    fn reconnected(&mut self, registry: &mut Registry, key: ConnectionKey) -> bool;

    /// Data came as a request.
    fn posted(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        data: Option<&mut [u8]>,
        path: ReplyPath,
        query: &str,
    ) -> Result<Sent, Refusal>;
}
