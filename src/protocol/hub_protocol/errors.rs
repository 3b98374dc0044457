//! The texts that peers read when something fails (§3.6, §3.7, §3.9, §3.10).
//!
//! Clients and their tests compare some of them word for word, so they stand here once and
//! nowhere else.

use std::fmt;

use super::{BindingError, ProtocolError, WriteError};

/// What an error adds to its base text: ` TypeName: message`.
///
/// It is shown when detailed errors are on, or when the error was meant for the peer (§3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail<'a> {
    /// The name of the error's type, without a path.
    pub type_name: &'a str,
    /// What happened.
    pub message: &'a str,
    /// Whether the peer may read it although detailed errors are off (a hub error).
    pub public: bool,
}

impl<'a> Detail<'a> {
    /// The name of errors that hub code means for the caller.
    pub const HUB_EXCEPTION: &'static str = "HubException";

    /// An error that hub code means for the caller.
    pub const fn hub(message: &'a str) -> Self {
        Self { type_name: Self::HUB_EXCEPTION, message, public: true }
    }

    /// An error that only operators are to see.
    pub const fn private(type_name: &'a str, message: &'a str) -> Self {
        Self { type_name, message, public: false }
    }
}

impl<'a> From<&'a ProtocolError> for Detail<'a> {
    fn from(error: &'a ProtocolError) -> Self {
        Self::private(error.type_name, &error.detail)
    }
}

impl<'a> From<&'a WriteError> for Detail<'a> {
    fn from(error: &'a WriteError) -> Self {
        Self::private(error.type_name, &error.detail)
    }
}

/// Which errors show their details (`EnableDetailedErrors`, §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetailedErrors(pub bool);

impl DetailedErrors {
    /// `base`, followed by the detail if it may be shown.
    fn join(self, base: String, detail: Detail<'_>) -> String {
        let mut text = base;
        if self.0 || detail.public {
            text.push(' ');
            text.push_str(detail.type_name);
            text.push_str(": ");
            text.push_str(detail.message);
        }
        text
    }

    /// A method, a filter or a stream's beginning failed (COR-097, COR-098).
    pub fn invocation_failed(self, target: &str, detail: Detail<'_>) -> String {
        self.join(
            format!("An unexpected error occurred invoking '{target}' on the server."),
            detail,
        )
    }

    /// The arguments do not fit (COR-095, COR-096).
    pub fn binding_failed(self, target: &str, error: BindingError) -> String {
        let message = error.to_string();
        self.join(failed_to_invoke(target), Detail::private(BindingError::TYPE_NAME, &message))
    }

    /// A stream failed after it had begun.
    pub fn stream_failed(self, detail: Detail<'_>) -> String {
        self.join("An error occurred on the server while streaming results.".into(), detail)
    }

    /// The message with which an upload fails when an item has the wrong type (§3.7).
    pub fn stream_item_unreadable(self, detail: Detail<'_>) -> String {
        self.join("Failed to bind Stream message.".into(), detail)
    }

    /// The error of a Close message (§3.10).
    pub fn closed_with_error(self, detail: Detail<'_>) -> String {
        self.join("Connection closed with an error.".into(), detail)
    }

    /// The error of a handshake that could not be read (§3.2).
    pub fn handshake_failed(self, detail: Detail<'_>) -> String {
        self.join("An unexpected error occurred during connection handshake.".into(), detail)
    }
}

fn failed_to_invoke(target: &str) -> String {
    format!("Failed to invoke '{target}' due to an error on the server.")
}

/// There is no such method; always with its detail (COR-094).
pub fn unknown_method(target: &str) -> String {
    DetailedErrors(false).join(failed_to_invoke(target), Detail::hub("Method does not exist."))
}

/// The caller may not call this method. No full stop, no detail (§3.9).
pub fn unauthorized(target: &str) -> String {
    format!("Failed to invoke '{target}' because user is unauthorized")
}

/// A method that answers with a stream was called as a plain one (COR-099).
pub fn streaming_method_called_plainly(target: &str) -> String {
    format!(
        "The client attempted to invoke the streaming '{target}' method with a non-streaming \
         invocation."
    )
}

/// A plain method was called as a stream (COR-099).
pub fn plain_method_called_as_stream(target: &str) -> String {
    format!(
        "The client attempted to invoke the non-streaming '{target}' method with a streaming \
         invocation."
    )
}

/// The number of streams sent along differs from what the method takes (§3.7).
pub fn stream_count_differs(target: &str, sent: usize, expected: usize) -> String {
    let message = format!("Client sent {sent} stream(s), Hub method expects {expected}.");
    DetailedErrors(false).invocation_failed(target, Detail::hub(&message))
}

/// The id of a stream that still runs (§3.7).
pub fn stream_id_in_use(invocation_id: &str) -> String {
    format!("Invocation ID '{invocation_id}' is already in use.")
}

/// A method that should have returned a stream returned none.
pub fn no_stream(target: &str) -> String {
    format!(
        "The value returned by the streaming method '{target}' is not a ChannelReader<> or \
         IAsyncEnumerable<>."
    )
}

/// The message with which a question to a client fails when its answer has the wrong type
/// (§3.11).
pub fn client_result_unreadable(type_name: &str, reason: &str) -> String {
    format!("Error trying to deserialize result to {type_name}. {reason}")
}

/// The message with which a question fails whose connection is not there (§3.11).
pub fn connection_unknown(id: &impl fmt::Display) -> String {
    format!("Connection '{id}' does not exist.")
}

