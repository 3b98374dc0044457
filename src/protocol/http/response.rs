//! Responses on their way out.

use std::borrow::Cow;
use std::io::Write as _;

use super::{Headers, Version};
use crate::base::Shared;

/// A response, built in one expression and written as often as needed.
///
/// It cannot express a header that ends its line (T-CRLF): see [`Headers::add`]. Which
/// framing and connection headers it needs follows from its body and from [`ReplyTo`].
#[derive(Clone, Debug)]
pub struct Response<'a> {
    status: u16,
    /// In place of the usual one.
    reason: Option<&'static str>,
    headers: Headers,
    body: Body<'a>,
    closing: bool,
}

/// What follows the head.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// These bytes.
    Bytes(Cow<'a, [u8]>),
    /// These bytes, which others may be sending too.
    Shared(Shared),
    /// So many bytes, which the caller sends from where they lie.
    Elsewhere(usize),
    /// Bytes that are not known yet: chunks in HTTP/1.1, up to the close in HTTP/1.0. The caller
    /// writes them, with [`write_chunk`] when [`ReplyTo::uses_chunks`].
    Stream,
}

/// What an answer has to know of its request. Small, so that it can be kept while the answer is
/// being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// HEAD: the answer has the headers of a GET but no body (RFC 9110 §9.3.2).
    pub head_only: bool,
    /// The version of the request.
    pub version: Version,
    /// Whether the socket is to carry another request.
    pub keep_alive: bool,
}

impl ReplyTo {
    /// For what could not be read as a request.
    pub const NOBODY: Self = Self { head_only: false, version: Version::Http11, keep_alive: false };

    /// Whether a [`Body::Stream`] goes out in chunks.
    pub fn uses_chunks(self) -> bool {
        self.version == Version::Http11
    }
}

impl<'a> Response<'a> {
    /// A response without a body.
    ///
    /// # Panics
    ///
    /// When `status` has not three digits, or is informational: those have no such response.
    pub fn new(status: u16) -> Self {
        assert!((200..1000).contains(&status), "a final status has three digits");
        let body = Body::Bytes(Cow::Borrowed(&[]));
        Self { status, reason: None, headers: Headers::default(), body, closing: false }
    }

    /// A response of plain text. `Content-Type: text/plain` without more, as the original's.
    pub fn text(status: u16, text: &'a str) -> Self {
        Self::new(status).content_type("text/plain").body(text.as_bytes())
    }

    /// Sets the reason phrase; without, it is that of the status.
    pub fn reason(mut self, phrase: &'static str) -> Self {
        self.reason = Some(phrase);
        self
    }

    /// Sets `Content-Type`.
    pub fn content_type(self, value: &str) -> Self {
        self.header("Content-Type", value)
    }

    /// Adds a header, by the rules of [`Headers::add`].
    ///
    /// # Panics
    ///
    /// When `name` is not the name of a header, or is one that is written by itself.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Adds headers that were collected elsewhere.
    pub fn with(mut self, headers: &Headers) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets the body.
    pub fn body(mut self, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        self.body = Body::Bytes(bytes.into());
        self
    }

    /// Sets a body that others share.
    pub fn shared_body(mut self, bytes: Shared) -> Self {
        self.body = Body::Shared(bytes);
        self
    }

    /// Says that the caller sends so many bytes behind the head, see [`Body::Elsewhere`].
    pub fn body_elsewhere(mut self, bytes: usize) -> Self {
        self.body = Body::Elsewhere(bytes);
        self
    }

    /// Says that the body follows bit by bit, see [`Body::Stream`].
    pub fn streaming(mut self) -> Self {
        self.body = Body::Stream;
        self
    }

    /// Says that the connection is closed after this, whatever the request asked for.
    pub fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the socket is to be closed when this was sent.
    pub fn closes(&self, reply_to: ReplyTo) -> bool {
        let ends_by_close = matches!(self.body, Body::Stream)
            && self.may_have_body()
            && !reply_to.head_only
            && !reply_to.uses_chunks();
        self.closing || !reply_to.keep_alive || ends_by_close
    }

    /// Appends the head and, unless `reply_to` forbids it, the body.
    pub fn write(&self, out: &mut Vec<u8>, reply_to: ReplyTo) {
        self.write_head(out, reply_to);
        if let Some(bytes) = self.body_bytes(reply_to) {
            out.extend_from_slice(bytes);
        }
    }

    /// Appends the head alone, for a body that is sent from where it lies.
    pub fn write_head(&self, out: &mut Vec<u8>, reply_to: ReplyTo) {
        out.reserve(self.headers.as_bytes().len() + 128);
        write_number(out, b"HTTP/1.1 ", u64::from(self.status));
        out.push(b' ');
        out.extend_from_slice(self.reason.unwrap_or_else(|| reason(self.status)).as_bytes());
        out.extend_from_slice(b"\r\n");
        // RFC 9112 §6.3: 204 and 304 have no body, and no length that could look like one.
        if self.may_have_body() {
            match &self.body {
                Body::Bytes(bytes) => write_length(out, bytes.len()),
                Body::Shared(bytes) => write_length(out, bytes.len()),
                Body::Elsewhere(bytes) => write_length(out, *bytes),
                Body::Stream if reply_to.uses_chunks() => {
                    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                }
                Body::Stream => {}
            }
        }
        if self.closes(reply_to) {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if reply_to.version == Version::Http10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(self.headers.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// The shared bytes of the body, when it has such and the client gets it.
    pub fn shared(&self, reply_to: ReplyTo) -> Option<&Shared> {
        match &self.body {
            Body::Shared(bytes) if !reply_to.head_only && self.may_have_body() => Some(bytes),
            _ => None,
        }
    }

    /// The bytes that follow the head of this answer, if any do and are known.
    pub fn body_bytes(&self, reply_to: ReplyTo) -> Option<&[u8]> {
        if reply_to.head_only || !self.may_have_body() {
            return None;
        }
        match &self.body {
            Body::Bytes(bytes) => Some(bytes),
            Body::Shared(bytes) => Some(bytes.as_slice()),
            Body::Elsewhere(_) | Body::Stream => None,
        }
    }

    fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }
}

/// Whether `value` can be sent as the value of a header: no control characters but the tab.
pub fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// Appends the interim answer to `Expect: 100-continue`.
pub fn write_continue(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// Appends one chunk of a stream. Nothing for an empty one, as that would end the body.
pub fn write_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() {
        write!(out, "{:x}\r\n", bytes.len()).expect("writing into memory cannot fail");
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the end of a stream that goes out in chunks.
pub fn write_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Appends one header line. Both parts were checked.
pub(super) fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    debug_assert!(is_token(name) && is_header_value(value), "checked before");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_length(out: &mut Vec<u8>, bytes: usize) {
    write_number(out, b"Content-Length: ", bytes as u64);
    out.extend_from_slice(b"\r\n");
}

/// Whether `name` is a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

/// Appends a number without the machinery of formatting, which each response would pay for.
fn write_number(out: &mut Vec<u8>, before: &[u8], mut number: u64) {
    out.extend_from_slice(before);
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The reason phrase (RFC 9110 §15). Clients must not care, people reading captures do.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
