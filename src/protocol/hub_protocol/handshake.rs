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
