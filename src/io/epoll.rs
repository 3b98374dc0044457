//! The driver for every kernel: epoll through mio, made to look like completions.
//!
//! Readiness is edge-triggered. What may have more to read is kept in a list, so that one reap
//! reads a bounded amount and the next goes on; a send is tried at once and continues when the
//! socket becomes writable. There is one receive buffer, and idle sockets own none.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use socket2::SockRef;

use super::kernel::{
    ACCEPT_PAUSE, COMPLETIONS_PER_REAP_MAX, Patience, Rung, TimerFd, is_connection_error,
};
use super::{Completion, Descriptor, Driver, Listener, Op, Waker};
use crate::base::{Batch, Keyed as _, Lent, SLACK_BYTES, SocketKey, Table};

/// A driver on epoll.
pub(super) struct Epoll {
    poll: Poll,
    events: Events,
    core: Core,
    /// Whether somebody else's epoll watches ours; then what waits in memory must be rung for.
    watched: Cell<bool>,
}

impl Epoll {
    pub(super) fn new(listeners: Vec<Listener>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let alarm = Arc::new(mio::Waker::new(&registry, WAKE)?);
        let accept_timer = TimerFd::new()?;
        let timer = accept_timer.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&timer), ACCEPT_TIMER, Interest::READABLE)?;
        let addrs = listeners.iter().map(Listener::local_addr).collect();
        let mut doors = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let descriptor = net::TcpListener::from(listener.into_descriptor());
            let mut listener = TcpListener::from_std(descriptor);
            registry.register(&mut listener, Token(FIRST_DOOR.0 - index), Interest::READABLE)?;
            doors.push(Door { listener, is_ready: false });
        }
        let core = Core {
            registry,
            alarm,
            rung: Rung::default(),
            woken: false,
            accept_timer,
            accept: Accept::Working,
            doors,
            addrs,
            sockets: Table::default(),
            answers: VecDeque::new(),
            unread: VecDeque::new(),
            buffer: vec![0; RECEIVE_BYTES + SLACK_BYTES].into_boxed_slice(),
        };
        let events = Events::with_capacity(EVENTS_PER_POLL);
        Ok(Self { poll, events, core, watched: Cell::new(false) })
    }
}

impl Driver for Epoll {
    fn submit(&mut self, ops: &mut Vec<Op>) -> io::Result<()> {
        for op in ops.drain(..) {
            self.core.on_op(op);
        }
        if self.watched.get() && self.core.has_more() {
            self.core.ring();
        }
        Ok(())
    }

    fn reap(
        &mut self,
        wait: Option<Duration>,
        sink: &mut dyn FnMut(Completion<'_>),
    ) -> io::Result<()> {
        let patience = Patience::new(wait);
        let mut turn = Turn { left: COMPLETIONS_PER_REAP_MAX, bytes: 0, sink };
        self.core.woken = false;
        loop {
            self.core.tell_answers(&mut turn);
            if turn.left == 0 {
                break;
            }
            let timeout = if turn.has_told() || self.core.has_more() {
                Some(Duration::ZERO)
            } else {
                patience.left()
            };
            match self.poll.poll(&mut self.events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => break,
                Err(error) => return Err(error),
            }
            for event in &self.events {
                self.core.on_event(event);
            }
            self.core.tell_answers(&mut turn);
            self.core.accept(&mut turn);
            self.core.receive(&mut turn);
            if turn.has_told() || self.core.woken || patience.left() == Some(Duration::ZERO) {
                break;
            }
        }
        if self.watched.get() && self.core.has_more() {
            self.core.ring();
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        let (alarm, rung) = (Arc::clone(&self.core.alarm), self.core.rung.clone());
        Waker::new(move || ring(&alarm, &rung))
    }

    fn pollable(&self) -> Option<RawFd> {
        if !self.watched.replace(true) && self.core.has_more() {
            self.core.ring();
        }
        Some(self.poll.as_raw_fd())
    }

    fn local_addrs(&self) -> Vec<SocketAddr> {
        self.core.addrs.clone()
    }

    fn name(&self) -> &'static str {
        "epoll"
    }
}

/// What one reap may still tell, and to whom.
struct Turn<'a> {
    left: usize,
    bytes: usize,
    sink: &'a mut dyn FnMut(Completion<'_>),
}

