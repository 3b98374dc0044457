//! Escapes of JSON texts: resolved where they stand on the way in, written on the way out.

use memchr::memchr;

/// Resolves the escapes of a text in place and returns its new length, which is never greater.
/// `None`: half of a surrogate pair, which stands for no character.
///
/// The bytes lie between the quotes of a text that the scanner has passed, so every backslash
/// begins a well-formed escape.
pub(super) fn unescape(bytes: &mut [u8]) -> Option<usize> {
    let Some(first) = memchr(b'\\', bytes) else {
        return Some(bytes.len());
    };
    let (mut from, mut to) = (first, first);
    while from < bytes.len() {
        from += 2;
        let plain = match *bytes.get(from - 1)? {
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = escaped_character(bytes, &mut from)?;
                to += character.encode_utf8(bytes.get_mut(to..from)?).len();
                let length = memchr(b'\\', &bytes[from..]).unwrap_or(bytes.len() - from);
                bytes.copy_within(from..from + length, to);
                (from, to) = (from + length, to + length);
                continue;
            }
            // A quote, a backslash or a slash.
            itself => itself,
        };
        bytes[to] = plain;
        to += 1;
        let length = memchr(b'\\', &bytes[from..]).unwrap_or(bytes.len() - from);
        bytes.copy_within(from..from + length, to);
        (from, to) = (from + length, to + length);
    }
    Some(to)
}

/// The character whose first `\u` ends at `from`; moves `from` behind its digits, which for a
/// surrogate pair are those of the second escape.
fn escaped_character(bytes: &[u8], from: &mut usize) -> Option<char> {
    let unit = code_unit(bytes, *from)?;
    *from += 4;
    if !(0xD800..0xDC00).contains(&unit) {
        // `from_u32` refuses the second half of a pair without the first.
        return char::from_u32(unit);
    }
    if bytes.get(*from..*from + 2)? != b"\\u" {
        return None;
    }
    let low = code_unit(bytes, *from + 2)?;
    if !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    *from += 6;
    char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
}

/// The four hexadecimal digits at `from`.
fn code_unit(bytes: &[u8], from: usize) -> Option<u32> {
    bytes
        .get(from..from + 4)?
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// Appends `text` with its quotes.
pub(in super::super) fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut from = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if *byte >= b' ' && !matches!(byte, b'"' | b'\\') {
            continue;
        }
        out.extend_from_slice(&bytes[from..index]);
        from = index + 1;
        let short = match *byte {
            b'"' | b'\\' => *byte,
            0x08 => b'b',
            0x0C => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            control => {
                const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(control >> 4)]);
                out.push(DIGITS[usize::from(control & 15)]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}
