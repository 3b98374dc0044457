//! Values of serde's as MessagePack, the way .NET writes them (§3.5): objects are maps, enums are
//! names, integers take the shortest form.

use rmp::{decode, encode};
use serde::ser::{self, Serialize, Serializer};

use crate::protocol::hub_protocol::WriteError;
use crate::protocol::hub_protocol::names::{MESSAGEPACK_EXTENSION, MESSAGEPACK_FULL_WIDTH};

/// Memory takes everything.
const NEVER: &str = "a vector takes all that is written to it";

pub(super) fn write_value<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
) -> Result<(), WriteError> {
    value.serialize(Writer { out, form: Form::Usual })
}

/// Writes one value.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    form: Form,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Usual,
    /// An integer takes the bytes of its type.
    FullWidth,
    /// A pair: the kind of an extension, and its bytes.
    Extension,
}

macro_rules! integers {
    ($($method:ident: $kind:ty => $shortest:ident, $full:ident;)*) => {$(
        fn $method(self, value: $kind) -> Result<(), WriteError> {
            if self.form == Form::FullWidth {
                encode::$full(self.out, value).expect(NEVER);
            } else {
                encode::$shortest(self.out, value.into()).expect(NEVER);
            }
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Elements<'a>;
    type SerializeMap = Elements<'a>;
    type SerializeStruct = Elements<'a>;
    type SerializeStructVariant = Elements<'a>;

    integers! {
        serialize_i8: i8 => write_sint, write_i8;
        serialize_i16: i16 => write_sint, write_i16;
        serialize_i32: i32 => write_sint, write_i32;
        serialize_i64: i64 => write_sint, write_i64;
        serialize_u8: u8 => write_uint, write_u8;
        serialize_u16: u16 => write_uint, write_u16;
        serialize_u32: u32 => write_uint, write_u32;
        serialize_u64: u64 => write_uint, write_u64;
    }

    fn serialize_bool(self, value: bool) -> Result<(), WriteError> {
        encode::write_bool(self.out, value).expect(NEVER);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), WriteError> {
        encode::write_f32(self.out, value).expect(NEVER);
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), WriteError> {
        encode::write_f64(self.out, value).expect(NEVER);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), WriteError> {
        encode::write_str(self.out, text).expect(NEVER);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), WriteError> {
        encode::write_bin(self.out, bytes).expect(NEVER);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        encode::write_nil(self.out).expect(NEVER);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        let form = match name {
            MESSAGEPACK_EXTENSION => Form::Extension,
            MESSAGEPACK_FULL_WIDTH => Form::FullWidth,
            _ => self.form,
        };
        value.serialize(Writer { out: self.out, form })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        begin_variant(self.out, variant);
        write_value(self.out, value)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Elements<'a>, WriteError> {
        Ok(Elements::begin(self.out, Container::Array, length))
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements<'a>, WriteError> {
        let container = match self.form {
            Form::Extension => Container::Extension { kind: None },
            Form::Usual | Form::FullWidth => Container::Array,
        };
        Ok(Elements::begin(self.out, container, Some(length)))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Elements<'a>, WriteError> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Elements<'a>, WriteError> {
        begin_variant(self.out, variant);
        Ok(Elements::begin(self.out, Container::Array, Some(length)))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Elements<'a>, WriteError> {
        Ok(Elements::begin(self.out, Container::Map, length))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Elements<'a>, WriteError> {
        Ok(Elements::begin(self.out, Container::Map, Some(length)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Elements<'a>, WriteError> {
        begin_variant(self.out, variant);
        Ok(Elements::begin(self.out, Container::Map, Some(length)))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// A variant with something in it is a map of one pair.
fn begin_variant(out: &mut Vec<u8>, name: &str) {
    encode::write_map_len(out, 1).expect(NEVER);
    encode::write_str(out, name).expect(NEVER);
}

/// What a container is.
#[derive(Clone, Copy, Debug)]
enum Container {
    Array,
    Map,
    /// The kind is known once it was written.
    Extension {
        kind: Option<i8>,
    },
}

/// The inside of a container.
struct Elements<'a> {
    out: &'a mut Vec<u8>,
    container: Container,
    /// Where the header belongs, if the number of elements was not told.
    headless: Option<usize>,
    count: usize,
}

impl<'a> Elements<'a> {
    fn begin(out: &'a mut Vec<u8>, container: Container, length: Option<usize>) -> Self {
        let headless = length.is_none().then_some(out.len());
        if let Some(length) = length {
            let mut header = [0; HEADER_BYTES_MAX];
            out.extend_from_slice(header_of(container, length, &mut header));
        }
        Self { out, container, headless, count: 0 }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.count += 1;
        if let Container::Extension { kind } = self.container {
            return self.add_to_extension(kind, value);
        }
        write_value(self.out, value)
    }

    /// Writes the kind as an integer, which is taken back, and the bytes as bytes, whose header is
    /// replaced.
    fn add_to_extension<T: Serialize + ?Sized>(
        &mut self,
        kind: Option<i8>,
        value: &T,
    ) -> Result<(), WriteError> {
        let wrong = || WriteError::new(&"an extension is a pair of an i8 and bytes");
        let start = self.out.len();
        write_value(self.out, value)?;
        let mut written = &self.out[start..];
        let Some(kind) = kind else {
            let kind = decode::read_int(&mut written).map_err(|_| wrong())?;
            self.out.truncate(start);
            self.container = Container::Extension { kind: Some(kind) };
            return Ok(());
        };
        let length = decode::read_bin_len(&mut written).map_err(|_| wrong())?;
        let end = self.out.len() - written.len();
        let mut header = [0; HEADER_BYTES_MAX];
        let mut room = &mut header[..];
        encode::write_ext_meta(&mut room, length, kind).expect("there is room");
        let used = HEADER_BYTES_MAX - room.len();
        self.out.splice(start..end, header[..used].iter().copied());
        Ok(())
    }

    fn finish(self) {
        if let Some(start) = self.headless {
            let mut header = [0; HEADER_BYTES_MAX];
            let header = header_of(self.container, self.count, &mut header);
            self.out.splice(start..start, header.iter().copied());
        }
    }
}

/// The longest is that of an extension.
const HEADER_BYTES_MAX: usize = 6;

fn header_of(container: Container, length: usize, header: &mut [u8; HEADER_BYTES_MAX]) -> &[u8] {
    let (mut room, length) = (&mut header[..], length as u32);
    match container {
        Container::Array => _ = encode::write_array_len(&mut room, length).expect("there is room"),
        Container::Map => _ = encode::write_map_len(&mut room, length).expect("there is room"),
        Container::Extension { .. } => {}
    }
    let used = HEADER_BYTES_MAX - room.len();
    &header[..used]
}

macro_rules! elements {
    ($($trait:ident: $method:ident;)*) => {$(
        impl ser::$trait for Elements<'_> {
            type Ok = ();
            type Error = WriteError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                self.add(value)
            }

            fn end(self) -> Result<(), WriteError> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

impl ser::SerializeMap for Elements<'_> {
    type Ok = ();
    type Error = WriteError;

    /// Pairs are counted by their keys.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        self.add(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        write_value(self.out, value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.finish();
        Ok(())
    }
}

macro_rules! members {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Elements<'_> {
            type Ok = ();
            type Error = WriteError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), WriteError> {
                self.add(name)?;
                write_value(self.out, value)
            }

            fn end(self) -> Result<(), WriteError> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

members!(SerializeStruct SerializeStructVariant);

impl ser::Error for WriteError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(&message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_bytes::Bytes;

    use super::*;

    fn written<T: Serialize>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        write_value(&mut out, value).expect("it can be written");
        out
    }

    #[derive(Serialize)]
    enum Shape {
        Dot,
        Line(u8),
        Path(u8, u8),
        Circle { radius: u8 },
    }

    #[derive(Serialize)]
    #[serde(rename = "_FullWidth")]
    struct FullWidth<T>(T);

    #[derive(Serialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension<T>((i8, T));

    #[test]
    fn integers_take_the_shortest_form_unless_asked() {
        assert_eq!(written(&1_i64), [0x01]);
        assert_eq!(written(&-1_i64), [0xff]);
        assert_eq!(written(&300_u64), [0xcd, 1, 44]);
        assert_eq!(written(&FullWidth(1_u8)), [0xcc, 1]);
        assert_eq!(written(&FullWidth(1_u16)), [0xcd, 0, 1]);
        assert_eq!(written(&FullWidth(-1_i8)), [0xd0, 0xff]);
        assert_eq!(written(&FullWidth(1_i32)), [0xd2, 0, 0, 0, 1]);
        // It is asked for one value, not for what is inside.
        assert_eq!(written(&FullWidth([1_u8])), [0x91, 1]);
    }

    #[test]
    fn containers_of_any_length() {
        assert_eq!(written(&(1_u8, "a", None::<u8>)), [0x93, 1, 0xa1, b'a', 0xc0]);
        assert_eq!(written(&BTreeMap::from([(1_u8, true)])), [0x81, 1, 0xc3]);
        let long = written(&vec![0_u8; 16]);
        assert_eq!(long[..3], [0xdc, 0, 16]);
        assert_eq!(long.len(), 19);
    }

    struct Odd;

    impl Serialize for Odd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..20_u8).filter(|n| n % 2 == 1))
        }
    }

    /// Members of flattened structs, and what iterators give, are counted at the end.
    #[test]
    fn lengths_that_are_not_known_before() {
        #[derive(Serialize)]
        struct Outer {
            a: u8,
            #[serde(flatten)]
            rest: BTreeMap<String, u8>,
        }
        let rest = BTreeMap::from([("b".to_owned(), 2)]);
        assert_eq!(written(&Outer { a: 1, rest }), b"\x82\xa1a\x01\xa1b\x02");

        assert_eq!(written(&Odd), [0x9a, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    }

    #[test]
    fn variants_go_by_name() {
        assert_eq!(written(&Shape::Dot), b"\xa3Dot");
        assert_eq!(written(&Shape::Line(5)), b"\x81\xa4Line\x05");
        assert_eq!(written(&Shape::Path(5, 6)), b"\x81\xa4Path\x92\x05\x06");
        assert_eq!(written(&Shape::Circle { radius: 5 }), b"\x81\xa6Circle\x81\xa6radius\x05");
    }

    #[test]
    fn extensions_are_pairs() {
        assert_eq!(written(&Extension((-1, Bytes::new(&[1, 2, 3, 4])))), [0xd6, 0xff, 1, 2, 3, 4]);
        assert_eq!(written(&Extension((7, Bytes::new(&[1, 2, 3])))), [0xc7, 3, 7, 1, 2, 3]);
        let long = written(&[Extension((7, Bytes::new(&[9; 300])))]);
        assert_eq!(long[..5], [0x91, 0xc8, 1, 44, 7]);
        assert_eq!(long.len(), 305);
        assert!(write_value(&mut Vec::new(), &Extension((7, "text"))).is_err());
    }
}
