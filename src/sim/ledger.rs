//! The truth of a run: what the hub said to whom, in which order, to be compared with what
//! clients heard.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::transport::Transport;

/// Shared by the hubs of a run and its checker.
pub(super) type Books = Rc<RefCell<Ledger>>;

/// What the server did.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Messages to each room so far. Each message carries its place in this order, from 0.
    pub(super) rooms: BTreeMap<String, Room>,
    /// Ticks to everybody so far.
    pub(super) ticks: u64,
    said: BTreeSet<(u64, u64)>,
    /// What the hub has found to be wrong.
    complaints: Vec<String>,
    /// Streams that clients send along with their calls, two of one call as one.
    pub(super) uploads: Vec<Sent>,
    /// How many streams and uploads the hub has under way.
    pub(super) flows: usize,
    /// Items that clients got, and items that the hub got.
    pub(super) items: [u64; 2],
    /// Connections by id.
    pub(super) visits: BTreeMap<String, Visit>,
    /// What classic clients did over each transport, in the order of `TransportName::ALL`.
    pub(super) classic: [Carried; 4],
}

/// What classic clients did over one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Connections that began over it.
    pub connections: u64,
    /// Times that a connection was gone on with over it.
    pub reconnects: u64,
    /// Calls of the hub that honest clients have heard over it.
    pub heard: u64,
    /// Ticks among them that were said before the client was back.
    pub replayed: u64,
    /// Clients that had heard everything at the end, on a connection that was gone on with.
    pub survived: u64,
}

#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) said: u64,
    /// Who said each message, and its number for that sender.
    pub(super) by: Vec<(u64, u64)>,
}

/// One connection, as the hub saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    pub(super) connects: u32,
    pub(super) disconnects: u32,
    pub(super) refused: bool,
    /// Times that a classic client came back after its end.
    pub(super) revivals: u32,
    /// The ticks before a classic client came back at last.
    pub(super) back_at: Option<u64>,
    /// What carried it.
    pub(super) transport: Option<Transport>,
    /// The ticks before it came; nothing, where nobody ticks: in a topic.
    pub(super) ticks_before: Option<u64>,
    /// Stays in rooms, in order. The last one of a room may be open.
    pub(super) stays: Vec<Stay>,
}

/// A stream of a client: numbers from 0 on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) items: u64,
    pub(super) end: Option<Ending>,
}

/// How a client ends its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    Broken,
    /// With an item that cannot be read.
    Garbled,
}

impl Ending {
    /// How the error reads that the hub gets; nothing for an end in order.
    pub(super) fn error(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Broken => Some("broken off"),
            Self::Garbled => Some("Failed to bind Stream message."),
        }
    }
}

/// A member of a room from one message (inclusive) to another (exclusive).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) room: String,
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

/// What one connection of a client heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Rooms and places, in the order of arrival.
    pub(super) messages: Vec<(String, u64)>,
    pub(super) ticks: Vec<u64>,
}

impl Ledger {
    /// A message to a room: its place.
    pub(super) fn say(&mut self, room: &str, sender: u64, number: u64) -> u64 {
        // Whoever is no player, and the last words of players, have no numbers of their own.
        let is_numbered = sender < PLAYERS_MAX && number > 0;
        if is_numbered && !self.said.insert((sender, number)) {
            self.complain(format!("message {number} of {sender} was said twice"));
        }
        let room = self.rooms.entry(room.to_owned()).or_default();
        room.by.push((sender, number));
        room.said += 1;
        room.said - 1
    }

    pub(super) fn connected(&mut self, id: &str, transport: Option<Transport>) {
        let ticks_before = self.ticks;
        let visit = self.visits.entry(id.to_owned()).or_default();
        visit.connects += 1;
        visit.ticks_before = Some(ticks_before);
        visit.transport = transport;
        if is_classic(id) {
            self.over(transport).connections += 1;
        }
    }

    /// A classic client goes on with its connection.
    pub(super) fn reconnected(&mut self, id: &str, transport: Option<Transport>) {
        let ticks = self.ticks;
        self.over(transport).reconnects += 1;
        if let Some(visit) = self.visits.get_mut(id) {
            visit.back_at = Some(ticks);
        }
    }

    /// When a classic client came back at last, in ticks; nothing, if it never did.
    pub(super) fn back_at(&self, id: &str) -> Option<u64> {
        self.visits.get(id)?.back_at
    }

