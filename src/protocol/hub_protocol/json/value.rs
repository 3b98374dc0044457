//! Typed values out of the bytes of one JSON value.

use memchr::memchr2;
use serde::de::DeserializeOwned;

use super::escape::unescape;
use super::scan::Scanner;
use crate::protocol::hub_protocol::BindingError;

/// Reads a value by serde.
pub(in super::super) fn read_value<T: DeserializeOwned>(
    encoded: &mut [u8],
) -> Result<T, BindingError> {
    match serde_json::from_slice(encoded) {
        Ok(value) => Ok(value),
        // serde_json reads `-0` as a float, which is no integer; .NET takes it for one
        // (`invoke-numbers`). Tried second, so that floats and raw values keep it as written.
        Err(_) if plain_zeros(encoded) => {
            serde_json::from_slice(encoded).map_err(|_| BindingError::Value)
        }
        Err(_) => Err(BindingError::Value),
    }
}

/// Reads a text, which becomes plain in place.
pub(in super::super) fn read_text(encoded: &mut [u8]) -> Result<&str, BindingError> {
    let [b'"', inside @ .., b'"'] = encoded else {
        return Err(BindingError::Value);
    };
    let length = unescape(inside).ok_or(BindingError::Value)?;
    let inside: &[u8] = &inside[..length];
    simdutf8::basic::from_utf8(inside).map_err(|_| BindingError::Value)
}

/// Makes every integer `-0` a plain zero, and says whether there was one.
fn plain_zeros(encoded: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(skipped) = memchr2(b'"', b'-', &encoded[at..]) {
        at += skipped;
        if encoded[at] == b'"' {
            // Texts are passed whole: there may be anything in them.
            let mut scanner = Scanner::new(&encoded[at..]);
            if scanner.text().is_err() {
                return found;
            }
            at += scanner.position();
            continue;
        }
        let is_exponent = at > 0 && matches!(encoded[at - 1], b'e' | b'E');
        let goes_on = matches!(encoded.get(at + 2), Some(b'.' | b'e' | b'E'));
        if encoded.get(at + 1) == Some(&b'0') && !is_exponent && !goes_on {
            encoded[at] = b' ';
            found = true;
        }
        at += 1;
    }
    found
}
