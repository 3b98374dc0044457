//! What came in: heads and bodies of answers, lines of streams, frames, and what they say.

use super::envelope::{DOCTYPE, Envelope, in_script};
use super::machine::{Client, Event, Outcome, Stage};
use super::socket::{Asked, Lane};
use crate::base::Moment;
use crate::client::BEHIND_CLOSE;
use crate::protocol::classic::{FRAME_TYPE, INITIALIZED, STARTED, TransportName};
use crate::protocol::http::{Incoming, Limits, ResponseHead};
use crate::protocol::websocket::{self, check_response};

impl Client {
    /// Bytes came in. They are changed where they lie.
    pub fn on_bytes(&mut self, now: Moment, lane: Lane, bytes: &mut [u8]) {
        let mut input = bytes;
        if lane == Lane::Receive && self.receive.asked.is_some() {
            self.last_received = now;
            self.receive.gives_up_at = Some(now + self.silence_max());
        }
        while self.socket(lane).is_there {
            if self.socket(lane).frames.is_some() {
                self.on_frames(now, input);
                return;
            }
            if self.socket(lane).asked.is_none() && !input.is_empty() {
                self.accuse("it answers what nobody asked");
                return;
            }
            let mut reader = std::mem::take(&mut self.socket_mut(lane).reader);
            let found = reader.next(&mut input, &LIMITS);
            self.socket_mut(lane).reader = reader;
            match found {
                Ok(None) => return,
                Ok(Some(Incoming::Head(head))) => self.on_head(now, lane, &head),
                Ok(Some(Incoming::Body(piece))) => {
                    self.socket_mut(lane).body.extend_from_slice(piece);
                    self.on_lines(now, lane);
                }
                Ok(Some(Incoming::End)) => self.on_answered(now, lane),
                Err(error) => self.accuse(&error.to_string()),
            }
        }
    }

    fn on_head(&mut self, now: Moment, lane: Lane, head: &ResponseHead) {
        let socket = self.socket_mut(lane);
        (socket.status, socket.is_last) =
            (head.status(), head.header_has_token("connection", "close"));
        if lane == Lane::Send {
            return;
        }
        let content_type = head.header("content-type");
        let is_well = match (&self.receive.asked, self.options.transport) {
            (Some(Asked::Upgrade(key)), _) => check_response(head, key),
            (_, TransportName::ServerSentEvents) => content_type == Some("text/event-stream"),
            (_, TransportName::ForeverFrame) => content_type == Some(FRAME_TYPE),
            _ => content_type.is_some_and(|kind| kind.starts_with("application/json")),
        };
        match (head.status(), self.stage) {
            (101 | 200, Stage::Away) if is_well => {
                self.stage = Stage::Open;
                self.events.push_back(Event::Reconnected);
            }
            (101 | 200, _) if is_well => {}
            (400, Stage::Away | Stage::Open | Stage::Starting) => {
                self.close(Some("the server has ended it"));
            }
            (503, _) => self.lose(now, lane),
            (status, stage) => self.accuse(&format!("it answers {status} to a client {stage:?}")),
        }
    }

    /// Looks at the lines of a stream.
    fn on_lines(&mut self, now: Moment, lane: Lane) {
        while lane == Lane::Receive && self.receive.asked == Some(Asked::Stream) {
            let Some(line) = self.receive.next_line() else { return };
            let is_first = !std::mem::replace(&mut self.receive.has_begun, true);
            let is_page = self.options.transport == TransportName::ForeverFrame;
            let text = if is_page { in_script(&line) } else { line.strip_prefix(b"data: ") };
            match text {
                _ if is_first => {
                    let begins = if is_page { line.starts_with(DOCTYPE) } else { text == OPENING };
                    if !begins {
                        self.accuse("a stream begins with something else");
                    }
                }
                Some(text) => self.on_text(now, text),
                None if is_page || line.is_empty() => {}
                None => self.accuse("an event has other lines than data"),
            }
        }
    }

