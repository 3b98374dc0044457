//! JSON as a part of a script, and of a script inside of a document.

/// Appends JSON so that it is the same value as an expression of JavaScript, and cannot end the
/// element that it stands in: `<`, `>`, `&` and `'` become escapes, and so do the line ends that
/// are none to JSON (LEG-086, LEG §5.3.3). All of them can be in texts only.
pub(super) fn write_in_script(out: &mut Vec<u8>, json: &[u8]) {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| escape_begins(*byte)) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (escape, taken): (&[u8], usize) = match rest {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [b'\'', ..] => (b"\\u0027", 1),
            [0xC2, 0x85, ..] => (b"\\u0085", 2),
            [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (b"\\u2029", 3),
            other => (&other[..1], 1),
        };
        out.extend_from_slice(escape);
        rest = &rest[taken..];
    }
    out.extend_from_slice(rest);
}

fn escape_begins(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'&' | b'\'' | 0xC2 | 0xE2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn escaped(json: &str) -> String {
        let mut out = Vec::new();
        write_in_script(&mut out, json.as_bytes());
        String::from_utf8(out).expect("text stays text")
    }

    /// LEG-086, `forever-frame-document`.
    #[test]
    fn what_could_end_a_script_is_escaped() {
        assert_eq!(escaped(r#"["</script><b>"]"#), r#"["\u003c/script\u003e\u003cb\u003e"]"#);
        assert_eq!(escaped("\"&'\u{2028}\u{2029}\u{85}\""), r#""\u0026\u0027\u2028\u2029\u0085""#);
        assert_eq!(escaped("\"é\u{84}\u{2027}\u{202a}—\""), "\"é\u{84}\u{2027}\u{202a}—\"");
        assert_eq!(escaped(r#"{"a":[1,null]}"#), r#"{"a":[1,null]}"#);
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(text in "([<>&'\u{85}\u{2028}\u{2029}\"\\\\é😀]|\\PC){0,12}") {
            let json = serde_json::json!({&text: [&text]});
            let escaped = escaped(&json.to_string());
            prop_assert_eq!(serde_json::from_str::<Value>(&escaped).ok(), Some(json));
            let ends = ['<', '>', '&', '\'', '\u{85}', '\u{2028}', '\u{2029}'];
            prop_assert!(!escaped.contains(ends));
        }
    }
}
