//! The document of `/negotiate` (LEG §2.1).

use std::io::Write as _;
use std::time::Duration;

use super::{Version, write_json};
use crate::base::ConnectionId;

/// What a client is told about its new connection. All ten fields are always there: a client that
/// misses a time takes it for zero, or waits for ever (T-06). It must have no others: one of them
/// would say that this is a server of the newer protocol (LEG-007).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiation<'a> {
    /// The path that the other requests begin with, as a browser sees it (T-07).
    pub url: &'a str,
    /// What opens the connection.
    pub connection_token: &'a str,
    /// The public id.
    pub connection_id: ConnectionId,
    /// How long a client waits for a sign of life; nothing where none is sent.
    pub keep_alive_timeout: Option<Duration>,
    /// How long a client tries to reconnect.
    pub disconnect_timeout: Duration,
    /// How long a poll takes at most.
    pub connection_timeout: Duration,
    /// Whether WebSockets are offered.
    pub try_web_sockets: bool,
    /// The version that was resolved.
    pub protocol_version: Version,
    /// How long a client waits for a transport to be initialised.
    pub transport_connect_timeout: Duration,
    /// How long a client waits between polls.
    pub long_poll_delay: Duration,
}

impl Negotiation<'_> {
    /// Appends the document, its fields in the order of the original.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"Url\":");
        write_json(out, self.url).expect(VECTOR_TAKES_ALL);
        out.extend_from_slice(b",\"ConnectionToken\":");
        write_json(out, self.connection_token).expect(VECTOR_TAKES_ALL);
        write!(out, ",\"ConnectionId\":\"{}\"", self.connection_id).expect(VECTOR_TAKES_ALL);
        write_seconds(out, "KeepAliveTimeout", self.keep_alive_timeout);
        write_seconds(out, "DisconnectTimeout", Some(self.disconnect_timeout));
        write_seconds(out, "ConnectionTimeout", Some(self.connection_timeout));
        write!(
            out,
            ",\"TryWebSockets\":{},\"ProtocolVersion\":\"{}\"",
            self.try_web_sockets, self.protocol_version
        )
        .expect(VECTOR_TAKES_ALL);
        write_seconds(out, "TransportConnectTimeout", Some(self.transport_connect_timeout));
        write_seconds(out, "LongPollDelay", Some(self.long_poll_delay));
        out.push(b'}');
    }
}

/// The path of a mount, given that of a request to negotiate: `/negotiate` at its end is left out,
/// in any letter case (LEG-004).
///
/// ```
/// use tickhub::protocol::classic::base_path;
///
/// assert_eq!(base_path("/cors/signalr/Negotiate"), "/cors/signalr");
/// assert_eq!(base_path("/negotiate/negotiate"), "/negotiate");
/// ```
pub fn base_path(path: &str) -> &str {
    const WORD: &str = "/negotiate";
    match path.split_at_checked(path.len().wrapping_sub(WORD.len())) {
        Some((base, word)) if word.eq_ignore_ascii_case(WORD) => base,
        _ => path,
    }
}

/// A time in seconds: `20.0`, `0.1`, `null`.
fn write_seconds(out: &mut Vec<u8>, name: &str, time: Option<Duration>) {
    match time {
        Some(time) => write!(out, ",\"{name}\":{:?}", time.as_secs_f64()),
        None => write!(out, ",\"{name}\":null"),
    }
    .expect(VECTOR_TAKES_ALL);
}

const VECTOR_TAKES_ALL: &str = "a vector takes all that is written to it";

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiation(url: &str) -> Negotiation<'_> {
        Negotiation {
            url,
            connection_token: "Zm9vYmFyYmF6cXV4",
            connection_id: "3f0c1a52-7a0e-4f55-9a55-0b1c2d3e4f50".parse().expect("a GUID"),
            keep_alive_timeout: Some(Duration::from_secs(20)),
            disconnect_timeout: Duration::from_secs(30),
            connection_timeout: Duration::from_secs(110),
            try_web_sockets: true,
            protocol_version: Version::MAX,
            transport_connect_timeout: Duration::from_secs(5),
            long_poll_delay: Duration::ZERO,
        }
    }

    fn text(negotiation: &Negotiation<'_>) -> String {
        let mut out = Vec::new();
        negotiation.write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    /// LEG-002, LEG-007, `negotiate-settings`.
    #[test]
    fn the_document_is_that_of_the_original() {
        assert_eq!(
            text(&negotiation("/signalr")),
            r#"{"Url":"/signalr","ConnectionToken":"Zm9vYmFyYmF6cXV4","ConnectionId":"3f0c1a52-7a0e-4f55-9a55-0b1c2d3e4f50","KeepAliveTimeout":20.0,"DisconnectTimeout":30.0,"ConnectionTimeout":110.0,"TryWebSockets":true,"ProtocolVersion":"2.0","TransportConnectTimeout":5.0,"LongPollDelay":0.0}"#
        );
    }

    /// LEG-005, LEG-006, `negotiate-settings`.
    #[test]
    fn other_settings() {
        let other = Negotiation {
            keep_alive_timeout: None,
            disconnect_timeout: Duration::from_millis(6500),
            try_web_sockets: false,
            protocol_version: Version::resolve(Some("1.2.5")),
            long_poll_delay: Duration::from_millis(100),
            ..negotiation("/a\"é</script>")
        };
        let text = text(&other);
        for part in [
            r#"{"Url":"/a\"\u00e9</script>","#,
            r#""KeepAliveTimeout":null,"DisconnectTimeout":6.5,"#,
            r#""TryWebSockets":false,"ProtocolVersion":"1.2.5","#,
            r#""LongPollDelay":0.1}"#,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let keep_alive_timeout = Some(Duration::from_secs(8));
        let text = super::tests::text(&Negotiation { keep_alive_timeout, ..negotiation("/") });
        assert!(text.contains("\"KeepAliveTimeout\":8.0,"), "{text}");
    }

    /// LEG-004, `unknown-paths`.
    #[test]
    fn the_url_is_the_path_in_front_of_the_word() {
        for (path, base) in [
            ("/signalr/negotiate", "/signalr"),
            ("/cors/signalr/NEGOTIATE", "/cors/signalr"),
            ("/signalr/js/negotiate", "/signalr/js"),
            ("/negotiate", ""),
            ("/xnegotiate", "/xnegotiate"),
            ("/\u{1F600}egotiate", "/\u{1F600}egotiate"),
            ("", ""),
        ] {
            assert_eq!(base_path(path), base);
        }
    }
}
