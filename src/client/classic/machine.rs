//! The stages of a client, and what moves it from one to the next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::Options;
use super::envelope::Document;
use super::socket::{Asked, Lane, Socket};
use crate::base::{Moment, Rng};
use crate::protocol::classic::{TransportName, write_invocation};
use crate::protocol::hub_protocol::ToArguments;
use crate::protocol::websocket::{OpCode, write_masked_frame};

/// Names a call of [`Client::invoke`]. Never used twice by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection has started.
    Connected {
        /// Its id.
        connection_id: String,
    },
    /// The receive request was lost, and the client asks for it again.
    Reconnecting,
    /// The same connection goes on with a new receive request.
    Reconnected,
    /// The server calls.
    Message {
        /// The name of the method.
        method: String,
        /// The arguments.
        arguments: Vec<Value>,
    },
    /// A call of ours has ended.
    Completed {
        /// What `invoke` returned.
        call: CallId,
        /// How it ended.
        outcome: Outcome,
    },
    /// The connection has ended for good.
    Closed {
        /// Why, unless it was wanted.
        error: Option<String>,
    },
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The method returned this; nothing is null.
    Result(Value),
    /// The server refused, or failed.
    Error(String),
    /// What was to bring the answer was lost. Whether the method ran is unknown.
    Canceled,
}

/// Nothing was called: the client is not connected now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is not connected")]
pub struct NotConnected;

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Negotiating,
    /// Waits for the init envelope.
    Connecting,
    Starting,
    Open,
    /// The receive request was lost.
    Away,
    /// The abort is on its way.
    Leaving,
}

/// A classic client; see the [module](crate::client::classic).
#[derive(Debug)]
pub struct Client {
    pub(super) options: Options,
    pub(super) rng: Rng,
    pub(super) stage: Stage,
    pub(super) document: Option<Document>,
    pub(super) cursor: Option<String>,
    pub(super) groups: Option<String>,
    pub(super) receive: Socket,
    pub(super) send: Socket,
    pub(super) start_asked: bool,
    /// When the receive request is asked for again.
    pub(super) again_at: Moment,
    /// When it is given up.
    away_ends: Moment,
    pub(super) last_received: Moment,
    next_call: u64,
    /// Calls without an answer; whether that comes over the WebSocket.
    calls: BTreeMap<u64, bool>,
    /// Calls to be posted.
    pub(super) waiting: VecDeque<(CallId, String)>,
    /// Text of a WebSocket message that is still coming in.
    pub(super) text: Vec<u8>,
    pub(super) events: VecDeque<Event>,
    /// What came before the start was answered.
    pub(super) early: Vec<Event>,
    violation: Option<String>,
}

impl Client {
    /// A client that has not started.
    pub fn new(options: Options, rng: Rng) -> Self {
        Self {
            options,
            rng,
            stage: Stage::Idle,
            document: None,
            cursor: None,
            groups: None,
            receive: Socket::new(),
            send: Socket::new(),
            start_asked: false,
            again_at: Moment::START,
            away_ends: Moment::START,
            last_received: Moment::START,
            next_call: 0,
            calls: BTreeMap::new(),
            waiting: VecDeque::new(),
            text: Vec::new(),
            events: VecDeque::new(),
            early: Vec::new(),
            violation: None,
        }
    }

    /// Begins a connection, if there is none.
    pub fn start(&mut self, now: Moment) {
        if self.stage == Stage::Idle {
            self.stage = Stage::Negotiating;
            (self.document, self.cursor, self.groups) = (None, None, None);
            self.start_asked = false;
            self.last_received = now;
        }
    }

    /// Ends the connection: the receive request is given up, and then the server is told.
    pub fn stop(&mut self) {
        match self.stage {
            Stage::Idle | Stage::Leaving => {}
            _ if self.document.is_none() => self.close(None),
            _ => {
                (self.receive, self.send) = (Socket::new(), Socket::new());
                self.cancel(|_| true);
                self.stage = Stage::Leaving;
            }
        }
    }

    /// Ends the connection without a word to the server.
    pub fn vanish(&mut self) {
        if self.stage != Stage::Idle {
            self.close(None);
        }
    }

    /// Gives up the receive request, and asks for it again over another transport.
    pub fn move_to(&mut self, now: Moment, transport: TransportName) {
        if matches!(self.stage, Stage::Open | Stage::Away) {
            self.lose(now, Lane::Receive);
            self.options.transport = transport;
        }
    }

