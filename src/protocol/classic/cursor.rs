//! How far a client has read: the `C` of an envelope, which comes back as `messageId` (LEG §7.3).

use std::fmt;
use std::str::FromStr;

/// A position in what a process has sent: opaque to clients, and worth nothing to another process.
///
/// ```
/// use tickhub::protocol::classic::Cursor;
///
/// let cursor = Cursor { epoch: 0x1A2B_3C4D, number: 31 };
/// assert_eq!(cursor.to_string(), "d-1A2B3C4D-1F");
/// assert_eq!("d-1A2B3C4D-1F".parse(), Ok(cursor));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Chosen at random by each process.
    pub epoch: u32,
    /// Everything up to the message with this number was read.
    pub number: u64,
}

/// A text is no cursor of ours: its client gets new messages only (LEG-103, LEG-104).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this server")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d-{:08X}-{:X}", self.epoch, self.number)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    /// Reads exactly what is written, and nothing that means the same.
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let parts = text.strip_prefix("d-").and_then(|rest| rest.split_once('-'));
        let (epoch, number) = parts.ok_or(NotACursor)?;
        let is_number = !number.starts_with('0') || number == "0";
        if epoch.len() != 8 || !is_number {
            return Err(NotACursor);
        }
        let epoch = hexadecimal(epoch).and_then(|epoch| u32::try_from(epoch).ok());
        let number = hexadecimal(number);
        epoch.zip(number).map(|(epoch, number)| Self { epoch, number }).ok_or(NotACursor)
    }
}

/// Up to 16 digits, the letters among them capital.
fn hexadecimal(digits: &str) -> Option<u64> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    digits.bytes().all(is_digit).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// LEG-103, LEG-104, `reconnect-long-polling`.
    #[test]
    fn what_is_foreign_is_no_cursor() {
        for (text, cursor) in [
            ("d-00000000-0", Some((0, 0))),
            ("d-1A2B3C4D-1F", Some((0x1A2B_3C4D, 31))),
            ("d-FFFFFFFF-FFFFFFFFFFFFFFFF", Some((u32::MAX, u64::MAX))),
            ("d-FFFFFFFF-10000000000000000", None),
            ("d-1A2B-B,0|C,1A|D,3", None),
            ("d-1A2B3C4D-B,0|C,3", None),
            ("s-0,1A", None),
            ("d-1a2b3c4d-1f", None),
            ("d-1A2B3C4D-01F", None),
            ("d-1A2B3C4D-", None),
            ("d-1A2B3C4D", None),
            ("d-1A2B3C4-1", None),
            ("d-01A2B3C4D-1", None),
            ("d-+A2B3C4D-1", None),
            ("d-1A2B3C4D-+1", None),
            ("d-1A2B3C4D--1", None),
            ("D-1A2B3C4D-1", None),
            (" d-1A2B3C4D-1", None),
            ("d-1A2B3C4D-1\n", None),
            ("d-1A2B3C4D-\u{661}", None),
            ("d-\u{e9}\u{e9}\u{e9}\u{e9}-1", None),
            ("", None),
            ("d-", None),
        ] {
            let read = text.parse::<Cursor>().ok();
            assert_eq!(read.map(|cursor| (cursor.epoch, cursor.number)), cursor, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(epoch: u32, number: u64) {
            let cursor = Cursor { epoch, number };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn one_cursor_has_one_spelling(text in "d-[0-9A-Fa-f+]{7,9}-[0-9A-Fa-f]{0,17}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
