//! Objects whose members are looked at one by one, and the words in which they are refused
//! (§3.4.2).

use std::borrow::Cow;
use std::str::FromStr;

use super::escape::unescape;
use super::scan::{Malformed, Scanner, TextSpan};
use crate::protocol::hub_protocol::ProtocolError;

/// Nesting of a member of the record's object.
pub(super) const MEMBER_DEPTH: u32 = 1;

/// A protocol error on its way out. Boxed, because the calls here are many and short and fail
/// once in a connection's life: what they return fits registers.
#[derive(Debug)]
pub(super) struct Refused(Box<ProtocolError>);

impl From<Malformed> for Refused {
    #[cold]
    fn from(_: Malformed) -> Self {
        refused("Error reading JSON.")
    }
}

impl From<Refused> for ProtocolError {
    fn from(refused: Refused) -> Self {
        *refused.0
    }
}

#[cold]
pub(super) fn refused(detail: impl Into<String>) -> Refused {
    Refused(Box::new(ProtocolError::invalid_data(detail)))
}

#[cold]
pub(super) fn missing(name: &str) -> Refused {
    refused(format!("Missing required property '{name}'."))
}

/// Hands each member of the object at the beginning of `record` to `take`, with its name plain;
/// returns the end of the object. The object is valid UTF-8.
pub(super) fn members(
    record: &[u8],
    mut take: impl FnMut(&[u8], &mut Scanner<'_>) -> Result<(), Refused>,
) -> Result<usize, Refused> {
    if u32::try_from(record.len()).is_err() {
        return Err(Malformed.into());
    }
    let mut scanner = Scanner::new(record);
    let first = scanner.peek()?;
    if first != b'{' {
        let token = match first {
            b'[' => "Array",
            b'"' => "String",
            b't' => "True",
            b'f' => "False",
            b'n' => "Null",
            _ => "Number",
        };
        let detail = format!("Unexpected JSON Token Type '{token}'. Expected a JSON Object.");
        return Err(refuse(&mut scanner, &detail));
    }
    scanner.next()?;
    if !scanner.passes(b'}')? {
        loop {
            let name = scanner.name()?;
            if name.escaped {
                take(text_in(record, name)?.as_bytes(), &mut scanner)?;
            } else {
                take(&record[name.inside.range()], &mut scanner)?;
            }
            match scanner.next()? {
                b',' => {}
                b'}' => break,
                _ => return Err(Malformed.into()),
            }
        }
    }
    let end = scanner.position();
    if !scanner.is_ascii() {
        simdutf8::basic::from_utf8(&record[..end]).map_err(|_| Malformed)?;
    }
    Ok(end)
}

/// Passes an array and hands over the scanner before each of its elements.
pub(super) fn elements(
    scanner: &mut Scanner<'_>,
    mut take: impl FnMut(&mut Scanner<'_>) -> Result<(), Refused>,
) -> Result<(), Refused> {
    scanner.next()?;
    if scanner.passes(b']')? {
        return Ok(());
    }
    loop {
        take(scanner)?;
        match scanner.next()? {
            b',' => {}
            b']' => return Ok(()),
            _ => return Err(Malformed.into()),
        }
    }
}

pub(super) fn expect_text(scanner: &mut Scanner<'_>, name: &str) -> Result<TextSpan, Refused> {
    if scanner.peek()? != b'"' {
        return Err(expected(scanner, name, "String"));
    }
    Ok(scanner.text()?)
}

pub(super) fn expect_number<'a>(
    scanner: &mut Scanner<'a>,
    name: &str,
) -> Result<&'a [u8], Refused> {
    if !matches!(scanner.peek()?, b'-' | b'0'..=b'9') {
        return Err(expected(scanner, name, "Number"));
    }
    Ok(scanner.number()?)
}

/// A number written as an integer of this size; `1.0` and `1e2` are none.
pub(super) fn integer<N: FromStr + From<u8>>(number: &[u8]) -> Option<N> {
    match number {
        // As all types of messages are.
        [digit @ b'0'..=b'9'] => Some(N::from(digit - b'0')),
        _ => std::str::from_utf8(number).ok()?.parse().ok(),
    }
}

pub(super) fn not_an_integer(name: &str, bits: u32) -> Refused {
    refused(format!("Expected '{name}' to be an integer of {bits} bits."))
}

pub(super) fn expected(scanner: &mut Scanner<'_>, name: &str, kind: &str) -> Refused {
    refuse(scanner, &format!("Expected '{name}' to be of type {kind}."))
}

/// The error for a value of a wrong kind; one that is not even JSON is refused as such.
pub(super) fn refuse(scanner: &mut Scanner<'_>, detail: &str) -> Refused {
    match scanner.peek() {
        Ok(b'{' | b'[') => refused(detail),
        Ok(first) if scanner.scalar(first).is_ok() => refused(detail),
        _ => Malformed.into(),
    }
}

pub(super) fn text_in(bytes: &[u8], text: TextSpan) -> Result<Cow<'_, str>, Malformed> {
    plain_text(&bytes[text.inside.range()], text.escaped)
}

/// The text that stands between two quotes.
pub(super) fn plain_text(inside: &[u8], escaped: bool) -> Result<Cow<'_, str>, Malformed> {
    if !escaped {
        return std::str::from_utf8(inside).map(Cow::Borrowed).map_err(|_| Malformed);
    }
    let mut bytes = inside.to_vec();
    let length = unescape(&mut bytes).ok_or(Malformed)?;
    bytes.truncate(length);
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed)
}