    /// Calls a method of the hub.
    ///
    /// # Errors
    ///
    /// It is not connected, or on its way back.
    ///
    /// # Panics
    ///
    /// When an argument cannot be written as JSON.
    pub fn invoke(
        &mut self,
        method: &str,
        arguments: &impl ToArguments,
    ) -> Result<CallId, NotConnected> {
        let by_websocket = self.options.transport == TransportName::WebSockets;
        if !self.is_open() {
            return Err(NotConnected);
        }
        let number = self.next_call;
        self.next_call += 1;
        let (mut data, id) = (Vec::new(), number.to_string());
        write_invocation(&mut data, &self.options.hub, method, arguments, &id, None)
            .expect("arguments are plain values");
        self.calls.insert(number, by_websocket);
        if by_websocket {
            let mask = (self.rng.bits() as u32).to_be_bytes();
            write_masked_frame(&mut self.receive.output, OpCode::Text, true, mask, &data);
        } else {
            let data = String::from_utf8(data).expect("JSON is text");
            self.waiting.push_back((CallId(number), data));
        }
        Ok(CallId(number))
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether it receives, and calls can be made.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether it has ended, or has not started.
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Over what it receives.
    pub fn transport(&self) -> TransportName {
        self.options.transport
    }

    /// How many calls have no answer.
    pub fn calls_waiting(&self) -> usize {
        self.calls.len()
    }

    /// When anything came over the receive request at last.
    pub fn last_received(&self) -> Moment {
        self.last_received
    }

    /// What the server did that it must not do: a bug of the server.
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// Whether the socket of a lane is of any use still; if not, it is to be closed.
    pub fn holds(&self, lane: Lane) -> bool {
        self.socket(lane).is_there
    }

    /// A socket is there.
    pub fn on_connected(&mut self, lane: Lane) {
        *self.socket_mut(lane) = Socket::connected();
    }

    /// There is no socket any more, or none could be had.
    pub fn on_lost(&mut self, now: Moment, lane: Lane) {
        let socket = self.socket_mut(lane);
        if socket.is_there && socket.asked.is_none() {
            // An idle socket may go.
            *socket = Socket::new();
        } else {
            self.lose(now, lane);
        }
    }

    /// When [`Client::on_time`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Moment> {
        let is_away = self.stage == Stage::Away;
        let again = (is_away && self.receive.asked.is_none()).then_some(self.again_at);
        let ends = is_away.then_some(self.away_ends);
        let sockets = [self.receive.gives_up_at, self.send.gives_up_at];
        sockets.into_iter().chain([again, ends]).flatten().min()
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Moment) {
        for lane in Lane::ALL {
            if self.socket(lane).gives_up_at.is_some_and(|at| at <= now) {
                self.lose(now, lane);
            }
        }
        if self.stage == Stage::Away && self.away_ends <= now {
            self.close(Some("nobody let it back in"));
        }
    }

    pub(super) fn complete(&mut self, number: u64, outcome: Outcome) {
        if self.calls.remove(&number).is_none() {
            return self.accuse("a call is answered that does not wait");
        }
        self.events.push_back(Event::Completed { call: CallId(number), outcome });
    }

    /// Calls end whose answers cannot come any more.
    fn cancel(&mut self, which: impl Fn(bool) -> bool) {
        let gone = self.calls.iter().filter(|(_, by)| which(**by)).map(|(id, _)| *id);
        let gone: Vec<u64> = gone.collect();
        self.calls.retain(|id, _| !gone.contains(id));
        self.waiting.retain(|(call, _)| !gone.contains(&call.0));
        for number in gone {
            let outcome = Outcome::Canceled;
            self.events.push_back(Event::Completed { call: CallId(number), outcome });
        }
    }

    /// The socket of a lane is lost, or given up.
    pub(super) fn lose(&mut self, now: Moment, lane: Lane) {
        let asked = std::mem::replace(self.socket_mut(lane), Socket::new()).asked;
        match (lane, self.stage) {
            (Lane::Receive, Stage::Connecting | Stage::Starting) => {
                self.close(Some("the receive request was lost"));
            }
            (Lane::Receive, Stage::Open) => {
                self.stage = Stage::Away;
                self.away_ends = now + self.disconnect_timeout();
                self.again_at = now + self.options.reconnect_delay;
                self.cancel(|by_websocket| by_websocket);
                self.events.push_back(Event::Reconnecting);
            }
            (Lane::Receive, Stage::Away) => self.again_at = now + self.options.reconnect_delay,
            (Lane::Receive, _) => {}
            (Lane::Send, Stage::Negotiating) => self.close(Some("the server did not answer")),
            (Lane::Send, Stage::Starting) => self.close(Some("the start was not answered")),
            (Lane::Send, Stage::Leaving) => self.close(None),
            (Lane::Send, _) => match asked {
                Some(Asked::Call(call)) => self.complete(call.0, Outcome::Canceled),
                // Nobody listens: what waits is tried once.
                None => {
                    let waiting: Vec<CallId> =
                        self.waiting.drain(..).map(|(call, _)| call).collect();
                    for call in waiting {
                        self.complete(call.0, Outcome::Canceled);
                    }
                }
                Some(_) => {}
            },
        }
    }

    pub(super) fn close(&mut self, error: Option<&str>) {
        (self.receive, self.send) = (Socket::new(), Socket::new());
        self.cancel(|_| true);
        self.early.clear();
        self.stage = Stage::Idle;
        self.events.push_back(Event::Closed { error: error.map(Into::into) });
    }

    pub(super) fn accuse(&mut self, what: &str) {
        self.violation.get_or_insert_with(|| what.to_owned());
        self.close(Some(what));
    }

    /// After so long without a sign of life the receive request is lost.
    pub(super) fn silence_max(&self) -> Duration {
        let known = self.document.as_ref().and_then(|document| document.keep_alive_timeout);
        known.map_or(self.options.request_timeout, Duration::from_secs_f64)
    }

    fn disconnect_timeout(&self) -> Duration {
        let known = self.document.as_ref().map(|document| document.disconnect_timeout);
        known.map_or(Duration::ZERO, Duration::from_secs_f64)
    }

    pub(super) fn socket(&self, lane: Lane) -> &Socket {
        match lane {
            Lane::Receive => &self.receive,
            Lane::Send => &self.send,
        }
    }

    pub(super) fn socket_mut(&mut self, lane: Lane) -> &mut Socket {
        match lane {
            Lane::Receive => &mut self.receive,
            Lane::Send => &mut self.send,
        }
    }
}
