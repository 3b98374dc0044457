//! How connections end.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::hub_protocol::errors::{CLIENT_TIMEOUT, Detail, DetailedErrors};

/// Why a connection ended, as `on_disconnected` hears it. A reason, not an error of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The client said goodbye: a Close message, or an orderly end of its transport.
    ByClient,
    /// The client said goodbye with an error text of its own.
    ByClientWithError(String),
    /// The hub ended it (`Context::abort`).
    Aborted,
    /// The transport vanished: reset, or ended without a word.
    Lost,
    /// The transport vanished, and nobody came back within `disconnect_timeout` (§5.6).
    NotResumed,
    /// The client was silent for longer than `client_timeout_interval` (§3.8).
    Silent,
    /// The client broke the hub protocol, or sent too much: type and text of the error.
    Protocol {
        /// The name of the kind of error, as .NET clients know it.
        type_name: &'static str,
        /// What was wrong.
        detail: Cow<'static, str>,
    },
    /// The client broke the WebSocket protocol (COR-043).
    WebSocket {
        /// The close code it was told.
        code: u16,
        /// What was wrong.
        detail: &'static str,
    },
    /// The client read too slowly: its outbox was over the hard limit, or stood still too long.
    TooSlow(&'static str),
    /// The handler of a connection without a hub ended it with an error.
    Failed(String),
    /// A result could not be written (§3.10).
    Unwritable(String),
    /// The server is going down; the client may come back.
    Drained,
    /// The hub ended it and invited the client to come back.
    Moved,
    /// The identity of the client has expired; it may come back with a new one
    /// (`close_on_authentication_expiration`).
    Expired,
    /// `on_connected` refused it; `on_disconnected` is not called (COR-117).
    Refused {
        /// The name of the kind of error.
        type_name: Cow<'static, str>,
        /// What was wrong.
        detail: String,
        /// Whether the client may see it.
        public: bool,
    },
    /// No handshake came in time, or a wrong one (§3.2). The hub never heard of it.
    Handshake,
}

impl Closed {
    /// Whether the client has said that it stops: what `OnDisconnected` of classic SignalR is told
    /// (§6.3).
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::ByClient | Self::ByClientWithError(_) | Self::Aborted)
    }

    /// Type name and text, if the end was an error (the argument of `OnDisconnectedAsync` in
    /// .NET); nothing, if it was an ordinary one.
    pub fn error(&self) -> Option<(&str, &str)> {
        match self {
            Self::ByClientWithError(text) => Some(("HubException", text)),
            Self::Silent => Some((CLIENT_TIMEOUT.type_name, CLIENT_TIMEOUT.message)),
            Self::Protocol { type_name, detail } => Some((type_name, detail)),
            Self::WebSocket { detail, .. } => Some(("WebSocketException", detail)),
            Self::TooSlow(detail) => Some(("OperationCanceledException", detail)),
            Self::Failed(detail) => Some(("Exception", detail)),
            Self::Unwritable(detail) => Some(("InvalidOperationException", detail)),
            Self::Refused { type_name, detail, .. } => Some((type_name, detail)),
            Self::ByClient
            | Self::Aborted
            | Self::Lost
            | Self::NotResumed
            | Self::Drained
            | Self::Moved
            | Self::Expired
            | Self::Handshake => None,
        }
    }

    /// What the Close message says, if one is sent (§3.10).
    pub(super) fn message(&self, detailed: bool) -> Option<CloseMessage> {
        let allow_reconnect = !matches!(
            self,
            Self::ByClient | Self::ByClientWithError(_) | Self::Aborted | Self::Refused { .. }
        );
        match self {
            Self::Lost | Self::NotResumed | Self::WebSocket { .. } | Self::Handshake => {
                return None;
            }
            Self::ByClient | Self::ByClientWithError(_) => {
                return Some(CloseMessage { error: None, allow_reconnect });
            }
            _ => {}
        }
        let public = matches!(self, Self::Refused { public: true, .. });
        let error = self.error().map(|(type_name, message)| {
            DetailedErrors(detailed).closed_with_error(Detail { type_name, message, public })
        });
        Some(CloseMessage { error, allow_reconnect })
    }

    /// Whether the last words wait until the client has acknowledged what is before them (§5.4):
    /// not those for a client that broke off, or of which nothing is to be expected.
    pub(super) fn waits_for_acks(&self) -> bool {
        matches!(
            self,
            Self::Aborted
                | Self::Unwritable(_)
                | Self::Drained
                | Self::Moved
                | Self::Refused { .. }
        )
    }

    /// The code of the WebSocket Close frame (§2.2); none when the socket is gone.
    pub(super) fn websocket_code(&self) -> Option<u16> {
        match self {
            Self::Lost | Self::NotResumed => None,
            Self::WebSocket { code, .. } => Some(*code),
            Self::Failed(_) => Some(1011),
            _ => Some(1000),
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient => f.write_str("closed by the client"),
            Self::Aborted => f.write_str("aborted by the hub"),
            Self::Lost => f.write_str("the transport was lost"),
            Self::NotResumed => f.write_str("the transport was lost, and nobody came back"),
            Self::Drained => f.write_str("the server is going down"),
            Self::Moved => f.write_str("sent away by the hub, to come back"),
            Self::Expired => f.write_str("the authentication has expired"),
            Self::Handshake => f.write_str("the handshake failed"),
            _ => {
                let (type_name, detail) = self.error().expect("the other reasons are errors");
                write!(f, "{type_name}: {detail}")
            }
        }
    }
}

/// The parts of a Close message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CloseMessage {
    pub(super) error: Option<String>,
    pub(super) allow_reconnect: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_close_message_follows_the_table() {
        let message = |closed: Closed, detailed| closed.message(detailed);
        let plain = |error: Option<&str>, allow_reconnect| {
            Some(CloseMessage { error: error.map(String::from), allow_reconnect })
        };
        assert_eq!(message(Closed::Aborted, true), plain(None, false));
        assert_eq!(message(Closed::Drained, true), plain(None, true));
        assert_eq!(message(Closed::Expired, true), plain(None, true));
        assert_eq!(message(Closed::ByClientWithError("E".into()), true), plain(None, false));
        assert_eq!(message(Closed::Lost, true), None);
        let base = "Connection closed with an error.";
        assert_eq!(message(Closed::Silent, false), plain(Some(base), true));
        let detailed = format!(
            "{base} OperationCanceledException: Client hasn't sent a message/ping within the \
             configured ClientTimeoutInterval."
        );
        assert_eq!(message(Closed::Silent, true), plain(Some(&detailed), true));
        let refused = |public| Closed::Refused {
            type_name: "HubException".into(),
            detail: "no".into(),
            public,
        };
        assert_eq!(
            message(refused(true), false),
            plain(Some(&format!("{base} HubException: no")), false)
        );
        assert_eq!(message(refused(false), false), plain(Some(base), false));
    }
}
