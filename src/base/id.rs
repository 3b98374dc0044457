//! Connection ids and tokens: 128 bits, written as 22 characters of base64url (COR-008) or, for
//! classic SignalR, as a GUID (LEG-002).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Rng;

/// The public name of a connection, or the secret that opens one (its token).
///
/// Sixteen bytes in memory; the text exists only on the wire. It has two forms, and the bits say
/// which: those of a GUID of version 4 (RFC 9562 §5.4) are the id of a classic connection and
/// print as 36 characters, all others print as 22.
///
/// ```
/// use tickhub::ConnectionId;
///
/// let classic: ConnectionId = "3f0c1a52-7a0e-4f55-9a55-0b1c2d3e4f50".parse().expect("a GUID");
/// assert!(classic.is_guid());
/// let core: ConnectionId = "w2S0eYfVbqk6Jp3nTz8Rug".parse().expect("22 characters");
/// assert!(!core.is_guid());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u128);

/// The bits of a GUID that say its version and its variant, and what they are in version 4.
const GUID_MASK: u128 = 0xF << 76 | 0b11 << 62;
const GUID_BITS: u128 = 0x4 << 76 | 0b10 << 62;

/// Where the groups of digits of a GUID end.
const GUID_DASHES: [usize; 4] = [8, 13, 18, 23];

/// The characters of a GUID.
const GUID_LEN: usize = 36;

impl ConnectionId {
    /// The id that no connection has: what a text that is no id stands for.
    pub const NONE: Self = Self(0);

    /// A fresh id of 22 characters.
    pub fn random(rng: &mut Rng) -> Self {
        loop {
            let bits = random_bits(rng);
            if bits != 0 {
                // One in 64 looks like a GUID; another version makes it none.
                let id = Self(bits);
                return if id.is_guid() { Self(bits ^ 1 << 76) } else { id };
            }
        }
    }

    /// A fresh id for a classic connection: 122 random bits.
    pub fn random_guid(rng: &mut Rng) -> Self {
        Self(random_bits(rng) & !GUID_MASK | GUID_BITS)
    }

    /// Whether it is the id of a classic connection.
    pub const fn is_guid(self) -> bool {
        self.0 & GUID_MASK == GUID_BITS
    }

    fn encode(self, text: &mut [u8; GUID_LEN]) -> &str {
        let bytes = self.0.to_be_bytes();
        let written = if self.is_guid() {
            let mut digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
            for (at, character) in text.iter_mut().enumerate() {
                *character = if GUID_DASHES.contains(&at) {
                    b'-'
                } else {
                    let digit = digits.next().expect("a GUID has 32 digits and four dashes");
                    b"0123456789abcdef"[usize::from(digit)]
                };
            }
            GUID_LEN
        } else {
            URL_SAFE_NO_PAD.encode_slice(bytes, text).expect("16 bytes are 22 characters of base64")
        };
        std::str::from_utf8(&text[..written]).expect("digits and base64 are ASCII")
    }
}

fn random_bits(rng: &mut Rng) -> u128 {
    (u128::from(rng.bits()) << 64) | u128::from(rng.bits())
}

/// A text is not a connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a connection id: 22 characters of base64url are expected, or a GUID in small letters")]
pub struct NotAnId;

impl FromStr for ConnectionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() == GUID_LEN {
            return guid(text).ok_or(NotAnId);
        }
        let mut bytes = [0; 16];
        // Exactly 22 characters carry 128 bits; the decoder refuses set bits beyond those.
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Some(Self(u128::from_be_bytes(bytes))).filter(|id| !id.is_guid()),
            _ => None,
        }
        .ok_or(NotAnId)
    }
}

/// The id with this text of 36 characters, in the one spelling that it has.
fn guid(text: &str) -> Option<ConnectionId> {
    let mut bits = 0;
    for (at, character) in text.bytes().enumerate() {
        if GUID_DASHES.contains(&at) {
            if character != b'-' {
                return None;
            }
        } else {
            let digit = match character {
                b'0'..=b'9' => character - b'0',
                b'a'..=b'f' => character - b'a' + 10,
                _ => return None,
            };
            bits = bits << 4 | u128::from(digit);
        }
    }
    Some(ConnectionId(bits)).filter(|id| id.is_guid())
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; GUID_LEN]))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ConnectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; GUID_LEN]))
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

    /// LEG-002.
    #[test]
    fn the_id_of_a_classic_connection_is_a_guid_in_small_letters() {
        let mut rng = Rng::from_seed(1);
        for _ in 0..1000 {
            let id = ConnectionId::random_guid(&mut rng);
            let text = id.to_string();
            let uuid = uuid::Uuid::parse_str(&text).expect("a GUID");
            assert_eq!(uuid.get_version_num(), 4);
            assert_eq!(uuid.hyphenated().to_string(), text);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(serde_json::to_string(&id).ok(), Some(format!("\"{text}\"")));
            assert_eq!(serde_json::from_str::<ConnectionId>(&format!("\"{text}\"")).ok(), Some(id));
        }
    }

    #[test]
    fn the_forms_have_no_id_in_common() {
        let mut rng = Rng::from_seed(2);
        assert!((0..1000).all(|_| !ConnectionId::random(&mut rng).is_guid()));
        // What looks like a GUID has no other spelling.
        let id: ConnectionId = "3f0c1a52-7a0e-4f55-9a55-0b1c2d3e4f50".parse().expect("a GUID");
        let other = URL_SAFE_NO_PAD.encode(id.0.to_be_bytes());
        assert_eq!(other.parse::<ConnectionId>(), Err(NotAnId));
        for text in [
            "3F0C1A52-7A0E-4F55-9A55-0B1C2D3E4F50",
            "3f0c1a52-7a0e-3f55-9a55-0b1c2d3e4f50",
            "3f0c1a52-7a0e-4f55-ca55-0b1c2d3e4f50",
            "3f0c1a5207a0e-4f55-9a55-0b1c2d3e4f50",
            "3f0c1a52-7a0e-4f55-9a55-0b1c2d3e4f5g",
            "{3f0c1a52-7a0e-4f55-9a55-0b1c2d3e4f}",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(text.parse::<ConnectionId>(), Err(NotAnId), "{text}");
        }
    }
}
