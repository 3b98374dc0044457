//! One value inside a message (an argument, an item, a result) and how it becomes a typed value.
//!
//! Binding is as strict as in .NET: a text is no number, `1.0` and `1e2` are no integers, and a
//! number that does not fit is refused (§3.9); in classic a text may be a number and the other way
//! round (LEG §4.7). What a method gets is either an owned value, by
//! serde, or a [`Text`](super::Text) that borrows from the record.

use serde::de::DeserializeOwned;

use super::{HubProtocolKind, ProtocolError, classic, json, messagepack};

/// One encoded value, borrowed from its record. It is valid in its encoding.
#[derive(Debug)]
pub struct Payload<'a> {
    protocol: HubProtocolKind,
    encoded: &'a mut [u8],
}

impl<'a> Payload<'a> {
    pub(crate) fn new(protocol: HubProtocolKind, encoded: &'a mut [u8]) -> Self {
        Self { protocol, encoded }
    }

    /// The protocol in which the value is encoded.
    pub fn protocol(&self) -> HubProtocolKind {
        self.protocol
    }

    /// The encoded value.
    pub fn as_bytes(&self) -> &[u8] {
        self.encoded
    }

    /// The encoded value, writable for as long as the record lives.
    pub(super) fn into_bytes(self) -> &'a mut [u8] {
        self.encoded
    }

    /// The value as an `A`: an owned type of serde's, or `Text`.
    ///
    /// # Errors
    ///
    /// [`BindingError::Value`] when it is no such value.
    pub fn read<A: Argument>(self) -> Result<A::Of<'a>, BindingError> {
        A::read(self)
    }
}

/// A type that a parameter of a hub method may have.
///
/// It is implemented for every type that serde can read without borrowing, and for
/// [`Text`](super::Text).
pub trait Argument {
    /// The type with the lifetime of the record it is read from.
    type Of<'x>;

    /// Reads the value.
    ///
    /// # Errors
    ///
    /// [`BindingError::Value`] when the payload is no such value.
    fn read(payload: Payload<'_>) -> Result<Self::Of<'_>, BindingError>;
}

impl<T: DeserializeOwned> Argument for T {
    type Of<'x> = T;

    fn read(payload: Payload<'_>) -> Result<T, BindingError> {
        match payload.protocol {
            HubProtocolKind::Json => json::read_value(payload.encoded),
            HubProtocolKind::MessagePack => messagepack::read_value(payload.encoded),
            HubProtocolKind::Classic => classic::read_value(payload.encoded),
        }
    }
}

/// Arguments do not fit the parameters of a method. This call fails; the connection stays (§3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The number of arguments differs (COR-095).
    #[error("Invocation provides {provided} argument(s) but target expects {expected}.")]
    Count {
        /// How many came.
        provided: usize,
        /// How many the method takes.
        expected: usize,
    },
    /// A value has another type than its parameter (COR-096).
    #[error(
        "Error binding arguments. Make sure that the types of the provided values match the \
         types of the hub method being invoked."
    )]
    Value,
    /// A value has another type than its parameter, and the protocol can say which (MessagePack).
    #[error(
        "Error binding argument {number}. Make sure that the types of the provided values match \
         the types of the hub method being invoked."
    )]
    Argument {
        /// Counted from 1.
        number: usize,
    },
    /// What the caller sent in the place of the arguments is no array (MessagePack).
    #[error("Reading array length for 'arguments' failed.")]
    Missing,
}

impl BindingError {
    /// The name under which the caller is told.
    pub const TYPE_NAME: &'static str = ProtocolError::INVALID_DATA;
}
