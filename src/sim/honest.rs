//! Honest clients: they do what the clients in the field do, and check what they are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::ledger::{Books, Heard};
use super::line::Line;
use super::streaming::Streams;
use super::trace::Trace;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::client::web::Way;
use crate::client::{CallId, Client, Event, Invocation, Need, Options, Outcome};
use crate::io::sim::Read;
use crate::protocol::hub_protocol::HubProtocolKind;

/// One honest client.
pub(super) struct Player {
    pub(super) number: u64,
    client: Client,
    peer: Option<Line>,
    /// What carries it, if that is no WebSocket.
    way: Option<Way>,
    outgoing: Vec<u8>,
    books: Books,
    rng: Rng,
    /// The id of the present connection, as the hub told it.
    id: Option<String>,
    heard: Heard,
    /// Connections that have ended.
    past: Vec<(String, Heard)>,
    calls: BTreeMap<CallId, Expected>,
    /// Calls whose completions come in order, when the hub runs one at a time.
    order: VecDeque<CallId>,
    in_order: bool,
    streams: Streams,
    rooms: BTreeSet<String>,
    said: u64,
    naps_until: Moment,
}

/// What the completion of a call has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Value(String),
    AnyValue,
    Length(usize),
    Error(&'static str),
    /// This number, or that there is none.
    Answer(u64),
    /// The call ends the connection; it may be answered or not.
    Any,
}

impl Player {
    pub(super) fn new(
        number: u64,
        books: Books,
        mut rng: Rng,
        in_order: bool,
        protocol: HubProtocolKind,
    ) -> Self {
        let mut options = Options::new("sim", "/hub").reconnecting();
        options.protocol = protocol;
        let way = match rng.below(4) {
            0 => Some(Way::ServerSentEvents),
            1 => Some(Way::LongPolling),
            _ => None,
        };
        // Only a WebSocket needs no negotiation.
        options.skip_negotiation = rng.one_in(3) && way.is_none();
        match way {
            // An event stream is text.
            Some(Way::ServerSentEvents) => options.protocol = HubProtocolKind::Json,
            // Polls are answered in time, or are given up: nobody is pinged (COR-057).
            Some(Way::LongPolling) => options.server_timeout = Duration::from_secs(1_000_000),
            None => {}
        }
        // Half of those who negotiate a WebSocket come back as if nothing had happened, and some try hard.
        options.stateful_reconnect = rng.one_in(2) && way.is_none();
        options.resume_attempts = if rng.one_in(2) { 1 } else { 20 };
        options.stateful_buffer_bytes = [300, 5_000, 100_000][rng.below(3) as usize];
        let client = Client::new(options, Rng::from_seed(rng.bits()));
        Self {
            number,
            client,
            peer: None,
            way,
            outgoing: Vec::new(),
            books,
            rng,
            id: None,
            heard: Heard::default(),
            past: Vec::new(),
            calls: BTreeMap::new(),
            order: VecDeque::new(),
            in_order,
            streams: Streams::default(),
            rooms: BTreeSet::new(),
            said: 0,
            naps_until: Moment::START,
        }
    }

