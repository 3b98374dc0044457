//! A position in a record: reads the few items that the protocol itself is made of, and passes
//! values of any kind without building or calling anything by their announced lengths.

use rmp::Marker;
use rmp::decode::{self, Bytes};

/// Levels of nesting, the array of the message included; as for JSON.
const DEPTH_MAX: usize = 64;

/// The bytes are not what they had to be, or end too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A position in the bytes of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// A scanner that has passed the first `at` bytes.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Passes nil, if it is next.
    pub(super) fn passes_nil(&mut self) -> bool {
        let is_nil = self.bytes.get(self.at).is_some_and(|byte| *byte == NIL);
        self.at += usize::from(is_nil);
        is_nil
    }

    /// Passes an integer of any width that fits 64 bits with a sign.
    pub(super) fn integer(&mut self) -> Result<i64, Malformed> {
        let mut bytes = Bytes::new(self.rest());
        let integer = decode::read_int(&mut bytes).map_err(|_| Malformed)?;
        self.at = self.bytes.len() - bytes.remaining_slice().len();
        Ok(integer)
    }

    /// Passes an integer of any width that fits 32 bits with a sign.
    pub(super) fn short_integer(&mut self) -> Result<i32, Malformed> {
        self.integer()?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn bool(&mut self) -> Result<bool, Malformed> {
        let mut bytes = Bytes::new(self.rest());
        let value = decode::read_bool(&mut bytes).map_err(|_| Malformed)?;
        self.at += 1;
        Ok(value)
    }

    /// Passes a text, which is UTF-8.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let (text, rest) = decode::read_str_from_slice(self.rest()).map_err(|_| Malformed)?;
        self.at = self.bytes.len() - rest.len();
        Ok(text)
    }

    /// Passes the header of an array. Each element takes a byte at least, so a length beyond what
    /// is left is wrong already here.
    pub(super) fn array(&mut self) -> Result<usize, Malformed> {
        let mut bytes = Bytes::new(self.rest());
        let length = decode::read_array_len(&mut bytes).map_err(|_| Malformed)?;
        self.header(bytes.remaining_slice(), length.into())
    }

    /// Passes the header of a map; its length counts pairs.
    pub(super) fn map(&mut self) -> Result<usize, Malformed> {
        let mut bytes = Bytes::new(self.rest());
        let pairs = decode::read_map_len(&mut bytes).map_err(|_| Malformed)?;
        Ok(self.header(bytes.remaining_slice(), u64::from(pairs) * 2)? / 2)
    }

    fn header(&mut self, behind: &[u8], values: u64) -> Result<usize, Malformed> {
        let left = behind.len();
        if values > left as u64 {
            return Err(Malformed);
        }
        self.at = self.bytes.len() - left;
        usize::try_from(values).map_err(|_| Malformed)
    }

    /// Passes a value of any kind inside `outer_depth` containers.
    ///
    /// A row of counters stands for the open containers: no recursion, whatever comes (T-DEPTH).
    pub(super) fn value(&mut self, outer_depth: usize) -> Result<(), Malformed> {
        let mut open = [0_u64; DEPTH_MAX];
        let mut depth = outer_depth;
        loop {
            let values = self.one()?;
            if values > 0 {
                if depth == DEPTH_MAX {
                    return Err(Malformed);
                }
                open[depth] = values;
                depth += 1;
                continue;
            }
            // A value has ended, and with it every container of which it was the last.
            loop {
                if depth == outer_depth {
                    return Ok(());
                }
                open[depth - 1] -= 1;
                if open[depth - 1] > 0 {
                    break;
                }
                depth -= 1;
            }
        }
    }

    /// Passes a scalar, or the header of a container: how many values are inside. An empty
    /// container has no inside, and no depth.
    fn one(&mut self) -> Result<u64, Malformed> {
        let marker = Marker::from_u8(*self.bytes.get(self.at).ok_or(Malformed)?);
        let (header, content, values): (usize, u64, u64) = match marker {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => {
                (1, 0, 0)
            }
            Marker::U8 | Marker::I8 => (1, 1, 0),
            Marker::U16 | Marker::I16 => (1, 2, 0),
            Marker::U32 | Marker::I32 | Marker::F32 => (1, 4, 0),
            Marker::U64 | Marker::I64 | Marker::F64 => (1, 8, 0),
            Marker::FixStr(bytes) => (1, bytes.into(), 0),
            Marker::Str8 | Marker::Bin8 => (2, self.length(1)?, 0),
            Marker::Str16 | Marker::Bin16 => (3, self.length(2)?, 0),
            Marker::Str32 | Marker::Bin32 => (5, self.length(4)?, 0),
            // A byte says of which kind an extension is.
            Marker::FixExt1 => (2, 1, 0),
            Marker::FixExt2 => (2, 2, 0),
            Marker::FixExt4 => (2, 4, 0),
            Marker::FixExt8 => (2, 8, 0),
            Marker::FixExt16 => (2, 16, 0),
            Marker::Ext8 => (3, self.length(1)?, 0),
            Marker::Ext16 => (4, self.length(2)?, 0),
            Marker::Ext32 => (6, self.length(4)?, 0),
            Marker::FixArray(values) => (1, 0, values.into()),
            Marker::Array16 => (3, 0, self.length(2)?),
            Marker::Array32 => (5, 0, self.length(4)?),
            Marker::FixMap(pairs) => (1, 0, u64::from(pairs) * 2),
            Marker::Map16 => (3, 0, self.length(2)? * 2),
            Marker::Map32 => (5, 0, self.length(4)? * 2),
            Marker::Reserved => return Err(Malformed),
        };
        // At most a few bytes more than 2^32, and each value inside takes one at least.
        let left = self.rest().len() as u64;
        if header as u64 + content + values > left {
            return Err(Malformed);
        }
        self.at += header + content as usize;
        Ok(values)
    }

    /// The length of so many bytes behind the marker, the highest byte first.
    fn length(&self, bytes: usize) -> Result<u64, Malformed> {
        let length = self.rest().get(1..=bytes).ok_or(Malformed)?;
        Ok(length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

/// The length of the first value in `encoded`, inside so many containers; nothing, if it is no
/// value.
pub(in super::super) fn value_len(encoded: &[u8], outer_depth: usize) -> Option<usize> {
    let mut scanner = Scanner::new(encoded);
    scanner.value(outer_depth).ok()?;
    Some(scanner.position())
}

const NIL: u8 = 0xc0;
