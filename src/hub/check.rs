//! Whether the tables agree with each other: for the simulator, after every step.

use super::Hub;
use super::endpoint::HubEndpoint;
use super::registry::Registry;
use super::world::World;
use crate::base::{ConnectionKey, Keyed as _};
use crate::transport::{Connection, Stage};

impl Registry {
    /// The first disagreement between the tables.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (mut kept, mut numbered) = (0, 0);
        for (key, connection) in self.connections.iter() {
            if let Some(stateful) = &connection.stateful {
                stateful.outbound.check()?;
                kept += stateful.outbound.bytes();
                numbered += 1;
            }
            self.check_connection(key, connection)
                .map_err(|what| format!("connection {key:?} ({:?}): {what}", connection.stage))?;
        }
        if (kept, numbered) != (self.kept.bytes, self.kept.connections) {
            return Err(format!("{kept} bytes are kept by {numbered}, not as in {:?}", self.kept));
        }
        for key in self.questions.borrow().asked() {
            if self.get(key).is_none_or(|connection| connection.departed) {
                return Err(format!("connection {key:?} is gone, and a question to it is open"));
            }
        }
        for world in &self.worlds {
            world.check(|slot| self.connections.at_slot(slot).map(|(_, connection)| connection))?;
        }
        Ok(())
    }

    fn check_connection(&self, key: ConnectionKey, connection: &Connection) -> Result<(), String> {
        let outbox = &connection.outbox;
        // One frame may be of any size when it is the first.
        let behind = outbox.check()?;
        let most = connection.options.outbox.hard_bytes + CONTROL_BYTES;
        // What is kept by number has a limit of its own, and may wait here when that is over. So has
        // what is sent again to classic clients.
        let is_kept = connection.hub.may_be_stateful || connection.classic.is_some();
        if behind > most && !is_kept {
            return Err(format!("{behind} bytes wait behind the first frame of {most} allowed"));
        }
        if connection.departed && connection.socket.is_none() && !connection.awaits_farewell() {
            return Err("it has left and has no socket, but is still known".into());
        }
        if connection.is_parked() && (connection.socket.is_some() || !outbox.is_empty()) {
            return Err("it is parked and has a socket, or something for one".into());
        }
        let ends = connection.stage_ends != crate::transport::NEVER;
        // An answer to a poll has the time of its socket.
        let is_told = connection.polls() && connection.socket.is_some();
        if connection.stage == Stage::Closing && connection.departed && !ends && !is_told {
            return Err("it closes without an end".into());
        }
        let may_write = connection.frees_streams();
        if may_write && connection.is_open() && !self.goes_on(key) {
            return Err("a stream waits for room that is there".into());
        }
        let world = &self.worlds[usize::from(connection.world)];
        let is_member = world.members.slots().binary_search(&key.slot()).is_ok();
        if connection.is_open() && !is_member && connection.classic.is_none() {
            return Err("it is open and not a member of its world".into());
        }
        if connection.departed && (is_member || !connection.groups.is_empty()) {
            return Err("it has left and is still in a table".into());
        }
        Ok(())
    }
}

impl<H: Hub> HubEndpoint<H> {
    /// What runs belongs to somebody who is there, each side knows the other, and slots are
    /// counted right.
    pub(super) fn check_running(&self, registry: &Registry) -> Result<(), String> {
        for (key, underway) in self.underway.iter() {
            let connection = registry.get(key).filter(|connection| !connection.departed);
            let connection = connection.ok_or(format!("{key:?} has left and has calls"))?;
            let mut slots = 0;
            for call in underway.calls() {
                let task = self.tasks.get(call).filter(|task| task.connection() == key);
                let task = task.ok_or(format!("{key:?} has a call that does not run"))?;
                slots += u16::from(task.holds_slot());
            }
            if slots != connection.hub.running {
                let counted = connection.hub.running;
                return Err(format!("{key:?} has {slots} slots taken and {counted} counted"));
            }
            if underway.uploads_of_nobody() > 0 {
                return Err(format!("{key:?} has an upload without a call"));
            }
        }
        for (key, task) in self.tasks.iter().filter(|(_, task)| task.must_end_with_connection()) {
            let underway = self.underway.get(task.connection());
            if !underway.is_some_and(|underway| underway.calls().any(|call| call == key)) {
                return Err("a stream runs for nobody".into());
            }
        }
        Ok(())
    }

    /// Whether no stream and no upload is left. Plain calls outlive their connections.
    pub(super) fn nothing_runs(&self) -> bool {
        self.underway.is_empty()
            && !self.tasks.iter().any(|(_, task)| task.must_end_with_connection())
    }
}

impl World {
    fn check<'a>(&self, tenant: impl Fn(u32) -> Option<&'a Connection>) -> Result<(), String> {
        let is_set = |slots: &[u32]| slots.windows(2).all(|pair| pair[0] < pair[1]);
        if !is_set(self.members.slots()) {
            return Err("the members of a world are not in order".into());
        }
        for slot in self.members.slots() {
            if tenant(*slot).is_none_or(|member| !member.is_in(self.index)) {
                return Err(format!("slot {slot} is a member of a world and is empty"));
            }
        }
        for (name, index, slots) in self.groups() {
            if slots.is_empty() || !is_set(slots) {
                return Err(format!("group {name:?} is empty or not in order"));
            }
            for slot in slots {
                let knows = tenant(*slot)
                    .is_some_and(|member| member.groups.contains(&(self.index, index)));
                if !knows {
                    return Err(format!("slot {slot} is in group {name:?} and does not know it"));
                }
            }
        }
        Ok(())
    }
}

/// Control frames and last words are on top of the hard limit.
const CONTROL_BYTES: usize = 1024;
