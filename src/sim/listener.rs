//! Honest clients without a hub, over a plain WebSocket or over any transport: they say something
//! now and then, and hear everything.

use std::time::Duration;

use serde::Deserialize;

use super::ledger::{Books, Heard};
use super::line::Line;
use super::topic::{LINES, TOPIC};
use super::trace::Trace;
use super::wire::mask;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::client::BEHIND_CLOSE;
use crate::client::web::Way;
use crate::io::sim::Read;
use crate::protocol::http::{self, Incoming, ResponseReader};
use crate::protocol::websocket::{
    self, Decoder, Event, Limits, OpCode, Role, check_response, write_masked_frame,
};

/// One client of a topic.
pub(super) struct Listener {
    number: u64,
    path: &'static str,
    /// What carries it, if that is no WebSocket.
    way: Option<Way>,
    books: Books,
    rng: Rng,
    session: Option<Session>,
    past: Vec<(String, Heard)>,
    again_at: Moment,
    done: bool,
}

struct Session {
    line: Line,
    outgoing: Vec<u8>,
    stage: Stage,
    reader: ResponseReader,
    decoder: Decoder,
    /// The line that has not ended.
    text: Vec<u8>,
    topic: &'static str,
    id: Option<String>,
    heard: Heard,
    is_closing: bool,
    /// Questions that are not answered yet: something may be on its way.
    asked: u32,
    last_heard: Moment,
}

enum Stage {
    /// The document, as far as it came.
    Negotiating(Vec<u8>),
    /// What the answer is checked with.
    Upgrading(String),
    Open,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    connection_token: String,
}

impl Listener {
    pub(super) fn new(number: u64, books: Books, mut rng: Rng) -> Self {
        let (path, way) = match rng.below(5) {
            0..=1 => (TOPIC, None),
            2 => (LINES, None),
            3 => (LINES, Some(Way::ServerSentEvents)),
            _ => (LINES, Some(Way::LongPolling)),
        };
        let (session, past) = (None, Vec::new());
        Self { number, path, way, books, rng, session, past, again_at: Moment::START, done: false }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let Some(session) = &self.session else { return (!self.done).then_some(self.again_at) };
        Some(
            session
                .line
                .deadline()
                .map_or(session.silence_ends(), |at| at.min(session.silence_ends())),
        )
    }

    pub(super) fn is_content(&self) -> bool {
        self.session.as_ref().is_some_and(|session| {
            session.id.is_some()
                && session.asked == 0
                && session.line.is_flushed()
                && !session.is_closing
        })
    }

    pub(super) fn is_idle(&self) -> bool {
        self.session.is_none()
    }

    pub(super) fn describe(&self) -> String {
        let asked = self.session.as_ref().map(|session| session.asked);
        format!("{} at {} by {:?}, asked {asked:?}", self.number, self.path, self.way)
    }

    pub(super) fn pump(
        &mut self,
        world: &World,
        trace: &mut Trace,
        well: bool,
    ) -> Result<bool, String> {
        let now = world.now();
        if self.session.is_none() {
            if self.done || now < self.again_at {
                return Ok(false);
            }
            let Some(line) = Line::connect(world, self.way) else {
                self.again_at = now + Duration::from_secs(1);
                return Ok(true);
            };
            trace.note(now, format_args!("listener {} connects", self.number));
            let mut session = Session::new(line, self.path, now);
            match self.way {
                Some(_) => session.negotiate(),
                None => session.upgrade(None),
            }
            self.session = Some(session);
        }
        let Some(session) = &mut self.session else { return Ok(false) };
        let written = session.line.write(&session.outgoing);
        session.outgoing.drain(..written);
        let moved = session.line.pump(world, trace, &mut self.rng, well)? || written > 0;
        let mut bytes = Vec::new();
        let max = if well { 64 * 1024 } else { 1 + self.rng.below(2000) as usize };
        match session.line.read(max, &mut bytes) {
            Read::Nothing if now < session.silence_ends() => Ok(moved),
            Read::Nothing if session.asked == 0 && session.id.is_some() => {
                session.ask(&mut self.rng);
                Ok(true)
            }
            Read::Nothing => {
                trace.note(now, format_args!("listener {} hears nothing any more", self.number));
                self.finish(now);
                Ok(true)
            }
            Read::Bytes(_) => {
                trace.bytes(&bytes);
                session.last_heard = now;
                session.on_bytes(&mut bytes, &mut self.rng)?;
                Ok(true)
            }
            Read::End | Read::Broken => {
                trace.note(now, format_args!("listener {} has lost its socket", self.number));
                self.finish(now);
                Ok(true)
            }
        }
    }

