//! The life of a client: which stage it is in, what ends it, and when it tries again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::Serialize;

use super::event::{CallId, Event, Outcome, QuestionId};
use super::options::Options;
use super::session::Session;
use crate::base::{Moment, Rng};
use crate::protocol::http::ResponseReader;
use crate::protocol::hub_protocol::{RecordBuffer, ToArguments, WriteError};
use crate::protocol::websocket::{Decoder, Role};

/// One client. See the [module](super) for how it is run.
///
/// What goes in: [`Client::start`], [`Client::on_connected`], [`Client::on_bytes`],
/// [`Client::on_lost`], [`Client::on_time`], and the calls of the user. What comes out:
/// [`Client::need`], [`Client::fill`], [`Client::poll_event`], [`Client::deadline`]; ask for all
/// four whenever something went in.
#[derive(Debug)]
pub struct Client {
    pub(super) options: Options,
    pub(super) rng: Rng,
    pub(super) stage: Stage,
    pub(super) output: Vec<u8>,
    pub(super) events: VecDeque<Event>,
    pub(super) reader: ResponseReader,
    pub(super) decoder: Decoder,
    pub(super) records: RecordBuffer,
    pub(super) connection_id: Option<String>,
    /// What opens the negotiated connection, until it is used.
    pub(super) token: Option<String>,
    /// What outlives the socket, with stateful reconnect.
    pub(super) session: Option<Session>,
    /// Why the connection ends, as far as that is known before the socket has gone.
    pub(super) farewell: Option<Farewell>,
    /// When the stage ends by time-out.
    pub(super) stage_ends: Moment,
    pub(super) last_received: Moment,
    pub(super) last_sent: Moment,
    /// Calls that wait for their completion, by the number that is their id on the wire.
    pub(super) calls: BTreeMap<u64, Answered>,
    /// Streams of ours that have not ended; their ids are from the same counter.
    pub(super) uploads: BTreeSet<u64>,
    pub(super) next_call: u64,
    /// What the server asked on this connection and waits for: ids of its own.
    questions: BTreeMap<u64, String>,
    next_question: u64,
    pub(super) strays: u64,
    pub(super) violations: u64,
    /// Whether a handshake was ever answered.
    pub(super) was_open: bool,
    /// Attempts to reconnect since the connection was lost.
    attempts: usize,
    pub(super) scratch: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not started, or ended.
    Idle,
    /// The next attempt to reconnect begins at `stage_ends`.
    Waiting,
    /// The owner is asked for a socket.
    Connecting,
    /// The answer to the negotiation comes in.
    Negotiating(Negotiation),
    /// The answer to the upgrade comes in; this is the key it is checked with.
    Upgrading(String),
    Handshaking,
    Open,
    /// Our last words are queued, and the server is to end the socket until `stage_ends`.
    Closing,
    /// The owner is asked to close the socket.
    Hanging,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Negotiation {
    pub(super) status: u16,
    pub(super) is_last: bool,
    pub(super) body: Vec<u8>,
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    pub(super) error: Option<String>,
    pub(super) may_reconnect: bool,
}

/// What a client asks of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// A new socket: call [`Client::on_connected`], or [`Client::on_lost`] when there is none.
    Socket,
    /// To send what is left and close the socket; then call [`Client::on_lost`].
    Hangup,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Once,
    ByItems,
}

/// A message cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// This stream has ended, by us or with its connection.
    #[error("the stream has ended")]
    NotOpen,
    /// The client is not connected.
    #[error("the client is not connected")]
    NotConnected,
    /// The question was answered already, or its connection is gone.
    #[error("nobody waits for this answer")]
    NotAsked,
    /// A value cannot be encoded.
    #[error("the values cannot be written: {0}")]
    Unwritable(#[from] WriteError),
}

impl Client {
    /// A client that has not started. Masks and keys are drawn from `rng`.
    pub fn new(options: Options, rng: Rng) -> Self {
        Self {
            options,
            rng,
            stage: Stage::Idle,
            output: Vec::new(),
            events: VecDeque::new(),
            reader: ResponseReader::default(),
            decoder: Decoder::new(Role::Client),
            records: RecordBuffer::default(),
            connection_id: None,
            token: None,
            session: None,
            farewell: None,
            stage_ends: NEVER,
            last_received: Moment::START,
            last_sent: Moment::START,
            calls: BTreeMap::new(),
            uploads: BTreeSet::new(),
            next_call: 0,
            questions: BTreeMap::new(),
            next_question: 0,
            strays: 0,
            violations: 0,
            was_open: false,
            attempts: 0,
            scratch: Vec::new(),
        }
    }

