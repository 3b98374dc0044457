//! Finds where a head ends, in input of any cut, looking at each byte once.

use super::{Limits, Refused};

/// How far the search for the end of a head has come. It counts instead of remembering places,
/// so it works over any number of inputs without joining them.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    /// Bytes of the current line so far.
    line_bytes: u32,
    /// Bytes of the complete header lines so far.
    headers_bytes: u32,
    /// Complete lines so far, the request line included.
    lines: u32,
    /// Whether the last byte seen was a CR.
    after_cr: bool,
    /// Whether an empty line before the request line was already forgiven (RFC 9112 §2.2).
    skipped: bool,
}

/// What a search came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of the input belongs to the head, and there is more to come.
    Nothing,
    /// The input up to here is an empty line before the head; search again behind it.
    EmptyLine(usize),
    /// The head ends here, with its empty line.
    End(usize),
}

impl Scan {
    /// Looks for the end of the head in `input`, which follows the inputs before it.
    ///
    /// The verdict depends only on the bytes, not on how they are cut: limits are judged at the
    /// byte that passes them, and before anything that comes later.
    pub(super) fn search(&mut self, input: &[u8], limits: &Limits) -> Result<Found, Refused> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', input) {
            self.advance(&input[start..end], limits)?;
            if !self.after_cr {
                return Err(Refused::bad("A line ends without CR."));
            }
            start = end + 1;
            let is_empty = self.line_bytes == 1;
            if self.lines > 0 {
                self.headers_bytes += self.line_bytes + 1;
            }
            self.line_bytes = 0;
            self.after_cr = false;
            match (is_empty, self.lines) {
                (true, 0) if self.skipped => {
                    return Err(Refused::bad("A request line is missing."));
                }
                (true, 0) => {
                    self.skipped = true;
                    return Ok(Found::EmptyLine(start));
                }
                (true, _) => {
                    *self = Self::default();
                    return Ok(Found::End(start));
                }
                (false, _) => self.lines += 1,
            }
            if self.lines as usize > limits.headers_max.min(Limits::HEADERS_MAX) + 1 {
                return Err(Refused { status: 431, text: "There are too many headers." });
            }
        }
        self.advance(&input[start..], limits)?;
        Ok(Found::Nothing)
    }

    /// How many bytes may follow before a limit has to be looked at again, and how many header
    /// lines may end among them. The request line ends under the eyes of [`Self::search`].
    pub(super) fn free(&self, limits: &Limits) -> (u32, u32) {
        let left = |max: usize, used: u32| {
            u32::try_from(max.saturating_sub(used as usize)).unwrap_or(u32::MAX)
        };
        if self.lines == 0 {
            return (left(limits.line_bytes_max, self.line_bytes), 0);
        }
        // The CR and LF of the line count, too.
        let used = self.headers_bytes + self.line_bytes + 2;
        let lines_max = limits.headers_max.min(Limits::HEADERS_MAX) + 1;
        (left(limits.headers_bytes_max, used), left(lines_max, self.lines))
    }

    /// Whether not a byte of a head was seen yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.lines == 0 && self.line_bytes == 0
    }

    /// Counts a part of a line that has no LF in it.
    fn advance(&mut self, part: &[u8], limits: &Limits) -> Result<(), Refused> {
        let Some(&last) = part.last() else { return Ok(()) };
        self.after_cr = last == b'\r';
        self.line_bytes += part.len() as u32;
        // A CR at the end may belong to the line's end, which the request line does not count.
        let content = self.line_bytes as usize - usize::from(self.after_cr);
        if self.lines == 0 {
            if content > limits.line_bytes_max {
                return Err(Refused { status: 414, text: "The request line is too long." });
            }
        } else if content > 0
            && self.headers_bytes as usize + content + 2 > limits.headers_bytes_max
        {
            return Err(Refused { status: 431, text: "The headers are too large." });
        }
        Ok(())
    }
}
