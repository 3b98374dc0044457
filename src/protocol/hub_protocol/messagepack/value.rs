//! Typed values out of the bytes of one MessagePack value, which was passed by the scanner before:
//! it is whole, no deeper than allowed, and its lengths are true.
//!
//! A deserializer of our own, because that of `rmp-serde` takes what .NET refuses: an enum by its
//! number, a text out of bytes, an object out of an array (§3.5, `msgpack-types`).

use std::fmt;

use rmp::Marker;
use rmp::decode::{self, Bytes};
use serde::Deserializer;
use serde::de::value::{BorrowedBytesDeserializer, I8Deserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer as _, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::value_len;
use crate::protocol::hub_protocol::{BindingError, MESSAGEPACK_EXTENSION};

/// Reads a value by serde. Types that have two forms have the one that is not for people.
pub(in super::super) fn read_value<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, BindingError> {
    let mut reader = Reader { rest: encoded };
    T::deserialize(&mut reader).map_err(|NoSuchValue| BindingError::Value)
}

/// Reads a text where it stands.
pub(in super::super) fn read_text(encoded: &[u8]) -> Result<&str, BindingError> {
    match decode::read_str_from_slice(encoded) {
        Ok((text, _)) => Ok(text),
        Err(_) => Err(BindingError::Value),
    }
}

/// The value is no such one. What exactly was wrong is told to nobody (§3.9), so it is not kept.
#[derive(Debug)]
struct NoSuchValue;

impl fmt::Display for NoSuchValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such value")
    }
}

impl std::error::Error for NoSuchValue {}

impl de::Error for NoSuchValue {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Result<T, E = NoSuchValue> = std::result::Result<T, E>;

/// What was not read yet.
struct Reader<'de> {
    rest: &'de [u8],
}

impl<'de> Reader<'de> {
    fn marker(&self) -> Result<Marker> {
        self.rest.first().map(|byte| Marker::from_u8(*byte)).ok_or(NoSuchValue)
    }

    /// Reads a scalar or a header.
    fn take<T, E>(&mut self, read: impl FnOnce(&mut Bytes<'de>) -> Result<T, E>) -> Result<T> {
        let mut bytes = Bytes::new(self.rest);
        let value = read(&mut bytes).map_err(|_| NoSuchValue)?;
        self.rest = bytes.remaining_slice();
        Ok(value)
    }

    fn take_bytes(&mut self, length: usize) -> Result<&'de [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(NoSuchValue)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'de str> {
        let (text, rest) = decode::read_str_from_slice(self.rest).map_err(|_| NoSuchValue)?;
        self.rest = rest;
        Ok(text)
    }

    fn bytes(&mut self) -> Result<&'de [u8]> {
        let length = self.take(decode::read_bin_len)?;
        self.take_bytes(length as usize)
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let left = self.take(decode::read_array_len)?;
        self.inside(left, |items| visitor.visit_seq(items))
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let left = self.take(decode::read_map_len)?;
        self.inside(left, |items| visitor.visit_map(items))
    }

    /// Reads the inside of a container, all of it.
    fn inside<T>(
        &mut self,
        left: u32,
        read: impl FnOnce(&mut Items<'_, 'de>) -> Result<T>,
    ) -> Result<T> {
        let mut items = Items { reader: self, left };
        let value = read(&mut items)?;
        if items.left == 0 { Ok(value) } else { Err(NoSuchValue) }
    }

