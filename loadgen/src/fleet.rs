//! Thousands of connections on one thread: sockets, an epoll and a timer around
//! [`mod@tickhub::client`]. What is said on them is the business of a [`Work`].

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tickhub::base::{Moment, Rng};
use tickhub::client::web::Lane;
use tickhub::client::{Client, Event, Need, Options};

use crate::arguments::Mode;
use crate::census::{Census, State};
use crate::error::Error;
use crate::files;
use crate::line::{FILES_MAX, Line, Port, lane_of};
use crate::route::Route;
use crate::timer::Timer;

/// What the connections are for.
pub(crate) trait Work {
    /// Something happened on connection `index`. What `client` is asked to send leaves when this
    /// returns.
    fn on_event(&mut self, now: Moment, index: usize, client: &mut Client, event: Event);
}

/// All connections of a run.
pub(crate) struct Fleet {
    poll: Poll,
    timer: Timer,
    events: Events,
    route: Route,
    members: Vec<Member>,
    census: Census,
    /// One for all: nobody keeps bytes over a turn.
    input: Vec<u8>,
    began: Instant,
    /// The connection whose deadline is looked at next, and when.
    patrol: usize,
    patrol_at: Moment,
}

struct Member {
    client: Client,
    line: Line,
    state: State,
    /// What the system said, which is closer to the cause than what the client can say.
    trouble: Option<String>,
}

impl Fleet {
    /// The connections of a mode, none of which has set out. The first one has a WebSocket.
    pub(crate) fn new(route: Route, mode: &Mode) -> Result<Self, Error> {
        let common = mode.common();
        let way = mode.transport().way();
        files::allow(mode.connections(), if way.is_some() { FILES_MAX } else { 1 })?;
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let mut rng = Rng::from_kernel()?;
        let members = (0..mode.connections())
            .map(|index| {
                let way = way.filter(|_| index > 0);
                let classic = mode.classic_mount().filter(|_| index > 0).cloned();
                let mut options = Options::new(route.host.clone(), route.path.clone());
                options.protocol = common.protocol.kind();
                let negotiates = common.negotiate && classic.is_none() || way.is_some();
                options.skip_negotiation = !negotiates;
                options.handshake_timeout = ANSWER_TIMEOUT;
                Member {
                    client: Client::new(options, Rng::from_seed(rng.bits())),
                    line: Line::new(way, classic),
                    state: State::Waiting,
                    trouble: None,
                }
            })
            .collect();
        Ok(Self {
            poll,
            timer,
            events: Events::with_capacity(EVENTS_MAX),
            route,
            members,
            census: Census::new(),
            input: vec![0; INPUT_BYTES],
            began: Instant::now(),
            patrol: 0,
            patrol_at: Moment::START,
        })
    }

    /// How many connections there are, open or not.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The time of this run.
    pub(crate) fn now(&self) -> Moment {
        Moment::START + self.began.elapsed()
    }

    /// Who is there.
    pub(crate) fn census(&self) -> &Census {
        &self.census
    }

    /// Counts something that went wrong.
    pub(crate) fn complain(&mut self, what: String) {
        self.census.complain(what);
    }

    /// Bytes that connection `index` could not send yet.
    pub(crate) fn waiting_bytes(&self, index: usize) -> usize {
        self.members[index].line.waiting_bytes()
    }