    /// Whether a classic client goes on with a connection that has ended, which was not seen yet.
    pub(super) fn is_revived(&mut self, id: &str) -> bool {
        let visit = self.visits.get_mut(id).filter(|visit| visit.disconnects > visit.revivals);
        visit.map(|visit| visit.revivals += 1).is_some()
    }

    /// What classic clients did over a transport; without one a request has begun the connection
    /// that only liars send.
    fn over(&mut self, transport: Option<Transport>) -> &mut Carried {
        &mut self.classic[match transport {
            Some(Transport::WebSockets) => 0,
            Some(Transport::ServerSentEvents) => 1,
            Some(Transport::ForeverFrame) => 2,
            Some(Transport::LongPolling) | None => 3,
        }]
    }

    /// A connection to a topic.
    pub(super) fn listens(&mut self, id: &str, transport: Option<Transport>) {
        let visit = self.visits.entry(id.to_owned()).or_default();
        visit.connects += 1;
        visit.transport = transport;
    }

    /// How many connections to the hub, or to topics, each transport has carried.
    pub(super) fn carried(&self, to_hub: bool) -> [usize; 3] {
        let visits = self.visits.iter().filter(|(id, _)| !is_classic(id)).map(|(_, visit)| visit);
        let visits = visits.filter(|visit| visit.ticks_before.is_some() == to_hub);
        let transports: Vec<Transport> = visits.filter_map(|visit| visit.transport).collect();
        [Transport::WebSockets, Transport::ServerSentEvents, Transport::LongPolling]
            .map(|each| transports.iter().filter(|transport| **transport == each).count())
    }

    pub(super) fn disconnected(&mut self, id: &str) {
        let said = self.said_so_far();
        let visit = self.visits.entry(id.to_owned()).or_default();
        visit.disconnects += 1;
        for stay in visit.stays.iter_mut().filter(|stay| stay.to.is_none()) {
            stay.to = Some(said.get(&stay.room).copied().unwrap_or(0));
        }
    }

    pub(super) fn joined(&mut self, id: &str, room: &str) {
        let from = self.rooms.get(room).map_or(0, |room| room.said);
        let visit = self.visits.entry(id.to_owned()).or_default();
        if !visit.stays.iter().any(|stay| stay.room == room && stay.to.is_none()) {
            visit.stays.push(Stay { room: room.to_owned(), from, to: None });
        }
    }

    pub(super) fn left(&mut self, id: &str, room: &str) {
        let said = self.rooms.get(room).map_or(0, |room| room.said);
        let visit = self.visits.entry(id.to_owned()).or_default();
        for stay in visit.stays.iter_mut().filter(|stay| stay.room == room) {
            stay.to.get_or_insert(said);
        }
    }

    /// Compares what a connection heard with what it should have: every stay without a gap, in
    /// order, nothing before and nothing after it. A connection that was lost may have missed
    /// the end (`whole` false).
    pub(super) fn check(&self, id: &str, heard: &Heard, whole: bool) -> Result<(), String> {
        let visit = self.visits.get(id);
        let Some(visit) = visit else {
            let silent = heard.messages.is_empty() && heard.ticks.is_empty();
            return if silent { Ok(()) } else { Err(format!("{id} heard and never came")) };
        };
        let mut rooms: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (room, place) in &heard.messages {
            rooms.entry(room).or_default().push(*place);
        }
        let said = self.said_so_far();
        for stay in &visit.stays {
            rooms.entry(&stay.room).or_default();
        }
        for (room, places) in rooms {
            let expected: Vec<u64> = visit
                .stays
                .iter()
                .filter(|stay| stay.room == room)
                .flat_map(|stay| stay.from..stay.to.unwrap_or(said.get(room).copied().unwrap_or(0)))
                .collect();
            compare(id, room, &places, &expected, whole)?;
        }
        let expected: Vec<u64> =
            visit.ticks_before.map(|first| (first..self.ticks).collect()).unwrap_or_default();
        compare(id, "ticks", &heard.ticks, &expected, whole)
    }

    /// Something is wrong, and no client sees it.
    pub(super) fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// A client begins to send a stream: its number.
    pub(super) fn send(&mut self) -> usize {
        self.uploads.push(Sent::default());
        self.uploads.len() - 1
    }

