//! HTTP/1.1 (RFC 9110, RFC 9112), strictly: requests in, responses out, and the reverse for our
//! own client.
//!
//! Framing is never guessed: whatever two parsers might read in two ways is refused, and after a
//! refusal no byte is parsed again (T-CHUNK). Timeouts, routes and files are the business of the
//! layers above. There is no compression, no HTTP/2 and no CONNECT.

#![expect(clippy::mut_mut, reason = "input is taken from the front of a writable slice")]

mod body;
mod client;
pub mod files;
mod head;
mod headers;
mod request;
mod response;
mod scan;
mod strict;

pub use body::{BodyDecoder, Piece};
pub use client::{Incoming, ResponseHead, ResponseReader, write_request};
pub use head::{Head, RequestHead};
pub use headers::Headers;
pub use request::{Request, RequestReader};
pub(crate) use response::is_token;
pub use response::{
    Body, ReplyTo, Response, is_header_value, write_chunk, write_continue, write_last_chunk,
};

/// What a request may weigh. Passed with each call, because all sockets share one; a route that
/// takes larger bodies passes its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line (or status line) without its CRLF. More: 414.
    pub line_bytes_max: usize,
    /// Bytes of all header lines together, each with its CRLF. More: 431.
    pub headers_bytes_max: usize,
    /// Number of header lines, at most [`Limits::HEADERS_MAX`]. More: 431.
    pub headers_max: usize,
    /// Bytes of the body, after chunks are joined. More: 413, as soon as it is announced.
    pub body_bytes_max: u64,
    /// Bytes of chunk extensions and trailers together, of one body. More: 413 (T-CEXT).
    pub chunk_overhead_bytes_max: usize,
}

impl Limits {
    /// The most header lines that can be asked for.
    pub const HEADERS_MAX: usize = 256;
}

/// The values of Kestrel, except for the body: 1 MiB instead of 28.6 MiB, as nothing here sends
/// more.
impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 8 * 1024,
            headers_bytes_max: 32 * 1024,
            headers_max: 100,
            body_bytes_max: 1024 * 1024,
            chunk_overhead_bytes_max: 8 * 1024,
        }
    }
}

/// A request that is answered with an error by the protocol itself, after which the connection
/// is closed: where the next request begins cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {text}")]
pub struct Refused {
    /// 400, 413, 414, 417, 431, 501 or 505.
    pub status: u16,
    /// What was wrong, in a few words; it repeats nothing that the peer sent.
    pub text: &'static str,
}

impl Refused {
    /// The answer: plain text, and `Connection: close`.
    pub fn response(&self) -> Response<'static> {
        Response::text(self.status, self.text).closing()
    }

    const fn bad(text: &'static str) -> Self {
        Self { status: 400, text }
    }
}

/// The request methods we know by name (RFC 9110 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say all")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    /// Any other; its name is in the head.
    Other,
}

impl Method {
    /// The method of that name, which is case-sensitive.
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

/// The versions that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes after each answer unless asked to keep alive; knows no chunks.
    Http10,
    /// HTTP/1.1.
    Http11,
}