    /// Opens all connections, the first one alone: if that fails, so would the others.
    ///
    /// # Errors
    ///
    /// The first connection does not open. That others do not is counted.
    pub(crate) fn open<W: Work>(&mut self, limit: Duration, work: &mut W) -> Result<(), Error> {
        let until = self.now() + limit;
        let mut started = 0;
        loop {
            let at_once = if self.census.opened == 0 { 1 } else { AT_ONCE };
            while started < self.members.len() && self.census.opening < at_once {
                self.start(started, work);
                started += 1;
                if self.census.opened == 0 && self.census.failed > 0 {
                    break;
                }
            }
            if self.census.opened == 0 && self.census.failed > 0 {
                return Err(self.unreachable());
            }
            if started == self.members.len() && self.census.opening == 0 {
                return Ok(());
            }
            if self.now() >= until {
                break;
            }
            self.turn(until, work)?;
        }
        for index in 0..started {
            if matches!(self.members[index].state, State::Opening(_)) {
                self.lose(index, "the server did not answer in time".into(), work);
            }
        }
        if self.census.opened == 0 {
            return Err(self.unreachable());
        }
        self.census.give_up(self.members.len() - started, limit);
        Ok(())
    }

    /// Lets things happen until `until`.
    pub(crate) fn run_until<W: Work>(&mut self, until: Moment, work: &mut W) -> io::Result<()> {
        while self.now() < until {
            self.turn(until, work)?;
        }
        Ok(())
    }

    /// Lets things happen until `is_done` says so, or `limit` has passed.
    pub(crate) fn run_while<W: Work>(
        &mut self,
        limit: Duration,
        work: &mut W,
        mut is_waiting: impl FnMut(&Self, &W) -> bool,
    ) -> io::Result<()> {
        let until = self.now() + limit;
        while is_waiting(self, work) && self.now() < until {
            self.turn(until, work)?;
        }
        Ok(())
    }

