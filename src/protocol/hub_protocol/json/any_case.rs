//! Members of objects by their names in any letter case, as in .NET (§3.4.2).
//!
//! A deserializer around another one. Members of structs are looked up here, so that serde's
//! generated code gets the spelling that it knows; everything else is handed on as it is.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::classic::convert;

/// Whatever serde calls to read something, inside of which letter case does not matter.
///
/// With `C` scalars are also taken in the other forms that classic SignalR takes ([`convert`]).
pub(super) struct AnyCase<T, const C: bool>(pub(super) T);

type Names = &'static [&'static str];

/// Hands calls on, with the visitor as it is: nothing with members can be inside.
macro_rules! hand_on {
    ($($method:ident($($argument:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self $(, $argument: $kind)*, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* visitor)
        }
    )*};
}

/// Hands calls on; what is inside is read in any case too.
macro_rules! hand_on_inside {
    ($($method:ident($($argument:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self $(, $argument: $kind)*, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* AnyCase::<_, C>(visitor))
        }
    )*};
}

/// Hands calls on, or converts what is there.
macro_rules! hand_on_or_convert {
    ($($method:ident: $conversion:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            if C { convert::$conversion(self.0, visitor) } else { self.0.$method(visitor) }
        }
    )*};
}

impl<'de, D: Deserializer<'de>, const C: bool> Deserializer<'de> for AnyCase<D, C> {
    type Error = D::Error;

    hand_on! {
        deserialize_any()
        deserialize_i128()
        deserialize_u128()
        deserialize_char()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_identifier()
        deserialize_ignored_any()
    }

    hand_on_or_convert! {
        deserialize_bool: boolean
        deserialize_i8: integer
        deserialize_i16: integer
        deserialize_i32: integer
        deserialize_i64: integer
        deserialize_u8: integer
        deserialize_u16: integer
        deserialize_u32: integer
        deserialize_u64: integer
        deserialize_f32: float
        deserialize_f64: float
        deserialize_str: text
        deserialize_string: text
    }

    hand_on_inside! {
        deserialize_option()
        deserialize_seq()
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_enum(name: &'static str, variants: Names)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // The types of serde_json itself speak with its deserializer in their own way.
        if name.starts_with("$serde_json::") {
            return self.0.deserialize_newtype_struct(name, visitor);
        }
        self.0.deserialize_newtype_struct(name, AnyCase::<_, C>(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: Names,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, names, Members::<_, C> { visitor, names })
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

impl<'de, V: Visitor<'de>, const C: bool> Visitor<'de> for AnyCase<V, C> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inside: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(AnyCase::<_, C>(inside))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inside: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(AnyCase::<_, C>(inside))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inside: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(AnyCase::<_, C>(inside))
    }

    fn visit_map<A: MapAccess<'de>>(self, inside: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(AnyCase::<_, C>(inside))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inside: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(AnyCase::<_, C>(inside))
    }
}

impl<'de, S: DeserializeSeed<'de>, const C: bool> DeserializeSeed<'de> for AnyCase<S, C> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(AnyCase::<_, C>(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>, const C: bool> SeqAccess<'de> for AnyCase<A, C> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(AnyCase::<_, C>(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// Keys of maps are data; their case is kept.
impl<'de, A: MapAccess<'de>, const C: bool> MapAccess<'de> for AnyCase<A, C> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(AnyCase::<_, C>(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>, const C: bool> EnumAccess<'de> for AnyCase<A, C> {
    type Error = A::Error;
    type Variant = AnyCase<A::Variant, C>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, content) = self.0.variant_seed(seed)?;
        Ok((name, AnyCase::<_, C>(content)))
    }
}

impl<'de, A: VariantAccess<'de>, const C: bool> VariantAccess<'de> for AnyCase<A, C> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(AnyCase::<_, C>(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, AnyCase::<_, C>(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: Names,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(names, Members::<_, C> { visitor, names })
    }
}

/// Something that belongs to a struct with these members: its visitor, or what reads a key.
struct Members<T, const C: bool> {
    visitor: T,
    names: Names,
}

/// An array is no object, though serde would take one.
impl<'de, V: Visitor<'de>, const C: bool> Visitor<'de> for Members<V, C> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, inside: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Members::<_, C> { visitor: inside, names: self.names })
    }
}

impl<'de, A: MapAccess<'de>, const C: bool> MapAccess<'de> for Members<A, C> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.visitor.next_key_seed(Members::<_, C> { visitor: seed, names: self.names })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.visitor.next_value_seed(AnyCase::<_, C>(seed))
    }
}

impl<'de, S: DeserializeSeed<'de>, const C: bool> DeserializeSeed<'de> for Members<S, C> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<S::Value, D::Error> {
        key.deserialize_str(Key { seed: self.visitor, names: self.names })
    }
}

/// Reads a key, and hands it on as it is declared.
struct Key<S> {
    seed: S,
    names: Names,
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Key<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<S::Value, E> {
        let declared = self
            .names
            .iter()
            .copied()
            .find(|name| *name == key)
            .or_else(|| self.names.iter().copied().find(|name| name.eq_ignore_ascii_case(key)));
        self.seed.deserialize(StrDeserializer::new(declared.unwrap_or(key)))
    }
}