/// The message with which a question to a classic client fails: it could not answer.
pub fn connection_classic(id: &impl fmt::Display) -> String {
    format!("Connection '{id}' is one of classic SignalR, and cannot be asked.")
}

/// The message with which a question fails whose connection has ended (§3.11).
pub fn connection_lost(id: &impl fmt::Display) -> String {
    format!("Connection '{id}' disconnected.")
}

/// The message with which a connection ends that answers what another was asked (COR-128).
pub fn answer_of_stranger(connection_id: &impl fmt::Display, invocation_id: &str) -> String {
    format!("Connection ID '{connection_id}' is not valid for invocation ID '{invocation_id}'.")
}

/// The message with which a question fails that was taken back (§3.11).
pub const QUESTION_CANCELED: &str = "Invocation canceled by the server.";

/// The message with which a question fails that is asked in `on_connected` (§3.11).
pub const QUESTION_TOO_EARLY: &str =
    "Client results inside OnConnectedAsync Hub methods are not allowed.";

/// The message with which a question fails whose completion is empty.
pub const NO_CLIENT_RESULT: &str = "The client answered with neither a result nor an error.";

/// The detail when a client was silent for too long (§3.8).
pub const CLIENT_TIMEOUT: Detail<'static> = Detail::private(
    "OperationCanceledException",
    "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.",
);

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: DetailedErrors = DetailedErrors(false);
    const DETAILED: DetailedErrors = DetailedErrors(true);

    /// `invoke-errors`.
    #[test]
    fn details_are_shown_when_they_may_be() {
        let secret = Detail::private("InvalidOperationException", "secret");
        let base = "An unexpected error occurred invoking 'Fail' on the server.";
        assert_eq!(PLAIN.invocation_failed("Fail", secret), base);
        assert_eq!(
            DETAILED.invocation_failed("Fail", secret),
            format!("{base} InvalidOperationException: secret")
        );
        for detailed in [PLAIN, DETAILED] {
            assert_eq!(
                detailed.invocation_failed("Fail", Detail::hub("visible")),
                format!("{base} HubException: visible")
            );
            let odd = Detail { type_name: "OddException", message: "odd", public: true };
            assert_eq!(
                detailed.invocation_failed("Fail", odd),
                format!("{base} OddException: odd")
            );
            assert_eq!(
                detailed.invocation_failed("Fail", Detail::hub("")),
                format!("{base} HubException: ")
            );
        }
    }

    /// `invoke-arguments`, `invoke-arguments-detailed`, `invoke-names`.
    #[test]
    fn calls_that_do_not_fit() {
        let base = "Failed to invoke 'Three' due to an error on the server.";
        let count = BindingError::Count { provided: 2, expected: 3 };
        assert_eq!(PLAIN.binding_failed("Three", count), base);
        assert_eq!(
            DETAILED.binding_failed("Three", count),
            format!(
                "{base} InvalidDataException: Invocation provides 2 argument(s) but target \
                 expects 3."
            )
        );
        assert_eq!(
            DETAILED.binding_failed("Three", BindingError::Value),
            format!(
                "{base} InvalidDataException: Error binding arguments. Make sure that the types \
                 of the provided values match the types of the hub method being invoked."
            )
        );
        assert_eq!(
            unknown_method("Nope"),
            "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not \
             exist."
        );
        assert_eq!(unauthorized("X"), "Failed to invoke 'X' because user is unauthorized");
    }

    /// `stream-wrong-kind`, `upload-errors`, `stream-same-id`, `stream-errors`.
    #[test]
    fn streams() {
        assert_eq!(
            streaming_method_called_plainly("Counter"),
            "The client attempted to invoke the streaming 'Counter' method with a non-streaming \
             invocation."
        );
        assert_eq!(
            plain_method_called_as_stream("Add"),
            "The client attempted to invoke the non-streaming 'Add' method with a streaming \
             invocation."
        );
        assert_eq!(
            stream_count_differs("Collect", 2, 1),
            "An unexpected error occurred invoking 'Collect' on the server. HubException: Client \
             sent 2 stream(s), Hub method expects 1."
        );
        assert_eq!(stream_id_in_use("4"), "Invocation ID '4' is already in use.");
        assert_eq!(
            no_stream("StreamNull"),
            "The value returned by the streaming method 'StreamNull' is not a ChannelReader<> or \
             IAsyncEnumerable<>."
        );
        assert_eq!(
            PLAIN.stream_item_unreadable(Detail::private("InvalidDataException", "x")),
            "Failed to bind Stream message."
        );
        assert_eq!(
            PLAIN.stream_failed(Detail::private("InvalidOperationException", "x")),
            "An error occurred on the server while streaming results."
        );
    }

    #[test]
    fn a_closed_connection() {
        let error = ProtocolError::invalid_data("Missing required property 'type'.");
        let base = "Connection closed with an error.";
        assert_eq!(PLAIN.closed_with_error(Detail::from(&error)), base);
        assert_eq!(
            DETAILED.closed_with_error(Detail::from(&error)),
            format!("{base} InvalidDataException: Missing required property 'type'.")
        );
        assert_eq!(
            DETAILED.closed_with_error(CLIENT_TIMEOUT),
            format!(
                "{base} OperationCanceledException: Client hasn't sent a message/ping within the \
                 configured ClientTimeoutInterval."
            )
        );
    }
}
