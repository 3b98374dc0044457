//! Whom to send to, and sending.

use smallvec::SmallVec;

use super::closed::Closed;
use super::delivery::Delivery;
use super::error::HubError;
use super::registry::Registry;
use crate::base::{ConnectionKey, Keyed as _, ToConnectionId};
use crate::protocol::classic::write_call;
use crate::protocol::hub_protocol::{HubProtocolKind, ToArguments};
use crate::protocol::websocket::Kind;

/// Everybody connected to one hub, and its groups.
///
/// Hub methods reach it through their `Context`; code outside a call gets it from
/// `Shard::enter`, `Post::run` and timers.
pub struct Clients<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) world: u16,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(registry: &'a mut Registry, world: u16) -> Self {
        Self { registry, world }
    }

    /// Every connection of this hub.
    pub fn all(&mut self) -> Audience<'_> {
        self.audience(Target::All, &[])
    }

    /// Every connection but those with these ids.
    pub fn all_except<I: ToConnectionId>(
        &mut self,
        except: impl IntoIterator<Item = I>,
    ) -> Audience<'_> {
        self.except(Target::All, except)
    }

    /// One connection. An unknown id reaches nobody.
    pub fn client(&mut self, id: impl ToConnectionId) -> Audience<'_> {
        self.clients([id])
    }

    /// The connections with these ids, once each.
    pub fn clients<I: ToConnectionId>(&mut self, ids: impl IntoIterator<Item = I>) -> Audience<'_> {
        let mut slots: SmallVec<[u32; 8]> = ids
            .into_iter()
            .filter_map(|id| self.registry.by_id(self.world, id.to_connection_id()))
            .map(ConnectionKey::slot)
            .collect();
        slots.sort_unstable();
        slots.dedup();
        self.audience(Target::Slots(slots), &[])
    }

    /// The members of a group. An unknown group has none.
    pub fn group<'n>(&'n mut self, name: &'n str) -> Audience<'n> {
        self.audience(Target::Groups(SmallVec::from_slice(&[name])), &[])
    }

    /// The members of a group but those with these ids.
    pub fn group_except<'n, I: ToConnectionId>(
        &'n mut self,
        name: &'n str,
        except: impl IntoIterator<Item = I>,
    ) -> Audience<'n> {
        self.except(Target::Groups(SmallVec::from_slice(&[name])), except)
    }

    /// The members of each of these groups; who is in two of them gets the message twice
    /// (COR-133).
    pub fn groups<'n, N: AsRef<str> + ?Sized + 'n>(
        &'n mut self,
        names: impl IntoIterator<Item = &'n N>,
    ) -> Audience<'n> {
        let names = names.into_iter().map(AsRef::as_ref).collect();
        self.audience(Target::Groups(names), &[])
    }

    /// The connections of a user.
    pub fn user<'n>(&'n mut self, id: &'n str) -> Audience<'n> {
        self.audience(Target::Users(SmallVec::from_slice(&[id])), &[])
    }

    /// The connections of any of these users, once each.
    pub fn users<'n, N: AsRef<str> + ?Sized + 'n>(
        &'n mut self,
        ids: impl IntoIterator<Item = &'n N>,
    ) -> Audience<'n> {
        let mut ids: SmallVec<[&str; 4]> = ids.into_iter().map(AsRef::as_ref).collect();
        // A connection has one user, so no connection is reached twice if no user is named twice.
        ids.sort_unstable();
        ids.dedup();
        self.audience(Target::Users(ids), &[])
    }

    /// Adds a connection to a group. Twice is no error, and neither is an unknown connection
    /// (§6.2).
    ///
    /// # Errors
    ///
    /// When the name is longer, or the connection in more groups, than its options allow.
    pub fn add_to_group(&mut self, id: impl ToConnectionId, name: &str) -> Result<(), HubError> {
        match self.registry.by_id(self.world, id.to_connection_id()) {
            Some(key) => self.add_key(key, name),
            None => Ok(()),
        }
    }

    /// Removes a connection from a group. No error if it was no member.
    pub fn remove_from_group(&mut self, id: impl ToConnectionId, name: &str) {
        if let Some(key) = self.registry.by_id(self.world, id.to_connection_id()) {
            self.remove_key(key, name);
        }
    }

    /// Ends a connection; the client does not come back by itself (COR-118).
    pub fn abort(&mut self, id: impl ToConnectionId) {
        if let Some(key) = self.registry.by_id(self.world, id.to_connection_id()) {
            self.registry.end(key, Closed::Aborted);
        }
    }

    /// Ends a connection and invites the client to come back (it does, with automatic reconnect).
    pub fn send_away(&mut self, id: impl ToConnectionId) {
        if let Some(key) = self.registry.by_id(self.world, id.to_connection_id()) {
            self.registry.end(key, Closed::Moved);
        }
    }

    /// How many connections the hub has.
    pub fn count(&self) -> usize {
        self.registry.worlds[self.world as usize].members.slots().len()
    }

    /// How many members a group has.
    pub fn group_count(&self, name: &str) -> usize {
        self.registry.worlds[self.world as usize].group(name).len()
    }

    pub(super) fn add_key(&mut self, key: ConnectionKey, name: &str) -> Result<(), HubError> {
        let Registry { connections, worlds, .. } = &mut *self.registry;
        let Some(connection) = connections.get_mut(key) else { return Ok(()) };
        if name.len() > connection.options.group_name_bytes_max {
            let max = connection.options.group_name_bytes_max;
            return Err(HubError::new(format!("The name of a group has at most {max} bytes.")));
        }
        if connection.groups.len() >= connection.options.groups_max {
            let max = connection.options.groups_max;
            return Err(HubError::new(format!("A connection is in at most {max} groups.")));
        }
        // A connection that has left must not come back into a table (§6.2, last rule).
        if connection.is_open() {
            let is_new = worlds[self.world as usize].add_to_group(key, connection, name);
            self.registry.groups_changed(key, is_new);
        }
        Ok(())
    }

    pub(super) fn remove_key(&mut self, key: ConnectionKey, name: &str) {
        let Registry { connections, worlds, .. } = &mut *self.registry;
        if let Some(connection) = connections.get_mut(key) {
            let was_member = worlds[self.world as usize].remove_from_group(key, connection, name);
            self.registry.groups_changed(key, was_member);
        }
    }

    pub(super) fn keys<'n>(&'n mut self, keys: &[ConnectionKey]) -> Audience<'n> {
        let slots = keys
            .iter()
            .filter(|key| self.registry.connections.get(**key).is_some())
            .map(|key| key.slot())
            .collect();
        self.audience(Target::Slots(slots), &[])
    }

    pub(super) fn except_keys<'n>(
        &'n mut self,
        target: Target<'n>,
        except: &[ConnectionKey],
    ) -> Audience<'n> {
        self.audience(target, except)
    }

    fn except<'n, I: ToConnectionId>(
        &'n mut self,
        target: Target<'n>,
        except: impl IntoIterator<Item = I>,
    ) -> Audience<'n> {
        let except: SmallVec<[ConnectionKey; 8]> = except
            .into_iter()
            .filter_map(|id| self.registry.by_id(self.world, id.to_connection_id()))
            .collect();
        self.audience(target, &except)
    }

    fn audience<'n>(&'n mut self, target: Target<'n>, except: &[ConnectionKey]) -> Audience<'n> {
        let mut except: SmallVec<[u32; 4]> = except.iter().map(|key| key.slot()).collect();
        except.sort_unstable();
        Audience { registry: self.registry, world: self.world, target, except, state: None }
    }
}

