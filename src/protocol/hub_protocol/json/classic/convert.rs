//! Values as the serializer of classic SignalR takes them (LEG §4.7, `invoke-arguments`): a number
//! where a text is asked for, a text where a number or a truth value is. `6.0` is no integer.
//!
//! Tried only where a value was refused as it is, so that what fits costs nothing.

use std::fmt;

use serde::de::{Deserialize as _, DeserializeOwned, Deserializer, Error, Unexpected, Visitor};
use serde_json::value::RawValue;

use super::super::lenient::relent;
use super::super::value;
use crate::protocol::hub_protocol::BindingError;

/// Reads a value by serde.
pub(in super::super::super) fn read_value<T: DeserializeOwned>(
    encoded: &mut [u8],
) -> Result<T, BindingError> {
    if let Ok(value) = value::bind::<T, false>(encoded) {
        return Ok(value);
    }
    relent(encoded);
    value::bind::<T, true>(encoded).map_err(|_| BindingError::Value)
}

/// Reads a text, which becomes plain in place; of a number or a truth value, its spelling.
pub(in super::super::super) fn read_text(encoded: &mut [u8]) -> Result<&str, BindingError> {
    if spelled(encoded) {
        std::str::from_utf8(encoded).map_err(|_| BindingError::Value)
    } else {
        value::read_text(encoded)
    }
}

/// Whether a JSON value is a number or a truth value, whose spelling can stand for a text.
pub(super) fn spelled(encoded: &[u8]) -> bool {
    matches!(encoded.first(), Some(b'-' | b'0'..=b'9' | b't' | b'f'))
}

/// A number or its text, as an integer.
pub(in super::super) fn integer<'de, D: Deserializer<'de>, V: Visitor<'de>>(
    deserializer: D,
    visitor: V,
) -> Result<V::Value, D::Error> {
    deserializer.deserialize_any(Integer(visitor))
}

/// A number or its text.
pub(in super::super) fn float<'de, D: Deserializer<'de>, V: Visitor<'de>>(
    deserializer: D,
    visitor: V,
) -> Result<V::Value, D::Error> {
    deserializer.deserialize_any(Float(visitor))
}

/// A truth value, its text, or a number, of which zero is false.
pub(in super::super) fn boolean<'de, D: Deserializer<'de>, V: Visitor<'de>>(
    deserializer: D,
    visitor: V,
) -> Result<V::Value, D::Error> {
    deserializer.deserialize_any(Boolean(visitor))
}

/// A text, or the spelling of a number or of a truth value.
pub(in super::super) fn text<'de, D: Deserializer<'de>, V: Visitor<'de>>(
    deserializer: D,
    visitor: V,
) -> Result<V::Value, D::Error> {
    // Raw, because a number that was read is spelled anew: `1.50` would become `1.5`.
    let raw = <&'de RawValue>::deserialize(deserializer)?.get();
    if spelled(raw.as_bytes()) {
        return visitor.visit_borrowed_str(raw);
    }
    let mut inside = serde_json::Deserializer::from_str(raw);
    inside.deserialize_str(visitor).map_err(D::Error::custom)
}

/// What is asked for, around the visitor of whoever asks.
macro_rules! visitors {
    ($($name:ident { $($visit:item)* })*) => {$(
        struct $name<V>(V);

        impl<'de, V: Visitor<'de>> Visitor<'de> for $name<V> {
            type Value = V::Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.expecting(f)
            }

            $($visit)*
        }
    )*};
}

