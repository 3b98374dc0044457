//! The first record in each direction: which hub protocol the connection speaks (§3.2).
//!
//! The request is cut from the in stream by the same
//! [`RecordBuffer`](super::RecordBuffer) as everything after it, so what follows it in the same
//! piece stays there (COR-067). A record that is too long is [`Refusal::Canceled`] here.

use std::borrow::Cow;

use super::errors::{Detail, DetailedErrors};
use super::{HubProtocolKind, ProtocolError, json};

/// The highest version that is accepted; lower ones are, down to negatives (COR-061).
pub const VERSION_MAX: i32 = 2;

/// The version from which on a connection may be stateful (§5.1).
pub const VERSION_STATEFUL: i32 = 2;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The name of the hub protocol, as spelled by the client.
    pub protocol: Cow<'a, str>,
    /// The version of the protocol.
    pub version: i32,
}

/// Why a handshake is refused. The client is told, then the connection ends without a Close
/// message (COR-068).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A protocol that does not exist or is not allowed here (COR-062).
    UnknownProtocol {
        /// The name as spelled by the client.
        protocol: String,
    },
    /// A version above [`VERSION_MAX`] (COR-061).
    UnsupportedVersion {
        /// The name as spelled by the client.
        protocol: String,
        /// The version that was asked for.
        version: i32,
    },
    /// A binary protocol over a transport that carries text only.
    TextOnlyTransport {
        /// The protocol that was asked for.
        protocol: HubProtocolKind,
    },
    /// It did not come in time (COR-065), or was longer than a message may be (COR-066).
    Canceled,
    /// It could not be read (COR-064).
    Unreadable(ProtocolError),
}

impl<'a> Request<'a> {
    /// Reads the record of a request, without its separator.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unreadable`]: no JSON object, or a property that is missing or of a wrong type.
    pub fn read(record: &'a [u8]) -> Result<Self, Refusal> {
        json::read_handshake_request(record).map_err(Refusal::Unreadable)
    }

    /// The protocol to speak: one of `allowed`, over a transport that carries bytes or
    /// (`binary_transport` false) text only.
    ///
    /// # Errors
    ///
    /// The checks in the order of the original: protocol, version, transport.
    pub fn choose(
        &self,
        allowed: &[HubProtocolKind],
        binary_transport: bool,
    ) -> Result<HubProtocolKind, Refusal> {
        let known = HubProtocolKind::from_name(&self.protocol);
        let Some(protocol) = known.filter(|kind| allowed.contains(kind)) else {
            return Err(Refusal::UnknownProtocol { protocol: self.protocol.to_string() });
        };
        if self.version > VERSION_MAX {
            let protocol = self.protocol.to_string();
            return Err(Refusal::UnsupportedVersion { protocol, version: self.version });
        }
        if protocol.is_binary() && !binary_transport {
            return Err(Refusal::TextOnlyTransport { protocol });
        }
        Ok(protocol)
    }

    /// Appends the request, as a client sends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        json::write_handshake_request(out, &self.protocol, self.version);
    }
}

impl Refusal {
    /// What the client is told.
    pub fn text(&self, detailed: DetailedErrors) -> String {
        match self {
            Self::UnknownProtocol { protocol } => {
                format!("The protocol '{protocol}' is not supported.")
            }
            Self::UnsupportedVersion { protocol, version } => {
                format!(
                    "The server does not support version {version} of the '{protocol}' protocol."
                )
            }
            Self::TextOnlyTransport { protocol } => {
                let name = protocol.name();
                format!(
                    "Cannot use the '{name}' protocol on the current transport. The transport \
                     does not support 'Binary' transfer format."
                )
            }
            Self::Canceled => "Handshake was canceled.".into(),
            Self::Unreadable(error) => detailed.handshake_failed(Detail::from(error)),
        }
    }

    /// Appends the answer to a refused request.
    pub fn write(&self, out: &mut Vec<u8>, detailed: DetailedErrors) {
        json::write_handshake_error(out, &self.text(detailed));
    }
}

/// The answer to an accepted request (COR-060).
pub const ACCEPTED: &[u8] = b"{}\x1e";

