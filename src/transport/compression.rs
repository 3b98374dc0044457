//! Compression of connections: what each of them keeps, and what a shard keeps for all.

use std::mem;

use crate::protocol::websocket::deflate::{
    Agreed, Compression, Deflater, Inflater, MessageInflater, Step, WINDOW_BITS_MAX,
    WINDOW_BITS_MIN, WINDOWS,
};
use crate::protocol::websocket::{Kind, Violation, write_compressed_header, write_header};

/// What a connection keeps on whose WebSocket compression was agreed on. Boxed: most have none.
#[derive(Debug)]
pub struct Compressed {
    agreed: Agreed,
    message_bytes_min: usize,
    contexts_max: usize,
    /// Its own window for what is sent, from the first message on that has use for it.
    deflater: Option<Deflater>,
    /// Something was sent that is not in that window.
    is_stale: bool,
    /// While a message is coming in, and between messages if the client keeps its window.
    inflater: Option<Inflater>,
    message: MessageInflater,
}

impl Compressed {
    /// Nothing was sent or received yet.
    pub fn new(agreed: Agreed, options: &Compression) -> Self {
        Self {
            agreed,
            message_bytes_min: options.message_bytes_min,
            contexts_max: options.contexts_max,
            deflater: None,
            is_stale: false,
            inflater: None,
            message: MessageInflater::default(),
        }
    }

    /// The window of a message that is compressed once for many, if a message of that length is
    /// compressed at all. The connection is sent that message, so its own window is worth nothing
    /// from now on.
    pub fn share(&mut self, body_len: usize) -> Option<u8> {
        if body_len < self.message_bytes_min {
            return None;
        }
        self.is_stale = true;
        Some(self.agreed.server_max_window_bits)
    }
}

/// What a shard keeps for all its connections: a deflater for each size of window, with which
/// messages are compressed that refer to nothing before them, and spare inflaters.
///
/// A message for many is compressed by these, once for each size of window among its audience,
/// also for those who keep a window: for them the next message begins with an empty one, which
/// an end may always do (RFC 7692 §7.2.1). To compress a broadcast for each window by itself would
/// cost as much again for every member, and one message would tell about another that only some
/// were sent.
#[derive(Debug, Default)]
pub struct Codecs {
    deflaters: [Option<Box<Deflater>>; WINDOWS],
    spare: Vec<Inflater>,
    payload: Vec<u8>,
    /// Connections with a deflater of their own.
    contexts: usize,
}

impl Codecs {
    /// The compressed form of a message for one connection, or nothing if it goes as it is.
    pub fn deflate(&mut self, to: &mut Compressed, body: &[u8]) -> Option<&[u8]> {
        if body.len() < to.message_bytes_min {
            return None;
        }
        let bits = to.agreed.server_max_window_bits;
        if to.deflater.is_none()
            && !to.agreed.server_no_context_takeover
            && self.contexts < to.contexts_max
        {
            to.deflater = Some(Deflater::new(bits));
            self.contexts += 1;
        }
        self.payload.clear();
        if let Some(own) = &mut to.deflater {
            if mem::take(&mut to.is_stale) {
                own.forget();
            }
            own.write(&mut self.payload, body);
        } else {
            self.deflate_alone(bits, body);
        }
        if self.payload.len() < body.len() {
            return Some(&self.payload);
        }
        to.is_stale = true;
        None
    }

    /// Appends a message for many as a whole frame.
    pub fn write_shared(&mut self, out: &mut Vec<u8>, bits: u8, kind: Kind, body: &[u8]) {
        self.payload.clear();
        self.deflate_alone(bits, body);
        if self.payload.len() < body.len() {
            write_compressed_header(out, kind.into(), self.payload.len());
            out.extend_from_slice(&self.payload);
        } else {
            write_header(out, kind.into(), true, body.len());
            out.extend_from_slice(body);
        }
    }

    /// Inflates from the front of `input` into `out`, as [`MessageInflater::step`].
    pub fn inflate(
        &mut self,
        from: &mut Compressed,
        input: &mut &[u8],
        last: bool,
        kind: Kind,
        out: &mut [u8],
        bytes_max: Option<u64>,
    ) -> Result<Step, Violation> {
        let keeps = !from.agreed.client_no_context_takeover;
        let bits = from.agreed.client_max_window_bits;
        let inflater = from.inflater.get_or_insert_with(|| match self.spare.pop() {
            Some(spare) if !keeps => spare,
            _ => Inflater::new(if keeps { bits } else { WINDOW_BITS_MAX }),
        });
        let step = from.message.step(inflater, input, last, kind, out, bytes_max)?;
        if !keeps
            && matches!(step, Step::Ended(_))
            && let Some(mut used) = from.inflater.take()
            && self.spare.len() < SPARE_MAX
        {
            used.forget();
            self.spare.push(used);
        }
        Ok(step)
    }

    /// A connection has ended: its memory goes, and another one may have a window.
    pub fn release(&mut self, compressed: &Compressed) {
        self.contexts -= usize::from(compressed.deflater.is_some());
    }

    /// Gives scratch memory back that has grown too large.
    pub fn shrink(&mut self, bytes_max: usize) {
        if self.payload.capacity() > bytes_max {
            self.payload = Vec::new();
        }
    }

    fn deflate_alone(&mut self, bits: u8, body: &[u8]) {
        let place = usize::from(bits - WINDOW_BITS_MIN);
        let deflater = self.deflaters[place].get_or_insert_with(|| Box::new(Deflater::new(bits)));
        deflater.forget();
        deflater.write(&mut self.payload, body);
    }
}

/// Inflaters that wait for the next message of whoever keeps no window.
const SPARE_MAX: usize = 4;
