//! Honest clients: they do what the clients in the field do, and check what they are told.

use std::time::Duration;

use super::calls::{Calls, REFUSAL, ROLLS};
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
    calls: Calls,
    streams: Streams,
    naps_until: Moment,
}

impl Player {
    pub(super) fn new(
        number: u64,
        books: Books,
        mut rng: Rng,
        in_order: bool,
        protocol: HubProtocolKind,
        stateful_bytes: usize,
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
        // Acknowledged are 300 bytes a second: who has no more must not ask for much.
        let bytes = options.stateful_buffer_bytes.min(stateful_bytes);
        let is_narrow = options.stateful_reconnect && bytes < 1_000;
        let client = Client::new(options, Rng::from_seed(rng.bits()));
        Self {
            number,
            client,
            peer: None,
            way,
            outgoing: Vec::new(),
            streams: Streams::new(books.clone(), if is_narrow { 20 } else { 200 }),
            books,
            rng,
            id: None,
            heard: Heard::default(),
            past: Vec::new(),
            calls: Calls::new(number, in_order),
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
        let (number, way) = (self.number, self.way);
        format!("{number} by {way:?} with {:?} and {}", self.calls, self.streams.describe())
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
        self.calls.clear();
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
        trace.note(now, format_args!("client {number} completed {call:?}"));
        self.calls.on_completed(call, outcome).map_err(|what| format!("client {number}: {what}"))
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
        match roll {
            0..ROLLS => self.calls.act(roll, room, now, &mut self.rng, &mut self.client),
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

    /// See [`Calls::join_last`].
    pub(super) fn join_last(&mut self, now: Moment) {
        self.calls.join_last(now, &mut self.client);
    }

    /// See [`Calls::join_last`].
    pub(super) fn say_last(&mut self, now: Moment) {
        self.calls.say_last(now, &mut self.client);
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

const ROOMS: u64 = 3;

const CALLS_WAITING_MAX: usize = 40;