visitors! {
    Integer {
        fn visit_i64<E: Error>(self, number: i64) -> Result<V::Value, E> {
            self.0.visit_i64(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<V::Value, E> {
            self.0.visit_u64(number)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
            let digits = text.trim_ascii();
            if let Ok(number) = digits.parse::<i64>() {
                self.0.visit_i64(number)
            } else if let Ok(number) = digits.parse::<u64>() {
                self.0.visit_u64(number)
            } else {
                Err(E::invalid_value(Unexpected::Str(text), &self))
            }
        }
    }

    Float {
        fn visit_i64<E: Error>(self, number: i64) -> Result<V::Value, E> {
            self.0.visit_i64(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<V::Value, E> {
            self.0.visit_u64(number)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<V::Value, E> {
            self.0.visit_f64(number)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
            match text.trim_ascii().parse::<f64>() {
                // What is not finite has more spellings here than there.
                Ok(number) if number.is_finite() => self.0.visit_f64(number),
                _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
            }
        }
    }

    Boolean {
        fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
            self.0.visit_bool(value)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<V::Value, E> {
            self.0.visit_bool(number != 0)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<V::Value, E> {
            self.0.visit_bool(number != 0)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<V::Value, E> {
            self.0.visit_bool(number != 0.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
            let word = text.trim_ascii();
            if word.eq_ignore_ascii_case("true") {
                self.0.visit_bool(true)
            } else if word.eq_ignore_ascii_case("false") {
                self.0.visit_bool(false)
            } else {
                Err(E::invalid_value(Unexpected::Str(text), &self))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
        read_value(&mut text.as_bytes().to_vec()).ok()
    }

    /// `invoke-arguments`: numeric text for an int parameter, a whole float for an int parameter.
    #[test]
    fn a_text_is_an_integer_and_a_float_is_none() {
        for (text, number) in [
            ("5", Some(5)),
            ("\"5\"", Some(5)),
            ("\" -7 \"", Some(-7)),
            ("\"+8\"", Some(8)),
            ("\"007\"", Some(7)),
            ("-0", Some(0)),
            ("6.0", None),
            ("1e2", None),
            ("\"6.0\"", None),
            ("\"\"", None),
            ("\"0x1\"", None),
            ("\"2147483648\"", None),
            ("2147483648", None),
            ("null", None),
            ("true", None),
            ("[]", None),
            ("{}", None),
        ] {
            assert_eq!(read::<i32>(text), number, "{text}");
        }
        assert_eq!(read("\"18446744073709551615\""), Some(u64::MAX));
        assert_eq!(read::<u8>("\"-1\""), None);
        assert_eq!(read::<Vec<i32>>("[1,\"2\",3]"), Some(vec![1, 2, 3]));
        assert_eq!(read::<Option<i32>>("\"2\""), Some(Some(2)));
        assert_eq!(read::<Option<i32>>("null"), Some(None));
    }

    /// `invoke-arguments`: number for a string parameter.
    #[test]
    fn a_number_is_a_text_as_it_is_spelled() {
        for (text, expected) in [
            ("\"x\"", Some("x")),
            (r#""\u00e9\ud83d\ude00\n""#, Some("é😀\n")),
            ("123", Some("123")),
            ("1.50", Some("1.50")),
            ("-0", Some("-0")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("true", Some("true")),
            ("false", Some("false")),
            ("null", None),
            ("[]", None),
            ("{}", None),
            (r#""\ud800""#, None),
        ] {
            assert_eq!(read_text(&mut text.as_bytes().to_vec()).ok(), expected, "{text}");
            if text != "-0" {
                assert_eq!(read::<String>(text).as_deref(), expected, "{text}");
            }
        }
        assert_eq!(read::<Vec<String>>("[1.50,\"a\"]"), Some(vec!["1.50".into(), "a".into()]));
    }

    #[test]
    fn floats_and_truth_values() {
        assert_eq!(read("\"1.5\""), Some(1.5));
        assert_eq!(read("2"), Some(2.0));
        assert_eq!(read::<f64>("\"NaN\""), None);
        assert_eq!(read::<f64>("\"x\""), None);
        for (text, value) in
            [("true", true), ("1", true), ("\"TRUE\"", true), ("0", false), ("\"false\"", false)]
        {
            assert_eq!(read(text), Some(value), "{text}");
        }
        assert_eq!(read::<bool>("\"yes\""), None);
        assert_eq!(read::<bool>("null"), None);
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Point {
        #[serde(rename = "X")]
        x: i32,
        #[serde(rename = "Y")]
        y: i32,
        #[serde(rename = "Name")]
        name: Option<String>,
    }

    /// `invoke-results`, `invoke-arguments`: the objects of `Swap`.
    #[test]
    fn objects_are_read_in_any_case_and_their_members_are_converted() {
        let point = |x, y, name: Option<&str>| Some(Point { x, y, name: name.map(str::to_owned) });
        assert_eq!(read(r#"{"x":1,"y":2}"#), point(1, 2, None));
        assert_eq!(read(r#"{"X":3,"Y":4,"Z":5}"#), point(3, 4, None));
        assert_eq!(read("{}"), point(0, 0, None));
        assert_eq!(read(r#"{"X":"3","Y":4,"NAME":7}"#), point(3, 4, Some("7")));
        assert_eq!(read(r#"{"X":1,"X":"2"}"#), point(2, 0, None));
        assert_eq!(read::<Point>(r#"{"X":6.0}"#), None);
        let map: Option<HashMap<String, Point>> = read(r#"{"a":{"x":"1"}}"#);
        assert_eq!(map.and_then(|mut map| map.remove("a")), point(1, 0, None));
    }

    proptest! {
        /// What is no other form is the same as ever; and nothing panics.
        #[test]
        fn what_fits_is_as_in_the_other_protocol(text in "[-0-9.e\"a-f\\[\\]{},: ]{0,12}") {
            let strict = value::read_value::<serde_json::Value>(&mut text.as_bytes().to_vec());
            prop_assert_eq!(strict.is_ok(), read::<serde_json::Value>(&text).is_some());
            if let Ok(number) = value::read_value::<i64>(&mut text.as_bytes().to_vec()) {
                prop_assert_eq!(read::<i64>(&text), Some(number));
            }
            let _ = (read::<String>(&text), read::<f64>(&text), read::<bool>(&text));
        }
    }
}
