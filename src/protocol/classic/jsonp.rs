//! Answers that a script element of another origin can read: a call of a function that the page
//! names (LEG §1.9).

use super::script::write_in_script;

/// How many bytes the name of a callback may have. Those of jQuery have about 40.
pub const CALLBACK_BYTES_MAX: usize = 256;

/// The name of a function of a page, which it is safe to write in front of an answer: identifiers
/// with dots between them.
///
/// ```
/// use tickhub::protocol::classic::jsonp::Callback;
///
/// let mut out = Vec::new();
/// Callback::parse("foo.bar").expect("a name").write(&mut out, b"{}");
/// assert_eq!(out, b"foo.bar({});");
/// assert!(Callback::parse("alert(1);//").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback<'a>(&'a str);

/// A text is no [`Callback`] (LEG-034). It is not repeated anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The callback is no name of a function.")]
pub struct BadCallback;

impl<'a> Callback<'a> {
    /// Checks the parameter `callback`, for **every** answer that would repeat it (T-17).
    ///
    /// # Errors
    ///
    /// It is longer than [`CALLBACK_BYTES_MAX`], or one of its parts is no identifier or is a
    /// reserved word.
    pub fn parse(text: &'a str) -> Result<Self, BadCallback> {
        if text.len() <= CALLBACK_BYTES_MAX && text.split('.').all(is_name) {
            Ok(Self(text))
        } else {
            Err(BadCallback)
        }
    }

    /// The name.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Appends the call with `json`, in which nothing is left that a script or a document could
    /// take for its own (LEG-032, LEG-033).
    pub fn write(self, out: &mut Vec<u8>, json: &[u8]) {
        out.extend_from_slice(self.0.as_bytes());
        out.push(b'(');
        write_in_script(out, json);
        out.extend_from_slice(b");");
    }
}

/// Whether a text is an identifier that may be written in a script.
fn is_name(text: &str) -> bool {
    is_identifier(text) && !RESERVED.contains(&text)
}

/// Whether a text is a letter, `$` or `_`, and then more of these and digits. It may be a reserved
/// word, which a member of an object may be called.
pub(super) fn is_identifier(text: &str) -> bool {
    let begins = |character: char| character.is_alphabetic() || matches!(character, '$' | '_');
    let mut characters = text.chars();
    characters.next().is_some_and(begins)
        && characters.all(|character| begins(character) || character.is_numeric())
}

/// Whether a parameter of a strict function may be called so.
pub(super) fn is_parameter_name(text: &str) -> bool {
    is_name(text) && !matches!(text, "arguments" | "eval")
}

/// Words that are no names (LEG, appendix B), and the three literals.
const RESERVED: [&str; 48] = [
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
    "NaN",
    "undefined",
    "Infinity",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// LEG-034, `negotiate-jsonp`, T-JSONP.
    #[test]
    fn a_callback_is_a_path_of_identifiers() {
        for name in [
            "cb",
            "foo",
            "foo.bar2",
            "$x._y",
            "jQuery182_99",
            "jQuery3710942_1700000000001",
            "é",
            "世界.a",
        ] {
            assert_eq!(Callback::parse(name).map(Callback::as_str), Ok(name));
        }
        for name in [
            "",
            " ",
            "1a",
            "a.",
            ".a",
            "a..b",
            "(f)",
            "alert(1);//",
            "a b",
            "a-b",
            "a[0]",
            "a\\u0062",
            "a\u{2028}",
            "a\n",
            "a/**/",
            "<b>",
            "a'",
            "a\"",
            "a;",
            "a.class.b",
            "\u{feff}a",
            "a\0",
            "²a",
        ] {
            assert_eq!(Callback::parse(name), Err(BadCallback), "{name:?}");
        }
        for word in RESERVED {
            assert_eq!(Callback::parse(word), Err(BadCallback), "{word}");
            assert!(Callback::parse(&format!("a.{word}")).is_err(), "{word}");
            assert!(Callback::parse(&format!("{word}s")).is_ok(), "{word}s");
        }
        assert!(Callback::parse(&"a".repeat(CALLBACK_BYTES_MAX)).is_ok());
        assert!(Callback::parse(&"a".repeat(CALLBACK_BYTES_MAX + 1)).is_err());
    }

    /// LEG-032, LEG-033, `long-poll-jsonp`.
    #[test]
    fn an_answer_is_a_call() {
        let call = |json: &str| {
            let mut out = Vec::new();
            Callback::parse("jQuery37_1").expect("a name").write(&mut out, json.as_bytes());
            String::from_utf8(out).expect("text")
        };
        assert_eq!(call("{ \"Response\": \"pong\" }"), "jQuery37_1({ \"Response\": \"pong\" });");
        assert_eq!(
            call("{\"R\":\"a</b>\u{2028}\",\"I\":\"0\"}"),
            r#"jQuery37_1({"R":"a\u003c/b\u003e\u2028","I":"0"});"#
        );
    }
}