    /// Begins to connect. Does nothing while it is at it, or connected.
    pub fn start(&mut self, now: Moment) {
        if self.stage == Stage::Idle {
            self.was_open = false;
            self.attempts = 0;
            self.connect(now);
        }
    }

    /// Says goodbye: a Close message, then a Close frame. Ends with [`Event::Closed`], whatever
    /// the server answers.
    pub fn stop(&mut self, now: Moment) {
        self.farewell = Some(Farewell { error: None, may_reconnect: false });
        match self.stage {
            Stage::Idle => self.farewell = None,
            Stage::Open => self.say_goodbye(now),
            Stage::Waiting => self.end(None),
            Stage::Connecting
            | Stage::Negotiating(_)
            | Stage::Upgrading(_)
            | Stage::Handshaking
            | Stage::Closing
            | Stage::Hanging => self.stage = Stage::Hanging,
        }
    }

    /// What the owner has to do next.
    pub fn need(&self) -> Need {
        match self.stage {
            Stage::Connecting => Need::Socket,
            Stage::Hanging => Need::Hangup,
            _ => Need::Nothing,
        }
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Moves everything that is to be sent to the end of `out`.
    pub fn fill(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.output);
    }

    /// When [`Client::on_time`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Moment> {
        let at = match self.stage {
            Stage::Idle | Stage::Connecting | Stage::Hanging => return None,
            Stage::Open => (self.last_received + self.options.server_timeout)
                .min(self.last_sent + self.options.keep_alive_interval)
                .min(self.session.as_ref().map_or(NEVER, |session| session.ack_at)),
            _ => self.stage_ends,
        };
        Some(at)
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Moment) {
        if self.stage == Stage::Open
            && self.session.as_ref().is_some_and(|session| session.ack_at <= now)
        {
            self.acknowledge(now);
        }
        match self.stage {
            Stage::Waiting if self.stage_ends <= now => self.connect(now),
            Stage::Negotiating(_) | Stage::Upgrading(_) | Stage::Handshaking
                if self.stage_ends <= now =>
            {
                self.lose("the server did not answer in time".into());
            }
            Stage::Open if self.last_received + self.options.server_timeout <= now => {
                self.lose(SERVER_TIMEOUT.into());
            }
            Stage::Open if self.last_sent + self.options.keep_alive_interval <= now => {
                self.ping(now);
            }
            Stage::Closing if self.stage_ends <= now => self.stage = Stage::Hanging,
            _ => {}
        }
    }

    /// The socket that was asked for is there.
    pub fn on_connected(&mut self, now: Moment) {
        if self.stage != Stage::Connecting {
            return;
        }
        self.output.clear();
        self.reader = ResponseReader::default();
        self.stage_ends = now + self.options.handshake_timeout;
        if self.options.skip_negotiation || self.token.is_some() || self.is_resuming() {
            self.ask_upgrade();
        } else {
            self.ask_negotiate();
        }
    }

    /// There is no socket any more: it ended, broke, was closed as asked, or never came to be.
    pub fn on_lost(&mut self, now: Moment) {
        if matches!(self.stage, Stage::Idle | Stage::Waiting) || self.tries_to_resume() {
            return;
        }
        let farewell = self.farewell.take();
        let farewell = farewell.unwrap_or_else(|| Farewell {
            error: Some("the connection was lost".into()),
            may_reconnect: true,
        });
        self.output.clear();
        self.session = None;
        self.questions.clear();
        self.uploads.clear();
        for (call, _) in std::mem::take(&mut self.calls) {
            let outcome = Outcome::Canceled;
            self.events.push_back(Event::Completed { call: CallId(call), outcome });
        }
        let delay = self.options.reconnect_delays.get(self.attempts).copied();
        match delay {
            Some(delay) if self.was_open && farewell.may_reconnect => {
                if self.attempts == 0 {
                    self.events.push_back(Event::Reconnecting { error: farewell.error });
                }
                self.attempts += 1;
                self.wait(now, delay);
            }
            _ => self.end(farewell.error),
        }
    }

    /// Calls a method of the hub and wants its completion.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn invoke(
        &mut self,
        now: Moment,
        method: &str,
        arguments: &impl ToArguments,
    ) -> Result<CallId, SendError> {
        let number = self.next_call;
        self.call(now, Some(&number.to_string()), method, arguments)?;
        self.next_call += 1;
        self.calls.insert(number, Answered::Once);
        Ok(CallId(number))
    }

    /// Calls a method of the hub; nobody answers.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn send(
        &mut self,
        now: Moment,
        method: &str,
        arguments: &impl ToArguments,
    ) -> Result<(), SendError> {
        self.call(now, None, method, arguments)
    }

    /// Answers a call of the server that wants a result.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent, and after `Unwritable` the server still waits.
    pub fn answer<T: Serialize + ?Sized>(
        &mut self,
        now: Moment,
        question: QuestionId,
        result: &T,
    ) -> Result<(), SendError> {
        let id = self.questions.get(&question.0).ok_or(SendError::NotAsked)?.clone();
        self.write(now, |protocol, out| protocol.write_result(out, &id, result))?;
        self.questions.remove(&question.0);
        Ok(())
    }

    /// Answers a call of the server that wants a result with an error.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn refuse(
        &mut self,
        now: Moment,
        question: QuestionId,
        error: &str,
    ) -> Result<(), SendError> {
        let id = self.questions.remove(&question.0).ok_or(SendError::NotAsked)?;
        self.write(now, |protocol, out| {
            protocol.write_error(out, &id, error);
            Ok(())
        })
    }

    /// The server asks.
    pub(super) fn asked(&mut self, id: String) -> QuestionId {
        let number = self.next_question;
        self.next_question += 1;
        self.questions.insert(number, id);
        QuestionId(number)
    }

    /// Whether calls can be made. While a lost socket is replaced they can; they wait for it.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open || self.is_resuming()
    }

    /// Whether it has ended, or has not started.
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// The public id of the present connection, unless negotiation was skipped.
    pub fn connection_id(&self) -> Option<&str> {
        self.connection_id.as_deref()
    }

    /// Calls that wait for their completion.
    pub fn calls_waiting(&self) -> usize {
        self.calls.len()
    }

    /// Completions and items of calls that were never made, or had been completed: bugs of a
    /// server.
    pub fn stray_completions(&self) -> u64 {
        self.strays
    }

    /// Sockets that were given up because the server broke a protocol.
    pub fn violations(&self) -> u64 {
        self.violations
    }

    fn connect(&mut self, now: Moment) {
        self.connection_id = None;
        self.token = None;
        self.farewell = None;
        self.stage = Stage::Connecting;
        self.last_received = now;
    }

    fn wait(&mut self, now: Moment, delay: Duration) {
        self.stage = Stage::Waiting;
        self.stage_ends = now + delay;
    }

    fn end(&mut self, error: Option<String>) {
        self.stage = Stage::Idle;
        self.farewell = None;
        self.events.push_back(Event::Closed { error });
    }

    /// The handshake was answered.
    pub(super) fn opened(&mut self, now: Moment) {
        self.stage = Stage::Open;
        if let Some(session) = &mut self.session {
            session.is_established = true;
        }
        let connection_id = self.connection_id.clone();
        self.events.push_back(if std::mem::replace(&mut self.was_open, true) {
            Event::Reconnected { connection_id }
        } else {
            Event::Connected { connection_id }
        });
        self.attempts = 0;
        // At once, as the JavaScript client does: the server begins to watch us (§8.1, step 6).
        self.ping(now);
    }

    /// The socket is as good as lost: it is given up, and with stateful reconnect nothing else.
    fn lose(&mut self, error: String) {
        match &self.session {
            Some(session) if session.is_established => self.stage = Stage::Hanging,
            _ => self.fail(error),
        }
    }

    /// The server broke a protocol.
    pub(super) fn accuse(&mut self, error: String) {
        self.violations += 1;
        self.fail(error);
    }

    /// Something is wrong on this socket: it is given up.
    pub(super) fn fail(&mut self, error: String) {
        self.farewell.get_or_insert(Farewell { error: Some(error), may_reconnect: true });
        self.stage = Stage::Hanging;
    }
}

pub(super) const NEVER: Moment = Moment::from_nanos(u64::MAX);

const SERVER_TIMEOUT: &str = "Server timeout elapsed without receiving a message from the server.";