/// Whom a message is for. The order of members is slot order within each.
#[derive(Debug)]
pub(super) enum Target<'n> {
    All,
    Slots(SmallVec<[u32; 8]>),
    Groups(SmallVec<[&'n str; 4]>),
    Users(SmallVec<[&'n str; 4]>),
}

/// Somebody to send to: what the selectors of [`Clients`] return.
///
/// A message is encoded once for each hub protocol that somebody in the audience speaks, whatever
/// its size. It is queued, and leaves at the
/// end of the turn; messages to one connection leave in the order in which they were queued.
pub struct Audience<'a> {
    registry: &'a mut Registry,
    world: u16,
    target: Target<'a>,
    except: SmallVec<[u32; 4]>,
    /// What the method that sends has changed in the state of its classic caller.
    state: Option<String>,
}

impl Audience<'_> {
    /// Has classic clients told what has changed in their state.
    pub(super) fn with_state(self, state: Option<String>) -> Self {
        Self { state, ..self }
    }

    /// Calls `method` on everybody in the audience. `arguments` is a tuple of up to ten values,
    /// or a slice.
    ///
    /// Arguments that cannot be serialized are a bug of the caller: logged, and nobody is called.
    pub fn send(self, method: &str, arguments: impl ToArguments) -> Delivery {
        let Self { registry, world, target, except, state } = self;
        let hub = registry.world_name(world);
        let sent = registry.broadcast(
            |registry, slots| select(registry, world, &target, &except, slots),
            |protocol, out| match protocol {
                HubProtocolKind::Classic => {
                    write_call(out, &hub, method, &arguments, state.as_deref())
                }
                _ => protocol.write_invocation(out, None, method, &arguments),
            },
        );
        sent.unwrap_or_else(|error| {
            tracing::error!(method, %error, "the arguments of a call cannot be written");
            Delivery::default()
        })
    }

    /// Queues one raw WebSocket message for everybody in the audience.
    pub(crate) fn send_raw(self, kind: Kind, payload: &[u8]) -> Delivery {
        let Self { registry, world, target, except, .. } = self;
        registry.broadcast_raw(
            kind,
            |registry, slots| select(registry, world, &target, &except, slots),
            payload,
        )
    }
}

fn select(
    registry: &Registry,
    world: u16,
    target: &Target<'_>,
    except: &[u32],
    slots: &mut Vec<u32>,
) {
    let world = &registry.worlds[world as usize];
    match target {
        Target::All => slots.extend_from_slice(world.members.slots()),
        Target::Slots(chosen) => slots.extend_from_slice(chosen),
        Target::Groups(names) => {
            names.iter().for_each(|name| slots.extend_from_slice(world.group(name)));
        }
        Target::Users(ids) => ids.iter().for_each(|id| slots.extend_from_slice(world.user(id))),
    }
    if !except.is_empty() {
        slots.retain(|slot| except.binary_search(slot).is_err());
    }
}

impl std::fmt::Debug for Clients<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Audience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audience").field("target", &self.target).finish_non_exhaustive()
    }
}