impl Turn<'_> {
    fn tell(&mut self, completion: Completion<'_>) {
        self.left = self.left.saturating_sub(1);
        (self.sink)(completion);
    }

    fn has_told(&self) -> bool {
        self.left < COMPLETIONS_PER_REAP_MAX
    }

    fn is_over(&self) -> bool {
        self.left == 0 || self.bytes >= BYTES_PER_REAP_MAX
    }
}

/// Everything but the poll itself, which lends its events while this changes.
struct Core {
    registry: Registry,
    alarm: Arc<mio::Waker>,
    rung: Rung,
    woken: bool,
    accept_timer: TimerFd,
    accept: Accept,
    doors: Vec<Door>,
    addrs: Vec<SocketAddr>,
    sockets: Table<SocketKey, Socket>,
    /// What operations led to: told first by the next reap.
    answers: VecDeque<Completion<'static>>,
    /// Sockets that may have something to read; each is in here at most once.
    unread: VecDeque<SocketKey>,
    buffer: Box<[u8]>,
}

/// A listening socket.
struct Door {
    listener: TcpListener,
    /// Somebody may wait behind it.
    is_ready: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accept {
    Working,
    /// It failed, which was told, and the timer runs.
    Pausing,
    /// It failed, and the pause is over; a further failure is not told again.
    Retrying,
}

struct Socket {
    stream: TcpStream,
    /// What is being sent.
    batch: Option<Batch>,
    shutdown: Outgoing,
    is_paused: bool,
    is_finished: bool,
    is_lost: bool,
    /// Is in [`Core::unread`].
    is_unread: bool,
    /// The FIN came, so that a short read does not mean that nothing follows.
    has_fin: bool,
}

/// What became of our direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    Open,
    /// A FIN follows the batch in flight.
    Ending,
    Ended,
}

impl Core {
    fn ring(&self) {
        ring(&self.alarm, &self.rung);
    }

    /// Whether a reap would find something without asking the kernel.
    fn has_more(&self) -> bool {
        !self.answers.is_empty()
            || !self.unread.is_empty()
            || (self.accept != Accept::Pausing && self.doors.iter().any(|door| door.is_ready))
    }

    fn on_op(&mut self, op: Op) {
        match op {
            Op::Send { socket, batch } => self.send(socket, batch),
            Op::Pause { socket: key } => {
                if let Some(socket) = self.sockets.get_mut(key) {
                    socket.is_paused = true;
                }
            }
            Op::Resume { socket: key } => {
                if let Some(socket) = self.sockets.get_mut(key) {
                    socket.is_paused = false;
                    // The edge may have come and gone meanwhile.
                    self.on_readable(key);
                }
            }
            Op::Shutdown { socket } => self.shutdown(socket),
            Op::Close { socket, reset } => self.close(socket, reset),
            Op::Detach { socket } => self.detach(socket),
            Op::Adopt { descriptor, peer } => self.adopt(descriptor, peer),
            Op::StopAccepting => self.doors.clear(),
        }
    }

    fn on_event(&mut self, event: &Event) {
        match event.token() {
            WAKE => {
                self.rung.notice();
                self.woken = true;
            }
            ACCEPT_TIMER => {
                if self.accept == Accept::Pausing {
                    self.accept = Accept::Retrying;
                }
            }
            token if token.0 > FIRST_DOOR.0 - DOORS_MAX => {
                if let Some(door) = self.doors.get_mut(FIRST_DOOR.0 - token.0) {
                    door.is_ready = true;
                }
            }
            token => {
                let key = socket_of(token);
                if event.is_writable() {
                    self.continue_send(key);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    if event.is_read_closed()
                        && let Some(socket) = self.sockets.get_mut(key)
                    {
                        socket.has_fin = true;
                    }
                    self.on_readable(key);
                }
            }
        }
    }

    fn on_readable(&mut self, key: SocketKey) {
        if let Some(socket) = self.sockets.get_mut(key)
            && !socket.is_unread
        {
            socket.is_unread = true;
            self.unread.push_back(key);
        }
    }

