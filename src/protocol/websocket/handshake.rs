//! The opening handshake (RFC 6455 §4), both sides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

use crate::protocol::http::{self, Head, Method, Request, Response, ResponseHead, Version};

/// What a request is, seen as the opening of a WebSocket.
///
/// The rules are those of the original (§9.2 of the specification of the protocol). It treats
/// everything but [`Verdict::Accept`] as an ordinary request, and so should hub routes; raw
/// WebSocket routes may answer more helpfully, with [`Verdict::refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// A proper opening; `key` goes into [`write_response`].
    Accept {
        /// The value of `Sec-WebSocket-Key`.
        key: &'a str,
    },
    /// It does not ask for a WebSocket.
    NotWebSocket,
    /// It asks for another version of the protocol than 13.
    WrongVersion,
    /// It asks for a WebSocket in a way that cannot be; the text says what is wrong.
    Malformed(&'static str),
}

impl<'a> Verdict<'a> {
    /// Judges `request`.
    pub fn of(request: &'a Request<'_>) -> Self {
        let head = request.head();
        if request.method() != Method::Get || !request.wants_websocket() {
            return Self::NotWebSocket;
        }
        if request.version() == Version::Http10 {
            return Self::Malformed("A WebSocket needs HTTP/1.1.");
        }
        if request.has_body() {
            return Self::Malformed("A WebSocket request has no body.");
        }
        if !head.header_has_token("sec-websocket-version", "13") {
            return Self::WrongVersion;
        }
        let mut keys = head.header_values("sec-websocket-key");
        match (keys.next(), keys.next()) {
            (Some(key), None) if is_key(key) => Self::Accept { key },
            _ => Self::Malformed("The Sec-WebSocket-Key is malformed."),
        }
    }

    /// What to answer when no WebSocket comes of it, on a route that is for nothing else.
    pub fn refusal(self) -> Option<Response<'static>> {
        match self {
            Self::Accept { .. } => None,
            Self::NotWebSocket => Some(Response::text(400, "WebSocket expected")),
            Self::WrongVersion => Some(wrong_version()),
            Self::Malformed(text) => Some(Response::text(400, text).closing()),
        }
    }
}

/// The answer to another version: which one we speak (RFC 6455 §4.4).
pub fn wrong_version() -> Response<'static> {
    Response::text(426, "Only version 13 of WebSocket is spoken here.")
        .header("Sec-WebSocket-Version", "13")
        .header("Upgrade", "websocket")
        .closing()
}

/// The subprotocols that the client offers, in its order of preference (RFC 6455 §4.2.1).
pub fn offered_subprotocols(head: Head<'_>) -> impl Iterator<Item = &str> {
    head.header_values("sec-websocket-protocol")
        .flat_map(|list| list.split(','))
        .map(|name| name.trim_matches([' ', '\t']))
        .filter(|name| !name.is_empty())
}

/// Appends the 101 that opens the WebSocket, with the subprotocol that was chosen, if any
/// (COR-042), the extension that was agreed on, and headers of the application.
///
/// # Panics
///
/// When `subprotocol` cannot stand in a header. It is one of those that we know, never an echo.
pub fn write_response(
    out: &mut Vec<u8>,
    key: &str,
    subprotocol: Option<&str>,
    extension: Option<&str>,
    headers: &http::Headers,
) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    );
    out.extend_from_slice(b"Sec-WebSocket-Accept: ");
    out.extend_from_slice(derive_accept_key(key.as_bytes()).as_bytes());
    if let Some(name) = subprotocol {
        assert!(http::is_header_value(name), "a subprotocol keeps to its line");
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(name.as_bytes());
    }
    if let Some(extension) = extension {
        out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
        out.extend_from_slice(extension.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(headers.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a client's opening request and returns the key to check the answer with. `nonce` is
/// fresh random (RFC 6455 §4.1).
pub fn write_request(
    out: &mut Vec<u8>,
    target: &str,
    host: &str,
    nonce: [u8; 16],
    headers: &[(&str, &str)],
) -> String {
    let key = STANDARD.encode(nonce);
    let mut all = vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key.as_str()),
    ];
    all.extend_from_slice(headers);
    http::write_request(out, "GET", target, host, &all, &[]);
    key
}

/// Whether `response` opens the WebSocket that was asked for with `key` (RFC 6455 §4.1). It must
/// not agree to an extension, as none was offered; whether its subprotocol was offered is for
/// the caller to judge.
pub fn check_response(response: &ResponseHead, key: &str) -> bool {
    response.status() == 101
        && response.header_has_token("upgrade", "websocket")
        && response.header_has_token("connection", "upgrade")
        && response.header("sec-websocket-accept") == Some(&derive_accept_key(key.as_bytes()))
        && response.header("sec-websocket-extensions").is_none()
}

/// Whether `key` is the base64 of sixteen bytes.
fn is_key(key: &str) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && STANDARD.decode_slice(key, &mut bytes) == Ok(16)
}
