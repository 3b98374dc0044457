//! What a client tells its owner.

use serde::de::DeserializeOwned;

use crate::protocol::hub_protocol::{self, BindingError, HubProtocolKind};

/// Names a call of [`Client::invoke`](super::Client::invoke). Never used twice by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// Names a call from the server that wants a result. Never used twice by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub(super) u64);

/// Names a stream that we send. Never used twice by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub(super) u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake was answered for the first time.
    Connected {
        /// The id that others may use for this connection; unknown without negotiation.
        connection_id: Option<String>,
    },
    /// The connection was lost, and the client tries to get a new one.
    Reconnecting {
        /// Why, unless the server asked for it.
        error: Option<String>,
    },
    /// A new connection replaces the lost one. To the server it is a stranger.
    Reconnected {
        /// As in [`Event::Connected`].
        connection_id: Option<String>,
    },
    /// The socket was lost, and the same connection goes on with another one.
    Resumed,
    /// The server calls.
    Invocation(Invocation),
    /// The next item of a stream that we called for.
    Item {
        /// What `stream` returned.
        call: CallId,
        /// The item.
        item: Payload,
    },
    /// A call of ours has ended.
    Completed {
        /// What `invoke` returned.
        call: CallId,
        /// How it ended.
        outcome: Outcome,
    },
    /// The connection has ended for good.
    Closed {
        /// Why, unless it was wanted.
        error: Option<String>,
    },
}

/// A call from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The name of the method.
    pub target: String,
    /// The arguments, as they came.
    pub arguments: Vec<Payload>,
    /// The server waits for [`Client::answer`](super::Client::answer) or
    /// [`Client::refuse`](super::Client::refuse).
    pub question: Option<QuestionId>,
}

impl Invocation {
    /// The argument at `index`, counted from 0, as a `T`.
    ///
    /// # Errors
    ///
    /// There are fewer arguments, or this one is no `T`.
    pub fn argument<T: DeserializeOwned>(&self, index: usize) -> Result<T, BindingError> {
        let provided = self.arguments.len();
        let expected = index + 1;
        self.arguments.get(index).ok_or(BindingError::Count { provided, expected })?.read()
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The method returned this.
    Result(Payload),
    /// The method has ended and says nothing about a result.
    Nothing,
    /// The server refused, or failed.
    Error(String),
    /// The connection ended first. Whether the method ran is unknown.
    Canceled,
}

/// One encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    protocol: HubProtocolKind,
    bytes: Vec<u8>,
}

impl Payload {
    pub(super) fn copy(payload: &hub_protocol::Payload<'_>) -> Self {
        Self { protocol: payload.protocol(), bytes: payload.as_bytes().to_vec() }
    }

    /// The bytes, in the encoding of the hub protocol.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value as a `T`.
    ///
    /// # Errors
    ///
    /// It is no `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, BindingError> {
        let mut bytes = self.bytes.clone();
        hub_protocol::Payload::new(self.protocol, &mut bytes).read::<T>()
    }
}
