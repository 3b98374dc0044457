//! The negotiate document of ASP.NET Core SignalR (§1.2): which version, which transports.
//!
//! It does not make ids or connections; it is told them.

use std::io::Write as _;
use std::ops::BitOr;

/// The highest version of negotiation.
pub const VERSION_MAX: i32 = 1;

/// A set of transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transports(u8);

impl Transports {
    /// No transport at all.
    pub const NONE: Self = Self(0);
    /// WebSockets.
    pub const WEB_SOCKETS: Self = Self(1);
    /// Server-sent events.
    pub const SERVER_SENT_EVENTS: Self = Self(2);
    /// Long polling.
    pub const LONG_POLLING: Self = Self(4);
    /// All of them.
    pub const ALL: Self = Self(7);

    /// Whether all of `other` are in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Transports {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Default for Transports {
    fn default() -> Self {
        Self::ALL
    }
}

/// Why there is no version that both sides speak. The text is the `error` of the response, whose
/// status is 200 all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It is no integer of 32 bits, or was given twice.
    #[error("The client requested a non-integer protocol version.")]
    NotAnInteger,
    /// It is lower than the server's minimum.
    #[error(
        "The client requested version '{asked}', but the server does not support this version."
    )]
    Unsupported {
        /// The version that was asked for.
        asked: i32,
    },
}

/// The version to speak, given the decoded values of all query parameters `negotiateVersion` (in
/// any letter case) and the option `MinimumProtocolVersion`.
///
/// # Errors
///
/// See [`VersionError`].
pub fn choose_version<V: AsRef<str>>(
    values: impl IntoIterator<Item = V>,
    minimum: i32,
) -> Result<i32, VersionError> {
    let mut values = values.into_iter();
    let asked = match (values.next(), values.next()) {
        (None, _) => 0,
        (Some(value), None) => integer(value.as_ref()).ok_or(VersionError::NotAnInteger)?,
        (Some(_), Some(_)) => return Err(VersionError::NotAnInteger),
    };
    if asked < minimum {
        Err(VersionError::Unsupported { asked })
    } else {
        Ok(asked.min(VERSION_MAX))
    }
}

/// Whether a client asked for stateful reconnect, given the decoded values of all query
/// parameters `useStatefulReconnect` (in any letter case).
pub fn asks_stateful<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> bool {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => trim(value.as_ref()).eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// An integer as .NET reads it: spaces around it, a sign and leading zeros are fine.
fn integer(text: &str) -> Option<i32> {
    trim(text).parse().ok()
}

/// Without the white space that .NET allows around a number.
fn trim(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, '\t'..='\r' | ' '))
}

/// What a client is told about its new connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The hub allows stateful reconnect and the client asked for it.
    pub stateful_reconnect: bool,
    /// The version that was chosen.
    pub version: i32,
    /// The id of the connection.
    pub connection_id: &'a str,
    /// What opens the connection. In version 0 it equals the id and is not written.
    pub connection_token: &'a str,
    /// The transports that are enabled.
    pub transports: Transports,
}

impl Response<'_> {
    /// Appends the document, its fields in the order of .NET. No client may see more or other
    /// names than these: the Python client rejects them.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if self.stateful_reconnect {
            // Written only when true: unasked it makes the JavaScript client fail.
            out.extend_from_slice(b"\"useStatefulReconnect\":true,");
        }
        write!(out, "\"negotiateVersion\":{}", self.version)
            .expect("a vector takes all that is written to it");
        write_member(out, ",\"connectionId\":", self.connection_id);
        if self.version > 0 {
            write_member(out, ",\"connectionToken\":", self.connection_token);
        }
        out.extend_from_slice(b",\"availableTransports\":[");
        let mut separator: &[u8] = b"";
        for (transport, description) in DESCRIPTIONS {
            if self.transports.contains(transport) {
                out.extend_from_slice(separator);
                out.extend_from_slice(description);
                separator = b",";
            }
        }
        out.extend_from_slice(b"]}");
    }
}

/// Appends the document of a refused negotiation. Its status is 200.
pub fn write_error(out: &mut Vec<u8>, error: &str) {
    write_member(out, "{\"error\":", error);
    out.push(b'}');
}

/// Appends the document that sends a client elsewhere.
pub fn write_redirect(out: &mut Vec<u8>, url: &str, access_token: Option<&str>) {
    write_member(out, "{\"url\":", url);
    if let Some(access_token) = access_token {
        write_member(out, ",\"accessToken\":", access_token);
    }
    out.push(b'}');
}

/// The elements of `availableTransports`, in their order.
const DESCRIPTIONS: [(Transports, &[u8]); 3] = [
    (Transports::WEB_SOCKETS, br#"{"transport":"WebSockets","transferFormats":["Text","Binary"]}"#),
    (
        Transports::SERVER_SENT_EVENTS,
        br#"{"transport":"ServerSentEvents","transferFormats":["Text"]}"#,
    ),
    (
        Transports::LONG_POLLING,
        br#"{"transport":"LongPolling","transferFormats":["Text","Binary"]}"#,
    ),
];

fn write_member(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(name.as_bytes());
    super::hub_protocol::write_json_text(out, text);
}