    /// Waits until something happens, at most until `until`, and does what is due.
    pub(crate) fn turn<W: Work>(&mut self, until: Moment, work: &mut W) -> io::Result<()> {
        let now = self.now();
        self.timer.set(now, until.min(self.patrol_at))?;
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                TIMER => self.timer.on_expired(),
                token => {
                    let (index, lane) = lane_of(token);
                    self.on_ready(index, lane, event.is_read_closed(), work);
                }
            }
        }
        self.events = events;
        self.patrol(work);
        Ok(())
    }

    /// Does something with a connection outside of an event, and sends what comes of it.
    pub(crate) fn act<W: Work>(
        &mut self,
        index: usize,
        work: &mut W,
        act: impl FnOnce(&mut W, Moment, &mut Client),
    ) {
        let now = self.now();
        act(work, now, &mut self.members[index].client);
        self.settle(now, index, work);
    }

    /// Says goodbye to the server on all connections. Who does not answer soon is left alone.
    pub(crate) fn leave<W: Work>(&mut self, work: &mut W) -> io::Result<()> {
        self.census.is_leaving = true;
        for index in 0..self.members.len() {
            self.act(index, work, |_, now, client| client.stop(now));
        }
        let until = self.now() + GOODBYE_TIMEOUT;
        let mut gone = 0;
        while self.now() < until {
            while self.members.get(gone).is_some_and(|member| member.client.is_idle()) {
                gone += 1;
            }
            if gone == self.members.len() {
                break;
            }
            self.turn(until, work)?;
        }
        Ok(())
    }

    /// The first connection has failed, and this is why.
    fn unreachable(&self) -> Error {
        let reason = self.census.failures.keys().next().cloned().unwrap_or_default();
        Error::Unreachable { url: self.route.url.clone(), reason }
    }

    fn start<W: Work>(&mut self, index: usize, work: &mut W) {
        let now = self.now();
        let member = &mut self.members[index];
        self.census.on_start(now, &mut member.state);
        member.client.start(now);
        self.settle(now, index, work);
    }

    /// The kernel has news about a socket.
    fn on_ready<W: Work>(&mut self, index: usize, lane: Lane, is_read_closed: bool, work: &mut W) {
        let now = self.now();
        let Member { client, line, .. } = &mut self.members[index];
        match line.finish_connecting(now, lane, client) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.lose(index, error.to_string(), work),
        }
        self.settle(now, index, work);
        let mut input = std::mem::take(&mut self.input);
        // It may have been given up with what it said last.
        while let Some(socket) = self.members[index].line.connected(lane) {
            let read = socket.read(&mut input);
            let now = self.now();
            let Member { client, line, .. } = &mut self.members[index];
            match read {
                Ok(None) => break,
                Ok(Some(0)) => line.on_end(now, lane, client),
                Ok(Some(count)) => line.on_bytes(now, lane, &mut input[..count], client),
                Err(error) => {
                    self.lose(index, error.to_string(), work);
                    break;
                }
            }
            self.settle(now, index, work);
            // The rest of the news is another event, unless the end came with this one.
            if matches!(read, Ok(Some(count)) if count < input.len()) && !is_read_closed {
                break;
            }
        }
        self.input = input;
    }

    /// Does what a client asks for, until it asks for nothing more.
    fn settle<W: Work>(&mut self, now: Moment, index: usize, work: &mut W) {
        let Member { client, line, state, trouble } = &mut self.members[index];
        let port = Port { route: &self.route, registry: self.poll.registry(), index };
        loop {
            match client.need() {
                Need::Socket if !line.is_connecting() => {
                    if let Err(error) = line.connect(&port) {
                        *trouble = Some(error.to_string());
                        client.on_lost(now);
                    }
                }
                Need::Hangup => {
                    // Last words are sent if they can be sent at once.
                    let _ = line.exchange(now, &port, client);
                    line.hang_up();
                    client.on_lost(now);
                }
                Need::Socket | Need::Nothing => {}
            }
            while let Some(event) = client.poll_event() {
                match &event {
                    Event::Connected { .. } => self.census.on_open(now, state),
                    Event::Closed { error } => {
                        let why = trouble.take().or_else(|| error.clone());
                        self.census.on_end(state, why);
                    }
                    _ => {}
                }
                work.on_event(now, index, client, event);
            }
            match line.exchange(now, &port, client) {
                Ok(false) if client.need() == Need::Nothing || line.is_connecting() => return,
                Ok(_) => {}
                Err(why) => {
                    *trouble = Some(why);
                    line.hang_up();
                    client.on_lost(now);
                }
            }
        }
    }

    /// A socket broke, or is given up.
    fn lose<W: Work>(&mut self, index: usize, why: String, work: &mut W) {
        let now = self.now();
        let member = &mut self.members[index];
        member.trouble = Some(why);
        member.line.hang_up();
        member.client.on_lost(now);
        self.settle(now, index, work);
    }

    /// Looks at the deadlines of a part of the connections, so that each is looked at once in a
    /// second. Pings and time-outs need no more, and a look at all at once would hold up messages.
    fn patrol<W: Work>(&mut self, work: &mut W) {
        let now = self.now();
        if now < self.patrol_at {
            return;
        }
        self.patrol_at = now + PATROL_PERIOD;
        for _ in 0..self.members.len().div_ceil(PATROLS_PER_SECOND) {
            self.patrol = (self.patrol + 1) % self.members.len();
            let index = self.patrol;
            let member = &mut self.members[index];
            let deadlines = [member.client.deadline(), member.line.deadline()];
            if deadlines.into_iter().flatten().any(|at| at <= now) {
                member.client.on_time(now);
                member.line.on_time(now);
                self.settle(now, index, work);
            } else if matches!(member.state, State::Opening(at) if now.since(at) > OPEN_TIMEOUT) {
                self.lose(index, "the server did not answer in time".into(), work);
            }
        }
    }
}

const TIMER: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1024;
const INPUT_BYTES: usize = 64 * 1024;

/// Connections on their way at the same time: within the queue that servers listen with (128 and
/// more). Beyond it packets are dropped and the kernel's wait of a second is measured.
const AT_ONCE: usize = 100;
/// From the socket to the answer of the handshake.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The same with the socket itself, which the client does not watch.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
const PATROL_PERIOD: Duration = Duration::from_millis(10);
const PATROLS_PER_SECOND: usize = 100;
