//! What an honest client is connected by: one socket for a WebSocket, two for the other
//! transports.
//!
//! The client itself speaks WebSocket in every case. Behind a [`Line`] that is carried it has an
//! [`Adapter`]: so every check that there is for WebSockets is one for the others too.

use super::trace::Trace;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::client::web::{Adapter, Carrier, End, Lane, Way};
use crate::io::sim::{Read, SimPeer};

/// One connection of a client.
pub(super) enum Line {
    /// A socket that becomes a WebSocket.
    Socket(SimPeer),
    /// Everything else.
    Carried(Box<Carried>),
}

/// The two sockets of a carrier, and what passes between it and the client.
pub(super) struct Carried {
    way: Way,
    /// Negotiation passes through it as it is.
    first: Option<SimPeer>,
    adapter: Adapter,
    lanes: [Option<SimPeer>; 2],
    outgoing: [Vec<u8>; 2],
    /// What the client is to read.
    incoming: Vec<u8>,
    /// How reading ends when that is empty.
    end: Option<Read>,
}

impl Line {
    /// Connects; nothing, when nobody listens.
    pub(super) fn connect(world: &World, way: Option<Way>) -> Option<Self> {
        let peer = world.connect()?;
        Some(match way {
            None => Self::Socket(peer),
            Some(way) => Self::Carried(Box::new(Carried {
                way,
                first: Some(peer),
                adapter: Adapter::new(way),
                lanes: [None, None],
                outgoing: [Vec::new(), Vec::new()],
                incoming: Vec::new(),
                end: None,
            })),
        })
    }

    /// Takes some of what the client sends; how much.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Socket(peer) => peer.write(bytes),
            Self::Carried(carried) => carried.write(bytes),
        }
    }

    /// Gives the client something to read.
    pub(super) fn read(&mut self, max: usize, into: &mut Vec<u8>) -> Read {
        match self {
            Self::Socket(peer) => peer.read(max, into),
            Self::Carried(carried) => carried.read(max, into),
        }
    }

    /// Moves bytes of sockets that the client does not know.
    pub(super) fn pump(
        &mut self,
        world: &World,
        trace: &mut Trace,
        rng: &mut Rng,
        well: bool,
    ) -> Result<bool, String> {
        match self {
            Self::Socket(_) => Ok(false),
            Self::Carried(carried) => carried.pump(world, trace, rng, well),
        }
    }

    /// When it wants to be pumped at the latest.
    pub(super) fn deadline(&self) -> Option<Moment> {
        match self {
            Self::Socket(_) => None,
            Self::Carried(carried) => carried.adapter.carrier().and_then(Carrier::deadline),
        }
    }

    /// Whether everything that the client wrote is on its way.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Carried(carried) => carried.adapter.carrier().is_none_or(Carrier::is_flushed),
        }
    }

    /// Breaks it.
    pub(super) fn reset(self) {
        match self {
            Self::Socket(peer) => peer.reset(),
            Self::Carried(carried) => {
                for peer in carried.lanes.into_iter().chain([carried.first]).flatten() {
                    peer.reset();
                }
            }
        }
    }
}

impl Carried {
    fn write(&mut self, bytes: &[u8]) -> usize {
        if !self.adapter.write(bytes) {
            return self.first.as_ref().map_or(0, |peer| peer.write(bytes));
        }
        self.adapter.read(&mut self.incoming);
        if self.adapter.carrier().is_some()
            && let Some(peer) = self.first.take()
        {
            self.lanes[Lane::Send as usize] = Some(peer);
        }
        bytes.len()
    }

    fn read(&mut self, max: usize, into: &mut Vec<u8>) -> Read {
        if !self.incoming.is_empty() {
            let count = max.min(self.incoming.len());
            into.extend(self.incoming.drain(..count));
            return Read::Bytes(count);
        }
        match (&self.end, &self.first) {
            (Some(end), _) => *end,
            (None, Some(peer)) => peer.read(max, into),
            (None, None) => Read::Nothing,
        }
    }

    fn pump(
        &mut self,
        world: &World,
        trace: &mut Trace,
        rng: &mut Rng,
        well: bool,
    ) -> Result<bool, String> {
        let now = world.now();
        let mut moved = false;
        // The sockets know nothing of each other: either may be ahead.
        let mut order = Lane::ALL;
        if rng.one_in(2) {
            order.reverse();
        }
        for lane in order {
            moved |= self.pump_lane(lane, world, trace, rng, well);
        }
        if let Some(carrier) = self.adapter.carrier_mut() {
            carrier.on_time(now);
        }
        let had = self.incoming.len();
        self.adapter.read(&mut self.incoming);
        moved |= self.incoming.len() > had;
        if self.end.is_none()
            && let Some(end) = self.adapter.end()
        {
            moved = true;
            trace.note(now, format_args!("what carried a client ended: {end:?}"));
            self.end = Some(match end {
                End::Violation(what) => return Err(format!("over {:?}: {what}", self.way)),
                End::Lost => Read::Broken,
                End::Orderly => Read::End,
            });
            self.lanes = [None, None];
        }
        Ok(moved)
    }

    fn pump_lane(
        &mut self,
        lane: Lane,
        world: &World,
        trace: &mut Trace,
        rng: &mut Rng,
        well: bool,
    ) -> bool {
        let Some(carrier) = self.adapter.carrier_mut() else { return false };
        let (peer, outgoing) = (&mut self.lanes[lane as usize], &mut self.outgoing[lane as usize]);
        let mut moved = false;
        // Some clients keep their sockets, some take a new one for each request.
        if peer.is_some() && carrier.is_idle(lane) && outgoing.is_empty() && rng.one_in(8) {
            *peer = None;
            carrier.on_lost(lane);
        }
        if carrier.wants_socket(lane) {
            moved = true;
            *peer = world.connect();
            outgoing.clear();
            match peer {
                Some(_) => carrier.on_connected(lane),
                None => carrier.on_lost(lane),
            }
        }
        carrier.fill(world.now(), lane, outgoing);
        let Some(connected) = peer else { return moved };
        if !outgoing.is_empty() {
            let part = !well && rng.one_in(4);
            let count = outgoing.len();
            let count = if part { 1 + rng.below(count as u64) as usize } else { count };
            let taken = connected.write(&outgoing[..count]);
            outgoing.drain(..taken);
            moved |= taken > 0;
        }
        let max = if well { 64 * 1024 } else { 1 + rng.below(8 * 1024) as usize };
        let mut bytes = Vec::new();
        match connected.read(max, &mut bytes) {
            Read::Nothing => {}
            Read::Bytes(_) => {
                moved = true;
                trace.bytes(&bytes);
                carrier.on_bytes(lane, &mut bytes);
                if carrier.wants_hangup(lane) {
                    *peer = None;
                }
            }
            Read::End | Read::Broken => {
                moved = true;
                *peer = None;
                carrier.on_lost(lane);
            }
        }
        moved
    }
}
