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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unescaped(text: &str) -> Option<String> {
        let mut bytes = text.as_bytes().to_vec();
        let length = unescape(&mut bytes)?;
        bytes.truncate(length);
        Some(String::from_utf8(bytes).expect("characters"))
    }

    #[test]
    fn every_escape_is_resolved() {
        assert_eq!(unescaped(r#"\"\\\/\b\f\n\r\t"#).as_deref(), Some("\"\\/\u{8}\u{c}\n\r\t"));
        assert_eq!(unescaped(r"a\u0041b\u00E9c\u4e16d").as_deref(), Some("aAbéc世d"));
        assert_eq!(unescaped(r"\ud83d\ude00\uD83D\uDE00").as_deref(), Some("😀😀"));
        assert_eq!(unescaped(r"\u0000\u001e").as_deref(), Some("\0\u{1e}"));
        assert_eq!(unescaped("plain é").as_deref(), Some("plain é"));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_character() {
        for text in [
            r"\ud800",
            r"\ud800x",
            r"\ud800\n",
            r"\ud800\ud800",
            r"\udc00",
            r"\udc00\ud800",
            r"\ud800\u0041",
            r"\ud800\u",
            r"\ud83d\ue000",
        ] {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }

    proptest! {
        /// What we write is read back by us and by `serde_json`, and holds no record separator.
        #[test]
        fn a_text_comes_back(text in any::<String>(), controls in "[\\x00-\\x1f\"\\\\]{0,8}") {
            let text = text + &controls;
            let mut out = Vec::new();
            write_text(&mut out, &text);
            prop_assert!(!out.contains(&0x1E));
            let read: String = serde_json::from_slice(&out).expect("JSON");
            prop_assert_eq!(&read, &text);
            let inside = std::str::from_utf8(&out[1..out.len() - 1]).expect("characters");
            prop_assert_eq!(unescaped(inside), Some(text));
        }

        /// Escaped by any choice of escapes, well-formed or half a pair: as `serde_json` has it.
        #[test]
        fn escapes_mean_what_they_mean_to_serde_json(
            text in "([a-zé😀]|\\\\[\"\\\\/bfnrt]|\\\\u(00[0-9a-f]{2}|[dD][89aAcCdD][0-9a-f]{2}|[0-9A-F]{4})|\\\\ud83d\\\\ude0[0-9]){0,12}"
        ) {
            let expected: Option<String> = serde_json::from_str(&format!("\"{text}\"")).ok();
            prop_assert_eq!(unescaped(&text), expected);
        }
    }
}
