//! Text that a method receives without a copy.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use super::payload::{Argument, BindingError, Payload};
use super::{HubProtocolKind, classic, json, messagepack};

/// A text argument that borrows from the record, for methods that need no owned string.
///
/// A type of its own, because `&str` could not be an [`Argument`] beside all of serde's types.
/// It derefs to `str`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'s>(&'s str);

impl<'s> Text<'s> {
    /// The text for as long as the record lives.
    pub fn as_str(self) -> &'s str {
        self.0
    }
}

impl Argument for Text<'_> {
    type Of<'x> = Text<'x>;

    fn read(payload: Payload<'_>) -> Result<Text<'_>, BindingError> {
        match payload.protocol() {
            HubProtocolKind::Json => json::read_text(payload.into_bytes()).map(Text),
            HubProtocolKind::MessagePack => messagepack::read_text(payload.into_bytes()).map(Text),
            HubProtocolKind::Classic => classic::read_text(payload.into_bytes()).map(Text),
        }
    }
}

impl<'s> From<&'s str> for Text<'s> {
    fn from(text: &'s str) -> Self {
        Self(text)
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}