    /// Says something, or leaves.
    pub(super) fn act(&mut self, now: Moment) {
        let roll = self.rng.below(30);
        let Some(session) = &mut self.session else { return };
        if session.id.is_none() || session.is_closing {
            return;
        }
        let code = if self.rng.one_in(2) { OpCode::Text } else { OpCode::Binary };
        match roll {
            0 => session.say(OpCode::Close, &1000_u16.to_be_bytes(), &mut self.rng),
            1 => self.finish(now),
            2 => session.say(OpCode::Ping, b"are you there?", &mut self.rng),
            3 => session.ask(&mut self.rng),
            _ => session.say(code, b"I say this.", &mut self.rng),
        }
    }

    /// Asks whether everything has come.
    pub(super) fn ask_last(&mut self) {
        if let Some(session) = &mut self.session {
            session.ask(&mut self.rng);
        }
    }

    /// Says goodbye for good.
    pub(super) fn stop(&mut self) {
        self.done = true;
        if let Some(session) = &mut self.session {
            session.say(OpCode::Close, &1000_u16.to_be_bytes(), &mut self.rng);
        }
    }

    pub(super) fn check_past(&self) -> Result<(), String> {
        let books = self.books.borrow();
        self.past.iter().try_for_each(|(id, heard)| books.check(id, heard, false))
    }

    pub(super) fn check_present(&self) -> Result<(), String> {
        let session = self.session.as_ref().ok_or("a listener is not connected at the end")?;
        let id = session.id.as_ref().ok_or("a listener was not welcomed")?;
        self.books.borrow().check(id, &session.heard, true)
    }

    fn finish(&mut self, now: Moment) {
        self.again_at = now + Duration::from_millis(self.rng.below(3000));
        if let Some(session) = self.session.take()
            && let Some(id) = session.id
        {
            self.past.push((id, session.heard));
        }
    }
}

impl Session {
    fn new(line: Line, topic: &'static str, now: Moment) -> Self {
        Self {
            line,
            outgoing: Vec::new(),
            stage: Stage::Open,
            reader: ResponseReader::default(),
            decoder: Decoder::new(Role::Client),
            text: Vec::new(),
            topic,
            id: None,
            heard: Heard::default(),
            is_closing: false,
            asked: 0,
            last_heard: now,
        }
    }

    fn negotiate(&mut self) {
        let target = format!("{}/negotiate?negotiateVersion=1", self.topic);
        http::write_request(&mut self.outgoing, "POST", &target, "sim", &[], &[]);
        self.stage = Stage::Negotiating(Vec::new());
    }

    fn upgrade(&mut self, token: Option<&str>) {
        let token = token.map(|token| format!("?id={token}")).unwrap_or_default();
        let target = format!("{}{token}", self.topic);
        let key = websocket::write_request(&mut self.outgoing, &target, "sim", [3; 16], &[]);
        self.stage = Stage::Upgrading(key);
    }

    fn say(&mut self, code: OpCode, payload: &[u8], rng: &mut Rng) {
        if self.is_closing {
            return;
        }
        self.is_closing = code == OpCode::Close;
        write_masked_frame(&mut self.outgoing, code, true, mask(rng), payload);
    }

