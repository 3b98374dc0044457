//! The simulated driver: looks at its wires when it is asked to, and never waits.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::wire::{Side, Wire};
use super::{Dials, Plug, SimNet};
use crate::base::{Batch, Lent, Moment, Rng, SLACK_BYTES, SocketKey, Table};
use crate::io::kernel::{ACCEPT_PAUSE, COMPLETIONS_PER_REAP_MAX};
use crate::io::{Completion, Descriptor, Driver, Op, Waker};

/// A driver on a [`SimNet`]. Dropping it resets its connections, as the end of a process does.
#[derive(Debug)]
pub struct SimDriver {
    net: SimNet,
    id: usize,
    addrs: Vec<SocketAddr>,
    sockets: Table<SocketKey, Socket>,
    answers: VecDeque<Completion<'static>>,
    /// Where the next reap begins, so that a bounded one is fair.
    first: usize,
    accept_again: Moment,
    accept_is_failing: bool,
    rung: Arc<AtomicBool>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Socket {
    wire: SocketKey,
    batch: Option<Batch>,
    /// A FIN follows the batch in flight.
    is_ending: bool,
    is_ended: bool,
    is_paused: bool,
    is_finished: bool,
    is_lost: bool,
}

/// What was found while the network was locked, and is told after.
enum Found {
    Told(Completion<'static>),
    /// The next bytes of the driver's buffer.
    Received {
        socket: SocketKey,
        count: usize,
    },
}

impl SimDriver {
    pub(super) fn new(net: SimNet, id: usize, addrs: Vec<SocketAddr>) -> Self {
        Self {
            net,
            id,
            addrs,
            sockets: Table::default(),
            answers: VecDeque::new(),
            first: 0,
            accept_again: Moment::START,
            accept_is_failing: false,
            rung: Arc::new(AtomicBool::new(false)),
            buffer: Vec::new(),
        }
    }

    /// Whether a waker was rung since the last reap: the simulator's reason to run a turn.
    pub fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
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
                }
            }
            Op::Shutdown { socket: key } => {
                if let Some(socket) = self.sockets.get_mut(key)
                    && !socket.is_ended
                {
                    socket.is_ending = true;
                    socket.end_if_due(self.net.lock().wires.get_mut(socket.wire));
                }
            }
            Op::Close { socket: key, reset } => {
                let Some(socket) = self.take_out(key) else { return };
                self.net.lock().close(socket.wire, Side::Server, reset);
                self.answers.push_back(Completion::Closed { socket: key });
            }
            Op::Detach { socket: key } => self.detach(key),
            Op::Adopt { descriptor, peer } => {
                let Descriptor::Simulated(plug) = descriptor else {
                    unreachable!("a real socket stays out of the simulation");
                };
                let socket = self.sockets.insert(Socket::new(plug.take()));
                self.answers.push_back(Completion::Accepted { socket, peer });
            }
            Op::StopAccepting => self.net.lock().stop_listening(self.id),
        }
    }

    fn send(&mut self, key: SocketKey, batch: Batch) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        debug_assert!(socket.batch.is_none(), "one batch per socket is in flight");
        let refusal = if socket.batch.is_some() {
            ErrorKind::ResourceBusy
        } else if socket.is_lost {
            ErrorKind::NotConnected
        } else if socket.is_ending || socket.is_ended {
            ErrorKind::BrokenPipe
        } else {
            socket.batch = Some(batch);
            return;
        };
        self.answers.push_back(Completion::Sent { socket: key, batch, result: Err(refusal) });
    }

    fn detach(&mut self, key: SocketKey) {
        let Some(socket) = self.take_out(key) else { return };
        let answer = if socket.is_lost {
            self.net.lock().close(socket.wire, Side::Server, false);
            Completion::Closed { socket: key }
        } else {
            let plug = Plug { net: self.net.clone(), wire: Some(socket.wire) };
            Completion::Detached { socket: key, descriptor: Descriptor::Simulated(plug) }
        };
        self.answers.push_back(answer);
    }

    /// Forgets a socket; its batch in flight comes back.
    fn take_out(&mut self, key: SocketKey) -> Option<Socket> {
        let mut socket = self.sockets.remove(key)?;
        if let Some(batch) = socket.batch.take() {
            let result = Err(ErrorKind::ConnectionAborted);
            self.answers.push_back(Completion::Sent { socket: key, batch, result });
        }
        Some(socket)
    }

    /// Looks at everything once. The network is not locked while completions are told, so that
    /// whoever hears them may use it.
    fn look(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        self.buffer.clear();
        let net = self.net.clone();
        let mut net = net.lock();
        let net = &mut *net;
        if net.dials.late_wake.happens(&mut net.rng) {
            return found;
        }
        let (now, dials, rng) = (net.now, &net.dials, &mut net.rng);

        let mut keys: Vec<SocketKey> = self.sockets.iter().map(|(key, _)| key).collect();
        if dials.shuffle {
            for last in (1..keys.len()).rev() {
                keys.swap(last, rng.below(last as u64 + 1) as usize);
            }
        } else if !keys.is_empty() {
            let count = keys.len();
            keys.rotate_left(self.first % count);
        }
        for key in keys {
            if found.len() + COMPLETIONS_PER_SOCKET_MAX > COMPLETIONS_PER_REAP_MAX {
                break;
            }
            self.first = self.first.wrapping_add(1);
            let socket = self.sockets.get_mut(key).expect("its key was just listed");
            let wire = net.wires.get_mut(socket.wire).expect("a socket keeps its wire");
            socket.look(key, wire, &mut World { now, dials, rng }, &mut found, &mut self.buffer);
        }

        if now < self.accept_again {
            return found;
        }
        for door in net.doors.values_mut().flatten().filter(|door| door.driver == self.id) {
            while !door.backlog.is_empty() && found.len() < COMPLETIONS_PER_REAP_MAX {
                if dials.accept_failure.happens(rng) {
                    self.accept_again = now + ACCEPT_PAUSE;
                    if !std::mem::replace(&mut self.accept_is_failing, true) {
                        let error = io::Error::from_raw_os_error(libc::EMFILE);
                        found.push(Found::Told(Completion::AcceptFailed { error }));
                    }
                    return found;
                }
                self.accept_is_failing = false;
                let wire = door.backlog.pop_front().expect("it is not empty");
                let peer = net.wires.get(wire).expect("the server's end is open").peer;
                let socket = self.sockets.insert(Socket::new(wire));
                found.push(Found::Told(Completion::Accepted { socket, peer }));
            }
        }
        found
    }
}

