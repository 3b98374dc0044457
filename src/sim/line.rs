//! What an honest client is connected by: one socket for a WebSocket, two for the other
//! transports.
//!
//! The client itself speaks WebSocket in every case. Behind a [`Line`] that is carried, its frames
//! become POSTs, and what events or polls bring becomes frames: so every check that there is for
//! WebSockets is one for the others too.

use super::trace::Trace;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::client::web::{Carrier, End, Lane, Way};
use crate::io::sim::{Read, SimPeer};
use crate::protocol::http::Headers;
use crate::protocol::websocket::{
    self, Decoder, Event, Limits, OpCode, Role, write_frame, write_response,
};

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
    /// The request that asks for a WebSocket, until it is whole.
    head: Vec<u8>,
    carrier: Option<Carrier>,
    lanes: [Option<SimPeer>; 2],
    outgoing: [Vec<u8>; 2],
    decoder: Decoder,
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
                head: Vec::new(),
                carrier: None,
                lanes: [None, None],
                outgoing: [Vec::new(), Vec::new()],
                decoder: Decoder::new(Role::Server),
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
            Self::Carried(carried) => carried.carrier.as_ref().and_then(Carrier::deadline),
        }
    }

    /// Whether everything that the client wrote is on its way.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Carried(carried) => carried.carrier.as_ref().is_none_or(Carrier::is_flushed),
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
        if self.carrier.is_some() {
            self.on_frames(bytes);
            return bytes.len();
        }
        if self.head.is_empty() && !bytes.starts_with(b"GET ") {
            return self.first.as_ref().map_or(0, |peer| peer.write(bytes));
        }
        self.head.extend_from_slice(bytes);
        if self.head.ends_with(b"\r\n\r\n") {
            self.upgrade();
        }
        bytes.len()
    }

    /// The client asks for its WebSocket: it is told that it has one.
    fn upgrade(&mut self) {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let key = key.unwrap_or_default();
        write_response(&mut self.incoming, key, None, None, &Headers::default());
        self.carrier = Some(Carrier::new(self.way, "sim", target));
        // The socket of the negotiation is as good as any other for the first POST.
        if let Some(peer) = self.first.take()
            && let Some(carrier) = &mut self.carrier
        {
            carrier.on_connected(Lane::Send);
            self.lanes[Lane::Send as usize] = Some(peer);
        }
    }

    fn on_frames(&mut self, bytes: &[u8]) {
        let Some(carrier) = &mut self.carrier else { return };
        let mut bytes = bytes.to_vec();
        let mut input = bytes.as_mut_slice();
        let limits = Limits { message_bytes_max: None, fragments_max: u32::MAX };
        while let Some(event) = self.decoder.next(&mut input, &limits).expect("our own client") {
            match event {
                Event::Data { bytes, .. } => carrier.send(bytes),
                Event::Close { .. } => carrier.close(),
                Event::Ping(_) | Event::Pong(_) => {}
            }
        }
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
        let Some(carrier) = &mut self.carrier else { return Ok(moved) };
        carrier.on_time(now);
        let mut received = Vec::new();
        carrier.take_received(&mut received);
        if !received.is_empty() {
            moved = true;
            write_frame(&mut self.incoming, OpCode::Binary, &received);
        }
        if self.end.is_none()
            && let Some(end) = carrier.end()
        {
            moved = true;
            trace.note(now, format_args!("what carried a client ended: {end:?}"));
            self.end = Some(match end {
                End::Violation(what) => return Err(format!("over {:?}: {what}", self.way)),
                End::Lost => Read::Broken,
                End::Orderly => {
                    websocket::write_frame(&mut self.incoming, OpCode::Close, &CLOSE);
                    Read::End
                }
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
        let Some(carrier) = &mut self.carrier else { return false };
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

const CLOSE: [u8; 2] = 1000_u16.to_be_bytes();
