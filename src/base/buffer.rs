//! Bytes on their way: lent by a driver on the way in, shared by many sockets on the way out.

use std::fmt;
use std::sync::Arc;

/// Readable bytes that follow every [`Lent`] slice, because simd-json parses a buffer in place
/// only when it may read that far past its end.
pub const SLACK_BYTES: usize = 64;

/// Received bytes, lent for the length of one call and writable, so that a protocol can unmask
/// and unescape in place. [`SLACK_BYTES`] of readable memory follow them.
pub struct Lent<'a> {
    memory: &'a mut [u8],
    len: usize,
}

impl<'a> Lent<'a> {
    /// Lends the first `len` bytes of `memory`, which is at least [`SLACK_BYTES`] longer.
    pub fn new(memory: &'a mut [u8], len: usize) -> Self {
        assert!(memory.len() >= len + SLACK_BYTES, "slack follows what is lent");
        Self { memory, len }
    }

    /// The received bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }

    /// The received bytes for as long as they are lent.
    pub fn into_bytes(self) -> &'a mut [u8] {
        &mut self.memory[..self.len]
    }

    /// How many bytes were received.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was received.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lent({} bytes)", self.len)
    }
}

/// Bytes that were written once and are then read by many: a reference-counted vector.
///
/// A vector (and not a boxed slice), so that a [`Pool`] can use its memory again.
#[derive(Clone, Default)]
pub struct Shared(Arc<Vec<u8>>);

impl Shared {
    /// Shares `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }

    /// The vector itself, while nobody else refers to it.
    pub fn only(&mut self) -> Option<&mut Vec<u8>> {
        // `get_mut` locks the count of weak references first. A broadcast asks this twice for
        // each recipient, and nearly always others have the frame too: a plain load tells so.
        if Arc::strong_count(&self.0) > 1 {
            return None;
        }
        Arc::get_mut(&mut self.0)
    }

    /// Whether both are the same memory.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} bytes)", self.len())
    }
}

/// Buffers that were used and will be used again, so that the steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Shared>,
}

impl Pool {
    /// Buffers kept at most; what comes back beyond that is freed.
    const BUFFERS_MAX: usize = 1024;
    /// A buffer that grew beyond this is freed, not kept.
    const BUFFER_BYTES_MAX: usize = 64 * 1024;

    /// An empty buffer that nobody else refers to.
    pub fn take(&mut self) -> Shared {
        self.free.pop().unwrap_or_default()
    }

    /// Fills a buffer and shares it.
    pub fn fill(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Shared {
        let mut shared = self.take();
        write(shared.only().expect("a pooled buffer has one owner"));
        shared
    }

    /// Takes a buffer back, if this was the last reference to it.
    pub fn give(&mut self, mut shared: Shared) {
        if self.free.len() >= Self::BUFFERS_MAX {
            return;
        }
        if let Some(bytes) = shared.only()
            && bytes.capacity() > 0
            && bytes.capacity() <= Self::BUFFER_BYTES_MAX
        {
            bytes.clear();
            self.free.push(shared);
        }
    }
}

/// What one send operation carries: a part of some shared bytes.
///
/// It moves into a driver with the operation and comes back with its completion, so memory that
/// the kernel may read is always owned by the driver. Always contiguous: sixteen pieces in one
/// `writev` cost more than copying them together, up to about 1 KiB.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Shared,
    start: usize,
    end: usize,
}

impl Batch {
    /// The part `start..end` of `bytes`.
    pub fn new(bytes: Shared, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= bytes.len(), "a batch lies within its bytes");
        Self { bytes, start, end }
    }

    /// All of `bytes`.
    pub fn whole(bytes: Shared) -> Self {
        let end = bytes.len();
        Self { bytes, start: 0, end }
    }

    /// What is still to be sent.
    pub fn remaining(&self) -> &[u8] {
        &self.bytes.as_slice()[self.start..self.end]
    }

    /// Marks the first `count` remaining bytes as sent.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "no more is sent than remains");
        self.start += count;
    }

    /// The shared bytes, for their pool.
    pub fn into_shared(self) -> Shared {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_reuses_only_what_nobody_holds() {
        let mut pool = Pool::default();
        let held = pool.fill(|bytes| bytes.extend_from_slice(b"abc"));
        pool.give(held.clone());
        assert!(pool.free.is_empty());
        pool.give(held);
        assert_eq!(pool.free.len(), 1);
        assert!(pool.take().is_empty());
    }

    #[test]
    fn a_batch_counts_down() {
        let mut batch = Batch::new(Shared::new(b"abcdef".to_vec()), 1, 5);
        batch.advance(2);
        assert_eq!(batch.remaining(), b"de");
    }
}
