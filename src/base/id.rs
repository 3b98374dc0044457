//! Connection ids and tokens: 128 random bits, written as 22 characters of base64url (COR-008).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Rng;

/// The public name of a connection, or the secret that opens one (its token).
///
/// Sixteen bytes in memory; the text exists only on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u128);

impl ConnectionId {
    /// The id that no connection has: what a text that is no id stands for.
    pub const NONE: Self = Self(0);

    /// A fresh id.
    pub fn random(rng: &mut Rng) -> Self {
        loop {
            let bits = (u128::from(rng.bits()) << 64) | u128::from(rng.bits());
            if bits != 0 {
                return Self(bits);
            }
        }
    }

    fn encode(self, text: &mut [u8; 22]) -> &str {
        let written = URL_SAFE_NO_PAD
            .encode_slice(self.0.to_be_bytes(), text)
            .expect("16 bytes are 22 characters of base64");
        std::str::from_utf8(&text[..written]).expect("base64 is ASCII")
    }
}

/// A text is not a connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a connection id: 22 characters of base64url are expected")]
pub struct NotAnId;

impl FromStr for ConnectionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut bytes = [0; 16];
        // Exactly 22 characters carry 128 bits; the decoder refuses set bits beyond those.
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(u128::from_be_bytes(bytes))),
            _ => Err(NotAnId),
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; 22]))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ConnectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 22]))
    }
}

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Ok(text.parse().unwrap_or(Self::NONE))
    }
}

/// What can name a connection in a selector: an id, or its text.
///
/// A text that is no id names nobody, as an id that is not connected does.
pub trait ToConnectionId {
    /// The id that is named.
    fn to_connection_id(&self) -> ConnectionId;
}

impl ToConnectionId for ConnectionId {
    fn to_connection_id(&self) -> ConnectionId {
        *self
    }
}

impl ToConnectionId for str {
    fn to_connection_id(&self) -> ConnectionId {
        self.parse().unwrap_or(ConnectionId::NONE)
    }
}

impl ToConnectionId for String {
    fn to_connection_id(&self) -> ConnectionId {
        self.as_str().to_connection_id()
    }
}

impl<T: ToConnectionId + ?Sized> ToConnectionId for &T {
    fn to_connection_id(&self) -> ConnectionId {
        (**self).to_connection_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_22_characters_and_reads_back() {
        let mut rng = Rng::from_kernel().expect("the kernel gives random bytes");
        for _ in 0..1000 {
            let id = ConnectionId::random(&mut rng);
            let text = id.to_string();
            assert_eq!(text.len(), 22);
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_eq!(text.parse(), Ok(id));
        }
    }

    #[test]
    fn ten_thousand_ids_are_different() {
        let mut rng = Rng::from_seed(1);
        let ids: std::collections::BTreeSet<_> =
            (0..10_000).map(|_| ConnectionId::random(&mut rng).to_string()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn one_id_has_one_spelling() {
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAQ".parse(), Ok(ConnectionId(1)));
        for text in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAAR",
            "AAAAAAAAAAAAAAAAAAAAAQ==",
            "+AAAAAAAAAAAAAAAAAAAAQ",
            "AAAAAAAAAAAAAAAAAAAAAQA",
        ] {
            assert_eq!(text.parse::<ConnectionId>(), Err(NotAnId), "{text}");
        }
        assert_eq!("someone".to_connection_id(), ConnectionId::NONE);
    }
}