impl Driver for SimDriver {
    fn submit(&mut self, ops: &mut Vec<Op>) -> io::Result<()> {
        for op in ops.drain(..) {
            self.on_op(op);
        }
        Ok(())
    }

    fn reap(
        &mut self,
        _wait: Option<Duration>,
        sink: &mut dyn FnMut(Completion<'_>),
    ) -> io::Result<()> {
        self.rung.store(false, Ordering::Release);
        let mut left = COMPLETIONS_PER_REAP_MAX;
        while left > 0
            && let Some(answer) = self.answers.pop_front()
        {
            left -= 1;
            sink(answer);
        }
        if !self.answers.is_empty() {
            return Ok(());
        }
        let found = self.look();
        let mut received = std::mem::take(&mut self.buffer);
        received.resize(received.len() + SLACK_BYTES, 0);
        let mut start = 0;
        for found in found {
            match found {
                Found::Told(completion) => sink(completion),
                Found::Received { socket, count } => {
                    let bytes = Lent::new(&mut received[start..], count);
                    sink(Completion::Received { socket, bytes });
                    start += count;
                }
            }
        }
        self.buffer = received;
        Ok(())
    }

    fn waker(&self) -> Waker {
        let rung = Arc::clone(&self.rung);
        Waker::new(move || rung.store(true, Ordering::Release))
    }

    fn pollable(&self) -> Option<RawFd> {
        None
    }

    fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addrs.clone()
    }

    fn name(&self) -> &'static str {
        "sim"
    }
}

impl Drop for SimDriver {
    fn drop(&mut self) {
        let mut net = self.net.lock();
        net.stop_listening(self.id);
        for (_, socket) in self.sockets.iter() {
            net.close(socket.wire, Side::Server, true);
        }
    }
}

/// What a socket may know of the world while it looks at its wire.
struct World<'a> {
    now: Moment,
    dials: &'a Dials,
    rng: &'a mut Rng,
}

impl Socket {
    fn new(wire: SocketKey) -> Self {
        Self {
            wire,
            batch: None,
            is_ending: false,
            is_ended: false,
            is_paused: false,
            is_finished: false,
            is_lost: false,
        }
    }

