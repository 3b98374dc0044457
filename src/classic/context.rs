//! What the code of a `PersistentConnection` can do.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use serde::Serialize;
use smallvec::SmallVec;

use super::persistent::PersistentConnection;
use crate::auth::Identity;
use crate::base::{ConnectionId, ConnectionKey, Keyed as _, ToConnectionId};
use crate::hub::{Clients, Delivery, HubError, Registry};
use crate::protocol::classic::{Parameters, write_json};
use crate::protocol::http::RequestHead;
use crate::transport::Transport;

/// Everybody connected to one `PersistentConnection`, and its groups. Values are anything that
/// serializes; they arrive as JSON (§3.3).
pub struct Peers<'a> {
    registry: &'a mut Registry,
    world: u16,
}

impl<'a> Peers<'a> {
    pub(crate) fn new(registry: &'a mut Registry, world: u16) -> Self {
        Self { registry, world }
    }

    /// Sends a value to one connection. An unknown id reaches nobody.
    pub fn send(&mut self, id: impl ToConnectionId, value: &(impl Serialize + ?Sized)) -> Delivery {
        let slot = self.slot(id);
        self.deliver(value, |_, slots| slots.extend(slot))
    }

    /// Sends a value to everybody.
    pub fn broadcast(&mut self, value: &(impl Serialize + ?Sized)) -> Delivery {
        self.broadcast_except::<ConnectionId>([], value)
    }

    /// Sends a value to everybody but those with these ids.
    pub fn broadcast_except<I: ToConnectionId>(
        &mut self,
        except: impl IntoIterator<Item = I>,
        value: &(impl Serialize + ?Sized),
    ) -> Delivery {
        let (world, except) = (self.world, self.slots(except));
        self.deliver(value, |registry, slots| {
            slots.extend_from_slice(registry.members(world));
            slots.retain(|slot| !except.contains(slot));
        })
    }

    /// Sends a value to the members of a group.
    pub fn send_to_group(&mut self, group: &str, value: &(impl Serialize + ?Sized)) -> Delivery {
        self.send_to_group_except::<ConnectionId>(group, [], value)
    }

    /// Sends a value to the members of a group but those with these ids.
    pub fn send_to_group_except<I: ToConnectionId>(
        &mut self,
        group: &str,
        except: impl IntoIterator<Item = I>,
        value: &(impl Serialize + ?Sized),
    ) -> Delivery {
        let (world, except) = (self.world, self.slots(except));
        self.deliver(value, |registry, slots| {
            slots.extend_from_slice(registry.group_members(world, group));
            slots.retain(|slot| !except.contains(slot));
        })
    }

    /// Adds a connection to a group. Twice is no error, and neither is an unknown connection.
    ///
    /// # Errors
    ///
    /// When the name is longer, or the connection in more groups, than its options allow.
    pub fn add_to_group(&mut self, id: impl ToConnectionId, group: &str) -> Result<(), HubError> {
        Clients::new(self.registry, self.world).add_to_group(id, group)
    }

    /// Removes a connection from a group. No error if it was no member.
    pub fn remove_from_group(&mut self, id: impl ToConnectionId, group: &str) {
        Clients::new(self.registry, self.world).remove_from_group(id, group);
    }

    /// Ends a connection.
    pub fn abort(&mut self, id: impl ToConnectionId) {
        Clients::new(self.registry, self.world).abort(id);
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.registry.members(self.world).len()
    }

    fn slot(&self, id: impl ToConnectionId) -> Option<u32> {
        let key = self.registry.classic_by_id(self.world, id.to_connection_id())?;
        Some(key.slot())
    }

    fn slots<I: ToConnectionId>(&self, ids: impl IntoIterator<Item = I>) -> SmallVec<[u32; 4]> {
        ids.into_iter().filter_map(|id| self.slot(id)).collect()
    }

    fn deliver(
        &mut self,
        value: &(impl Serialize + ?Sized),
        select: impl FnOnce(&Registry, &mut Vec<u32>),
    ) -> Delivery {
        let mut element = Vec::new();
        match write_json(&mut element, value) {
            Ok(()) => self.registry.broadcast_element(select, &element),
            Err(error) => {
                tracing::error!(%error, "a value for classic clients cannot be written");
                Delivery::default()
            }
        }
    }
}

impl std::fmt::Debug for Peers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// What happened to one connection, for the code of a `PersistentConnection`. The methods of
/// [`Peers`] are methods of it too.
pub struct PersistentContext<'a, P: PersistentConnection> {
    peers: Peers<'a>,
    state: &'a mut P::State,
    key: ConnectionKey,
    id: ConnectionId,
    query: Option<&'a str>,
}

impl<'a, P: PersistentConnection> PersistentContext<'a, P> {
    pub(super) fn new(
        registry: &'a mut Registry,
        world: u16,
        key: ConnectionKey,
        state: &'a mut P::State,
        query: Option<&'a str>,
    ) -> Self {
        let id = registry.get(key).map_or(ConnectionId::NONE, |connection| connection.id);
        Self { peers: Peers::new(registry, world), state, key, id, query }
    }

    /// The public id of the connection.
    pub fn connection_id(&self) -> ConnectionId {
        self.id
    }

    /// Who it is, as its requests say.
    pub fn identity(&self) -> Option<&Identity> {
        self.peers.registry.get(self.key)?.identity.as_deref()
    }

    /// The user that it is.
    pub fn user_id(&self) -> Option<&str> {
        self.peers.registry.get(self.key)?.user.as_deref()
    }

    /// The request over which it receives, or received last.
    pub fn request(&self) -> Option<&RequestHead> {
        self.peers.registry.get(self.key)?.request.as_deref()
    }

    /// What it receives over.
    pub fn transport(&self) -> Option<Transport> {
        self.peers.registry.get(self.key)?.transport
    }

    /// A parameter in the query of the request that brought the data, or over which it receives.
    /// Repeated ones are joined with commas (§1.3).
    pub fn query(&self, name: &str) -> Option<String> {
        let opened = self.request().map(|request| request.head().raw_query());
        let parameters = Parameters::new(self.query.or(opened)?, b"");
        parameters.query(name).map(Cow::into_owned)
    }

    /// What is kept for this connection.
    pub fn state(&mut self) -> &mut P::State {
        self.state
    }

    /// Sends a value to this connection.
    pub fn reply(&mut self, value: &(impl Serialize + ?Sized)) -> Delivery {
        let id = self.id;
        self.peers.send(id, value)
    }

    /// Adds this connection to a group. What is sent to the group from then on reaches it.
    ///
    /// # Errors
    ///
    /// When the name is longer, or the connection in more groups, than its options allow.
    pub fn join(&mut self, group: &str) -> Result<(), HubError> {
        let id = self.id;
        self.peers.add_to_group(id, group)
    }

    /// Removes this connection from a group. No error if it was no member.
    pub fn leave(&mut self, group: &str) {
        let id = self.id;
        self.peers.remove_from_group(id, group);
    }
}

impl<'a, P: PersistentConnection> Deref for PersistentContext<'a, P> {
    type Target = Peers<'a>;

    fn deref(&self) -> &Peers<'a> {
        &self.peers
    }
}

impl<P: PersistentConnection> DerefMut for PersistentContext<'_, P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.peers
    }
}
