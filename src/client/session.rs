//! Stateful reconnect (§5): what outlives the socket of a client.

use std::time::Duration;

use super::event::Event;
use super::machine::{Client, NEVER, Stage};
use crate::base::Moment;
use crate::protocol::hub_protocol::{HubMessage, Inbound, Outbound};

/// One connection whose messages are numbered.
#[derive(Debug)]
pub(super) struct Session {
    /// What opens it, as often as necessary.
    pub(super) token: String,
    outbound: Outbound<Vec<u8>>,
    inbound: Inbound,
    /// Its handshake was answered: from then on it survives its socket.
    pub(super) is_established: bool,
    /// Attempts to come back since the socket was lost.
    pub(super) attempts: u32,
    /// When the server is told what has come.
    pub(super) ack_at: Moment,
}

impl Session {
    pub(super) fn new(token: String, buffer_bytes: usize) -> Self {
        Self {
            token,
            outbound: Outbound::new(buffer_bytes),
            inbound: Inbound::default(),
            is_established: false,
            attempts: 0,
            ack_at: NEVER,
        }
    }
}

impl Client {
    /// Whether the socket was lost, and the connection may yet go on.
    pub(super) fn is_resuming(&self) -> bool {
        let is_away = self.session.as_ref().is_some_and(|session| session.attempts > 0);
        is_away && self.farewell.is_none()
    }

    /// The socket is gone. Whether another is asked for to go on with the same connection.
    pub(super) fn tries_to_resume(&mut self) -> bool {
        let attempts_max = self.options.resume_attempts;
        let Some(session) = &mut self.session else { return false };
        if !session.is_established || self.farewell.is_some() || session.attempts >= attempts_max {
            return false;
        }
        session.attempts += 1;
        session.ack_at = NEVER;
        self.output.clear();
        self.stage = Stage::Connecting;
        true
    }

    /// There is another socket: says where we go on, and everything that the server may have
    /// missed. No handshake.
    pub(super) fn resume(&mut self, now: Moment) {
        let Some(session) = &mut self.session else { return };
        let protocol = self.options.protocol;
        session.attempts = 0;
        session.inbound.await_sequence();
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        protocol.write_sequence(&mut body, session.outbound.first_number());
        if let Some(number) = session.inbound.report_again() {
            protocol.write_ack(&mut body, number);
        }
        for message in session.outbound.released() {
            body.extend_from_slice(message);
        }
        self.records.speak(protocol);
        self.stage = Stage::Open;
        self.write_records(now, &body);
        self.scratch = body;
        self.events.push_back(Event::Resumed);
    }

    /// Sends a message that has a number, now or when the server has acknowledged others.
    pub(super) fn send_numbered(&mut self, now: Moment, message: &[u8]) {
        if let Some(session) = &mut self.session {
            session.outbound.push(message.to_vec(), message.len());
            self.release(now);
        }
    }

    fn release(&mut self, now: Moment) {
        let Some(session) = &mut self.session else { return };
        let mut ready = Vec::new();
        while let Some(message) = session.outbound.release() {
            ready.extend_from_slice(message);
        }
        // While there is no socket it waits for the next one.
        if !ready.is_empty() && self.stage == Stage::Open {
            self.write_records(now, &ready);
        }
    }

    /// Numbers a message of the server. Whether it is to be looked at.
    pub(super) fn count(&mut self, now: Moment, message: &HubMessage<'_>) -> Result<bool, String> {
        let Some(session) = &mut self.session else { return Ok(true) };
        match message {
            HubMessage::Sequence { sequence_id } => {
                let understood = session.inbound.on_sequence(*sequence_id);
                understood.map(|()| false).map_err(|error| error.to_string())
            }
            // What was on its way before it has no number that we know (§5.5).
            _ if session.inbound.awaits_sequence() => Ok(false),
            HubMessage::Ack { sequence_id } => {
                session.outbound.acknowledge(*sequence_id, drop);
                self.release(now);
                Ok(false)
            }
            message if message.is_numbered() => {
                let is_new = session.inbound.receive().map_err(|error| error.to_string())?;
                session.ack_at = session.ack_at.min(now + ACK_INTERVAL);
                Ok(is_new)
            }
            _ => Ok(true),
        }
    }

    /// Tells the server what has come.
    pub(super) fn acknowledge(&mut self, now: Moment) {
        let Some(session) = &mut self.session else { return };
        session.ack_at = NEVER;
        let Some(number) = session.inbound.report() else { return };
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        self.options.protocol.write_ack(&mut body, number);
        self.write_records(now, &body);
        self.scratch = body;
    }
}

/// The server is told once in this time, when something new came (§5.3).
const ACK_INTERVAL: Duration = Duration::from_secs(1);