    /// An extension is handed over as a newtype of its kind and its bytes.
    fn extension<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let meta = self.take(decode::read_ext_meta)?;
        let bytes = self.take_bytes(meta.size as usize)?;
        visitor.visit_newtype_struct(Extension { kind: meta.typeid, bytes })
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = NoSuchValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.marker()? {
            Marker::Null => {
                self.take(decode::read_nil)?;
                visitor.visit_unit()
            }
            Marker::True | Marker::False => visitor.visit_bool(self.take(decode::read_bool)?),
            Marker::FixPos(_) | Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => {
                visitor.visit_u64(self.take(decode::read_int)?)
            }
            Marker::FixNeg(_) | Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => {
                visitor.visit_i64(self.take(decode::read_int)?)
            }
            Marker::F32 => visitor.visit_f32(self.take(decode::read_f32)?),
            Marker::F64 => visitor.visit_f64(self.take(decode::read_f64)?),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                visitor.visit_borrowed_str(self.text()?)
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                visitor.visit_borrowed_bytes(self.bytes()?)
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.array(visitor),
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.map(visitor),
            Marker::Reserved => Err(NoSuchValue),
            _ => self.extension(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.marker()? == Marker::Null {
            self.take(decode::read_nil)?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name == MESSAGEPACK_EXTENSION {
            self.extension(visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.array(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.array(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.array(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.marker()? {
            Marker::FixMap(1) => {
                self.take(decode::read_map_len)?;
                visitor.visit_enum(self)
            }
            _ => visitor.visit_enum(StrDeserializer::new(self.text()?)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let length = value_len(self.rest, 0).ok_or(NoSuchValue)?;
        self.take_bytes(length)?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char unit unit_struct
    }
}

/// The inside of an array or a map.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: u32,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = NoSuchValue;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = NoSuchValue;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

/// A variant with something in it: a map of one pair.
impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = NoSuchValue;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let name = self.text()?;
        Ok((seed.deserialize(StrDeserializer::new(name))?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = NoSuchValue;

    fn unit_variant(self) -> Result<()> {
        Err(NoSuchValue)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.array(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.map(visitor)
    }
}

/// The kind of an extension and its bytes, as a pair.
struct Extension<'de> {
    kind: i8,
    bytes: &'de [u8],
}

impl<'de> Deserializer<'de> for Extension<'de> {
    type Error = NoSuchValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(ExtensionParts { kind: Some(self.kind), bytes: Some(self.bytes) })
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

struct ExtensionParts<'de> {
    kind: Option<i8>,
    bytes: Option<&'de [u8]>,
}

impl<'de> SeqAccess<'de> for ExtensionParts<'de> {
    type Error = NoSuchValue;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if let Some(kind) = self.kind.take() {
            let kind: I8Deserializer<NoSuchValue> = kind.into_deserializer();
            return seed.deserialize(kind).map(Some);
        }
        let Some(bytes) = self.bytes.take() else { return Ok(None) };
        seed.deserialize(BorrowedBytesDeserializer::new(bytes)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_bytes::ByteBuf;

    use super::*;

    fn read<T: DeserializeOwned>(encoded: &[u8]) -> Option<T> {
        assert_eq!(value_len(encoded, 0), Some(encoded.len()), "{encoded:02x?} is one value");
        read_value(encoded).ok()
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Dot,
        Line(u8),
        Path(u8, u8),
        Circle { radius: u8 },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: i32,
        name: Option<String>,
    }

    #[test]
    fn numbers_are_read_from_any_width_that_fits() {
        assert_eq!(read(&[0x05]), Some(5_i32));
        assert_eq!(read(&[0xd0, 0x80]), Some(-128_i64));
        assert_eq!(read(&[0xce, 0x7f, 0xff, 0xff, 0xff]), Some(i32::MAX));
        assert_eq!(read::<i32>(&[0xce, 0x80, 0, 0, 0]), None);
        assert_eq!(read(&[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]), Some(u64::MAX));
        assert_eq!(read::<u64>(&[0xff]), None);
        assert_eq!(read(&[0xca, 0x3f, 0, 0, 0]), Some(0.5_f64));
        assert_eq!(read(&[0x05]), Some(5.0_f64));
        assert_eq!(read::<i32>(&[0xca, 0x3f, 0x80, 0, 0]), None);
        assert_eq!(read::<bool>(&[0x01]), None);
    }

    #[test]
    fn text_and_bytes_are_kept_apart() {
        assert_eq!(read(&[0xa1, b'a']), Some("a".to_owned()));
        assert_eq!(read::<String>(&[0xc4, 1, b'a']), None);
        assert_eq!(read(&[0xc4, 2, 1, 255]), Some(ByteBuf::from([1, 255])));
        assert_eq!(read::<ByteBuf>(&[0x92, 1, 2]), None);
        assert_eq!(read::<ByteBuf>(&[0xa1, b'a']), None);
        assert_eq!(read::<Vec<u8>>(&[0xc4, 1, 7]), None);
        assert_eq!(read(&[0x91, 7]), Some(vec![7_u8]));
        assert_eq!(read::<String>(&[0xa1, 0xff]), None);
    }

    #[test]
    fn enums_go_by_name() {
        assert_eq!(read(b"\xa3Dot"), Some(Shape::Dot));
        assert_eq!(read(b"\x81\xa4Line\x05"), Some(Shape::Line(5)));
        assert_eq!(read(b"\x81\xa4Path\x92\x05\x06"), Some(Shape::Path(5, 6)));
        assert_eq!(read(b"\x81\xa6Circle\x81\xa6radius\x05"), Some(Shape::Circle { radius: 5 }));
        for wrong in [&b"\x00"[..], b"\x81\x01\x05", b"\xa3dot", b"\x81\xa3Dot\xc0", b"\xa4Line"] {
            assert_eq!(read::<Shape>(wrong), None, "{wrong:02x?}");
        }
    }

    #[test]
    fn objects_are_maps_with_exact_names() {
        let point = Point { x: 1, name: None };
        assert_eq!(read(b"\x82\xa1x\x01\xa4name\xc0"), Some(point));
        assert_eq!(read(b"\x82\xa1y\x92\xc0\xc0\xa1x\x01"), Some(Point { x: 1, name: None }));
        assert_eq!(read::<Point>(b"\x81\xa1X\x01"), None);
        assert_eq!(read::<Point>(b"\x92\x01\xc0"), None);
        let map = BTreeMap::from([(1_u8, vec![(2_u8, true)])]);
        assert_eq!(read(b"\x81\x01\x91\x92\x02\xc3"), Some(map));
        assert_eq!(read::<(u8, u8)>(b"\x93\x01\x02\x03"), None);
        assert_eq!(read::<(u8, u8)>(b"\x91\x01"), None);
    }

    #[test]
    fn nil_is_nothing() {
        assert_eq!(read(&[0xc0]), Some(None::<String>));
        assert_eq!(read(&[0x92, 0xc0, 0x01]), Some(vec![None, Some(1)]));
        assert_eq!(read(&[0xc0]), Some(()));
        assert_eq!(read::<i32>(&[0xc0]), None);
    }
}