/// Reads the server's answer, as a client does: accepted, or the error text.
///
/// # Errors
///
/// The record is no JSON object, or its error is no text.
pub fn read_response(record: &[u8]) -> Result<Result<(), String>, ProtocolError> {
    json::read_handshake_response(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(record: &str, detailed: bool) -> String {
        let chosen = Request::read(record.as_bytes())
            .and_then(|request| request.choose(HubProtocolKind::ALL, true));
        let mut out = Vec::new();
        match chosen {
            Ok(_) => out.extend_from_slice(ACCEPTED),
            Err(refusal) => refusal.write(&mut out, DetailedErrors(detailed)),
        }
        String::from_utf8(out).expect("text")
    }

    /// `handshake-accepted`.
    #[test]
    fn accepted_requests() {
        for record in [
            r#"{"protocol":"json","version":1}"#,
            r#"{"protocol":"json","version":0}"#,
            r#"{"protocol":"json","version":2}"#,
            r#"{"protocol":"json","version":-3}"#,
            r#"{"version":1,"protocol":"json"}"#,
            " { \"protocol\" : \"json\" ,\n \"version\" : 1 } ",
            r#"{"protocol":"json","version":1,"more":{"x":[1,{"y":null}]},"type":1}"#,
            r#"{"protocol":"JSON","version":1}"#,
            r#"{"protocol":"json","version":1,"version":2}"#,
            r#"{"protocol":"json","version":9,"version":2}"#,
            r#"{"\u0070rotocol":"\u006ason","version":1}garbage"#,
        ] {
            assert_eq!(answer(record, true), "{}\x1e", "{record}");
        }
    }

    /// `handshake-refused` and `handshake-refused-detailed`; `None` stands for any detail.
    #[test]
    fn refused_requests() {
        let base = "An unexpected error occurred during connection handshake.";
        let missing_protocol = "Missing required property 'protocol'. Message content: ";
        for (record, detail) in [
            ("{}", Some(format!("{missing_protocol}{{}}"))),
            (
                r#"{"protocol":"json"}"#,
                Some(
                    r#"Missing required property 'version'. Message content: {\"protocol\":\"json\"}"#
                        .to_owned(),
                ),
            ),
            (r#"{"version":1}"#, Some(format!(r#"{missing_protocol}{{\"version\":1}}"#))),
            (
                r#"{"Protocol":"json","Version":1}"#,
                Some(format!(r#"{missing_protocol}{{\"Protocol\":\"json\",\"Version\":1}}"#)),
            ),
            (
                r#"{"protocol":"json","version":"1"}"#,
                Some("Expected 'version' to be of type Number.".to_owned()),
            ),
            (
                r#"{"protocol":"json","version":null}"#,
                Some("Expected 'version' to be of type Number.".to_owned()),
            ),
            (
                r#"{"protocol":1,"version":1}"#,
                Some("Expected 'protocol' to be of type String.".to_owned()),
            ),
            (
                r#"{"protocol":null,"version":1}"#,
                Some("Expected 'protocol' to be of type String.".to_owned()),
            ),
            ("[]", Some("Unexpected JSON Token Type 'Array'. Expected a JSON Object.".to_owned())),
            (
                r#""json""#,
                Some("Unexpected JSON Token Type 'String'. Expected a JSON Object.".to_owned()),
            ),
            (r#"{"protocol":"json","version":1.5}"#, None),
            ("nonsense", None),
            ("", None),
            (r#"{"protocol":"json","version":1"#, None),
        ] {
            assert_eq!(answer(record, false), format!("{{\"error\":\"{base}\"}}\x1e"), "{record}");
            let detailed = answer(record, true);
            let begin = format!("{{\"error\":\"{base} InvalidDataException: ");
            assert!(detailed.starts_with(&begin), "{detailed}");
            match detail {
                Some(detail) => assert_eq!(detailed, format!("{begin}{detail}\"}}\x1e")),
                None => assert!(detailed.len() > begin.len() + 3, "{detailed}"),
            }
        }
        for (record, text) in [
            (
                r#"{"protocol":"json","version":3}"#,
                "The server does not support version 3 of the 'json' protocol.",
            ),
            (r#"{"protocol":"xyz","version":1}"#, "The protocol 'xyz' is not supported."),
            (r#"{"protocol":"","version":1}"#, "The protocol '' is not supported."),
            (r#"{"protocol":"x","version":9}"#, "The protocol 'x' is not supported."),
        ] {
            for detailed in [false, true] {
                assert_eq!(answer(record, detailed), format!("{{\"error\":\"{text}\"}}\x1e"));
            }
        }
    }

    #[test]
    fn other_refusals() {
        let detailed = DetailedErrors(true);
        assert_eq!(Refusal::Canceled.text(detailed), "Handshake was canceled.");
        assert_eq!(
            Refusal::TextOnlyTransport { protocol: HubProtocolKind::Json }.text(detailed),
            "Cannot use the 'json' protocol on the current transport. The transport does not \
             support 'Binary' transfer format."
        );
        let request = Request { protocol: "json".into(), version: 1 };
        assert!(matches!(request.choose(&[], true), Err(Refusal::UnknownProtocol { .. })));
        assert_eq!(request.choose(HubProtocolKind::ALL, false), Ok(HubProtocolKind::Json));
    }

    #[test]
    fn a_client_shakes_hands_too() {
        let request = Request { protocol: "json".into(), version: 2 };
        let mut out = Vec::new();
        request.write(&mut out);
        assert_eq!(out, b"{\"protocol\":\"json\",\"version\":2}\x1e");
        assert_eq!(Request::read(&out[..out.len() - 1]), Ok(request));
        assert_eq!(read_response(b"{}"), Ok(Ok(())));
        assert_eq!(read_response(br#"{"error":"no\u0021"}"#), Ok(Err("no!".to_owned())));
        assert!(read_response(b"{").is_err());
        assert!(read_response(br#"{"error":1}"#).is_err());
    }
}
