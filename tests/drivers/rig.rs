//! A driver under test, the ground it stands on, and what its shard would hear.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tickhub::base::{Batch, HashMap, Keyed as _, Lent, SLACK_BYTES, Shared, SocketKey};
pub(crate) use tickhub::io::sim::Read;
use tickhub::io::sim::{Dials, SimNet, SimPeer};
use tickhub::io::{Completion, Descriptor, Driver, DriverChoice, Listener, Op};

/// Longest that anything in the suite may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where drivers and clients meet.
pub(crate) trait Ground: Sized {
    /// Whether a kernel is involved.
    const IS_REAL: bool;
    const NAME: &'static str;
    fn open() -> io::Result<Self>;
    fn driver(&self, doors: usize) -> Box<dyn Driver>;
    fn connect(&self, addr: SocketAddr) -> io::Result<Box<dyn End>>;
    /// Makes accepting fail, or work again, where that can be done without harm.
    fn set_accept_failing(&self, failing: bool);
}

/// The client's end of a connection. Nothing waits.
pub(crate) trait End {
    fn addr(&self) -> SocketAddr;
    fn write(&mut self, bytes: &[u8]) -> usize;
    fn read(&mut self, max: usize, into: &mut Vec<u8>) -> Read;
    fn shutdown(&mut self);
    fn reset(self: Box<Self>);
}

pub(crate) struct Epoll;
pub(crate) struct Uring;
pub(crate) struct Sim(pub(crate) SimNet);

fn real_driver(choice: DriverChoice, doors: usize) -> io::Result<Box<dyn Driver>> {
    let any = "127.0.0.1:0".parse().expect("an address");
    let listeners = (0..doors).map(|_| Listener::bind(any)).collect::<io::Result<_>>()?;
    tickhub::io::open(choice, listeners)
}

