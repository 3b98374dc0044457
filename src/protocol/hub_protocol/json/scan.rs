//! One pass over the bytes of a record that finds where its values lie and refuses what is not
//! strict JSON: no comments, no trailing commas, no more than 64 levels.
//!
//! It builds nothing and never recurses: open containers are bits of an integer.

use crate::protocol::hub_protocol::arguments::Span;

/// Levels of nesting, the record's object included (§3.4.2; 62 arrays inside an argument pass).
pub(super) const DEPTH_MAX: u32 = 64;

/// The bytes are not strict JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The inside of a text, between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextSpan {
    pub(super) inside: Span,
    /// Whether there is a backslash in it.
    pub(super) escaped: bool,
}

/// A position in the bytes of a record.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// All bytes of texts, or-ed together eight at a time.
    seen: u64,
}

impl<'a> Scanner<'a> {
    /// The bytes are shorter than 4 GiB: places in them are kept in 32 bits.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, seen: 0 }
    }

    /// Whether everything passed so far is ASCII. May be false without reason, never true.
    ///
    /// Other bytes can be in texts only, so it is enough to have looked there.
    pub(super) fn is_ascii(&self) -> bool {
        self.seen & HIGH == 0
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space, which stays.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Malformed> {
        loop {
            match self.bytes.get(self.at) {
                // Most records have no white space: one comparison says so.
                Some(byte) if *byte > b' ' => return Ok(*byte),
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                // A control character. No value begins with one.
                Some(byte) => return Ok(*byte),
                None => return Err(Malformed),
            }
        }
    }

    /// The next byte that is no white space, which is passed.
    pub(super) fn next(&mut self) -> Result<u8, Malformed> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// Passes `byte` if it is next.
    pub(super) fn passes(&mut self, byte: u8) -> Result<bool, Malformed> {
        let is_next = self.peek()? == byte;
        self.at += usize::from(is_next);
        Ok(is_next)
    }

    /// Passes the name of a member and its colon.
    pub(super) fn name(&mut self) -> Result<TextSpan, Malformed> {
        if self.peek()? != b'"' {
            return Err(Malformed);
        }
        let name = self.text()?;
        if self.next()? == b':' { Ok(name) } else { Err(Malformed) }
    }

    /// Passes a text; the next byte is its quote.
    ///
    /// Eight bytes at a time: for each the high bit of its byte says whether it is a quote, a
    /// backslash or a control character. Bits above the lowest set one may be wrong (a borrow),
    /// so only that one counts.
    pub(super) fn text(&mut self) -> Result<TextSpan, Malformed> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(at..).ok_or(Malformed)?;
            if let Some(eight) = rest.first_chunk() {
                let word = u64::from_le_bytes(*eight);
                self.seen |= word;
                let quote = word ^ (ONES * u64::from(b'"'));
                let backslash = word ^ (ONES * u64::from(b'\\'));
                let stops = (quote.wrapping_sub(ONES) & !quote
                    | backslash.wrapping_sub(ONES) & !backslash
                    | word.wrapping_sub(ONES * u64::from(b' ')) & !word)
                    & HIGH;
                if stops == 0 {
                    at += 8;
                    continue;
                }
                at += (stops.trailing_zeros() / 8) as usize;
            }
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(TextSpan { inside: Span::new(start, at), escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    at += self.escape_length(at)?;
                }
                // Only among the last seven bytes.
                Some(byte) if *byte >= b' ' => {
                    self.seen |= u64::from(*byte);
                    at += 1;
                }
                _ => return Err(Malformed),
            }
        }
    }

    /// The length of the escape at `at`.
    #[cold]
    fn escape_length(&self, at: usize) -> Result<usize, Malformed> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => {
                let digits = self.bytes.get(at + 2..at + 6).ok_or(Malformed)?;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(6) } else { Err(Malformed) }
            }
            _ => Err(Malformed),
        }
    }

    /// Passes a number and returns its bytes; the next byte is its sign or first digit.
    pub(super) fn number(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        let mut at = start + usize::from(self.bytes[start] == b'-');
        match self.bytes.get(at) {
            Some(b'0') => at += 1,
            Some(b'1'..=b'9') => at = self.digits(at)?,
            _ => return Err(Malformed),
        }
        if self.bytes.get(at) == Some(&b'.') {
            at = self.digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(at) {
            at += 1;
            at += usize::from(matches!(self.bytes.get(at), Some(b'+' | b'-')));
            at = self.digits(at)?;
        }
        self.at = at;
        Ok(&self.bytes[start..at])
    }

    /// The end of the digits at `at`, of which there is at least one.
    fn digits(&self, at: usize) -> Result<usize, Malformed> {
        let mut end = at;
        while self.bytes.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        if end > at { Ok(end) } else { Err(Malformed) }
    }

    /// Passes a value that is no container; `first` is its first byte, which is next.
    pub(super) fn scalar(&mut self, first: u8) -> Result<(), Malformed> {
        match first {
            b'"' => self.text().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => Err(Malformed),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(literal) {
            return Err(Malformed);
        }
        self.at += literal.len();
        Ok(())
    }

    /// Passes a value of any kind inside `outer_depth` containers, and returns where it lies.
    pub(super) fn value(&mut self, outer_depth: u32) -> Result<Span, Malformed> {
        let first = self.peek()?;
        let start = self.at;
        if !matches!(first, b'{' | b'[') {
            self.scalar(first)?;
            return Ok(Span::new(start, self.at));
        }
        let mut depth = outer_depth;
        // The kinds of the open containers, the innermost in the lowest bit; 1 is an object.
        let mut objects = 0_u64;
        loop {
            match self.peek()? {
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    depth += 1;
                    if depth > DEPTH_MAX {
                        return Err(Malformed);
                    }
                    let is_object = open == b'{';
                    objects = objects << 1 | u64::from(is_object);
                    // The close bracket of either kind is two bytes behind its open one.
                    if !self.passes(open + 2)? {
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                    depth -= 1;
                    objects >>= 1;
                }
                first => self.scalar(first)?,
            }
            loop {
                if depth == outer_depth {
                    return Ok(Span::new(start, self.at));
                }
                let is_object = objects & 1 == 1;
                match self.next()? {
                    b',' => {
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return Err(Malformed),
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }
}

/// A one in each byte.
const ONES: u64 = u64::MAX / 255;
/// The high bit of each byte.
const HIGH: u64 = ONES << 7;

#[cfg(test)]
mod tests;
