//! The checks that a request head passes before anyone acts on it.

use std::mem::MaybeUninit;
use std::net::Ipv6Addr;

use super::head::{Target, has_token, split_target};
use super::{Limits, Method, Refused, Version};
use crate::protocol::url;

/// What a checked request head says about the message and the connection.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) framing: Framing,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `Connection: keep-alive`.
    pub(super) keep_alive: bool,
    /// `Connection: upgrade` together with `Upgrade: websocket`.
    pub(super) websocket: bool,
    /// `Expect: 100-continue`.
    pub(super) expects_continue: bool,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Neither length nor coding: no body in a request, up to the close in a response.
    None,
    Length(u64),
    Chunked,
}

/// Checks a complete head, up to and including its empty line.
pub(super) fn check_request(head: &str) -> Result<Facts, Refused> {
    check_version(head)?;
    let mut headers = [const { MaybeUninit::uninit() }; Limits::HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head.as_bytes(), &mut headers) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refused::bad("The request is malformed.")),
        Err(error) => return Err(refusal(error)),
    }
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let name = request.method.expect("a complete request has a method");
    let target = check_target(name, request.path.expect("a complete request has a target"))?;

    let mut fields = Fields::default();
    for header in &*request.headers {
        fields.read(header.name, header.value)?;
    }
    match (fields.host, target.authority) {
        (None, _) if version == Version::Http11 => {
            return Err(Refused::bad("The Host header is missing."));
        }
        // RFC 9112 §3.2.2 would let the target win; two names for one request are refused.
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            return Err(Refused::bad("The Host header differs from the target."));
        }
        _ => {}
    }
    let framing = fields.framing()?;
    if framing == Framing::Chunked && version == Version::Http10 {
        return Err(Refused::bad("Transfer-Encoding needs HTTP/1.1."));
    }
    Ok(Facts {
        method: Method::from_name(name),
        version,
        framing,
        close: fields.close,
        keep_alive: fields.keep_alive,
        websocket: fields.connection_upgrade && fields.upgrade_websocket,
        // RFC 9110 §10.1.1: ignored in HTTP/1.0.
        expects_continue: fields.expects_continue && version == Version::Http11,
    })
}

/// Takes the version from the end of the first line, to tell an unknown one from rubbish.
fn check_version(head: &str) -> Result<(), Refused> {
    let line = head.split_once("\r\n").map_or(head, |(line, _)| line);
    let version = line.rsplit(' ').next().unwrap_or_default();
    match version.as_bytes() {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        b"HTTP/2.0" if line == "PRI * HTTP/2.0" => Err(Refused::bad("HTTP/2 is not spoken here.")),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']
        | [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9'] => {
            Err(Refused { status: 505, text: "Only HTTP/1.1 and HTTP/1.0 are spoken here." })
        }
        _ => Err(Refused::bad("The request line is malformed.")),
    }
}

/// What the parser found wrong, in our words.
pub(super) fn refusal(error: httparse::Error) -> Refused {
    match error {
        httparse::Error::HeaderName => Refused::bad("A header name is malformed."),
        httparse::Error::HeaderValue => Refused::bad("A header value has a forbidden byte."),
        httparse::Error::NewLine => Refused::bad("A line is not ended by CR and LF."),
        httparse::Error::TooManyHeaders => {
            Refused { status: 431, text: "There are too many headers." }
        }
        _ => Refused::bad("The request line is malformed."),
    }
}

/// The request target (RFC 9112 §3.2; T-URL).
fn check_target<'a>(method: &str, text: &'a str) -> Result<Target<'a>, Refused> {
    if method == "CONNECT" {
        return Err(Refused { status: 501, text: "CONNECT is not supported." });
    }
    if !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'#') || text.contains("%00")
    {
        return Err(Refused::bad("The target has a forbidden byte."));
    }
    if text == "*" && method == "OPTIONS" {
        return Ok(Target { authority: None, path: text, query: "" });
    }
    let target = split_target(text);
    match target.authority {
        None if text.starts_with('/') => {}
        Some(authority) => {
            let scheme = text.split("://").next().unwrap_or_default();
            if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
                || !is_host(authority)
            {
                return Err(Refused::bad("The target is malformed."));
            }
        }
        None => return Err(Refused::bad("The target is malformed.")),
    }
    match url::percent_decode(target.path) {
        Ok(path) if !path.contains(|c: char| c.is_ascii_control()) => Ok(target),
        _ => Err(Refused::bad("The path is malformed.")),
    }
}

/// Whether `text` names a host and perhaps a port: a name, an IPv4 address, or an IPv6 address
/// in brackets (RFC 9110 §7.2; T-HOST). An empty host is no host here.
pub(super) fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let Some((address, rest)) = inner.split_once(']') else { return false };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            match rest {
                "" => return true,
                _ => ("x", rest.strip_prefix(':')),
            }
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, Some("0")),
        },
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_name)
        && port.is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

/// The header fields that the protocol itself acts on.
#[derive(Default)]
pub(super) struct Fields<'a> {
    host: Option<&'a str>,
    content_length: Option<u64>,
    chunked: bool,
    pub(super) close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    upgrade_websocket: bool,
    expects_continue: bool,
}

impl<'a> Fields<'a> {
    /// Takes note of one header.
    pub(super) fn read(&mut self, name: &str, value: &'a [u8]) -> Result<(), Refused> {
        // The length tells most headers apart without a comparison.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                let host = text(value).filter(|host| is_host(host));
                if host.is_none() {
                    return Err(Refused::bad("The Host header is malformed."));
                }
                if self.host.is_some() {
                    return Err(Refused::bad("There are two Host headers."));
                }
                self.host = host;
            }
            6 if name.eq_ignore_ascii_case("expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") || self.expects_continue {
                    return Err(Refused { status: 417, text: "Only 100-continue is expected." });
                }
                self.expects_continue = true;
            }
            7 if name.eq_ignore_ascii_case("upgrade") => {
                self.upgrade_websocket |= text(value).is_some_and(|v| has_token(v, "websocket"));
            }
            10 if name.eq_ignore_ascii_case("connection") => {
                let Some(list) = text(value) else { return Ok(()) };
                self.close |= has_token(list, "close");
                self.keep_alive |= has_token(list, "keep-alive");
                self.connection_upgrade |= has_token(list, "upgrade");
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let length = text(value).and_then(content_length);
                if length.is_none() || self.content_length.is_some() {
                    return Err(Refused::bad("The Content-Length is malformed."));
                }
                self.content_length = length;
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if !value.eq_ignore_ascii_case(b"chunked") || self.chunked {
                    return Err(Refused::bad("The Transfer-Encoding is not chunked."));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// How the body is framed (RFC 9112 §6.3). Both ways at once is the beginning of every
    /// smuggled request, so that is refused outright (RFC 9112 §6.1 allows it).
    pub(super) fn framing(&self) -> Result<Framing, Refused> {
        match (self.content_length, self.chunked) {
            (Some(_), true) => {
                Err(Refused::bad("Content-Length and Transfer-Encoding exclude each other."))
            }
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, true) => Ok(Framing::Chunked),
            (None, false) => Ok(Framing::None),
        }
    }
}

/// Digits, the first of which is zero only for zero itself.
fn content_length(value: &str) -> Option<u64> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit())
        && (value == "0" || !value.starts_with('0'));
    if is_plain { value.parse().ok() } else { None }
}

fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok()
}