macro_rules! real_ground {
    ($ground:ident, $choice:expr, $name:literal) => {
        impl Ground for $ground {
            const IS_REAL: bool = true;
            const NAME: &'static str = $name;
            fn open() -> io::Result<Self> {
                real_driver($choice, 0).map(|_| Self)
            }
            fn driver(&self, doors: usize) -> Box<dyn Driver> {
                real_driver($choice, doors).expect("it opened once")
            }
            fn connect(&self, addr: SocketAddr) -> io::Result<Box<dyn End>> {
                let stream = TcpStream::connect(addr)?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            fn set_accept_failing(&self, _failing: bool) {}
        }
    };
}
real_ground!(Epoll, DriverChoice::Epoll, "epoll");
real_ground!(Uring, DriverChoice::Uring, "uring");

impl Ground for Sim {
    const IS_REAL: bool = false;
    const NAME: &'static str = "sim";
    fn open() -> io::Result<Self> {
        Ok(Self(SimNet::new(1, Dials::default())))
    }
    fn driver(&self, doors: usize) -> Box<dyn Driver> {
        let any = "127.0.0.1:0".parse().expect("an address");
        Box::new(self.0.driver(&vec![any; doors]))
    }
    fn connect(&self, addr: SocketAddr) -> io::Result<Box<dyn End>> {
        Ok(Box::new(self.0.connect(addr)?))
    }
    fn set_accept_failing(&self, failing: bool) {
        let accept_failure = tickhub::io::sim::OneIn(u32::from(failing));
        self.0.set_dials(Dials { accept_failure, ..Dials::default() });
    }
}

impl End for TcpStream {
    fn addr(&self) -> SocketAddr {
        self.local_addr().expect("a bound socket")
    }
    fn write(&mut self, bytes: &[u8]) -> usize {
        match io::Write::write(self, bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("the client cannot write: {error}"),
        }
    }
    fn read(&mut self, max: usize, into: &mut Vec<u8>) -> Read {
        let start = into.len();
        into.resize(start + max, 0);
        let result = io::Read::read(self, &mut into[start..]);
        into.truncate(start + result.as_ref().copied().unwrap_or(0));
        match result {
            Ok(0) => Read::End,
            Ok(count) => Read::Bytes(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Nothing,
            Err(_) => Read::Broken,
        }
    }
    fn shutdown(&mut self) {
        TcpStream::shutdown(self, Shutdown::Write).expect("an open socket");
    }
    fn reset(self: Box<Self>) {
        SockRef::from(&*self).set_linger(Some(Duration::ZERO)).expect("an open socket");
    }
}

impl End for SimPeer {
    fn addr(&self) -> SocketAddr {
        self.addr()
    }
    fn write(&mut self, bytes: &[u8]) -> usize {
        SimPeer::write(self, bytes)
    }
    fn read(&mut self, max: usize, into: &mut Vec<u8>) -> Read {
        SimPeer::read(self, max, into)
    }
    fn shutdown(&mut self) {
        SimPeer::shutdown(self);
    }
    fn reset(self: Box<Self>) {
        SimPeer::reset(&self);
    }
}

/// A completion that was heard.
#[derive(Debug)]
pub(crate) enum Heard {
    Accepted(SocketKey, SocketAddr),
    AcceptFailed,
    Received(SocketKey, Vec<u8>),
    Finished(SocketKey),
    Sent(SocketKey, Result<(), ErrorKind>),
    Lost(SocketKey),
    Closed(SocketKey),
    Detached(SocketKey, Option<Descriptor>),
}

/// What the contract allows a socket to be told next.
#[derive(Default)]
struct Life {
    is_finished: bool,
    is_lost: bool,
    is_closing: bool,
    is_detaching: bool,
    in_flight: Option<Shared>,
}

/// Holds every completion against the contract.
#[derive(Default)]
struct Monitor {
    lives: HashMap<SocketKey, Life>,
    tenants: HashMap<u32, SocketKey>,
}

impl Monitor {
    fn on_op(&mut self, op: &Op) {
        match op {
            Op::Send { socket, batch } => {
                if let Some(life) = self.lives.get_mut(socket) {
                    assert!(life.in_flight.is_none(), "the test sends one batch at a time");
                    life.in_flight = Some(batch.clone().into_shared());
                }
            }
            Op::Close { socket, .. } => {
                if let Some(life) = self.lives.get_mut(socket) {
                    life.is_closing = true;
                }
            }
            Op::Detach { socket } => {
                if let Some(life) = self.lives.get_mut(socket) {
                    life.is_detaching = true;
                }
            }
            _ => {}
        }
    }

    fn life(&mut self, key: SocketKey) -> &mut Life {
        self.lives.get_mut(&key).unwrap_or_else(|| panic!("{key:?} is stale and was told of"))
    }

    fn end(&mut self, key: SocketKey) {
        let life = self.lives.remove(&key).expect("only a living socket ends");
        assert!(life.in_flight.is_none(), "the batch of {key:?} comes back before its end");
        assert_eq!(self.tenants.remove(&key.slot()), Some(key));
    }

    fn hear(&mut self, completion: Completion<'_>) -> Heard {
        match completion {
            Completion::Accepted { socket, peer } => {
                assert!(self.lives.insert(socket, Life::default()).is_none(), "keys are unique");
                let former = self.tenants.insert(socket.slot(), socket);
                assert_eq!(former, None, "a slot has one tenant at a time");
                Heard::Accepted(socket, peer)
            }
            Completion::AcceptFailed { .. } => Heard::AcceptFailed,
            Completion::Received { socket, bytes } => {
                let life = self.life(socket);
                assert!(!life.is_finished && !life.is_lost && !life.is_closing);
                Heard::Received(socket, read_with_slack(bytes))
            }
            Completion::Finished { socket } => {
                let life = self.life(socket);
                assert!(!life.is_finished && !life.is_lost && !life.is_closing);
                life.is_finished = true;
                Heard::Finished(socket)
            }
            Completion::Sent { socket, batch, result } => {
                let life = self.life(socket);
                let sent = life.in_flight.take().expect("only what was sent comes back, once");
                assert_eq!(result.is_ok(), batch.remaining().is_empty(), "whole or an error");
                assert!(sent.same(&batch.into_shared()), "the same batch comes back");
                Heard::Sent(socket, result)
            }
            Completion::Lost { socket, .. } => {
                let life = self.life(socket);
                assert!(!life.is_lost && !life.is_closing);
                life.is_lost = true;
                Heard::Lost(socket)
            }
            Completion::Closed { socket } => {
                let life = self.life(socket);
                assert!(life.is_closing || (life.is_detaching && life.is_lost));
                self.end(socket);
                Heard::Closed(socket)
            }
            Completion::Detached { socket, descriptor } => {
                let life = self.life(socket);
                assert!(life.is_detaching && !life.is_lost && !life.is_closing);
                self.end(socket);
                Heard::Detached(socket, Some(descriptor))
            }
        }
    }
}

/// Copies lent bytes, after reading the slack behind them as simd-json would.
fn read_with_slack(bytes: Lent<'_>) -> Vec<u8> {
    let len = bytes.len();
    assert!(len > 0, "nothing is not received");
    let bytes = bytes.into_bytes();
    for offset in 0..SLACK_BYTES {
        // SAFETY: the contract promises this memory to be readable; a sanitizer would object.
        let byte = unsafe { bytes.as_ptr().add(len + offset).read_volatile() };
        std::hint::black_box(byte);
    }
    let copy = bytes.to_vec();
    // What is lent may be written to, whatever was in it.
    bytes.fill(0xAA);
    copy
}

/// A driver, its ground, and all that was heard.
pub(crate) struct Rig<G> {
    pub(crate) ground: G,
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) heard: Vec<Heard>,
    /// Completions of the latest reap.
    pub(crate) latest: usize,
    monitor: Monitor,
}

impl<G: Ground> Rig<G> {
    pub(crate) fn new(ground: G) -> Self {
        let driver = ground.driver(1);
        Self { driver, ground, heard: Vec::new(), latest: 0, monitor: Monitor::default() }
    }

    /// A second driver on the same ground, without doors.
    pub(crate) fn beside(&self) -> Rig<Borrowed<'_, G>> {
        let driver = self.ground.driver(0);
        let ground = Borrowed(&self.ground);
        Rig { driver, ground, heard: Vec::new(), latest: 0, monitor: Monitor::default() }
    }

    pub(crate) fn submit(&mut self, op: Op) {
        self.submit_all(vec![op]);
    }

    pub(crate) fn submit_all(&mut self, mut ops: Vec<Op>) {
        for op in &ops {
            self.monitor.on_op(op);
        }
        self.driver.submit(&mut ops).expect("a driver takes operations");
        assert!(ops.is_empty());
    }

    pub(crate) fn reap(&mut self, wait: Option<Duration>) {
        let before = self.heard.len();
        let (heard, monitor) = (&mut self.heard, &mut self.monitor);
        self.driver
            .reap(wait, &mut |completion| heard.push(monitor.hear(completion)))
            .expect("a driver reaps");
        self.latest = self.heard.len() - before;
        assert!(self.latest <= 5000, "a reap is bounded");
        let received = self.heard[before..].iter().map(|heard| match heard {
            Heard::Received(_, bytes) => bytes.len(),
            _ => 0,
        });
        assert!(received.sum::<usize>() <= RECEIVED_PER_REAP_BYTES_MAX, "a reap is bounded");
    }

    /// Reaps until `is_done`, or fails with `what`.
    pub(crate) fn until(&mut self, what: &str, mut is_done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_done(self) {
            assert!(Instant::now() < end, "in vain: {what}; heard {:?}", self.summary());
            self.reap(Some(Duration::from_millis(5)));
        }
    }

    /// Reaps for a while, to hear what should not come.
    pub(crate) fn idle(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.reap(Some(Duration::from_millis(5)));
        }
    }

    fn summary(&self) -> Vec<String> {
        let last = self.heard.iter().rev().take(12);
        last.map(|heard| format!("{heard:?}").chars().take(120).collect()).collect()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.driver.local_addrs()[0]
    }

    /// A client and the key of its socket.
    pub(crate) fn pair(&mut self) -> (Box<dyn End>, SocketKey) {
        let end = self.ground.connect(self.addr()).expect("somebody listens");
        let addr = end.addr();
        self.until("a newcomer is accepted", |rig| rig.key_of(addr).is_some());
        let key = self.key_of(addr).expect("it was just found");
        (end, key)
    }

    pub(crate) fn pairs(&mut self, count: usize) -> Vec<(Box<dyn End>, SocketKey)> {
        (0..count).map(|_| self.pair()).collect()
    }

    pub(crate) fn key_of(&self, addr: SocketAddr) -> Option<SocketKey> {
        self.heard.iter().rev().find_map(|heard| match heard {
            Heard::Accepted(key, peer) if *peer == addr => Some(*key),
            _ => None,
        })
    }

    pub(crate) fn send(&mut self, socket: SocketKey, bytes: &[u8]) {
        self.submit(send(socket, bytes));
    }

    pub(crate) fn close(&mut self, socket: SocketKey) {
        self.submit(Op::Close { socket, reset: false });
        self.until("a close is answered", |rig| rig.is_closed(socket));
    }

    pub(crate) fn is_closed(&self, key: SocketKey) -> bool {
        self.heard.iter().any(|heard| matches!(heard, Heard::Closed(k) if *k == key))
    }

    pub(crate) fn is_finished(&self, key: SocketKey) -> bool {
        self.heard.iter().any(|heard| matches!(heard, Heard::Finished(k) if *k == key))
    }

    pub(crate) fn is_lost(&self, key: SocketKey) -> bool {
        self.heard.iter().any(|heard| matches!(heard, Heard::Lost(k) if *k == key))
    }

    pub(crate) fn received(&self, key: SocketKey) -> Vec<u8> {
        let mut all = Vec::new();
        for heard in &self.heard {
            if let Heard::Received(k, bytes) = heard
                && *k == key
            {
                all.extend_from_slice(bytes);
            }
        }
        all
    }

    pub(crate) fn sent(&self, key: SocketKey) -> Vec<Result<(), ErrorKind>> {
        let mut all = Vec::new();
        for heard in &self.heard {
            if let Heard::Sent(k, result) = heard
                && *k == key
            {
                all.push(*result);
            }
        }
        all
    }

    /// Whether a batch may be sent.
    pub(crate) fn is_idle(&self, key: SocketKey) -> bool {
        self.monitor.lives.get(&key).is_some_and(|life| life.in_flight.is_none())
    }

    /// Writes all of `bytes` from the client while the driver works.
    pub(crate) fn feed(&mut self, end: &mut Box<dyn End>, bytes: &[u8]) {
        let mut written = 0;
        self.until("the client's bytes are taken", |_| {
            written += end.write(&bytes[written..]);
            written == bytes.len()
        });
    }

    /// Reads exactly `count` bytes at the client while the driver works.
    pub(crate) fn read(&mut self, end: &mut Box<dyn End>, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.until("the client gets its bytes", |_| {
            while bytes.len() < count
                && let Read::Bytes(_) = end.read(count - bytes.len(), &mut bytes)
            {}
            bytes.len() == count
        });
        bytes
    }

    /// What the client reads when nothing is left to read.
    pub(crate) fn read_to_end(&mut self, end: &mut Box<dyn End>) -> (Vec<u8>, Read) {
        let (mut bytes, mut last) = (Vec::new(), Read::Nothing);
        self.until("the client sees an end", |_| {
            loop {
                last = end.read(1 << 16, &mut bytes);
                match last {
                    Read::Bytes(_) => {}
                    Read::Nothing => return false,
                    Read::End | Read::Broken => return true,
                }
            }
        });
        (bytes, last)
    }

    pub(crate) fn detached(&mut self, socket: SocketKey) -> Descriptor {
        self.submit(Op::Detach { socket });
        let mut taken = None;
        self.until("a socket is detached", |rig| {
            for heard in &mut rig.heard {
                if let Heard::Detached(key, descriptor) = heard
                    && *key == socket
                {
                    taken = descriptor.take();
                }
            }
            taken.is_some()
        });
        taken.expect("it was just found")
    }
}

