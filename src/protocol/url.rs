//! Percent-encoding, queries and forms.

use std::borrow::Cow;

/// A percent-encoding that is cut off, has other than hexadecimal digits, or does not decode to
/// UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed percent-encoding")]
pub struct Malformed;

/// Decodes `%xx` once and strictly; `+` is a plus. For paths (RFC 3986 §2.1).
///
/// # Errors
///
/// [`Malformed`] when an escape is, or when the result is not UTF-8 (overlong forms included).
pub fn percent_decode(text: &str) -> Result<Cow<'_, str>, Malformed> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        decoded.extend_from_slice(&rest[..at]);
        decoded.push(escaped(&rest[at..]).ok_or(Malformed)?);
        rest = &rest[at + 3..];
    }
    decoded.extend_from_slice(rest);
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Malformed)
}

/// The pairs of a query or of an `application/x-www-form-urlencoded` body, decoded, in order.
///
/// As lenient as the URL standard of browsers: `+` is a space, a malformed escape stands for
/// itself, bytes that are not UTF-8 become U+FFFD, a name without `=` has an empty value, and
/// empty parts are skipped. Takes time linear in the length, however many pairs there are.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    raw_pairs(query).map(|(name, value)| (form_decode(name), form_decode(value)))
}

/// The value of the first pair whose name equals `name`, ignoring ASCII case, decoded.
pub fn query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query_values(query, name).next()
}

/// The values of all pairs whose names equal `name`, ignoring ASCII case, decoded, in order.
pub fn query_values<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    raw_pairs(query)
        .filter(move |(key, _)| form_decode(key).eq_ignore_ascii_case(name))
        .map(|(_, value)| form_decode(value))
}

/// Encodes everything but letters, digits, `-`, `.`, `_` and `~` (RFC 3986 §2.3).
pub fn percent_encode(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 0xf] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    Cow::Owned(encoded)
}

fn raw_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// The lenient decoding of forms and queries.
fn form_decode(text: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr2(b'%', b'+', rest) {
        decoded.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, taken) = match escaped(rest) {
            Some(byte) => (byte, 3),
            None if rest[0] == b'+' => (b' ', 1),
            None => (b'%', 1),
        };
        decoded.push(byte);
        rest = &rest[taken..];
    }
    decoded.extend_from_slice(rest);
    match String::from_utf8(decoded) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// The byte that `%xx` at the front of `bytes` stands for.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_decode_once_and_strictly() {
        for (raw, decoded) in [
            ("/plain", Ok("/plain")),
            ("/a%20b", Ok("/a b")),
            ("/a+b", Ok("/a+b")),
            ("/%c3%A9", Ok("/é")),
            ("/%2525", Ok("/%25")),
            ("/%2e%2E/x", Ok("/../x")),
            ("/%", Err(Malformed)),
            ("/%2", Err(Malformed)),
            ("/%zz", Err(Malformed)),
            ("/%+1", Err(Malformed)),
            ("/%c0%af", Err(Malformed)),
            ("/%ff", Err(Malformed)),
            ("/%ed%a0%80", Err(Malformed)),
        ] {
            assert_eq!(percent_decode(raw).as_deref().map_err(|e| *e), decoded, "{raw}");
        }
    }

    #[test]
    fn queries_decode_leniently() {
        let pairs = |query| -> Vec<(String, String)> {
            query_pairs(query).map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
        };
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("a=1&b=2"), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(pairs("&&a&&=x&"), [pair("a", ""), pair("", "x")]);
        assert_eq!(pairs("a=b=c"), [pair("a", "b=c")]);
        assert_eq!(pairs("a+b=c%2bd+"), [pair("a b", "c+d ")]);
        assert_eq!(pairs("a=%zz%4&b=%"), [pair("a", "%zz%4"), pair("b", "%")]);
        assert_eq!(pairs("a=%ff"), [pair("a", "\u{fffd}")]);
    }

    #[test]
    fn names_ignore_case_and_the_first_wins() {
        assert_eq!(query_value("ID=1&id=2", "id").as_deref(), Some("1"));
        assert_eq!(query_value("%69d=x", "Id").as_deref(), Some("x"));
        assert_eq!(query_value("identity=x", "id"), None);
    }

    #[test]
    fn ten_thousand_pairs() {
        let query = "k=v&".repeat(10_000) + "last=%20";
        assert_eq!(query_pairs(&query).count(), 10_001);
        assert_eq!(query_value(&query, "LAST").as_deref(), Some(" "));
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for text in ["", "plain", "a b&c=d+%", "é😀\0\n"] {
            let encoded = percent_encode(text);
            assert_eq!(percent_decode(&encoded).as_deref(), Ok(text));
            assert_eq!(form_decode(&encoded), text);
        }
    }
}
