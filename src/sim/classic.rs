//! Honest clients of classic SignalR: they lose their sockets on purpose, come back over the same
//! transport or another one, and must not miss anything.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ledger::{Books, Carried, Heard};
use super::trace::Trace;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::client::classic::{CallId, Client, Event, Lane, Options, Outcome};
use crate::io::sim::{Read, SimPeer};
use crate::protocol::classic::TransportName;
use crate::protocol::hub_protocol::ToArguments;

/// Where classic clients find the hub of the play.
pub(super) const CLASSIC: &str = "/signalr";

/// The name of the hub of the play.
pub(super) const HUB: &str = "SimHub";

/// One honest classic client.
pub(super) struct ClassicPlayer {
    number: u64,
    client: Client,
    peers: [Option<SimPeer>; 2],
    outgoing: [Vec<u8>; 2],
    books: Books,
    rng: Rng,
    /// The id of the present connection.
    id: Option<String>,
    /// The hub has welcomed it: from then on it has to hear everything.
    is_welcome: bool,
    heard: Heard,
    /// Connections that have ended.
    past: Vec<(String, Heard)>,
    said: u64,
    calls: BTreeMap<CallId, Expected>,
    naps_until: Moment,
    /// It is content when it has heard something after this.
    doubts_since: Moment,
    done: bool,
}

/// How a call has to end, unless its answer is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Value(Value),
    Length(usize),
    Error(&'static str),
    /// The call ends the connection.
    Any,
}

impl ClassicPlayer {
    pub(super) fn new(number: u64, books: Books, mut rng: Rng) -> Self {
        let mut options = Options::new("sim", CLASSIC, HUB);
        options.transport = transport(&mut rng);
        let client = Client::new(options, Rng::from_seed(rng.bits()));
        Self {
            number,
            client,
            peers: [None, None],
            outgoing: [Vec::new(), Vec::new()],
            books,
            rng,
            id: None,
            is_welcome: false,
            heard: Heard::default(),
            past: Vec::new(),
            said: 0,
            calls: BTreeMap::new(),
            naps_until: Moment::START,
            doubts_since: Moment::START,
            done: false,
        }
    }

