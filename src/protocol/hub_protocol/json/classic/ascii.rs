//! JSON in ASCII alone, on one line: the .NET client of event streams breaks a character that is
//! split between two reads (T-20), and takes every line for an event (T-19).

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::protocol::hub_protocol::WriteError;

/// Appends `value` as JSON in ASCII on one line; what serde declares is written, nulls too
/// (LEG §3.4).
///
/// ```
/// use tickhub::protocol::classic::write_json;
///
/// let mut out = Vec::new();
/// write_json(&mut out, &("é😀", 1.0)).expect("a value that JSON has");
/// assert_eq!(out, br#"["\u00e9\ud83d\ude00",1.0]"#);
/// ```
///
/// # Errors
///
/// The value's own serializer refused; `out` is then as before.
pub fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), WriteError> {
    let start = out.len();
    let written = value.serialize(&mut Serializer::with_formatter(&mut *out, Ascii));
    if let Err(error) = written {
        out.truncate(start);
        return Err(WriteError::new(&error));
    }
    Ok(())
}

/// Appends a text with its quotes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    write_json(out, text).expect("a vector takes all that is written to it");
}

/// Compact, and everything beyond ASCII escaped.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_ascii(out, fragment)
    }

    /// What was JSON before: beyond ASCII there is something in its texts only, and a line break
    /// only between its tokens.
    fn write_raw_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for (index, line) in fragment.split(['\r', '\n']).enumerate() {
            if index > 0 {
                out.write_all(b" ")?;
            }
            write_ascii(out, line)?;
        }
        Ok(())
    }
}

fn write_ascii<W: io::Write + ?Sized>(out: &mut W, text: &str) -> io::Result<()> {
    if text.is_ascii() {
        return out.write_all(text.as_bytes());
    }
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| !character.is_ascii()) {
        let (plain, behind) = rest.split_at(at);
        out.write_all(plain.as_bytes())?;
        let mut characters = behind.chars();
        if let Some(character) = characters.next() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        rest = characters.as_str();
    }
    out.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    fn written<T: Serialize + ?Sized>(value: &T) -> String {
        let mut out = Vec::new();
        write_json(&mut out, value).expect("JSON has it");
        String::from_utf8(out).expect("ASCII")
    }

    /// LEG-045 and §3.4, `invoke-results`, `client-calls`.
    #[test]
    fn values_are_those_of_the_original_in_ascii() {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Object {
            name: &'static str,
            none: Option<u8>,
            list: [u8; 3],
        }

        assert_eq!(
            written("<a>\u{2028}é\"/'&\u{85}\n\t\u{1}"),
            r#""<a>\u2028\u00e9\"/'&\u0085\n\t\u0001""#
        );
        assert_eq!(written("\\\u{2029}😀\u{7f}"), "\"\\\\\\u2029\\ud83d\\ude00\u{7f}\"");
        assert_eq!(written(&[1.0, 1.25, 2.5]), "[1.0,1.25,2.5]");
        let object = Object { name: "x", none: None, list: [1, 2, 3] };
        assert_eq!(written(&object), r#"{"Name":"x","None":null,"List":[1,2,3]}"#);
        let map = std::collections::BTreeMap::from([("ключ", true)]);
        assert_eq!(written(&map), r#"{"\u043a\u043b\u044e\u0447":true}"#);
    }

    /// LEG-042, with one line for an event stream (T-19).
    #[test]
    fn what_was_json_before_stays_what_it_is() {
        for (raw, expected) in [
            ("{ \"a\" : [1E+2, 1.50] }", "{ \"a\" : [1E+2, 1.50] }"),
            ("[1,\r\n \"é\\n\"]", r#"[1,   "\u00e9\n"]"#),
        ] {
            let raw = RawValue::from_string(raw.into()).expect("JSON");
            assert_eq!(written(&raw), expected);
        }
    }

    #[test]
    fn a_value_that_json_has_not_leaves_nothing() {
        let mut out = b"before".to_vec();
        let keys = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(write_json(&mut out, &("é", keys)).is_err());
        assert_eq!(out, b"before");
    }

    proptest! {
        #[test]
        fn a_text_comes_back_and_is_ascii(text in any::<String>()) {
            let json = written(&text);
            prop_assert!(json.is_ascii() && !json.contains(['\n', '\r']));
            prop_assert_eq!(serde_json::from_str::<String>(&json).ok(), Some(text.clone()));
            let raw = RawValue::from_string(json!([text, {"k": text}]).to_string()).expect("JSON");
            let again = written(&raw);
            prop_assert!(again.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&again).ok(), Some(json!([text, {"k": text}])));
        }
    }
}
