//! Queueing: for one connection, or for an audience, for which a message is encoded once.

use super::closed::Closed;
use super::registry::Registry;
use crate::base::{ConnectionKey, Pool, Shared};
use crate::protocol::hub_protocol::HubProtocolKind;
use crate::protocol::websocket::deflate::{WINDOW_BITS_MIN, WINDOWS};
use crate::protocol::websocket::{self, Kind};
use crate::transport::{Codecs, Connection, Framing, Overflow};

/// What became of one send.
///
/// Queued means that the bytes wait for the client's socket; a client that vanishes later does
/// not get them.
#[must_use = "a send can reach nobody; drop the result on purpose with `let _ =` or ignore it with `.ignore()`"]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Connections for which the message was queued.
    pub queued: u32,
    /// Connections that read so slowly that the message was one too many: they end.
    pub refused: u32,
}

impl Delivery {
    /// Says that it does not matter who was reached.
    pub fn ignore(self) {}
}

impl Registry {
    /// Whether streams may go on to write for a connection.
    pub(super) fn takes_items(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|connection| connection.is_open() && connection.takes_items())
    }

    /// Whether a message of so many bytes can be queued without being one too many.
    pub(super) fn has_room_for(&self, key: ConnectionKey, body_bytes: usize) -> bool {
        self.get(key).is_some_and(|connection| {
            let (bytes, most) = (connection.outbox.bytes(), connection.options.outbox.hard_bytes);
            // What waits for acknowledgements is counted by itself.
            let fits = bytes + body_bytes + FRAME_BYTES_MAX <= most;
            bytes == 0 || fits || connection.stateful.is_some()
        })
    }

    /// A stream waits until a connection takes more.
    pub(super) fn await_room(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.hub.awaits_room = true;
        }
    }

    /// Queues a control frame (a pong), outside of all limits.
    pub(crate) fn control(&mut self, key: ConnectionKey, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        self.frame.clear();
        write(&mut self.frame);
        connection.outbox.append_control(&self.frame, &mut self.pool);
        self.mark(key);
    }

    /// Queues a message that is no message of the hub (the answer to a refused handshake),
    /// outside of all limits.
    pub(crate) fn answer(&mut self, key: ConnectionKey, kind: Kind, body: &[u8]) {
        let Some(framing) = self.connections.get(key).map(|connection| connection.framing) else {
            return;
        };
        self.control(key, |out| framing.write(out, kind, body));
    }

    /// Queues one message that `write` encodes for one connection.
    ///
    /// A message that cannot be written is told to the caller and nothing is queued.
    pub(crate) fn queue<E>(
        &mut self,
        key: ConnectionKey,
        kind: Kind,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Delivery, E> {
        let mut body = std::mem::take(&mut self.bodies[0]);
        body.clear();
        let queued = write(&mut body).map(|()| self.queue_encoded(key, kind, &body));
        if body.capacity() <= SCRATCH_BYTES_MAX {
            self.bodies[0] = body;
        }
        queued
    }

    /// Queues one encoded message for one connection.
    pub(super) fn queue_encoded(
        &mut self,
        key: ConnectionKey,
        kind: Kind,
        body: &[u8],
    ) -> Delivery {
        let Some(connection) = self.connections.get_mut(key) else { return Delivery::default() };
        if !connection.is_open() {
            return Delivery::default();
        }
        let queued = if connection.stateful.is_some() {
            let framing = connection.framing;
            let frame = self.pool.fill(|bytes| framing.write(bytes, kind, body));
            self.kept.queue(connection, frame, body.len(), self.now)
        } else {
            append(connection, kind, body, &mut self.frame, &mut self.pool, &mut self.codecs)
        };
        if queued.is_err() {
            self.end(key, Closed::TooSlow(OUTBOX_FULL));
            return Delivery { queued: 0, refused: 1 };
        }
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(key);
        }
        self.counters.sent += 1;
        Delivery { queued: 1, refused: 0 }
    }

    /// Queues one message for everybody whom `select` names. `write` encodes it once for each hub
    /// protocol that one of them speaks.
    ///
    /// A message that cannot be written in one of these is told to the caller, and nothing is
    /// queued for anybody.
    pub(super) fn broadcast<E>(
        &mut self,
        select: impl FnOnce(&Self, &mut Vec<u32>),
        mut write: impl FnMut(HubProtocolKind, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Delivery, E> {
        self.select(select);
        let spoken = self.spoken_by_audience();
        for protocol in spoken.iter() {
            let body = &mut self.bodies[protocol.index()];
            body.clear();
            write(protocol, body)?;
        }
        let mut delivery = Delivery::default();
        for protocol in spoken.iter() {
            let part = self.deliver(kind_of(protocol), Some(protocol));
            delivery.queued += part.queued;
            delivery.refused += part.refused;
        }
        Ok(delivery)
    }

    /// Queues one message of a raw endpoint for everybody whom `select` names.
    pub(super) fn broadcast_raw(
        &mut self,
        kind: Kind,
        select: impl FnOnce(&Self, &mut Vec<u32>),
        payload: &[u8],
    ) -> Delivery {
        self.select(select);
        if self.audience.is_empty() {
            return Delivery::default();
        }
        let body = &mut self.bodies[place_of(None)];
        body.clear();
        body.extend_from_slice(payload);
        self.deliver(kind, None)
    }

    pub(super) fn select(&mut self, select: impl FnOnce(&Self, &mut Vec<u32>)) {
        let mut audience = std::mem::take(&mut self.audience);
        audience.clear();
        select(self, &mut audience);
        self.audience = audience;
    }

    /// The hub protocols that the audience speaks. Where only one was ever chosen nobody has to be
    /// asked.
    fn spoken_by_audience(&self) -> Protocols {
        if self.audience.is_empty() {
            return Protocols::default();
        }
        if self.spoken.iter().count() <= 1 {
            return self.spoken;
        }
        let mut spoken = Protocols::default();
        for &slot in &self.audience {
            if let Some((_, connection)) = self.connections.at_slot(slot) {
                spoken.extend(connection.hub.speaks);
            }
            if spoken == self.spoken {
                break;
            }
        }
        spoken
    }

    /// Lends the scratch memory in which messages are encoded.
    pub(super) fn take_body(&mut self) -> Vec<u8> {
        let mut body = std::mem::take(&mut self.answer);
        body.clear();
        body
    }

    /// Takes the scratch memory back.
    pub(super) fn give_body(&mut self, body: Vec<u8>) {
        if body.capacity() <= SCRATCH_BYTES_MAX {
            self.answer = body;
        }
    }

    /// Queues the body that is encoded in one hub protocol for those of the audience who speak it:
    /// framed once, shared, in slot order.
    fn deliver(&mut self, kind: Kind, speaks: Option<HubProtocolKind>) -> Delivery {
        if speaks == Some(HubProtocolKind::Classic) {
            return self.deliver_classic();
        }
        let mut delivery = Delivery::default();
        let mut slow = Vec::new();
        let body = &self.bodies[place_of(speaks)];
        let is_alone = self.audience.len() == 1;
        // The forms of a message, and behind them its compressed form for each size of window.
        let mut framed: [Option<Shared>; Framing::COUNT + WINDOWS] = Default::default();
        for &slot in &self.audience {
            let Some((key, connection)) = self.connections.at_slot_mut(slot) else { continue };
            if !connection.is_open() || connection.hub.speaks != speaks {
                continue;
            }
            let queued = if is_alone && connection.stateful.is_none() {
                let codecs = &mut self.codecs;
                append(connection, kind, body, &mut self.frame, &mut self.pool, codecs)
            } else {
                let framing = connection.framing;
                let mut window = None;
                if framing == Framing::Compressed {
                    let compressed = connection.compression.as_mut();
                    window = compressed.and_then(|compressed| compressed.share(body.len()));
                }
                let place = window.map_or(framing as usize, place_of_window);
                let shared = framed[place].get_or_insert_with(|| {
                    self.pool.fill(|bytes| match window {
                        None => framing.write(bytes, kind, body),
                        Some(bits) => self.codecs.write_shared(bytes, bits, kind, body),
                    })
                });
                if connection.stateful.is_some() {
                    self.kept.queue(connection, shared.clone(), body.len(), self.now)
                } else {
                    connection.outbox.push(shared, &connection.options.outbox)
                }
            };
            if queued.is_err() {
                slow.push(key);
                continue;
            }
            delivery.queued += 1;
            if !connection.dirty {
                connection.dirty = true;
                self.dirty.push(key);
            }
        }
        self.counters.sent += u64::from(delivery.queued);
        delivery.refused = slow.len() as u32;
        for key in slow {
            self.end(key, Closed::TooSlow(OUTBOX_FULL));
        }
        for shared in framed.into_iter().flatten() {
            self.pool.give(shared);
        }
        self.codecs.shrink(SCRATCH_BYTES_MAX);
        let body = &mut self.bodies[place_of(speaks)];
        if body.capacity() > SCRATCH_BYTES_MAX {
            *body = Vec::new();
        }
        delivery
    }
}

/// Queues a message for one connection alone, in the form of its transport.
fn append(
    connection: &mut Connection,
    kind: Kind,
    body: &[u8],
    frame: &mut Vec<u8>,
    pool: &mut Pool,
    codecs: &mut Codecs,
) -> Result<(), Overflow> {
    let (outbox, limits) = (&mut connection.outbox, &connection.options.outbox);
    if connection.framing == Framing::WebSocket {
        // The most common case by far copies the body once.
        header(frame, kind, body.len());
        return outbox.append_framed(frame, body, limits, pool);
    }
    frame.clear();
    if let Some(compressed) = &mut connection.compression
        && let Some(payload) = codecs.deflate(compressed, body)
    {
        websocket::write_compressed_header(frame, kind.into(), payload.len());
        let queued = outbox.append_framed(frame, payload, limits, pool);
        codecs.shrink(SCRATCH_BYTES_MAX);
        return queued;
    }
    connection.framing.write(frame, kind, body);
    let queued = outbox.append(frame, limits, pool);
    if frame.capacity() > SCRATCH_BYTES_MAX {
        *frame = Vec::new();
    }
    queued
}

/// A set of hub protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Protocols(u8);

impl Protocols {
    pub(super) fn extend(&mut self, protocol: Option<HubProtocolKind>) {
        self.0 |= protocol.map_or(0, |protocol| 1 << protocol.index());
    }

    fn iter(self) -> impl Iterator<Item = HubProtocolKind> {
        let all = HubProtocolKind::WITH_CLASSIC.iter().copied();
        all.filter(move |protocol| self.0 & 1 << protocol.index() != 0)
    }
}

/// Where a message for many lies that is compressed with a window of that size.
fn place_of_window(bits: u8) -> usize {
    Framing::COUNT + usize::from(bits - WINDOW_BITS_MIN)
}

/// Where a message is encoded; raw ones take the first place.
fn place_of(speaks: Option<HubProtocolKind>) -> usize {
    speaks.map_or(0, HubProtocolKind::index)
}

/// The kind of WebSocket message that carries a hub protocol (§2.5).
pub(super) fn kind_of(protocol: HubProtocolKind) -> Kind {
    if protocol.is_binary() { Kind::Binary } else { Kind::Text }
}

/// Writes the header of one WebSocket message.
fn header(out: &mut Vec<u8>, kind: Kind, body_len: usize) {
    out.clear();
    websocket::write_header(out, kind.into(), true, body_len);
}

/// The detail of [`Closed::TooSlow`] when the hard limit is the cause.
const OUTBOX_FULL: &str = "The client reads too slowly: more bytes wait for it than allowed.";

/// What a framing adds to a message at most: a WebSocket header, or an event in a chunk.
const FRAME_BYTES_MAX: usize = 64;

/// Scratch memory that grew beyond this is given back.
const SCRATCH_BYTES_MAX: usize = 1024 * 1024;
