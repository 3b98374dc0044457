//! A network made of pipes: no kernel, no clock, one seed.
//!
//! [`SimNet`] is the network. [`SimNet::driver`] gives a [`Driver`](super::Driver) to a shard and
//! [`SimNet::connect`] the other end of a connection to whoever plays the client. The same seed
//! and the same calls lead to the same completions. [`Dials`] make the network worse; all of
//! them are off at first. Time is told from outside with [`SimNet::set_now`].
//!
//! It behaves like TCP where a server could tell the difference: a window bounds what is on its
//! way in each direction, a FIN ends one direction, unread bytes turn a close into a reset, and
//! what is not acknowledged for too long breaks the connection.

mod driver;
mod peer;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::base::{Moment, Rng, SocketKey, Table};

pub use driver::SimDriver;
pub use peer::{Read, SimPeer};
use wire::{Side, Wire};

/// How likely something is: once in so many times; zero is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OneIn(pub u32);

impl OneIn {
    fn happens(self, rng: &mut Rng) -> bool {
        self.0 > 0 && rng.one_in(u64::from(self.0))
    }
}

/// What goes wrong, and how often. Everything is off by default.
#[derive(Clone, Debug, Default)]
pub struct Dials {
    /// A receive ends at any byte; the rest comes with a later one.
    pub split_receive: OneIn,
    /// What came in is held back for a reap, so that several writes arrive as one.
    pub late_receive: OneIn,
    /// The network takes only a part of what is sent, the rest later.
    pub short_send: OneIn,
    /// A send makes no progress in this reap.
    pub late_send: OneIn,
    /// The connection is reset, seen by both ends (per socket and reap).
    pub reset: OneIn,
    /// The client's direction ends at any byte, with what was to follow lost (per socket and
    /// reap).
    pub finish: OneIn,
    /// The client vanishes without a word (per socket and reap).
    pub vanish: OneIn,
    /// The client takes nothing for up to [`Dials::zero_window_max`] (per socket and reap).
    pub zero_window: OneIn,
    /// The longest time that a zero window lasts.
    pub zero_window_max: std::time::Duration,
    /// An accept fails as if for want of descriptors.
    pub accept_failure: OneIn,
    /// A reap finds nothing, although something is there.
    pub late_wake: OneIn,
    /// Sockets are looked at in random order. Order within a socket always holds.
    pub shuffle: bool,
}

/// The network: shared by its drivers and its clients.
#[derive(Clone, Debug)]
pub struct SimNet(Arc<Mutex<Net>>);

impl SimNet {
    /// A network without anybody in it.
    pub fn new(seed: u64, dials: Dials) -> Self {
        Self(Arc::new(Mutex::new(Net {
            rng: Rng::from_seed(seed),
            dials,
            now: Moment::START,
            wires: Table::default(),
            doors: BTreeMap::new(),
            drivers: 0,
            port_next: PORT_FIRST,
        })))
    }

    /// A driver that listens on `addrs` (port 0 takes a free one). Several may share an address;
    /// each newcomer is then given to one of them at random.
    pub fn driver(&self, addrs: &[SocketAddr]) -> SimDriver {
        let mut net = self.lock();
        let id = net.drivers;
        net.drivers += 1;
        let mut bound = Vec::new();
        for addr in addrs {
            let mut addr = *addr;
            if addr.port() == 0 {
                addr.set_port(net.take_port());
            }
            net.doors.entry(addr).or_default().push(Door { driver: id, backlog: VecDeque::new() });
            bound.push(addr);
        }
        drop(net);
        SimDriver::new(self.clone(), id, bound)
    }

    /// Connects a client. Refused when nobody listens on `addr`.
    pub fn connect(&self, addr: SocketAddr) -> io::Result<SimPeer> {
        let mut net = self.lock();
        let net = &mut *net;
        let port = net.take_port();
        let doors = net.doors.get_mut(&addr).filter(|doors| !doors.is_empty());
        let Some(doors) = doors else { return Err(ErrorKind::ConnectionRefused.into()) };
        let index = net.rng.below(doors.len() as u64) as usize;
        let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let wire = net.wires.insert(Wire::new(peer));
        doors[index].backlog.push_back(wire);
        Ok(SimPeer::new(self.clone(), wire))
    }

    /// Moves the clock, which never goes back.
    pub fn set_now(&self, now: Moment) {
        let mut net = self.lock();
        net.now = net.now.max(now);
    }

    /// Turns the dials.
    pub fn set_dials(&self, dials: Dials) {
        self.lock().dials = dials;
    }

    /// Connections that at least one end still knows.
    pub fn wires(&self) -> usize {
        self.lock().wires.len()
    }

    fn lock(&self) -> MutexGuard<'_, Net> {
        self.0.lock().expect("nobody panics while holding the network")
    }
}

/// The server's end of a connection between two drivers. Dropping it closes the connection.
#[derive(Debug)]
pub struct Plug {
    net: SimNet,
    wire: Option<SocketKey>,
}

impl Plug {
    /// The wire, which its taker is now responsible for.
    fn take(mut self) -> SocketKey {
        self.wire.take().expect("a plug is taken once")
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        if let Some(wire) = self.wire {
            self.net.lock().close(wire, Side::Server, false);
        }
    }
}

#[derive(Debug)]
struct Net {
    rng: Rng,
    dials: Dials,
    now: Moment,
    wires: Table<SocketKey, Wire>,
    /// Ordered, so that nothing depends on a hash.
    doors: BTreeMap<SocketAddr, Vec<Door>>,
    drivers: usize,
    port_next: u16,
}

/// One driver's listening socket.
#[derive(Debug)]
struct Door {
    driver: usize,
    backlog: VecDeque<SocketKey>,
}

impl Net {
    fn take_port(&mut self) -> u16 {
        let port = self.port_next;
        self.port_next = port.checked_add(1).unwrap_or(PORT_FIRST);
        port
    }

    /// One end gives the wire up; what nobody knows is forgotten.
    fn close(&mut self, key: SocketKey, side: Side, reset: bool) {
        let Some(wire) = self.wires.get_mut(key) else { return };
        wire.close(side, reset);
        if wire.is_forgotten() {
            self.wires.remove(key);
        }
    }

    /// Closes the listening sockets of `driver`; who waited there is reset.
    fn stop_listening(&mut self, driver: usize) {
        let mut waiting = Vec::new();
        for doors in self.doors.values_mut() {
            for door in doors.iter_mut().filter(|door| door.driver == driver) {
                waiting.extend(door.backlog.drain(..));
            }
            doors.retain(|door| door.driver != driver);
        }
        for wire in waiting {
            self.close(wire, Side::Server, true);
        }
    }
}

const PORT_FIRST: u16 = 1024;
