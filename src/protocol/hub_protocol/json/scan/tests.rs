//! The scanner against tables and against `serde_json`.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

/// Whether all of `bytes` is one JSON value to us.
fn accepts(bytes: &[u8]) -> bool {
    let mut scanner = Scanner::new(bytes);
    let passed = scanner.value(0).is_ok();
    passed && scanner.peek().is_err() && simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Whether it is one to `serde_json`, which for a raw value looks at the syntax alone.
fn serde_accepts(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(bytes).is_ok()
}

/// Levels of nesting, texts left out. Only for values that are accepted.
fn depth(bytes: &[u8]) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0);
    let mut scanner = Scanner::new(bytes);
    while let Ok(byte) = scanner.peek() {
        match byte {
            b'"' => {
                let _ = scanner.text();
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        let _ = scanner.next();
    }
    deepest
}

#[test]
fn strict_json_passes_and_nothing_else() {
    let right = [
        "0",
        "-0",
        "-0.0",
        "1e5",
        "1E-05",
        "10.01e+7",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\u001e\\/\\b\"",
        "[]",
        "{}",
        " [ 1 , [ ] , { } ] ",
        "{\"a\":{\"b\":[1,{\"c\":0}]}}",
        "\"\u{7f}\u{2028}\"",
        "\"\\ud800\"",
    ];
    for text in right {
        assert!(accepts(text.as_bytes()), "{text}");
        assert!(serde_accepts(text.as_bytes()), "{text}");
    }
    let wrong = [
        "",
        " ",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "True",
        "nul",
        "'a'",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\u{1e}\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "{]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1]",
        "[1]]",
        "{}}",
        "1/*c*/",
        "//c\n1",
        "\u{feff}1",
        "\u{a0}1",
    ];
    for text in wrong {
        assert!(!accepts(text.as_bytes()), "{text}");
        assert!(!serde_accepts(text.as_bytes()), "{text}");
    }
}

#[test]
fn sixty_four_levels_pass_and_one_more_does_not() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels| {
            let inner = if open == "[" { "" } else { "1" };
            format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
        };
        assert!(accepts(nested(64).as_bytes()));
        assert!(!accepts(nested(65).as_bytes()));
        assert!(!accepts(nested(100_000).as_bytes()), "and no stack is used up");
    }
}

/// The length of the text that `bytes` begin with, without its quotes.
fn text_length(bytes: &[u8]) -> Result<usize, Malformed> {
    let mut scanner = Scanner::new(bytes);
    scanner.text().map(|text| text.inside.range().len())
}

#[test]
fn a_stop_is_found_at_every_place_of_a_word() {
    for length in 0..40 {
        for behind in 0..40 {
            let mut bytes = vec![b'a'; 1 + length + 1 + behind];
            bytes[0] = b'"';
            bytes[1 + length] = b'"';
            assert_eq!(text_length(&bytes), Ok(length));
            for control in 0..b' ' {
                bytes[1 + length] = control;
                assert_eq!(text_length(&bytes), Err(Malformed), "{control:#x}");
            }
            bytes.splice(1 + length..2 + length, *b"\\\"\"");
            assert_eq!(text_length(&bytes), Ok(length + 2));
        }
    }
    let mut plain: Vec<u8> = (b' '..=0xFF).filter(|byte| !b"\"\\".contains(byte)).collect();
    let length = plain.len();
    plain.insert(0, b'"');
    assert_eq!(text_length(&plain), Err(Malformed));
    plain.push(b'"');
    assert_eq!(text_length(&plain), Ok(length));
}

#[test]
fn a_byte_that_is_no_ascii_is_noticed_at_every_place() {
    for length in 0..40 {
        for place in 0..length {
            let mut bytes = vec![b'a'; length + 2];
            (bytes[0], bytes[length + 1]) = (b'"', b'"');
            let mut scanner = Scanner::new(&bytes);
            scanner.text().expect("a text");
            assert!(scanner.is_ascii());
            bytes[1 + place] = 0x80;
            let mut scanner = Scanner::new(&bytes);
            scanner.text().expect("a text");
            assert!(!scanner.is_ascii());
        }
    }
}

fn json_text() -> impl Strategy<Value = String> {
    let space = "[ \n\r\t]{0,2}";
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        "\"([ -!#-\\[\\]-~é世😀]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,12}\"",
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        let element = (space, inner, space).prop_map(|(a, value, b)| a + &value + &b);
        let name = (space, "\"[a-z\\\\n]{0,3}\"", space)
            .prop_map(|(a, name, b)| a + &name.replace('\\', "\\n") + &b);
        prop_oneof![
            prop::collection::vec(element.clone(), 0..6)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec((name, element), 0..6).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Bytes that break JSON in interesting ways.
const BREAKING: &[u8] = b"\"\\{}[]:,0-.eEu/+tfn \n\x1e\x00\x7f\x80\xc3\xed\xff";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_json_passes(text in json_text()) {
        prop_assert!(serde_accepts(text.as_bytes()), "the generator makes JSON");
        prop_assert_eq!(accepts(text.as_bytes()), depth(text.as_bytes()) <= DEPTH_MAX);
    }

    /// Intended difference: the depth. `serde_json` has no limit for raw values.
    #[test]
    fn the_verdict_is_that_of_serde_json(
        text in json_text(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), 0..4, any::<prop::sample::Index>()), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (place, kind, other) in mutations {
            let byte = *other.get(BREAKING);
            let at = place.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                // One of the bytes that hold the value together, for another.
                3 => {
                    const STRUCTURAL: &[u8] = b"{}[]:,";
                    let places: Vec<usize> =
                        (0..bytes.len()).filter(|at| STRUCTURAL.contains(&bytes[*at])).collect();
                    if !places.is_empty() {
                        bytes[*place.get(&places)] = *other.get(STRUCTURAL);
                    }
                }
                _ => {}
            }
        }
        let expected = serde_accepts(&bytes) && depth(&bytes) <= DEPTH_MAX;
        prop_assert_eq!(accepts(&bytes), expected, "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert_eq!(accepts(&bytes), serde_accepts(&bytes));
    }

    #[test]
    fn bytes_like_json_never_panic(
        bytes in prop::collection::vec(prop::sample::select(BREAKING), 0..40)
    ) {
        prop_assert_eq!(accepts(&bytes), serde_accepts(&bytes));
    }
}
