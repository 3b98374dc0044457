//! Honest clients of the plain WebSocket: they say something now and then, and hear everything.

use std::time::Duration;

use super::ledger::{Books, Heard};
use super::topic::TOPIC;
use super::trace::Trace;
use super::wire::mask;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::io::sim::{Read, SimPeer};
use crate::protocol::websocket::{
    Decoder, Event, Limits, OpCode, Role, write_masked_frame, write_request,
};

/// One client of the topic.
pub(super) struct Listener {
    number: u64,
    books: Books,
    rng: Rng,
    session: Option<Session>,
    past: Vec<(String, Heard)>,
    again_at: Moment,
    done: bool,
}

struct Session {
    peer: SimPeer,
    outgoing: Vec<u8>,
    /// The head of the answer, until it is complete; then nothing.
    head: Option<Vec<u8>>,
    decoder: Decoder,
    message: Vec<u8>,
    id: Option<String>,
    heard: Heard,
    is_closing: bool,
    /// Our ping is not answered yet: something may be on its way.
    waits_for_pong: bool,
    last_heard: Moment,
}

impl Listener {
    pub(super) fn new(number: u64, books: Books, rng: Rng) -> Self {
        let (session, past) = (None, Vec::new());
        Self { number, books, rng, session, past, again_at: Moment::START, done: false }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        match &self.session {
            Some(session) => Some(session.last_heard + SILENCE_MAX),
            None => (!self.done).then_some(self.again_at),
        }
    }

    pub(super) fn is_content(&self) -> bool {
        self.session.as_ref().is_some_and(|session| {
            session.id.is_some() && !session.waits_for_pong && !session.is_closing
        })
    }

    pub(super) fn is_idle(&self) -> bool {
        self.session.is_none()
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
            let Some(peer) = world.connect() else {
                self.again_at = now + Duration::from_secs(1);
                return Ok(true);
            };
            trace.note(now, format_args!("listener {} connects", self.number));
            self.session = Some(Session::new(peer, now));
        }
        let Some(session) = &mut self.session else { return Ok(false) };
        let written = session.peer.write(&session.outgoing);
        session.outgoing.drain(..written);
        let mut bytes = Vec::new();
        let max = if well { 64 * 1024 } else { 1 + self.rng.below(2000) as usize };
        match session.peer.read(max, &mut bytes) {
            Read::Nothing if now >= session.last_heard + SILENCE_MAX => {
                trace.note(now, format_args!("listener {} hears nothing any more", self.number));
                self.finish(now);
                Ok(true)
            }
            Read::Nothing => Ok(written > 0),
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
            _ => session.say(code, b"something", &mut self.rng),
        }
    }

    /// Asks whether everything has come.
    pub(super) fn ask_last(&mut self) {
        if let Some(session) = &mut self.session {
            session.waits_for_pong = true;
            session.say(OpCode::Ping, b"last", &mut self.rng);
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
    fn new(peer: SimPeer, now: Moment) -> Self {
        let mut outgoing = Vec::new();
        write_request(&mut outgoing, "/topic", "sim", [3; 16], &[]);
        Self {
            peer,
            outgoing,
            head: Some(Vec::new()),
            decoder: Decoder::new(Role::Client),
            message: Vec::new(),
            id: None,
            heard: Heard::default(),
            is_closing: false,
            waits_for_pong: false,
            last_heard: now,
        }
    }

    fn say(&mut self, code: OpCode, payload: &[u8], rng: &mut Rng) {
        if self.is_closing {
            return;
        }
        self.is_closing = code == OpCode::Close;
        write_masked_frame(&mut self.outgoing, code, true, mask(rng), payload);
    }

    fn on_bytes(&mut self, bytes: &mut [u8], rng: &mut Rng) -> Result<(), String> {
        let mut rest = bytes;
        if let Some(head) = &mut self.head {
            while let [byte, tail @ ..] = rest {
                head.push(*byte);
                rest = tail;
                if head.ends_with(b"\r\n\r\n") {
                    if !head.starts_with(b"HTTP/1.1 101 ") {
                        return Err("a WebSocket was refused".into());
                    }
                    self.head = None;
                    break;
                }
            }
        }
        loop {
            let event = self.decoder.next(&mut rest, &Limits::default());
            match event.map_err(|violation| format!("the server sends {violation}"))? {
                None => return Ok(()),
                Some(Event::Data { bytes, last, .. }) => {
                    self.message.extend_from_slice(bytes);
                    if last {
                        let message = std::mem::take(&mut self.message);
                        self.on_message(&message)?;
                    }
                }
                Some(Event::Close { .. }) => {
                    self.say(OpCode::Close, &1000_u16.to_be_bytes(), rng);
                }
                Some(Event::Pong(payload)) if *payload == *b"last" => self.waits_for_pong = false,
                Some(Event::Ping(_) | Event::Pong(_)) => {}
            }
        }
    }

    fn on_message(&mut self, message: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(message).map_err(|_| "a listener reads no text")?;
        match (text.strip_prefix("welcome "), &self.id) {
            (Some(id), None) => self.id = Some(id.to_owned()),
            (None, Some(_)) => {
                let place = text.parse().map_err(|_| format!("a listener reads {text:?}"))?;
                self.heard.messages.push((TOPIC.to_owned(), place));
            }
            _ => return Err(format!("a listener reads {text:?} at a wrong time")),
        }
        Ok(())
    }
}

/// The server gives a sign of life every two minutes.
const SILENCE_MAX: Duration = Duration::from_secs(130);