    /// When it wants to be run at the latest.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.client.deadline()
    }

    /// It is content only when it hears something from now on: a socket may be dead already.
    pub(super) fn doubt(&mut self, now: Moment) {
        self.doubts_since = now;
    }

    pub(super) fn is_content(&self) -> bool {
        self.client.is_open()
            && self.client.calls_waiting() == 0
            && self.outgoing.iter().all(Vec::is_empty)
            && self.client.last_received() > self.doubts_since
    }

    pub(super) fn is_idle(&self) -> bool {
        self.client.is_idle()
    }

    pub(super) fn describe(&self) -> String {
        let (number, over, calls) = (self.number, self.client.transport(), &self.calls);
        format!("{number} over {over} as {:?} with {calls:?}", self.id)
    }

    /// Moves bytes and time along, as a [`Player`](super::honest::Player) does.
    pub(super) fn pump(
        &mut self,
        world: &World,
        trace: &mut Trace,
        well: bool,
    ) -> Result<bool, String> {
        let now = world.now();
        let mut moved = false;
        if self.client.deadline().is_some_and(|at| at <= now) {
            self.client.on_time(now);
            moved = true;
        }
        // The sockets know nothing of each other: either may be ahead.
        let mut order = Lane::ALL;
        if self.rng.one_in(2) {
            order.reverse();
        }
        for lane in order {
            moved |= self.pump_lane(lane, world, trace, well);
        }
        for lane in Lane::ALL {
            if !self.client.holds(lane) {
                self.peers[lane as usize] = None;
                self.outgoing[lane as usize].clear();
            }
        }
        while let Some(event) = self.client.poll_event() {
            moved = true;
            self.on_event(now, event, trace).map_err(|what| self.complaint(&what))?;
        }
        match self.client.violation() {
            Some(what) => Err(self.complaint(what)),
            None => Ok(moved),
        }
    }

    fn complaint(&self, what: &str) -> String {
        format!("classic client {}: {what}", self.describe())
    }

    fn pump_lane(&mut self, lane: Lane, world: &World, trace: &mut Trace, well: bool) -> bool {
        let now = world.now();
        let (peer, outgoing) = (&mut self.peers[lane as usize], &mut self.outgoing[lane as usize]);
        let mut moved = false;
        if self.client.wants_socket(now, lane) {
            moved = true;
            *peer = world.connect();
            outgoing.clear();
            match peer {
                Some(_) => self.client.on_connected(lane),
                None => self.client.on_lost(now, lane),
            }
        }
        self.client.fill(now, lane, outgoing);
        let Some(connected) = peer else { return moved };
        if !outgoing.is_empty() {
            let part = !well && self.rng.one_in(4);
            let count = outgoing.len();
            let count = if part { 1 + self.rng.below(count as u64) as usize } else { count };
            let taken = connected.write(&outgoing[..count]);
            outgoing.drain(..taken);
            moved |= taken > 0;
        }
        if !well && now < self.naps_until {
            return moved;
        }
        let max = if well { 64 * 1024 } else { 1 + self.rng.below(8 * 1024) as usize };
        let mut bytes = Vec::new();
        match connected.read(max, &mut bytes) {
            Read::Nothing => return moved,
            Read::Bytes(_) => {
                trace.bytes(&bytes);
                self.client.on_bytes(now, lane, &mut bytes);
            }
            Read::End | Read::Broken => {
                *peer = None;
                self.client.on_lost(now, lane);
            }
        }
        true
    }

    fn on_event(&mut self, now: Moment, event: Event, trace: &mut Trace) -> Result<(), String> {
        let number = self.number;
        match event {
            Event::Connected { connection_id } => {
                trace.note(now, format_args!("classic client {number} is {connection_id}"));
                self.id = Some(connection_id);
                Ok(())
            }
            Event::Reconnecting => {
                trace.note(now, format_args!("classic client {number} reconnects"));
                Ok(())
            }
            Event::Reconnected => {
                let over = self.client.transport();
                trace.note(now, format_args!("classic client {number} is back over {over}"));
                Ok(())
            }
            Event::Closed { error } => {
                trace.note(now, format_args!("classic client {number} is closed: {error:?}"));
                self.finish();
                Ok(())
            }
            Event::Message { method, arguments } => self.on_message(&method, arguments),
            Event::Completed { call, outcome } => {
                trace.note(now, format_args!("classic client {number} completed {call:?}"));
                let expected = self.calls.remove(&call).ok_or("a call was never made")?;
                // A call ends with its connection, which may have ended where we cannot see it.
                let is_lost = self.has_ended() && Expected::Error(GENERIC).fits(&outcome);
                if is_lost || expected.fits(&outcome) {
                    Ok(())
                } else {
                    Err(format!("{expected:?} is expected of {call:?}: {outcome:?}"))
                }
            }
        }
    }

    fn finish(&mut self) {
        self.calls.clear();
        let mut heard = std::mem::take(&mut self.heard);
        if !std::mem::take(&mut self.is_welcome) {
            heard.ticks.clear();
        }
        if let Some(id) = self.id.take() {
            self.past.push((id, heard));
        }
    }

    fn on_message(&mut self, method: &str, arguments: Vec<Value>) -> Result<(), String> {
        self.count(|carried| carried.heard += 1);
        match method {
            "welcome" => {
                let (id,): (String,) = read(arguments)?;
                if self.id.as_ref() != Some(&id) || std::mem::replace(&mut self.is_welcome, true) {
                    return Err(format!("it is welcomed as {id}"));
                }
                // It listens before it starts; the hub counts from its welcome on.
                self.heard.ticks.clear();
            }
            "heard" => {
                let (room, place, sender, number): (String, u64, u64, u64) = read(arguments)?;
                let books = self.books.borrow();
                let truth = books.rooms.get(&room).and_then(|room| room.by.get(place as usize));
                if truth != Some(&(sender, number)) {
                    return Err("it hears what was never said".into());
                }
                self.heard.messages.push((room, place));
            }
            "tick" => {
                let (tick,): (u64,) = read(arguments)?;
                self.heard.ticks.push(tick);
                if self.back_at().is_some_and(|back| tick < back) {
                    self.count(|carried| carried.replayed += 1);
                }
            }
            other => return Err(format!("it is called {other}")),
        }
        Ok(())
    }

    /// Counts something for the transport that it has now.
    fn count(&self, what: impl FnOnce(&mut Carried)) {
        let over = TransportName::ALL.iter().position(|known| *known == self.client.transport());
        what(&mut self.books.borrow_mut().classic[over.expect("it is one of all")]);
    }

    /// Whether the server has ended its connection.
    fn has_ended(&self) -> bool {
        let books = self.books.borrow();
        let visit = self.id.as_ref().and_then(|id| books.visits.get(id));
        visit.is_some_and(|visit| visit.disconnects > 0)
    }

    /// The ticks before it came back at last.
    fn back_at(&self) -> Option<u64> {
        self.books.borrow().back_at(self.id.as_ref()?)
    }

    /// Does something: calls, or loses what it has.
    pub(super) fn act(&mut self, now: Moment, trace: &mut Trace) {
        if self.client.is_idle() {
            self.start(now);
            return;
        }
        let room = format!("room{}", self.rng.below(ROOMS));
        let roll = self.rng.below(120);
        let number = self.number;
        trace.note(now, format_args!("classic client {number} acts {roll} in {room}"));
        match roll {
            0..80 => self.call_something(roll, room),
            80..=81 => self.client.stop(),
            82 => {
                self.client.vanish();
                for lane in Lane::ALL {
                    self.cut(now, lane);
                }
            }
            83..=95 => self.cut(now, Lane::Receive),
            96..=99 => self.cut(now, Lane::Send),
            100..=107 => {
                let transport = transport(&mut self.rng);
                self.client.move_to(now, transport);
            }
            _ => self.naps_until = now + Duration::from_millis(self.rng.below(15_000)),
        }
    }

    /// A socket is closed, reset, or forgotten without a word.
    fn cut(&mut self, now: Moment, lane: Lane) {
        let Some(peer) = self.peers[lane as usize].take() else { return };
        self.outgoing[lane as usize].clear();
        match self.rng.below(3) {
            0 => peer.reset(),
            1 => peer.vanish(),
            _ => {}
        }
        self.client.on_lost(now, lane);
    }

    fn call_something(&mut self, roll: u64, room: String) {
        if self.client.calls_waiting() > CALLS_WAITING_MAX {
            return;
        }
        match roll {
            0..=17 => self.call("Join", &(room,), Expected::Value(Value::Null)),
            18..=25 => self.call("Leave", &(room,), Expected::Value(Value::Null)),
            26..=44 => {
                self.said += 1;
                let arguments = (room, self.sender(), self.said);
                self.call("Say", &arguments, Expected::Value(Value::Null));
            }
            45..=54 => {
                let letter = |_| ['a', 'é', '"', '<', '\n', '\u{2028}', '😀'];
                let count = self.rng.below(200) as usize;
                let text: String =
                    (0..count).map(|n| letter(n)[self.rng.below(7) as usize]).collect();
                self.call("Echo", &(&text,), Expected::Value(text.clone().into()));
            }
            55..=62 => {
                let (number, ms) = (self.rng.below(1000), self.rng.below(3000));
                self.call("Slow", &(number, ms), Expected::Value(number.into()));
            }
            63..=65 => {
                let bytes = self.rng.below(100_000) as usize;
                self.call("Large", &(bytes,), Expected::Length(bytes));
            }
            66..=69 => {
                let count = self.rng.below(100);
                self.call("Burst", &(room, count), Expected::Value(Value::Null));
            }
            70..=72 => self.call("Refuse", &(), Expected::Error("no")),
            73..=74 => self.call("Nobody", &(), Expected::Error(GENERIC)),
            75..=76 => self.call("Panic", &(), Expected::Error(GENERIC)),
            77 => self.call("SlowPanic", &(100,), Expected::Error(GENERIC)),
            _ => self.call("AbortMe", &(), Expected::Any),
        }
    }

    fn call(&mut self, method: &str, arguments: &impl ToArguments, expected: Expected) {
        if let Ok(call) = self.client.invoke(method, arguments) {
            self.calls.insert(call, expected);
        }
    }

    fn sender(&self) -> u64 {
        SENDERS_FROM + self.number
    }

    /// The last act, as that of a [`Player`](super::honest::Player).
    pub(super) fn join_last(&mut self) {
        self.call("Join", &("last",), Expected::Value(Value::Null));
    }

    /// See [`ClassicPlayer::join_last`].
    pub(super) fn say_last(&mut self) {
        let arguments = ("last", self.sender(), 0);
        self.call("Say", &arguments, Expected::Value(Value::Null));
    }

    pub(super) fn start(&mut self, now: Moment) {
        if !self.done {
            self.client.start(now);
        }
    }

    pub(super) fn stop(&mut self) {
        self.done = true;
        self.client.stop();
    }

    /// It comes back where it was, and begins nothing new.
    pub(super) fn stay_away(&mut self) {
        self.done = true;
    }

    /// Compares what every past connection heard with the truth.
    pub(super) fn check_past(&self) -> Result<(), String> {
        let books = self.books.borrow();
        self.past.iter().try_for_each(|(id, heard)| {
            books.check(id, heard, false)?;
            books.check_classic_visit(id)
        })
    }

    /// Compares what the present connection heard, which is all there was.
    pub(super) fn check_present(&self) -> Result<(), String> {
        let id = self.id.as_ref().ok_or("a classic client is not connected at the end")?;
        if !self.is_welcome {
            return Err("a classic client was not welcomed".into());
        }
        self.books.borrow().check(id, &self.heard, true)?;
        if self.back_at().is_some() {
            self.count(|carried| carried.survived += 1);
        }
        Ok(())
    }
}

impl Expected {
    fn fits(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Any, _) | (_, Outcome::Canceled) => true,
            (Self::Value(expected), Outcome::Result(value)) => expected == value,
            (Self::Length(length), Outcome::Result(value)) => {
                value.as_str().is_some_and(|text| text.len() == *length)
            }
            (Self::Error(part), Outcome::Error(text)) => text.contains(part),
            _ => false,
        }
    }
}

fn transport(rng: &mut Rng) -> TransportName {
    TransportName::ALL[rng.below(4) as usize]
}

fn read<T: DeserializeOwned>(arguments: Vec<Value>) -> Result<T, String> {
    serde_json::from_value(Value::Array(arguments)).map_err(|error| error.to_string())
}

/// How an error reads that is not for clients.
const GENERIC: &str = "There was an error invoking Hub method";

/// Other players have lower numbers.
const SENDERS_FROM: u64 = 500_000;

const ROOMS: u64 = 3;

const CALLS_WAITING_MAX: usize = 20;