    fn send(&mut self, key: SocketKey, batch: Batch) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        debug_assert!(socket.batch.is_none(), "one batch per socket is in flight");
        let refusal = if socket.batch.is_some() {
            ErrorKind::ResourceBusy
        } else if socket.is_lost {
            ErrorKind::NotConnected
        } else if socket.shutdown != Outgoing::Open {
            ErrorKind::BrokenPipe
        } else {
            socket.batch = Some(batch);
            return self.continue_send(key);
        };
        self.answers.push_back(Completion::Sent { socket: key, batch, result: Err(refusal) });
    }

    /// Sends what the kernel takes of the batch in flight, if there is one.
    fn continue_send(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Some(mut batch) = socket.batch.take() else { return };
        let result = loop {
            if batch.remaining().is_empty() {
                break Ok(());
            }
            match socket.stream.write(batch.remaining()) {
                Ok(0) => break Err(ErrorKind::WriteZero),
                Ok(count) => batch.advance(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    socket.batch = Some(batch);
                    return;
                }
                Err(error) => break Err(error.kind()),
            }
        };
        self.answers.push_back(Completion::Sent { socket: key, batch, result });
        if let Err(error) = result {
            if !socket.is_lost {
                socket.is_lost = true;
                self.answers.push_back(Completion::Lost { socket: key, error });
            }
        } else if socket.shutdown == Outgoing::Ending {
            self.shutdown(key);
        }
    }

    fn shutdown(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        if socket.batch.is_some() {
            socket.shutdown = Outgoing::Ending;
        } else if socket.shutdown != Outgoing::Ended {
            socket.shutdown = Outgoing::Ended;
            // It fails when the connection is gone, which reading will find out.
            let _ = socket.stream.shutdown(Shutdown::Write);
        }
    }

    fn close(&mut self, key: SocketKey, reset: bool) {
        let Some(mut socket) = self.sockets.remove(key) else { return };
        self.take_batch_back(key, &mut socket);
        if reset {
            // Without it the end is a FIN, which is no less an end.
            let _ = SockRef::from(&socket.stream).set_linger(Some(Duration::ZERO));
        }
        self.answers.push_back(Completion::Closed { socket: key });
    }

    fn detach(&mut self, key: SocketKey) {
        let Some(mut socket) = self.sockets.remove(key) else { return };
        self.take_batch_back(key, &mut socket);
        let answer = if socket.is_lost || self.registry.deregister(&mut socket.stream).is_err() {
            Completion::Closed { socket: key }
        } else {
            let descriptor = Descriptor::Os(OwnedFd::from(net::TcpStream::from(socket.stream)));
            Completion::Detached { socket: key, descriptor }
        };
        self.answers.push_back(answer);
    }

    fn take_batch_back(&mut self, key: SocketKey, socket: &mut Socket) {
        if let Some(batch) = socket.batch.take() {
            let result = Err(ErrorKind::ConnectionAborted);
            self.answers.push_back(Completion::Sent { socket: key, batch, result });
        }
    }

    fn adopt(&mut self, descriptor: Descriptor, peer: SocketAddr) {
        let Descriptor::Os(descriptor) = descriptor else {
            unreachable!("a simulated socket stays within its simulation");
        };
        let stream = net::TcpStream::from(descriptor);
        let made = stream.set_nonblocking(true);
        let (key, registered) = self.insert(TcpStream::from_std(stream));
        self.answers.push_back(Completion::Accepted { socket: key, peer });
        if let Err(error) = made.and(registered)
            && let Some(socket) = self.sockets.get_mut(key)
        {
            socket.is_lost = true;
            self.answers.push_back(Completion::Lost { socket: key, error: error.kind() });
        }
    }

    /// Gives the stream a key. Whatever lies in it already raises an edge when it is registered.
    fn insert(&mut self, stream: TcpStream) -> (SocketKey, io::Result<()>) {
        let key = self.sockets.insert(Socket {
            stream,
            batch: None,
            shutdown: Outgoing::Open,
            is_paused: false,
            is_finished: false,
            is_lost: false,
            is_unread: false,
            has_fin: false,
        });
        let socket = self.sockets.get_mut(key).expect("it was just put in");
        let interest = Interest::READABLE | Interest::WRITABLE;
        (key, self.registry.register(&mut socket.stream, token_of(key), interest))
    }

    fn tell_answers(&mut self, turn: &mut Turn<'_>) {
        while turn.left > 0
            && let Some(answer) = self.answers.pop_front()
        {
            // A loss that nobody heard of is not told once the shard has given the socket up.
            if let Completion::Lost { socket, .. } = &answer
                && self.sockets.get(*socket).is_none()
            {
                continue;
            }
            turn.tell(answer);
        }
    }

    fn accept(&mut self, turn: &mut Turn<'_>) {
        if !self.answers.is_empty() {
            return;
        }
        for index in 0..self.doors.len() {
            let mut accepted = 0;
            while self.doors[index].is_ready
                && self.accept != Accept::Pausing
                && accepted < ACCEPTS_PER_REAP_MAX
                && !turn.is_over()
            {
                accepted += 1;
                match self.doors[index].listener.accept() {
                    Ok((stream, peer)) => {
                        let (key, registered) = self.insert(stream);
                        if let Err(error) = registered {
                            self.sockets.remove(key);
                            self.on_accept_failed(error, turn);
                        } else {
                            self.accept = Accept::Working;
                            turn.tell(Completion::Accepted { socket: key, peer });
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        // The kernel looks for a descriptor before it looks for a newcomer.
                        self.accept = Accept::Working;
                        self.doors[index].is_ready = false;
                    }
                    Err(error) if is_connection_error(&error) => {}
                    Err(error) => self.on_accept_failed(error, turn),
                }
            }
        }
    }

    fn on_accept_failed(&mut self, error: io::Error, turn: &mut Turn<'_>) {
        let was_working = self.accept == Accept::Working;
        // Without the timer the next newcomer is the one who makes us try again.
        let paused = self.accept_timer.set(ACCEPT_PAUSE).is_ok();
        self.accept = if paused { Accept::Pausing } else { Accept::Retrying };
        if was_working {
            turn.tell(Completion::AcceptFailed { error });
        }
    }

    /// Reads from every socket in the list once, and from none of them for too long.
    fn receive(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..self.unread.len() {
            if turn.is_over() {
                return;
            }
            let Some(key) = self.unread.pop_front() else { return };
            let Some(socket) = self.sockets.get_mut(key) else { continue };
            socket.is_unread = false;
            if socket.receive(key, &mut self.buffer, turn) {
                self.on_readable(key);
            }
        }
    }
}