    fn ask(&mut self, rng: &mut Rng) {
        self.asked += 1;
        self.say(OpCode::Text, b"?", rng);
    }

    /// When a silence is long enough to ask; when it was asked, to give up.
    fn silence_ends(&self) -> Moment {
        self.last_heard + if self.asked == 0 { SILENCE_MAX } else { 2 * SILENCE_MAX }
    }

    fn on_bytes(&mut self, bytes: &mut [u8], rng: &mut Rng) -> Result<(), String> {
        let mut rest = bytes;
        if !matches!(self.stage, Stage::Open) {
            self.on_http(&mut rest)?;
        }
        while let Some(event) = self
            .decoder
            .next(&mut rest, &Limits::default())
            .map_err(|violation| format!("the server sends {violation}"))?
        {
            match event {
                Event::Data { bytes, last, .. } => {
                    self.text.extend_from_slice(bytes);
                    if last {
                        self.on_message(rng)?;
                    }
                }
                Event::Close { .. } => {
                    if !rest.is_empty() {
                        return Err(BEHIND_CLOSE.into());
                    }
                    self.say(OpCode::Close, &1000_u16.to_be_bytes(), rng);
                }
                Event::Ping(_) | Event::Pong(_) => {}
            }
        }
        Ok(())
    }

    fn on_http(&mut self, input: &mut &mut [u8]) -> Result<(), String> {
        let limits = http::Limits::default();
        while let Some(incoming) =
            self.reader.next(input, &limits).map_err(|error| error.to_string())?
        {
            match (incoming, &mut self.stage) {
                (Incoming::Head(head), Stage::Negotiating(_)) if head.status() == 200 => {}
                (Incoming::Body(piece), Stage::Negotiating(body)) => body.extend_from_slice(piece),
                (Incoming::End, Stage::Negotiating(body)) => {
                    let document: Result<Document, _> = serde_json::from_slice(body);
                    let token = document.map_err(|error| error.to_string())?.connection_token;
                    self.upgrade(Some(&token));
                }
                (Incoming::Head(head), Stage::Upgrading(key)) if check_response(&head, key) => {}
                (Incoming::End, Stage::Upgrading(_)) => {
                    self.stage = Stage::Open;
                    return Ok(());
                }
                (incoming, _) => return Err(format!("a listener is answered {incoming:?}")),
            }
        }
        Ok(())
    }

    /// A message is a line, or whatever another transport has made of lines.
    fn on_message(&mut self, rng: &mut Rng) -> Result<(), String> {
        let text = std::mem::take(&mut self.text);
        let text = String::from_utf8(text).map_err(|_| "a listener reads no text")?;
        let Some(end) = text.rfind('\n') else {
            self.text = text.into_bytes();
            return Ok(());
        };
        let (lines, begun) = text.split_at(end);
        self.text = begun[1..].into();
        if self.topic == TOPIC && (lines.contains('\n') || !self.text.is_empty()) {
            return Err(format!("a listener reads {text:?} in one message"));
        }
        lines.split('\n').try_for_each(|line| self.on_line(line, rng))
    }

    fn on_line(&mut self, line: &str, rng: &mut Rng) -> Result<(), String> {
        match (line.strip_prefix("welcome "), &self.id) {
            (Some(id), None) => {
                self.id = Some(id.to_owned());
                // Its last connection may be half open still: where nobody is pinged, the server
                // learns of that when it has something to send.
                self.say(OpCode::Text, b".", rng);
            }
            (None, Some(_)) if line == "!" && self.asked > 0 => self.asked -= 1,
            (None, Some(_)) => {
                let place = line.parse().map_err(|_| format!("a listener reads {line:?}"))?;
                self.heard.messages.push((self.topic.to_owned(), place));
            }
            _ => return Err(format!("a listener reads {line:?} at a wrong time")),
        }
        Ok(())
    }
}

/// After so long a listener asks whether anybody is there.
const SILENCE_MAX: Duration = Duration::from_mins(1);
