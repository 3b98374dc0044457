//! The ways to carry a connection, and the form that messages take on each.

use std::fmt;
use std::io::Write as _;

use crate::protocol::classic::forever_frame;
use crate::protocol::event_stream;
use crate::protocol::http::{write_chunk, write_last_chunk};
use crate::protocol::negotiate::Transports;
use crate::protocol::websocket::{self, Kind};

/// What carries a connection. Chosen by its first GET and fixed from then on (§1.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One WebSocket for both directions (§2.2).
    WebSockets,
    /// An endless answer towards the client, POSTs towards the server (§2.3).
    ServerSentEvents,
    /// One answer after the other towards the client, POSTs towards the server (§2.4).
    LongPolling,
    /// An endless page of scripts towards the client, POSTs towards the server: classic SignalR
    /// alone knows it.
    ForeverFrame,
}

impl Transport {
    /// Its name on the wire and in .NET.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSockets => "WebSockets",
            Self::ServerSentEvents => "ServerSentEvents",
            Self::LongPolling => "LongPolling",
            Self::ForeverFrame => "ForeverFrame",
        }
    }

    /// Whether it is one of `offered`.
    pub fn is_in(self, offered: Transports) -> bool {
        offered.contains(match self {
            Self::WebSockets => Transports::WEB_SOCKETS,
            Self::ServerSentEvents => Transports::SERVER_SENT_EVENTS,
            Self::LongPolling => Transports::LONG_POLLING,
            Self::ForeverFrame => return false,
        })
    }

    /// Whether it carries any bytes, and not only text (§2.5).
    pub fn is_binary(self) -> bool {
        matches!(self, Self::WebSockets | Self::LongPolling)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The form of what is queued for a client. A message for many is framed once for each form that
/// is in use among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// One WebSocket message.
    #[default]
    WebSocket,
    /// One WebSocket message, for a client with which compression was agreed on. Here it is
    /// written as it is, which is always allowed.
    Compressed,
    /// One event, in a chunk of its own.
    EventChunk,
    /// One event, for a client of HTTP/1.0, which knows no chunks.
    Event,
    /// The bytes as they are: the answer to a poll has one length for all of them.
    Plain,
    /// The bytes as they are, in a chunk of their own: the answer to a classic poll begins before
    /// its length is known.
    PlainChunk,
    /// One script of a forever frame, in a chunk of its own.
    ScriptChunk,
    /// One script of a forever frame, for a client of HTTP/1.0.
    Script,
}

impl Framing {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// Whether it is that of a WebSocket.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::Compressed)
    }

    /// Appends `body` in this form. `kind` matters to WebSockets alone.
    pub fn write(self, out: &mut Vec<u8>, kind: Kind, body: &[u8]) {
        match self {
            Self::WebSocket | Self::Compressed => {
                websocket::write_header(out, kind.into(), true, body.len());
                out.extend_from_slice(body);
            }
            Self::EventChunk => chunk(out, |out| event_stream::write_event(out, body)),
            Self::Event => event_stream::write_event(out, body),
            Self::ScriptChunk => chunk(out, |out| forever_frame::write_message(out, body)),
            Self::Script => forever_frame::write_message(out, body),
            Self::PlainChunk => write_chunk(out, body),
            Self::Plain => out.extend_from_slice(body),
        }
    }

    /// Appends what says that nothing follows: a Close frame with `code` and `reason`, or the last
    /// chunk. The other forms end with their answer.
    pub fn write_end(self, out: &mut Vec<u8>, code: u16, reason: &str) {
        match self {
            Self::WebSocket | Self::Compressed => websocket::write_close(out, Some(code), reason),
            Self::EventChunk | Self::ScriptChunk | Self::PlainChunk => write_last_chunk(out),
            Self::Event | Self::Script | Self::Plain => {}
        }
    }
}

/// Writes a chunk whose length is known when it is written.
fn chunk(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let mut size = [0; CHUNK_SIZE_BYTES_MAX];
    let mut rest = &mut size[..];
    write!(rest, "{:x}\r\n", out.len() - start).expect("a size has 16 digits at most");
    let left = rest.len();
    out.splice(start..start, size[..CHUNK_SIZE_BYTES_MAX - left].iter().copied());
    out.extend_from_slice(b"\r\n");
}

/// Sixteen digits and a line break.
const CHUNK_SIZE_BYTES_MAX: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_in_every_form() {
        let form = |framing: Framing| {
            let mut out = Vec::new();
            framing.write(&mut out, Kind::Text, b"{}\x1e");
            framing.write_end(&mut out, 1000, "");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(form(Framing::EventChunk), "d\r\ndata: {}\u{1e}\r\n\r\n\r\n0\r\n\r\n");
        assert_eq!(form(Framing::Event), "data: {}\u{1e}\r\n\r\n");
        assert_eq!(form(Framing::Plain), "{}\u{1e}");
    }
}