    /// The hub has read from an upload, of which it had `count` items: one more, the end, or an
    /// error.
    pub(super) fn received(&mut self, upload: usize, count: u64, item: Result<Option<u64>, &str>) {
        let Sent { items, end } = self.uploads[upload];
        self.items[1] += u64::from(matches!(item, Ok(Some(_))));
        let is_right = match item {
            Ok(Some(item)) => item == count && count < items,
            Ok(None) => end == Some(Ending::Whole) && count == items,
            Err("The underlying connection was closed.") => count <= items,
            Err(text) => {
                let error = end.and_then(Ending::error);
                error.is_some_and(|error| text.starts_with(error)) && count == items
            }
        };
        if !is_right {
            let sent = self.uploads[upload];
            self.complain(format!("{item:?} came after {count} items of {sent:?}"));
        }
    }

    /// Every connect had one disconnect, unless it was refused; and nobody complains.
    pub(super) fn check_visits(&self) -> Result<(), String> {
        if let Some(complaint) = self.complaints.first() {
            return Err(complaint.clone());
        }
        for (id, visit) in &self.visits {
            if is_classic(id) {
                if visit.connects > 0 && visit.disconnects == 0 && !visit.refused {
                    return Err(format!("{id} was never disconnected"));
                }
                continue;
            }
            let expected = u32::from(!visit.refused);
            if visit.connects != 1 || visit.disconnects != expected {
                let (connects, disconnects) = (visit.connects, visit.disconnects);
                return Err(format!(
                    "{id} (refused: {}) has {connects} connects and {disconnects} disconnects",
                    visit.refused
                ));
            }
        }
        Ok(())
    }

    /// An honest classic client was connected once and disconnected once, and once more for each
    /// time that it came back after its end.
    pub(super) fn check_classic_visit(&self, id: &str) -> Result<(), String> {
        let visit = self.visits.get(id).ok_or_else(|| format!("{id} never came"))?;
        if (visit.connects, visit.disconnects) == (1, 1 + visit.revivals) {
            return Ok(());
        }
        Err(format!("the visit of {id} was {visit:?}"))
    }

    fn said_so_far(&self) -> BTreeMap<String, u64> {
        self.rooms.iter().map(|(name, room)| (name.clone(), room.said)).collect()
    }
}

/// The ids of classic connections are GUIDs.
fn is_classic(id: &str) -> bool {
    id.len() == 36
}

/// Players have lower numbers than whatever else says something.
const PLAYERS_MAX: u64 = 1_000_000;

fn compare(id: &str, what: &str, heard: &[u64], said: &[u64], whole: bool) -> Result<(), String> {
    let heard_count = heard.len();
    if heard_count > said.len() || heard != &said[..heard_count] {
        let place = heard.iter().zip(said).position(|(heard, said)| heard != said);
        let place = place.unwrap_or(said.len());
        return Err(format!(
            "{id} heard in {what} at place {place}: {:?}, expected {:?}",
            &heard[place..heard_count.min(place + 8)],
            &said[place..said.len().min(place + 8)]
        ));
    }
    if whole && heard_count < said.len() {
        return Err(format!("{id} heard {heard_count} of {} in {what}", said.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.connected("a", None);
        ledger.say("r", 1, 0);
        ledger.joined("a", "r");
        ledger.say("r", 1, 1);
        ledger.say("r", 2, 0);
        ledger.left("a", "r");
        ledger.say("r", 1, 2);
        ledger.joined("a", "r");
        ledger.say("r", 1, 3);
        ledger
    }

    fn heard(places: &[u64]) -> Heard {
        let messages = places.iter().map(|place| ("r".to_owned(), *place)).collect();
        Heard { messages, ticks: Vec::new() }
    }

    #[test]
    fn the_checker_sees_gaps_doubles_disorder_and_what_came_after_leaving() {
        let ledger = told();
        let check = |places: &[u64], whole| ledger.check("a", &heard(places), whole).is_ok();
        assert!(check(&[1, 2, 4], true));
        assert!(check(&[1, 2], false), "a lost connection misses the end");
        assert!(!check(&[1, 2], true));
        assert!(!check(&[1, 4], false), "a gap");
        assert!(!check(&[1, 1, 2], false), "a double");
        assert!(!check(&[2, 1], false), "disorder");
        assert!(!check(&[1, 2, 3, 4], false), "after leaving");
        assert!(!check(&[0, 1], false), "before joining");
        assert!(!check(&[1, 2, 4, 5], false), "never said");
    }
}
