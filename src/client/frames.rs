//! An open connection: frames and messages, both ways.

use super::BEHIND_CLOSE;
use super::event::{CallId, Event, Invocation, Outcome, Payload};
use super::machine::{Answered, Client, Farewell, SendError, Stage};
use crate::base::Moment;
use crate::protocol::hub_protocol::{
    self, HubMessage, HubProtocolKind, ToArguments, WriteError, handshake,
};
use crate::protocol::websocket::{self, Limits, OpCode};

impl Client {
    pub(super) fn on_frames(&mut self, now: Moment, input: &mut [u8]) {
        if !input.is_empty() {
            self.last_received = now;
            if self.decoder.has_ended() {
                self.accuse(BEHIND_CLOSE.into());
                return;
            }
        }
        let mut input = input;
        let limits = Limits { message_bytes_max: None, fragments_max: u32::MAX };
        loop {
            // Taken out while its events, which borrow the input, are looked at.
            let event = match self.decoder.next(&mut input, &limits) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(violation) => {
                    self.accuse(format!("the server broke the WebSocket protocol: {violation}"));
                    return;
                }
            };
            match event {
                websocket::Event::Data { bytes, .. } => {
                    if let Err(error) = self.on_records(now, bytes) {
                        self.accuse(error);
                        return;
                    }
                    if self.stage == Stage::Hanging {
                        return;
                    }
                }
                websocket::Event::Ping(payload) => {
                    let payload = payload.into_owned();
                    self.write_masked(now, OpCode::Pong, &payload);
                }
                websocket::Event::Pong(_) => {}
                websocket::Event::Close { code, .. } => {
                    if !input.is_empty() {
                        self.accuse(BEHIND_CLOSE.into());
                        return;
                    }
                    self.on_close_frame(now, code);
                    return;
                }
            }
        }
    }

    /// The server's last frame. Ours is due, unless it was first.
    fn on_close_frame(&mut self, now: Moment, code: Option<u16>) {
        if self.stage != Stage::Closing {
            self.write_close_frame(now, 1000);
            self.stage = Stage::Closing;
            self.stage_ends = now + self.options.close_timeout;
        }
        self.farewell.get_or_insert_with(|| Farewell {
            error: match code {
                Some(1000) => None,
                code => Some(format!("the WebSocket closed with {code:?}")),
            },
            may_reconnect: true,
        });
    }

    fn on_records(&mut self, now: Moment, bytes: &mut [u8]) -> Result<(), String> {
        let mut records = std::mem::take(&mut self.records);
        let mut input = bytes;
        let result = loop {
            if self.stage == Stage::Hanging {
                break Ok(());
            }
            match records.next(&mut input, None) {
                Ok(Some(record)) => {
                    if let Err(error) = self.on_record(now, record) {
                        break Err(error);
                    }
                    if self.stage != Stage::Handshaking {
                        records.speak(self.options.protocol);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.to_string()),
            }
        };
        self.records = records;
        result
    }

    fn on_record(&mut self, now: Moment, record: &mut [u8]) -> Result<(), String> {
        if self.stage == Stage::Handshaking {
            return match handshake::read_response(record) {
                Ok(Ok(())) => {
                    self.opened(now);
                    Ok(())
                }
                Ok(Err(refusal)) => {
                    self.fail(refusal);
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            };
        }
        let message = self.options.protocol.read(record).map_err(|error| error.to_string())?;
        if !self.count(now, &message)? {
            return Ok(());
        }
        match message {
            HubMessage::Invocation(invocation) => {
                let mut arguments = invocation.arguments;
                let mut taken = Vec::with_capacity(arguments.count());
                while let Some(argument) = arguments.take_payload() {
                    taken.push(Payload::copy(&argument));
                }
                let target = invocation.target.into_owned();
                let question = invocation.invocation_id.map(|id| self.asked(id.into_owned()));
                let invocation = Invocation { target, arguments: taken, question };
                self.events.push_back(Event::Invocation(invocation));
            }
            HubMessage::Completion { invocation_id, outcome } => {
                let known = invocation_id.parse().ok();
                let known = known.filter(|id| self.calls.remove(id).is_some());
                match known {
                    Some(id) => {
                        let outcome = match outcome {
                            hub_protocol::Outcome::Nothing => Outcome::Nothing,
                            hub_protocol::Outcome::Result(value) => {
                                Outcome::Result(Payload::copy(&value))
                            }
                            hub_protocol::Outcome::Error(text) => Outcome::Error(text.into_owned()),
                        };
                        self.events.push_back(Event::Completed { call: CallId(id), outcome });
                    }
                    None => self.strays += 1,
                }
            }
            HubMessage::StreamItem { invocation_id, item } => {
                let known = invocation_id.parse().ok();
                match known.filter(|id| self.calls.get(id) == Some(&Answered::ByItems)) {
                    Some(id) => {
                        let item = Payload::copy(&item);
                        self.events.push_back(Event::Item { call: CallId(id), item });
                    }
                    None => self.strays += 1,
                }
            }
            HubMessage::Close { error, allow_reconnect } => {
                // The Close frame follows; a server that forgets it is not waited for.
                self.farewell.get_or_insert_with(|| Farewell {
                    error: error.map(|error| format!("Server returned an error on close: {error}")),
                    may_reconnect: allow_reconnect,
                });
                if self.stage == Stage::Open {
                    self.write_close_frame(now, 1000);
                    self.stage = Stage::Closing;
                    self.stage_ends = now + self.options.close_timeout;
                }
            }
            // Nothing of this was asked for, and what nobody knows yet is skipped (§8.1).
            HubMessage::Ping
            | HubMessage::StreamInvocation(_)
            | HubMessage::CancelInvocation { .. }
            | HubMessage::Ack { .. }
            | HubMessage::Sequence { .. }
            | HubMessage::Unknown { .. } => {}
        }
        Ok(())
    }

    pub(super) fn call(
        &mut self,
        now: Moment,
        id: Option<&str>,
        method: &str,
        arguments: &impl ToArguments,
    ) -> Result<(), SendError> {
        self.write(now, |protocol, out| protocol.write_invocation(out, id, method, arguments))
    }

    /// Sends what `write` writes, if the connection is there.
    pub(super) fn write(
        &mut self,
        now: Moment,
        write: impl FnOnce(HubProtocolKind, &mut Vec<u8>) -> Result<(), WriteError>,
    ) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::NotConnected);
        }
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        let written = write(self.options.protocol, &mut body);
        if written.is_ok() {
            match self.session {
                Some(_) => self.send_numbered(now, &body),
                None => self.write_records(now, &body),
            }
        }
        self.scratch = body;
        Ok(written?)
    }

    pub(super) fn ping(&mut self, now: Moment) {
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        self.options.protocol.write_ping(&mut body);
        self.write_records(now, &body);
        self.scratch = body;
    }

    pub(super) fn say_goodbye(&mut self, now: Moment) {
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        self.options.protocol.write_close(&mut body, None, false);
        self.write_records(now, &body);
        self.scratch = body;
        self.write_close_frame(now, 1000);
        self.stage = Stage::Closing;
        self.stage_ends = now + self.options.close_timeout;
    }

    /// Sends records as one message of the kind that their protocol needs.
    pub(super) fn write_records(&mut self, now: Moment, records: &[u8]) {
        let binary = self.options.protocol.is_binary() && self.stage != Stage::Handshaking;
        self.write_masked(now, if binary { OpCode::Binary } else { OpCode::Text }, records);
    }

    fn write_close_frame(&mut self, now: Moment, code: u16) {
        self.write_masked(now, OpCode::Close, &code.to_be_bytes());
    }

    fn write_masked(&mut self, now: Moment, code: OpCode, payload: &[u8]) {
        let bits = self.rng.bits().to_le_bytes();
        let mask = [bits[0], bits[1], bits[2], bits[3]];
        websocket::write_masked_frame(&mut self.output, code, true, mask, payload);
        self.last_sent = now;
    }
}