impl Socket {
    /// Reads a bounded amount; whether more may be there.
    fn receive(&mut self, key: SocketKey, buffer: &mut [u8], turn: &mut Turn<'_>) -> bool {
        for _ in 0..READS_PER_SOCKET_MAX {
            if self.is_paused || self.is_finished || self.is_lost {
                return false;
            }
            if turn.is_over() {
                return true;
            }
            match self.stream.read(&mut buffer[..RECEIVE_BYTES]) {
                Ok(0) => {
                    self.is_finished = true;
                    turn.tell(Completion::Finished { socket: key });
                }
                Ok(count) => {
                    turn.bytes += count;
                    let bytes = Lent::new(buffer, count);
                    turn.tell(Completion::Received { socket: key, bytes });
                    // A short read has emptied the socket, and what comes later raises an edge.
                    if count < RECEIVE_BYTES && !self.has_fin {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    self.is_lost = true;
                    turn.tell(Completion::Lost { socket: key, error: error.kind() });
                }
            }
        }
        true
    }
}

fn ring(alarm: &mio::Waker, rung: &Rung) {
    if rung.is_first() && alarm.wake().is_err() {
        // So that the next ring tries again.
        rung.notice();
    }
}

fn token_of(key: SocketKey) -> Token {
    Token((key.generation() as usize) << u32::BITS | key.slot() as usize)
}

fn socket_of(token: Token) -> SocketKey {
    SocketKey::new(token.0 as u32, (token.0 >> u32::BITS) as u32)
}

const WAKE: Token = Token(usize::MAX);
const ACCEPT_TIMER: Token = Token(usize::MAX - 1);
/// The tokens of the doors go down from here, those of sockets go up from zero.
const FIRST_DOOR: Token = Token(usize::MAX - 2);
const DOORS_MAX: usize = 1 << 16;
const _: () = assert!(usize::BITS == 64, "a token holds a slot and a generation");

const EVENTS_PER_POLL: usize = 1024;
const RECEIVE_BYTES: usize = 64 * 1024;
const READS_PER_SOCKET_MAX: usize = 4;
const ACCEPTS_PER_REAP_MAX: usize = 256;
/// Bytes stand for time: reading this many takes about a millisecond.
const BYTES_PER_REAP_MAX: usize = 4 * 1024 * 1024;
const _: () = assert!(BYTES_PER_REAP_MAX > READS_PER_SOCKET_MAX * RECEIVE_BYTES);