/// A ground that somebody else owns.
pub(crate) struct Borrowed<'a, G>(&'a G);

impl<G: Ground> Ground for Borrowed<'_, G> {
    const IS_REAL: bool = G::IS_REAL;
    const NAME: &'static str = G::NAME;
    fn open() -> io::Result<Self> {
        unreachable!("a borrowed ground is open")
    }
    fn driver(&self, doors: usize) -> Box<dyn Driver> {
        self.0.driver(doors)
    }
    fn connect(&self, addr: SocketAddr) -> io::Result<Box<dyn End>> {
        self.0.connect(addr)
    }
    fn set_accept_failing(&self, failing: bool) {
        self.0.set_accept_failing(failing);
    }
}

pub(crate) fn send(socket: SocketKey, bytes: &[u8]) -> Op {
    Op::Send { socket, batch: Batch::whole(Shared::new(bytes.to_vec())) }
}

/// Bytes that tell their place, so that loss and disorder show.
pub(crate) fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|place| ((place + seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// No driver reads more in one reap; the time of a turn depends on it.
const RECEIVED_PER_REAP_BYTES_MAX: usize = 8 << 20;

/// More than any socket takes without a reader.
pub(crate) const MORE_THAN_A_WINDOW: usize = 24 * 1024 * 1024;
