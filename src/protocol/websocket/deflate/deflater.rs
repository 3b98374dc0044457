//! Messages on their way out.

use flate2::{Compress, Compression as Level, FlushCompress};

use super::TAIL;

/// Compresses messages one after the other, each with the window of those before it.
#[derive(Debug)]
pub struct Deflater {
    stream: Compress,
    /// The window is empty.
    is_fresh: bool,
}

impl Deflater {
    /// An empty window of 2^`window_bits` bytes.
    ///
    /// # Panics
    ///
    /// When `window_bits` is not 9 to 15.
    pub fn new(window_bits: u8) -> Self {
        let stream = Compress::new_with_window_bits(Level::new(LEVEL), false, window_bits);
        Self { stream, is_fresh: true }
    }

    /// Empties the window: the next message refers to nothing before it.
    pub fn forget(&mut self) {
        if !self.is_fresh {
            self.stream.reset();
            self.is_fresh = true;
        }
    }

    /// Appends the compressed `body` of one message, without the tail.
    pub fn write(&mut self, out: &mut Vec<u8>, body: &[u8]) {
        if body.is_empty() {
            // An empty block; the library has nothing to flush (RFC 7692 §7.2.3.6).
            out.push(0);
            return;
        }
        self.is_fresh = false;
        let mut rest = body;
        loop {
            // Room is left when all was written. With less than this much the flush would begin
            // again and again.
            out.reserve(rest.len() / 2 + STEP_BYTES_MIN);
            let before = self.stream.total_in();
            self.stream
                .compress_vec(rest, out, FlushCompress::Sync)
                .expect("the stream is never finished, so nothing can go wrong");
            rest = &rest[(self.stream.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        debug_assert!(out.ends_with(&TAIL), "a flush ends with an empty block");
        out.truncate(out.len() - TAIL.len());
    }
}

/// Six, as most servers: the ratio hardly grows beyond it.
const LEVEL: u32 = 6;

/// The least room for one call of the library.
const STEP_BYTES_MIN: usize = 64;
