//! Which hubs a classic connection listens to, and the groups it is in there.

use std::rc::Rc;

use smallvec::SmallVec;

use super::super::registry::Registry;
use crate::base::{ConnectionId, ConnectionKey};
use crate::protocol::hub_protocol::HubProtocolKind;
use crate::transport::{Classic, Connection, ConnectionOptions, Stage};

impl Registry {
    /// Names a world as classic clients know it: their calls and groups carry the name.
    pub(crate) fn name_world(&mut self, world: u16, name: &str) {
        self.worlds[world as usize].name = Rc::from(name);
    }

    /// The name of a world.
    pub(crate) fn world_name(&self, world: u16) -> Rc<str> {
        self.worlds[world as usize].name.clone()
    }

    /// The slots of the members of a world.
    pub(crate) fn members(&self, world: u16) -> &[u32] {
        self.worlds[world as usize].members.slots()
    }

    /// The slots of the members of a group.
    pub(crate) fn group_members(&self, world: u16, group: &str) -> &[u32] {
        self.worlds[world as usize].group(group)
    }

    /// Makes the connection that a token has named. It listens to nothing yet.
    pub(crate) fn create_classic(
        &mut self,
        world: u16,
        id: ConnectionId,
        options: Rc<ConnectionOptions>,
        classic: Classic,
    ) -> ConnectionKey {
        let mut connection = Connection::new(id, id, world, options, self.now);
        connection.stage = Stage::Open;
        connection.hub.speaks = Some(HubProtocolKind::Classic);
        connection.hub.detailed = classic.detailed;
        connection.classic = Some(Box::new(classic));
        self.spoken.extend(connection.hub.speaks);
        let key = self.connections.insert(connection);
        self.by_token.insert(id, key);
        self.by_id.insert(id, key);
        self.counters.opened += 1;
        self.mark(key);
        key
    }

    /// The classic connection with an id, in a certain mount.
    pub(crate) fn classic_by_id(&self, world: u16, id: ConnectionId) -> Option<ConnectionKey> {
        let key = *self.by_token.get(&id)?;
        let connection = self.connections.get(key)?;
        (connection.world == world && connection.stage == Stage::Open).then_some(key)
    }

    /// The connection listens to these hubs from now on, and to no others; it is whom `user` says.
    pub(crate) fn listen(&mut self, key: ConnectionKey, hubs: &[u16], user: Option<Rc<str>>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(classic) = &mut connection.classic else { return };
        let others = std::mem::replace(&mut classic.hubs, SmallVec::from_slice(hubs));
        let is_same_user = connection.user == user;
        for world in others {
            if !hubs.contains(&world) || !is_same_user {
                self.worlds[world as usize].leave(key, connection);
            }
        }
        // Calls may have joined groups of any hub, listened to or not (LEG-110).
        let is_left = |&(world, _): &(u16, u32)| !hubs.contains(&world);
        while let Some((world, _)) = connection.groups.iter().copied().find(is_left) {
            self.worlds[world as usize].leave_groups(key, connection);
        }
        connection.user = user;
        for &world in hubs {
            self.worlds[world as usize].enter(key, connection);
        }
    }

    /// A connection that ends leaves the hubs that it listens to, and the groups of others: calls
    /// need no receive request, and may have joined any.
    pub(in crate::hub) fn leave_hubs(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(classic) = &mut connection.classic else { return };
        for world in std::mem::take(&mut classic.hubs) {
            self.worlds[world as usize].leave(key, connection);
        }
        while let Some(&(world, _)) = connection.groups.first() {
            self.worlds[world as usize].leave_groups(key, connection);
        }
    }

    /// The connection is in these groups of a hub and in no others there: what its client has
    /// proved by its token (§7.6).
    pub(crate) fn rejoin(&mut self, key: ConnectionKey, world: u16, groups: &[String]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let world = &mut self.worlds[world as usize];
        world.leave_groups(key, connection);
        let options = connection.options.clone();
        for name in groups.iter().filter(|name| name.len() <= options.group_name_bytes_max) {
            if connection.groups.len() >= options.groups_max {
                break;
            }
            world.add_to_group(key, connection, name);
        }
    }

    /// The token for the groups that a connection is in.
    pub(in crate::hub) fn groups_token(&mut self, key: ConnectionKey) -> String {
        let Some(connection) = self.connections.get(key) else { return String::new() };
        let Some(classic) = &connection.classic else { return String::new() };
        let names = connection.groups.iter().map(|&(world, index)| {
            let world = &self.worlds[world as usize];
            format!("{}.{}", world.name, world.group_name(index))
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        classic.keys.groups_token(&mut self.rng, connection.id, &names)
    }

    /// A hub keeps something for a connection: it hears of its end.
    pub(crate) fn meet(&mut self, key: ConnectionKey, world: u16) {
        if let Some(classic) = self.get_mut(key).and_then(|known| known.classic.as_mut())
            && !classic.met.contains(&world)
        {
            classic.met.push(world);
        }
    }

    /// What a hub has to say to a new connection took its time, and is said.
    pub(in crate::hub) fn classic_welcomed(&mut self, key: ConnectionKey, is_well: bool) {
        self.classic.welcomed.push((key, is_well));
        self.wait(key);
    }

    /// Takes the news of hubs that took their time with a new connection.
    pub(crate) fn take_welcomed(&mut self, key: ConnectionKey) -> Vec<bool> {
        let of_it = self.classic.welcomed.extract_if(.., |(known, _)| *known == key);
        of_it.map(|(_, is_well)| is_well).collect()
    }
}