    fn on_frames(&mut self, now: Moment, mut input: &mut [u8]) {
        let limits = websocket::Limits::default();
        while let Some(mut decoder) = self.receive.frames.take() {
            let event = decoder.next(&mut input, &limits);
            self.receive.frames = Some(decoder);
            match event {
                Ok(None) => return,
                Ok(Some(websocket::Event::Data { bytes, last, .. })) => {
                    self.text.extend_from_slice(bytes);
                    if last {
                        let text = std::mem::take(&mut self.text);
                        self.on_text(now, &text);
                    }
                }
                Ok(Some(websocket::Event::Close { .. })) if !input.is_empty() => {
                    self.accuse(BEHIND_CLOSE);
                }
                Ok(Some(websocket::Event::Close { .. })) => self.lose(now, Lane::Receive),
                Ok(Some(_)) => {}
                Err(error) => self.accuse(&error.to_string()),
            }
        }
    }

    /// The answer on a lane is whole.
    fn on_answered(&mut self, now: Moment, lane: Lane) {
        let silence_max = self.silence_max();
        let socket = self.socket_mut(lane);
        socket.is_there &= !socket.is_last;
        socket.gives_up_at = None;
        let (status, body) = (socket.status, std::mem::take(&mut socket.body));
        match socket.asked.take() {
            Some(Asked::Upgrade(key)) => {
                socket.asked = Some(Asked::Upgrade(key));
                socket.becomes_websocket();
                socket.gives_up_at = Some(now + silence_max);
                self.text.clear();
            }
            Some(Asked::Poll) => self.on_text(now, &body),
            Some(Asked::Stream) | None => self.lose(now, lane),
            Some(Asked::Negotiate) if status == 200 => match serde_json::from_slice(&body) {
                Ok(document) => {
                    self.document = Some(document);
                    self.stage = Stage::Connecting;
                }
                Err(error) => self.accuse(&error.to_string()),
            },
            Some(Asked::Start) if status == 200 => {
                if body != STARTED {
                    self.accuse("the start is answered with something else");
                }
                self.started();
            }
            Some(Asked::Call(_)) if status == 200 => self.on_text(now, &body),
            Some(Asked::Call(call)) if status == 503 => self.complete(call.0, Outcome::Canceled),
            Some(Asked::Abort) if status == 200 => self.close(None),
            Some(Asked::Start) if status == 500 => self.close(Some("the server refuses it")),
            Some(_) if status == 503 => self.close(Some("nobody is let in")),
            Some(asked) => {
                let body = String::from_utf8_lossy(&body);
                self.accuse(&format!("{asked:?} is answered with {status}: {body}"));
            }
        }
    }

    fn started(&mut self) {
        if self.stage != Stage::Starting {
            return;
        }
        self.stage = Stage::Open;
        let connection_id = self.document.as_ref().map(|known| known.connection_id.clone());
        let connection_id = connection_id.unwrap_or_default();
        self.events.push_back(Event::Connected { connection_id });
        self.events.extend(self.early.drain(..));
    }

    /// An envelope, or the answer to a call.
    fn on_text(&mut self, now: Moment, text: &[u8]) {
        let envelope = match Envelope::read(text) {
            Ok(envelope) => envelope,
            Err(error) => return self.accuse(&error),
        };
        if let Some(id) = &envelope.id {
            let outcome = match envelope.error {
                Some(error) => Outcome::Error(error),
                None => Outcome::Result(envelope.result),
            };
            return match id.parse() {
                Ok(id) => self.complete(id, outcome),
                Err(_) => self.accuse("a call is answered that was never made"),
            };
        }
        if envelope.messages.is_some() != envelope.cursor.is_some() {
            return self.accuse("an envelope has messages and no cursor");
        }
        let (initialized, terminates) = (envelope.is_initialized(), envelope.terminates());
        self.cursor = envelope.cursor.or(self.cursor.take());
        self.groups = envelope.groups.or(self.groups.take());
        for element in envelope.messages.unwrap_or_default() {
            let Some(method) = element.method else { continue };
            let message = Event::Message { method, arguments: element.arguments };
            match self.stage {
                Stage::Connecting | Stage::Starting => self.early.push(message),
                _ => self.events.push_back(message),
            }
        }
        if initialized && self.stage == Stage::Connecting {
            self.stage = Stage::Starting;
        }
        if terminates && self.stage == Stage::Open {
            self.lose(now, Lane::Receive);
            self.again_at = now;
        }
    }
}

/// What the first event of a stream says.
const OPENING: Option<&[u8]> = Some(INITIALIZED);

const LIMITS: Limits = Limits {
    line_bytes_max: 8 * 1024,
    headers_bytes_max: 32 * 1024,
    headers_max: 100,
    body_bytes_max: u64::MAX,
    chunk_overhead_bytes_max: usize::MAX,
};
