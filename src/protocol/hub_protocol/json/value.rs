//! Typed values out of the bytes of one JSON value.
//!
//! They are read by `serde_json` alone, although simd-json is at hand. Measured with
//! `benches/json.rs`: below 1 KiB, where nearly all arguments are, simd-json takes up to twice as
//! long (it allocates a tape and a padded copy of its input each time); at 4 KiB both take the
//! same time, at 16 KiB simd-json needs about a sixth less. Against that stands meaning: a raw
//! value anywhere inside a type cannot be read by simd-json, it destroys its input so that
//! nothing else can be tried, and it refuses integers beyond 64 bits where a float is asked for.

use serde::de::DeserializeOwned;

use super::any_case::AnyCase;
use super::escape::unescape;
use super::lenient::relent;
use crate::protocol::hub_protocol::BindingError;

/// Reads a value by serde.
pub(in super::super) fn read_value<T: DeserializeOwned>(
    encoded: &mut [u8],
) -> Result<T, BindingError> {
    match bind::<T, false>(encoded) {
        Ok(value) => Ok(value),
        // Tried second, so that floats, maps and raw values keep everything as written.
        Err(_) if relent(encoded) => bind::<T, false>(encoded).map_err(|_| BindingError::Value),
        Err(_) => Err(BindingError::Value),
    }
}

/// Binds a value; with `C` in all the forms that classic SignalR takes.
pub(super) fn bind<T: DeserializeOwned, const C: bool>(encoded: &[u8]) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(encoded);
    let value = T::deserialize(AnyCase::<_, C>(&mut deserializer))?;
    deserializer.end()?;
    Ok(value)
}

