//! Who is in a hub: all its connections, its groups, its users.

use std::rc::Rc;

use crate::base::{ConnectionKey, HashMap, Keyed as _};
use crate::transport::Connection;

/// A set of connections, as slots in ascending order.
///
/// Slot order is memory order, and walking members in memory order is 5 to 10 times cheaper than
/// in the order in which they joined.
#[derive(Debug, Default)]
pub(super) struct Members(Vec<u32>);

impl Members {
    fn add(&mut self, slot: u32) -> bool {
        // Newcomers usually get the highest slot, so look at the end first.
        if self.0.last().is_none_or(|last| *last < slot) {
            self.0.push(slot);
            return true;
        }
        match self.0.binary_search(&slot) {
            Ok(_) => false,
            Err(place) => {
                self.0.insert(place, slot);
                true
            }
        }
    }

    fn remove(&mut self, slot: u32) {
        if let Ok(place) = self.0.binary_search(&slot) {
            self.0.remove(place);
        }
    }

    pub(super) fn slots(&self) -> &[u32] {
        &self.0
    }
}

#[derive(Debug)]
struct Group {
    name: Rc<str>,
    members: Members,
}

/// The connections, groups and users of one hub. Two hubs share nothing (§6.1).
#[derive(Debug)]
pub(super) struct World {
    pub(super) index: u16,
    /// The name under which classic clients know it.
    pub(super) name: Rc<str>,
    pub(super) members: Members,
    group_names: HashMap<Rc<str>, u32>,
    groups: slab::Slab<Group>,
    users: HashMap<Rc<str>, Members>,
}

impl World {
    pub(super) fn new(index: u16) -> Self {
        Self {
            index,
            name: Rc::from(""),
            members: Members::default(),
            group_names: HashMap::default(),
            groups: slab::Slab::new(),
            users: HashMap::default(),
        }
    }

    /// The connection is part of the hub from now on.
    pub(super) fn enter(&mut self, key: ConnectionKey, connection: &Connection) {
        self.members.add(key.slot());
        if let Some(user) = &connection.user {
            self.users.entry(user.clone()).or_default().add(key.slot());
        }
    }

    /// The connection is in no group any more, and no longer part of the hub.
    pub(super) fn leave(&mut self, key: ConnectionKey, connection: &mut Connection) {
        self.members.remove(key.slot());
        self.leave_groups(key, connection);
        if let Some(user) = &connection.user
            && let Some(members) = self.users.get_mut(user)
        {
            members.remove(key.slot());
            if members.0.is_empty() {
                self.users.remove(user);
            }
        }
    }

    /// The connection is in none of these groups any more; in those of other worlds it stays.
    pub(super) fn leave_groups(&mut self, key: ConnectionKey, connection: &mut Connection) {
        connection.groups.retain(|&mut (world, index)| {
            if world == self.index {
                self.drop_member(index, key.slot());
            }
            world != self.index
        });
    }

    /// The name of a group.
    pub(super) fn group_name(&self, index: u32) -> &str {
        &self.groups[index as usize].name
    }

    /// Adds a connection to a group, which exists from its first member on. Adding twice is no
    /// error (COR-135). Whether it was no member before.
    pub(super) fn add_to_group(
        &mut self,
        key: ConnectionKey,
        connection: &mut Connection,
        name: &str,
    ) -> bool {
        let index = if let Some(index) = self.group_names.get(name) {
            *index
        } else {
            let name: Rc<str> = Rc::from(name);
            let group = Group { name: name.clone(), members: Members::default() };
            let index = self.groups.insert(group) as u32;
            self.group_names.insert(name, index);
            index
        };
        if self.groups[index as usize].members.add(key.slot()) {
            connection.groups.push((self.index, index));
            return true;
        }
        false
    }

    /// Removes a connection from a group, which ends with its last member. Whether it was one.
    pub(super) fn remove_from_group(
        &mut self,
        key: ConnectionKey,
        connection: &mut Connection,
        name: &str,
    ) -> bool {
        let Some(&index) = self.group_names.get(name) else { return false };
        let group = (self.index, index);
        let Some(place) = connection.groups.iter().position(|known| *known == group) else {
            return false;
        };
        connection.groups.swap_remove(place);
        self.drop_member(index, key.slot());
        true
    }

    /// The members of a group; nobody, if there is no such group.
    pub(super) fn group(&self, name: &str) -> &[u32] {
        match self.group_names.get(name) {
            Some(&index) => self.groups[index as usize].members.slots(),
            None => &[],
        }
    }

    /// The connections of a user.
    pub(super) fn user(&self, name: &str) -> &[u32] {
        self.users.get(name).map_or(&[], Members::slots)
    }

    /// The groups: name, index and members.
    #[cfg(feature = "sim")]
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, u32, &[u32])> {
        self.groups.iter().map(|(index, group)| (&*group.name, index as u32, group.members.slots()))
    }

    /// Whether nobody is here and nothing was left behind.
    #[cfg(feature = "sim")]
    pub(super) fn is_empty(&self) -> bool {
        self.members.0.is_empty()
            && self.groups.is_empty()
            && self.group_names.is_empty()
            && self.users.is_empty()
    }

    fn drop_member(&mut self, index: u32, slot: u32) {
        let group = &mut self.groups[index as usize];
        group.members.remove(slot);
        if group.members.0.is_empty() {
            let group = self.groups.remove(index as usize);
            self.group_names.remove(&group.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_a_set_in_slot_order() {
        let mut members = Members::default();
        for slot in [5, 1, 9, 5, 3, 9] {
            members.add(slot);
        }
        members.remove(4);
        members.remove(9);
        assert_eq!(members.slots(), [1, 3, 5]);
    }
}
