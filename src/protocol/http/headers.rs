//! Header lines on their way out.

use super::response::{is_header_value, is_token, write_line};

/// Header lines of a response, in the order in which they were added.
///
/// ```
/// use tickhub::http::{Headers, Response};
///
/// let mut headers = Headers::default();
/// headers.add("X-Frame-Options", "DENY");
/// headers.add("X-Echo", "two\r\nlines");
/// assert_eq!(headers.as_bytes(), b"X-Frame-Options: DENY\r\n");
/// let response = Response::text(200, "Hello").with(&headers);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// As they are written, each with its CRLF.
    lines: Vec<u8>,
}

impl Headers {
    /// Adds a header. One of the same name stays: some may stand in a response several times.
    ///
    /// A `value` with a control character in it cannot be sent and is dropped with its name
    /// (T-CRLF); callers that echo what a peer sent may ask [`is_header_value`] before.
    ///
    /// # Panics
    ///
    /// When `name` is not the name of a header, or is one that is written by itself
    /// (`Content-Length`, `Transfer-Encoding`, `Connection`): names are ours, never a peer's.
    pub fn add(&mut self, name: &str, value: &str) {
        assert!(is_token(name), "the name of a header");
        let is_own = |own: &&str| name.eq_ignore_ascii_case(own);
        let own = ["content-length", "transfer-encoding", "connection"];
        assert!(!own.iter().any(is_own), "framing follows from the body");
        if is_header_value(value) {
            write_line(&mut self.lines, name, value);
        }
    }

    /// The lines, each with its CRLF.
    pub fn as_bytes(&self) -> &[u8] {
        &self.lines
    }

    /// Adds all of `other` behind what is here.
    pub fn extend(&mut self, other: &Self) {
        self.lines.extend_from_slice(&other.lines);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.lines.clear();
    }
}
