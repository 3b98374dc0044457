//! Messages on their way in.

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use crate::protocol::websocket::{Kind, Utf8, Violation};

/// Inflates one direction of one socket.
#[derive(Debug)]
pub struct Inflater {
    stream: Decompress,
}

impl Inflater {
    /// An empty window of 2^`window_bits` bytes.
    ///
    /// # Panics
    ///
    /// When `window_bits` is not 9 to 15.
    pub fn new(window_bits: u8) -> Self {
        Self { stream: Decompress::new_with_window_bits(false, window_bits) }
    }

    /// Empties the window.
    pub fn forget(&mut self) {
        self.stream.reset(false);
    }

    /// Inflates what there is into what room there is: bytes read, bytes written, and whether the
    /// client has ended the whole stream.
    fn read(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize, bool), Violation> {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self
            .stream
            .decompress(input, out, FlushDecompress::None)
            .map_err(|_| Violation { code: 1007, text: "a message is not compressed properly" })?;
        let read = (self.stream.total_in() - read) as usize;
        let written = (self.stream.total_out() - written) as usize;
        Ok((read, written, status == Status::StreamEnd))
    }
}

/// Where the message that is coming in stands: counted and checked as it is inflated, so that
/// nobody has to hold all of it (T-BOMB).
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageInflater {
    /// Bytes that came out so far.
    bytes: u64,
    /// Bytes of the tail that were put in.
    tail: u8,
    /// The client ended the stream inside this message (RFC 7692 §7.2.3.4).
    has_ended: bool,
    utf8: Utf8,
}

/// What came out of one step: so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no more room; there may be more bytes.
    Full(usize),
    /// The input was used up.
    Drained(usize),
    /// The message has ended.
    Ended(usize),
}

impl Step {
    /// How many bytes came out.
    pub fn bytes(self) -> usize {
        let (Self::Full(bytes) | Self::Drained(bytes) | Self::Ended(bytes)) = self;
        bytes
    }
}

impl MessageInflater {
    /// Inflates from the front of `input` into `out`. `last`: the message ends with `input`.
    ///
    /// # Errors
    ///
    /// 1007 when the bytes cannot be inflated, or a text is not UTF-8; 1009 when more than
    /// `bytes_max` came out.
    pub fn step(
        &mut self,
        inflater: &mut Inflater,
        input: &mut &[u8],
        last: bool,
        kind: Kind,
        out: &mut [u8],
        bytes_max: Option<u64>,
    ) -> Result<Step, Violation> {
        let mut filled = 0;
        let step = loop {
            if filled == out.len() {
                break Step::Full(filled);
            }
            let in_tail = input.is_empty() && last;
            let source = if in_tail { &TAIL[usize::from(self.tail)..] } else { *input };
            let (read, written, has_ended) = inflater.read(source, &mut out[filled..])?;
            if in_tail {
                self.tail += read as u8;
            } else {
                *input = &input[read..];
            }
            filled += written;
            if has_ended {
                // What follows begins a new stream. Once: each costs memory and time.
                if std::mem::replace(&mut self.has_ended, true) {
                    return Err(Violation { code: 1007, text: "a message ends its stream twice" });
                }
                inflater.forget();
            } else if read == 0 && written == 0 {
                break match () {
                    () if !source.is_empty() => {
                        return Err(Violation { code: 1007, text: "a message cannot be inflated" });
                    }
                    () if last => Step::Ended(filled),
                    () => Step::Drained(filled),
                };
            }
        };
        self.bytes += filled as u64;
        if bytes_max.is_some_and(|max| self.bytes > max) {
            return Err(Violation { code: 1009, text: "a message is too big" });
        }
        let is_last = matches!(step, Step::Ended(_));
        if kind == Kind::Text
            && (!self.utf8.accept(&out[..filled]) || (is_last && !self.utf8.is_complete()))
        {
            return Err(Violation { code: 1007, text: "a text is not UTF-8" });
        }
        if is_last {
            *self = Self::default();
        }
        Ok(step)
    }
}
