//! Bytes as .NET clients know them.

use std::fmt;
use std::ops::{Deref, DerefMut};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Bytes, the `byte[]` of .NET: base64 text with its padding in JSON, `bin` in MessagePack.
///
/// A `Vec<u8>` would be an array of numbers in both, as serde has it.
///
/// ```
/// use tickhub::Bytes;
///
/// let bytes: Bytes = serde_json::from_str(r#""AAEC/w==""#).expect("base64");
/// assert_eq!(*bytes, [0, 1, 2, 255]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Deref for Bytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl<T: Into<Vec<u8>>> From<T> for Bytes {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Base64)
        } else {
            deserializer.deserialize_byte_buf(Plain)
        }
    }
}

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        STANDARD.decode(text).map(Bytes).map_err(E::custom)
    }
}

struct Plain;

impl Visitor<'_> for Plain {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hub_protocol::{HubProtocolKind, Payload};

    fn read(protocol: HubProtocolKind, encoded: &[u8]) -> Option<Bytes> {
        Payload::new(protocol, &mut encoded.to_vec()).read::<Bytes>().ok()
    }

    #[test]
    fn json_has_padded_base64() {
        let json = |text: &str| read(HubProtocolKind::Json, text.as_bytes());
        assert_eq!(json(r#""AAEC/w==""#), Some(Bytes(vec![0, 1, 2, 255])));
        assert_eq!(json(r#""""#), Some(Bytes(vec![])));
        for wrong in [r#""AAEC_w""#, r#""AAEC/w""#, r#""?""#, "[1,2]", "null"] {
            assert_eq!(json(wrong), None, "{wrong}");
        }
        assert_eq!(serde_json::to_string(&Bytes(vec![255])).expect("written"), r#""/w==""#);
    }

    #[test]
    fn messagepack_has_bin() {
        let packed = |encoded: &[u8]| read(HubProtocolKind::MessagePack, encoded);
        assert_eq!(packed(&[0xc4, 2, 0, 255]), Some(Bytes(vec![0, 255])));
        assert_eq!(packed(&[0x92, 0, 1]), None);
        assert_eq!(packed(b"\xa4AA=="), None);
        let mut out = Vec::new();
        let bytes = Bytes(vec![0, 255]);
        HubProtocolKind::MessagePack.write_result(&mut out, "7", &bytes).expect("written");
        assert!(out.ends_with(&[0xc4, 2, 0, 255]));
    }
}
