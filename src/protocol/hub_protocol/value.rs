//! A value of any kind, for methods that pass on what they do not look at.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_bytes::{ByteBuf, Bytes};

/// A value of any kind, in whatever hub protocol it came, to be sent on in whatever protocol
/// somebody speaks.
///
/// Between MessagePack clients everything survives: bytes, timestamps and other extensions, maps
/// with keys of any kind (COR-091). JSON has no form for these: there bytes are an array of
/// numbers, an extension an array of its kind and its bytes, and a map whose keys are no texts or
/// numbers cannot be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that fits 64 bits with a sign.
    Int(i64),
    /// A greater integer.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    Array(Vec<Value>),
    /// Pairs in the order in which they came; keys may repeat.
    Map(Vec<(Value, Value)>),
    /// An extension of MessagePack: its kind (-1 is a timestamp) and its bytes.
    Extension(i8, Vec<u8>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Array(values) => values.serialize(serializer),
            Self::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Extension(kind, bytes) => serializer
                .serialize_newtype_struct(super::MESSAGEPACK_EXTENSION, &(kind, Bytes::new(bytes))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::UInt(value), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Map(pairs))
    }

    /// This is how an extension is handed over.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        let (kind, bytes) = <(i8, ByteBuf)>::deserialize(inner).map_err(de::Error::custom)?;
        Ok(Value::Extension(kind, bytes.into_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hub_protocol::{HubProtocolKind, Payload};

    fn there_and_back(protocol: HubProtocolKind, encoded: &[u8]) -> Vec<u8> {
        let mut bytes = encoded.to_vec();
        let value = Payload::new(protocol, &mut bytes).read::<Value>().expect("a value");
        let mut out = Vec::new();
        protocol.write_result(&mut out, "7", &value).expect("written");
        out
    }

    #[test]
    fn messagepack_comes_back_as_it_was() {
        for encoded in [
            &[0xc0][..],
            &[0xc3],
            &[0x05],
            &[0xd0, 0x80],
            &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
            &[0xa1, b's'],
            &[0xc4, 2, 1, 0xff],
            &[0x93, 0x01, 0xa1, b'a', 0xc0],
            &[0x82, 0xa1, b'k', 0x91, 0xc0, 0x05, 0x80],
            &[0xd6, 0xff, 0x5e, 0x0d, 0x5d, 0xa5],
            &[0xd7, 0xff, 0x1d, 0x6f, 0x32, 0xf0, 0x5e, 0x0d, 0x5d, 0xa5],
            &[0xc7, 3, 7, 1, 2, 3],
        ] {
            let out = there_and_back(HubProtocolKind::MessagePack, encoded);
            assert!(out.ends_with(encoded), "{encoded:02x?}: {out:02x?}");
            assert_eq!(out.len(), 7 + encoded.len());
        }
    }

    #[test]
    fn json_comes_back_as_it_was() {
        for text in [
            "null",
            "true",
            "-5",
            "18446744073709551615",
            "1.5",
            r#""a\"b""#,
            r#"[1,[],{"b":1,"a":[null],"b":2}]"#,
        ] {
            let out = there_and_back(HubProtocolKind::Json, text.as_bytes());
            let expected = format!("{{\"type\":3,\"invocationId\":\"7\",\"result\":{text}}}\u{1e}");
            assert_eq!(String::from_utf8(out), Ok(expected));
        }
    }

    #[test]
    fn what_json_cannot_say_is_said_in_numbers() {
        let mut out = Vec::new();
        let value = vec![Value::Bytes(vec![1, 2]), Value::Extension(-1, vec![0, 0, 0, 5])];
        HubProtocolKind::Json.write_result(&mut out, "7", &value).expect("written");
        assert!(out.ends_with(b"\"result\":[[1,2],[-1,[0,0,0,5]]]}\x1e"));
    }
}