    fn end_if_due(&mut self, wire: Option<&mut Wire>) {
        if self.is_ending && self.batch.is_none() {
            self.is_ending = false;
            self.is_ended = true;
            if let Some(wire) = wire {
                wire.server_fin = true;
            }
        }
    }

    fn look(
        &mut self,
        key: SocketKey,
        wire: &mut Wire,
        world: &mut World<'_>,
        found: &mut Vec<Found>,
        buffer: &mut Vec<u8>,
    ) {
        if self.is_lost {
            return;
        }
        meddle(wire, world);
        self.look_outward(key, wire, world, found);
        if !self.is_lost && !self.is_paused && !self.is_finished {
            self.look_inward(key, wire, world, found, buffer);
        }
    }

    /// Moves the batch on, as far as the window allows.
    fn look_outward(
        &mut self,
        key: SocketKey,
        wire: &mut Wire,
        world: &mut World<'_>,
        found: &mut Vec<Found>,
    ) {
        let mut is_blocked = false;
        if let Some(mut batch) = self.batch.take() {
            let room = wire.room(world.now);
            let mut count = batch.remaining().len().min(room);
            is_blocked = count < batch.remaining().len() && room == 0;
            if world.dials.late_send.happens(world.rng) {
                count = 0;
            } else if count > 1 && world.dials.short_send.happens(world.rng) {
                count = 1 + world.rng.below(count as u64 - 1) as usize;
            }
            if wire.broken.is_none() {
                wire.send(&batch.remaining()[..count]);
                batch.advance(count);
            }
            let result = match wire.broken {
                // A reset that this very send provoked is heard of later, as in TCP.
                _ if batch.remaining().is_empty() => Ok(()),
                Some(error) => Err(error),
                None => {
                    self.batch = Some(batch);
                    wire.check_stall(world.now, is_blocked);
                    return;
                }
            };
            found.push(Found::Told(Completion::Sent { socket: key, batch, result }));
            if let Err(error) = result {
                self.is_lost = true;
                found.push(Found::Told(Completion::Lost { socket: key, error }));
                return;
            }
            self.end_if_due(Some(wire));
        }
        wire.check_stall(world.now, is_blocked);
    }

    fn look_inward(
        &mut self,
        key: SocketKey,
        wire: &mut Wire,
        world: &mut World<'_>,
        found: &mut Vec<Found>,
        buffer: &mut Vec<u8>,
    ) {
        let unread = wire.unread_server();
        if wire.vanished {
            if let Some(error) = wire.broken {
                self.lose(key, error, found);
            }
        } else if unread > 0 && wire.broken.is_none() {
            if world.dials.late_receive.happens(world.rng) {
                return;
            }
            let mut count = unread.min(RECEIVE_BYTES_MAX);
            if count > 1 && world.dials.split_receive.happens(world.rng) {
                count = 1 + world.rng.below(count as u64 - 1) as usize;
            }
            let start = buffer.len();
            buffer.resize(start + count, 0);
            wire.receive(&mut buffer[start..]);
            found.push(Found::Received { socket: key, count });
        } else if let Some(error) = wire.broken {
            self.lose(key, error, found);
        } else if wire.client_fin {
            self.is_finished = true;
            found.push(Found::Told(Completion::Finished { socket: key }));
        }
    }

    fn lose(&mut self, key: SocketKey, error: ErrorKind, found: &mut Vec<Found>) {
        self.is_lost = true;
        found.push(Found::Told(Completion::Lost { socket: key, error }));
    }
}

/// Lets the network do its worst to one wire.
fn meddle(wire: &mut Wire, world: &mut World<'_>) {
    let World { now, dials, rng } = world;
    if dials.reset.happens(rng) && !wire.vanished {
        wire.reset();
    }
    if dials.finish.happens(rng) && !wire.vanished {
        wire.cut(rng.below(wire.unread_server() as u64 + 1) as usize);
    }
    if dials.vanish.happens(rng) {
        wire.vanished = true;
    }
    if dials.zero_window.happens(rng) && *now >= wire.window_shut_until {
        let longest = u64::try_from(dials.zero_window_max.as_nanos()).unwrap_or(u64::MAX);
        wire.window_shut_until = *now + Duration::from_nanos(rng.below(longest.max(1)));
    }
}

/// `Sent`, `Lost` or `Received`: what one look at a socket finds at most.
const COMPLETIONS_PER_SOCKET_MAX: usize = 2;
const RECEIVE_BYTES_MAX: usize = 64 * 1024;
