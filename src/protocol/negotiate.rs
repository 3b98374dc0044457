//! The negotiate document of ASP.NET Core (§1.2): which version, which transports.
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
    /// The transport `WebSockets`.
    pub const WEB_SOCKETS: Self = Self(1);
    /// The transport `ServerSentEvents`.
    pub const SERVER_SENT_EVENTS: Self = Self(2);
    /// The transport `LongPolling`.
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

/// Where else a client is to connect: it negotiates there, and uses that place for its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The address of a hub, with whatever query it needs. The client adds `/negotiate` to the
    /// path.
    pub url: String,
    /// What the client shows there, in the place of its own token.
    pub access_token: Option<String>,
}

impl Redirect {
    /// To another hub, without a token.
    pub fn to(url: impl Into<String>) -> Self {
        Self { url: url.into(), access_token: None }
    }

    /// With a token for that place.
    #[must_use]
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.access_token = Some(token.into());
        self
    }

    /// Appends the document that sends a client elsewhere.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_member(out, "{\"url\":", &self.url);
        if let Some(access_token) = &self.access_token {
            write_member(out, ",\"accessToken\":", access_token);
        }
        out.push(b'}');
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn version(value: &str, minimum: i32) -> Result<i32, String> {
        choose_version([value], minimum).map_err(|error| error.to_string())
    }

    fn unsupported(asked: &str) -> String {
        format!(
            "The client requested version '{asked}', but the server does not support this version."
        )
    }

    /// `negotiate-versions` and `negotiate-minimum-version`.
    #[test]
    fn versions() {
        let none: [&str; 0] = [];
        assert_eq!(choose_version(none, 0), Ok(0));
        assert_eq!(choose_version(none, 1).map_err(|e| e.to_string()), Err(unsupported("0")));
        for (value, chosen) in [
            ("0", 0),
            ("1", 1),
            ("2", 1),
            ("7", 1),
            (" 1", 1),
            ("01", 1),
            ("+1", 1),
            ("\t1\r\n ", 1),
            ("-0", 0),
            ("2147483647", 1),
        ] {
            assert_eq!(version(value, 0), Ok(chosen), "{value:?}");
        }
        for value in ["-1", "-5", "-2147483648"] {
            assert_eq!(version(value, 0), Err(unsupported(value)));
        }
        assert_eq!(version("-05", 0), Err(unsupported("-5")));
        assert_eq!(version("0", 1), Err(unsupported("0")));
        assert_eq!(version("3", 1), Ok(1));
        let garbage = "The client requested a non-integer protocol version.".to_owned();
        for value in [
            "",
            " ",
            "abc",
            "1.0",
            "99999999999",
            "1,1",
            "1e0",
            "- 1",
            "+",
            "--1",
            "\u{a0}1",
            "0x1",
        ] {
            assert_eq!(version(value, 0), Err(garbage.clone()), "{value:?}");
            assert_eq!(version(value, 1), Err(garbage.clone()), "{value:?}");
        }
        assert_eq!(choose_version(["1", "1"], 0), Err(VersionError::NotAnInteger));
    }

    /// `negotiate-stateful`.
    #[test]
    fn stateful_reconnect_is_asked_for_with_true() {
        for value in ["true", "TRUE", "True", " true "] {
            assert!(asks_stateful([value]), "{value}");
        }
        for value in ["false", "1", "", "yes"] {
            assert!(!asks_stateful([value]), "{value}");
        }
        assert!(!asks_stateful(["true", "true"]));
        let none: [&str; 0] = [];
        assert!(!asks_stateful(none));
    }

    fn document(stateful_reconnect: bool, version: i32, transports: Transports) -> String {
        let mut out = Vec::new();
        let connection_id = "w2S0eYfVbqk6Jp3nTz8Rug";
        let connection_token = "Hc9mQX1oLrWbPz5D0tUeaA";
        Response { stateful_reconnect, version, connection_id, connection_token, transports }
            .write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_document_is_that_of_the_original() {
        let all = r#""availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},{"transport":"ServerSentEvents","transferFormats":["Text"]},{"transport":"LongPolling","transferFormats":["Text","Binary"]}]}"#;
        let first = document(false, 1, Transports::ALL);
        assert_eq!(
            first,
            format!(
                "{{\"negotiateVersion\":1,\"connectionId\":\"w2S0eYfVbqk6Jp3nTz8Rug\",\
                 \"connectionToken\":\"Hc9mQX1oLrWbPz5D0tUeaA\",{all}"
            )
        );
        // The lengths of `negotiate-requests`, `negotiate-stateful` and `negotiate-transports`.
        assert_eq!(first.len(), 316);
        let zero = document(false, 0, Transports::ALL);
        assert_eq!(zero.len(), 273);
        assert!(!zero.contains("connectionToken"));
        let stateful = document(true, 1, Transports::ALL);
        assert!(stateful.starts_with(r#"{"useStatefulReconnect":true,"negotiateVersion":1,"#));
        assert_eq!(stateful.len(), 344);
        assert_eq!(document(true, 0, Transports::ALL).len(), 301);
        assert_eq!(document(false, 1, Transports::WEB_SOCKETS).len(), 192);
        assert_eq!(document(false, 1, Transports::SERVER_SENT_EVENTS).len(), 189);
        assert_eq!(document(false, 1, Transports::LONG_POLLING).len(), 193);
        let without = Transports::SERVER_SENT_EVENTS | Transports::LONG_POLLING;
        assert_eq!(document(false, 1, without).len(), 253);
        assert!(document(false, 1, Transports::NONE).ends_with("\"availableTransports\":[]}"));
    }

    #[test]
    fn errors_and_redirects_have_nothing_else() {
        let mut out = Vec::new();
        write_error(&mut out, &VersionError::NotAnInteger.to_string());
        assert_eq!(out, br#"{"error":"The client requested a non-integer protocol version."}"#);
        out.clear();
        Redirect::to("https://rt.example/client/?hub=chat").access_token("eyJ\"").write(&mut out);
        assert_eq!(out, br#"{"url":"https://rt.example/client/?hub=chat","accessToken":"eyJ\""}"#);
        out.clear();
        Redirect::to("/x").write(&mut out);
        assert_eq!(out, br#"{"url":"/x"}"#);
    }
}