/// Reads a text, which becomes plain in place.
pub(in super::super) fn read_text(encoded: &mut [u8]) -> Result<&str, BindingError> {
    let [b'"', inside @ .., b'"'] = encoded else {
        return Err(BindingError::Value);
    };
    let length = unescape(inside).ok_or(BindingError::Value)?;
    let inside: &[u8] = &inside[..length];
    simdutf8::basic::from_utf8(inside).map_err(|_| BindingError::Value)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::value::RawValue;

    use super::*;

    fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
        read_value(&mut text.as_bytes().to_vec()).ok()
    }

    /// The table of `invoke-numbers`.
    #[test]
    fn integers_are_integers() {
        assert_eq!(read("0"), Some(0_i32));
        assert_eq!(read("-0"), Some(0_i32));
        assert_eq!(read("2147483647"), Some(i32::MAX));
        assert_eq!(read("-2147483648"), Some(i32::MIN));
        for wrong in ["2147483648", "1.0", "1.5", "1e2", "\"5\"", "null", "true", "[]", "{}"] {
            assert_eq!(read::<i32>(wrong), None, "{wrong}");
        }
        assert_eq!(read("9223372036854775807"), Some(i64::MAX));
        assert_eq!(read("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(read::<i64>("9223372036854775808"), None);
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        assert_eq!(read::<u64>("-1"), None);
        assert_eq!(read("-0"), Some(0_u64));
        assert_eq!(read("7"), Some(Some(7)));
        assert_eq!(read("null"), Some(None::<i32>));
        assert_eq!(read::<Option<i32>>("\"x\""), None);
    }

    #[test]
    fn floats_are_read_to_the_last_bit() {
        for (text, value) in [
            ("1.5", 1.5),
            ("1e308", 1e308),
            ("0.1", 0.1),
            ("123456789012345680", 1.234_567_890_123_456_8e17),
            ("1e-7", 1e-7),
            ("1e21", 1e21),
            ("5", 5.0),
            ("2.2250738585072011e-308", 2.225_073_858_507_201e-308),
            ("100000000000000000000000000000", 1e29),
        ] {
            assert_eq!(read::<f64>(text).map(f64::to_bits), Some(f64::to_bits(value)), "{text}");
        }
        assert_eq!(read::<f64>("-0").map(f64::to_bits), Some(f64::to_bits(-0.0)));
        assert_eq!(read("0.1"), Some(0.1_f32));
        assert_eq!(read("16777217"), Some(16_777_216_f32));
        for wrong in ["\"NaN\"", "null", "\"1\""] {
            assert_eq!(read::<f64>(wrong), None, "{wrong}");
        }
        for wrong in ["1", "\"true\"", "null"] {
            assert_eq!(read::<bool>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_negative_zero_is_an_integer_inside_other_values_too() {
        assert_eq!(read("[-0, 1,-0 ]"), Some(vec![0, 1, 0]));
        let mixed: Option<(i32, f64, f64, String, i8)> = read(r#"[-0,1e-05,-0.5,"\"-0",-10]"#);
        assert_eq!(mixed, Some((0, 1e-5, -0.5, "\"-0".to_owned(), -10)));
        let map: Option<HashMap<String, u8>> = read(r#"{"-0":-0}"#);
        assert_eq!(map, Some(HashMap::from([("-0".to_owned(), 0)])));
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Point {
        long_name: i32,
        next: Option<Box<Point>>,
    }

    fn point(long_name: i32) -> Point {
        Point { long_name, next: None }
    }

    #[test]
    fn members_are_found_in_any_case() {
        assert_eq!(read(r#"{"longName":1}"#), Some(point(1)));
        assert_eq!(read(r#"{"LONGNAME":1,"other":{"x":[]}}"#), Some(point(1)));
        let nested = r#"[{"LongName":1,"Next":{"longname":2}}]"#;
        let next = Some(Box::new(point(2)));
        assert_eq!(read(nested), Some(vec![Point { long_name: 1, next }]));
        let map: Option<HashMap<String, Point>> =
            read(r#"{"A":{"LONGNAME":1},"a":{"longName":2}}"#);
        assert_eq!(
            map,
            Some(HashMap::from([("A".to_owned(), point(1)), ("a".to_owned(), point(2))]))
        );
        for wrong in ["[]", "[1,null]", "{}", r#"{"long_name":1}"#, r#"{"longName":"1"}"#] {
            assert_eq!(read::<Point>(wrong), None, "{wrong}");
        }
    }

    /// A member whose exact name is there is not taken from another one.
    #[test]
    fn the_exact_name_comes_first() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Both {
            x: i32,
            #[serde(rename = "X")]
            capital: i32,
        }
        assert_eq!(read(r#"{"X":1,"x":2}"#), Some(Both { x: 2, capital: 1 }));
    }

    #[test]
    fn variants_keep_their_case_and_their_members_need_not() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        enum Shape {
            Circle { radius: i32 },
            At(Point),
        }
        assert_eq!(read(r#"{"Circle":{"RADIUS":1}}"#), Some(Shape::Circle { radius: 1 }));
        assert_eq!(read(r#"{"At":{"LongName":1}}"#), Some(Shape::At(point(1))));
        assert_eq!(read::<Shape>(r#"{"circle":{"radius":1}}"#), None);
    }

    #[test]
    fn of_repeated_members_the_last_one_counts() {
        assert_eq!(read(r#"{"longName":1,"longName":2}"#), Some(point(2)));
        let nested = r#"{"next":{"longName":9,"longName" : -0 },"longName":1,"longName":2}"#;
        let next = Some(Box::new(point(0)));
        assert_eq!(read(nested), Some(Point { long_name: 2, next }));
    }

    #[test]
    fn raw_values_keep_their_spelling() {
        for text in
            ["1.50", "-0", "123456789012345678901234567890", "{ \"a\" : [1E+2] }", "\"\\u0041\""]
        {
            let raw: Box<RawValue> = read(text).expect("JSON");
            assert_eq!(raw.get(), text);
        }
    }

    /// Why typed values are not left to simd-json.
    #[test]
    fn simd_json_would_mean_something_else() {
        let big = "100000000000000000000000000000";
        assert_eq!(read(big), Some(1e29));
        assert!(simd_json::serde::from_slice::<f64>(&mut big.as_bytes().to_vec()).is_err());
        assert!(read::<Vec<Box<RawValue>>>("[1.50]").is_some());
        let raw = simd_json::serde::from_slice::<Vec<Box<RawValue>>>(&mut b"[1.50]".to_vec());
        assert!(raw.is_err());
    }

    #[test]
    fn a_text_is_plain_in_place() {
        for (encoded, text) in [
            (r#""""#, ""),
            (r#""plain""#, "plain"),
            (r#""a\"b\\\u00e9""#, "a\"b\\é"),
            (r#""\ud83d\ude00\/""#, "😀/"),
            ("\"世界\"", "世界"),
        ] {
            assert_eq!(read_text(&mut encoded.as_bytes().to_vec()), Ok(text));
        }
        for wrong in ["null", "5", "{}", "[\"a\"]", r#""\ud83d""#, "true"] {
            let read = read_text(&mut wrong.as_bytes().to_vec()).map(str::to_owned);
            assert_eq!(read, Err(BindingError::Value), "{wrong}");
        }
    }
}