    /// When it wants to be run at the latest.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let line = self.peer.as_ref().and_then(Line::deadline);
        self.client.deadline().into_iter().chain(line).min()
    }

    /// Connected, and nothing is on its way that it knows of.
    pub(super) fn is_content(&self) -> bool {
        self.client.is_open()
            && self.id.is_some()
            && self.client.calls_waiting() == 0
            && self.outgoing.is_empty()
            && self.peer.as_ref().is_none_or(Line::is_flushed)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.client.is_idle()
    }

    pub(super) fn describe(&self) -> String {
        format!("{} with {} calls waiting", self.number, self.client.calls_waiting())
    }

    /// Moves bytes and time along. `well` lets it read and write as much as it can. Whether
    /// anything moved.
    pub(super) fn pump(
        &mut self,
        world: &World,
        trace: &mut Trace,
        well: bool,
    ) -> Result<bool, String> {
        let now = world.now();
        let mut moved = false;
        if well {
            self.streams.wind_up(now, &mut self.client);
        }
        if self.client.deadline().is_some_and(|at| at <= now) {
            self.client.on_time(now);
            moved = true;
        }
        if self.client.need() == Need::Socket {
            moved = true;
            self.outgoing.clear();
            self.peer = Line::connect(world, self.way);
            match &self.peer {
                Some(_) => self.client.on_connected(now),
                None => self.client.on_lost(now),
            }
        }
        moved |= self.write(well);
        if let Some(line) = &mut self.peer {
            moved |= line.pump(world, trace, &mut self.rng, well)?;
        }
        if well || now >= self.naps_until {
            moved |= self.read(now, trace, well);
        }
        if self.client.need() == Need::Hangup {
            self.write(true);
            self.peer = None;
            self.client.on_lost(now);
            moved = true;
        }
        while let Some(event) = self.client.poll_event() {
            moved = true;
            self.on_event(now, event, trace)?;
        }
        if self.client.violations() > 0 {
            return Err(format!("client {} reads what breaks the protocol", self.number));
        }
        if self.client.stray_completions() > 0 {
            return Err(format!("client {} got a completion it has no call for", self.number));
        }
        Ok(moved)
    }

    fn write(&mut self, well: bool) -> bool {
        self.client.fill(&mut self.outgoing);
        let Some(peer) = &mut self.peer else { return false };
        if self.outgoing.is_empty() {
            return false;
        }
        let mut count = self.outgoing.len();
        if !well && self.rng.one_in(4) {
            count = self.rng.below(count as u64) as usize + 1;
        }
        let taken = peer.write(&self.outgoing[..count]);
        self.outgoing.drain(..taken);
        taken > 0
    }

    fn read(&mut self, now: Moment, trace: &mut Trace, well: bool) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        let max = if well { 64 * 1024 } else { 1 + self.rng.below(8 * 1024) as usize };
        let mut bytes = Vec::new();
        match peer.read(max, &mut bytes) {
            Read::Nothing => false,
            Read::Bytes(_) => {
                trace.bytes(&bytes);
                self.client.on_bytes(now, &mut bytes);
                true
            }
            end @ (Read::End | Read::Broken) => {
                trace.note(now, format_args!("client {} reads {end:?}", self.number));
                self.peer = None;
                self.client.on_lost(now);
                true
            }
        }
    }

    fn on_event(&mut self, now: Moment, event: Event, trace: &mut Trace) -> Result<(), String> {
        let number = self.number;
        match event {
            Event::Connected { connection_id } | Event::Reconnected { connection_id } => {
                trace.note(now, format_args!("client {number} is connected"));
                self.begin(connection_id);
                Ok(())
            }
            Event::Reconnecting { error } => {
                trace.note(now, format_args!("client {number} reconnects: {error:?}"));
                self.finish();
                self.is_fair(error.as_deref())
            }
            Event::Closed { error } => {
                trace.note(now, format_args!("client {number} is closed: {error:?}"));
                self.finish();
                self.is_fair(error.as_deref())
            }
            Event::Resumed => {
                trace.note(now, format_args!("client {number} goes on"));
                Ok(())
            }
            Event::Item { call, item } => {
                let number = self.number;
                let wrong = |what| format!("client {number}: {what}");
                self.streams.on_item(call, &item).map_err(wrong)
            }
            Event::Completed { call, outcome } => self.on_completed(now, call, &outcome, trace),
            Event::Invocation(invocation) => self.on_invocation(now, &invocation, trace),
        }
    }

    /// An honest client is never told that it broke the protocol. The network may cut a message.
    fn is_fair(&self, error: Option<&str>) -> Result<(), String> {
        match error {
            Some(error)
                if error.contains("InvalidDataException") && !error.contains("terminated") =>
            {
                Err(format!("client {} is accused: {error}", self.number))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, connection_id: Option<String>) {
        self.finish();
        // The welcome brings the id; negotiation knew it before, and must agree.
        self.id = connection_id;
    }

    fn finish(&mut self) {
        self.rooms.clear();
        self.calls.clear();
        self.order.clear();
        self.streams.clear();
        let heard = std::mem::take(&mut self.heard);
        if let Some(id) = self.id.take() {
            self.past.push((id, heard));
        }
    }

    fn on_invocation(
        &mut self,
        now: Moment,
        invocation: &Invocation,
        trace: &mut Trace,
    ) -> Result<(), String> {
        let number = self.number;
        let wrong = |what: &str| format!("client {number} is called with {what}");
        let unread = |_| wrong("arguments it cannot read");
        match invocation.target.as_str() {
            "welcome" => {
                let id: String = invocation.argument(0).map_err(unread)?;
                if self.id.as_ref().is_some_and(|known| *known != id) {
                    return Err(wrong("another id than negotiation gave"));
                }
                trace.note(now, format_args!("client {number} is {id}"));
                self.id = Some(id);
            }
            "heard" => {
                let room: String = invocation.argument(0).map_err(unread)?;
                let place: u64 = invocation.argument(1).map_err(unread)?;
                let said: (u64, u64) = (
                    invocation.argument(2).map_err(unread)?,
                    invocation.argument(3).map_err(unread)?,
                );
                let books = self.books.borrow();
                let truth = books.rooms.get(&room).and_then(|room| room.by.get(place as usize));
                if truth != Some(&said) {
                    return Err(wrong("something that was never said"));
                }
                self.heard.messages.push((room, place));
            }
            "ask" => {
                let number: u64 = invocation.argument(0).map_err(unread)?;
                let question = invocation.question.ok_or_else(|| wrong("a question of nobody"))?;
                // Some are refused, and some forgotten.
                match self.rng.below(8) {
                    0 => {}
                    1 => self.client.refuse(now, question, REFUSAL).unwrap_or_default(),
                    _ => self.client.answer(now, question, &(number + 1)).unwrap_or_default(),
                }
            }
            "tick" => self.heard.ticks.push(invocation.argument(0).map_err(unread)?),
            target => return Err(wrong(target)),
        }
        Ok(())
    }

    fn on_completed(
        &mut self,
        now: Moment,
        call: CallId,
        outcome: &Outcome,
        trace: &mut Trace,
    ) -> Result<(), String> {
        let number = self.number;
        if let Some(checked) = self.streams.on_completed(call, outcome) {
            trace.note(now, format_args!("client {number} completed {call:?} with streams"));
            return checked.map_err(|what| format!("client {number}: {what}"));
        }
        let expected = self.calls.remove(&call);
        if *outcome == Outcome::Canceled {
            return Ok(());
        }
        let expected = expected.ok_or_else(|| format!("client {number} never made {call:?}"))?;
        trace.note(now, format_args!("client {number} completed {call:?}"));
        if self.in_order && self.order.contains(&call) {
            let first = self.order.pop_front();
            if first != Some(call) {
                return Err(format!("client {number} got {call:?} before {first:?}"));
            }
        }
        let fits = match (&expected, outcome) {
            (Expected::Any, _) | (Expected::AnyValue, Outcome::Result(_)) => true,
            (Expected::Value(json), Outcome::Result(payload)) => {
                payload.read::<serde_json::Value>().ok() == serde_json::from_str(json).ok()
            }
            (Expected::Length(length), Outcome::Result(payload)) => {
                payload.read::<String>().is_ok_and(|text| text.len() == *length)
            }
            (Expected::Error(part), Outcome::Error(text)) => text.contains(part),
            (Expected::Answer(number), Outcome::Result(payload)) => {
                payload.read::<u64>().ok() == Some(*number)
            }
            // Errors of a kind of their own are not shown to clients.
            (Expected::Answer(_), Outcome::Error(text)) => {
                text.ends_with(REFUSAL)
                    || text.ends_with("HubException: Invocation canceled by the server.")
                    || text.ends_with("on the server.")
                    || text.contains("IOException: Connection '")
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("client {number}: {call:?} ended with {outcome:?}")) }
    }

    fn invoke(
        &mut self,
        now: Moment,
        method: &str,
        arguments: &impl crate::protocol::hub_protocol::ToArguments,
        expected: Expected,
    ) {
        if let Ok(call) = self.client.invoke(now, method, arguments) {
            // Unknown methods need no slot, so their answers overtake.
            // Calls that wait for an answer let others pass.
            let passes =
                matches!(expected, Expected::Error("does not exist") | Expected::Answer(_));
            if !passes {
                self.order.push_back(call);
            }
            self.calls.insert(call, expected);
        }
    }

    /// Does something, if it is connected; starts, if it has ended.
    pub(super) fn act(&mut self, now: Moment, trace: &mut Trace) {
        if self.client.is_idle() {
            self.client.start(now);
            return;
        }
        if !self.client.is_open() || self.client.calls_waiting() > CALLS_WAITING_MAX {
            return;
        }
        if self.rng.one_in(4) {
            trace.note(now, format_args!("client {} streams", self.number));
            self.streams.act(now, &mut self.rng, &mut self.client);
            return;
        }
        let room = format!("room{}", self.rng.below(ROOMS));
        let roll = self.rng.below(100);
        trace.note(now, format_args!("client {} acts {roll} in {room}", self.number));
        let null = || Expected::Value("null".into());
        match roll {
            0..=19 => {
                self.rooms.insert(room.clone());
                self.invoke(now, "Join", &(room,), null());
            }
            20..=29 => self.invoke(now, "Leave", &(room,), null()),
            30..=35 => {
                let (number, ms) = (self.rng.below(1000), self.rng.below(3000));
                let method = if self.rng.one_in(2) { "AskMe" } else { "AskSomebody" };
                self.invoke(now, method, &(number, ms), Expected::Answer(number + 1));
            }
            36..=49 => {
                self.said += 1;
                let arguments = (room, self.number, self.said);
                if self.rng.one_in(2) {
                    self.invoke(now, "Say", &arguments, null());
                } else {
                    self.client.send(now, "Say", &arguments).ok();
                }
            }
            50..=61 => self.echo(now),
            62..=69 => {
                let (number, ms) = (self.rng.below(1000), self.rng.below(3000));
                self.invoke(now, "Slow", &(number, ms), Expected::Value(number.to_string()));
            }
            70..=74 => {
                let ms = self.rng.below(1000);
                self.invoke(now, "SlowSay", &(room, ms), Expected::AnyValue);
            }
            75..=77 => {
                let bytes = self.rng.below(200_000) as usize;
                self.invoke(now, "Large", &(bytes,), Expected::Length(bytes));
            }
            78..=80 => {
                let count = self.rng.below(300);
                self.invoke(now, "Burst", &(room, count), null());
            }
            81..=83 => self.invoke(now, "Refuse", &(), Expected::Error("HubException: no")),
            84 => self.invoke(now, "Panic", &(), Expected::Error("'Panic'")),
            85 => self.invoke(now, "SlowPanic", &(100,), Expected::Error("'SlowPanic'")),
            86..=87 => self.invoke(now, "Nobody", &(), Expected::Error("does not exist")),
            88 => self.invoke(now, "AbortMe", &(), Expected::Any),
            89 => self.invoke(now, "SendMeAway", &(), Expected::Any),
            90..=92 => self.client.stop(now),
            93..=94 => {
                // Gone without a word, or with a reset.
                if let Some(peer) = self.peer.take() {
                    if self.rng.one_in(2) {
                        peer.reset();
                    }
                    self.client.on_lost(now);
                }
            }
            _ => self.naps_until = now + Duration::from_millis(self.rng.below(15_000)),
        }
    }

    fn echo(&mut self, now: Moment) {
        let count = self.rng.below(400) as usize;
        let text: String = (0..count)
            .map(|_| ['a', 'é', '"', '\\', '\n', '\u{1e}', '😀'][self.rng.below(7) as usize])
            .collect();
        // What the server writes need not be spelled as we would: only plain text is compared.
        let plain = text.chars().all(|c| c.is_ascii_alphabetic());
        let expected =
            if plain { Expected::Value(format!("{text:?}")) } else { Expected::AnyValue };
        self.invoke(now, "Echo", &(text,), expected);
    }

    /// The last act: one more word to everybody, in a room where all are.
    pub(super) fn join_last(&mut self, now: Moment) {
        self.invoke(now, "Join", &("last",), Expected::Value("null".into()));
    }

    /// See [`Player::join_last`].
    pub(super) fn say_last(&mut self, now: Moment) {
        let arguments = ("last", self.number, 0);
        self.invoke(now, "Say", &arguments, Expected::Value("null".into()));
    }

    pub(super) fn start(&mut self, now: Moment) {
        self.client.start(now);
    }

    pub(super) fn stop(&mut self, now: Moment) {
        self.client.stop(now);
    }

    /// Compares what every past connection heard with the truth.
    pub(super) fn check_past(&self) -> Result<(), String> {
        let books = self.books.borrow();
        self.past.iter().try_for_each(|(id, heard)| books.check(id, heard, false))
    }

    /// Compares what the present connection heard, which is all there was.
    pub(super) fn check_present(&self) -> Result<(), String> {
        let id = self.id.as_ref().ok_or("a client is not connected at the end")?;
        self.books.borrow().check(id, &self.heard, true)
    }
}

/// What a question is refused with.
const REFUSAL: &str = "I will not";

const ROOMS: u64 = 3;

const CALLS_WAITING_MAX: usize = 40;
