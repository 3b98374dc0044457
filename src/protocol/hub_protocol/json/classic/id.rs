//! The id of a call, in the form in which its answer carries it.

use std::fmt;

use smallvec::SmallVec;

use super::super::escape::unescape;
use super::ascii::write_text;
use super::convert::spelled;

/// The id of a call as JSON: a text, whatever it was (T-04), or `null` where the client sent none.
#[derive(Clone, PartialEq, Eq)]
pub struct Id(SmallVec<[u8; 22]>);

impl Id {
    /// What stands in the place of an id that was not sent.
    pub fn null() -> Self {
        Self(SmallVec::from_slice(b"null"))
    }

    /// The id as JSON, in ASCII.
    pub fn as_json(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is written in ASCII")
    }

    /// The id that stands in a message as `value`, which is JSON. A number keeps its spelling.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        if spelled(value) {
            let mut id = SmallVec::with_capacity(value.len() + 2);
            id.push(b'"');
            id.extend_from_slice(value);
            id.push(b'"');
            return Some(Self(id));
        }
        match value {
            b"null" => Some(Self::null()),
            // As nearly all of them are: nothing in it has to be written in another way.
            [b'"', inside @ .., b'"'] if inside.iter().all(u8::is_ascii_alphanumeric) => {
                Some(Self(SmallVec::from_slice(value)))
            }
            [b'"', inside @ .., b'"'] => {
                let mut text = inside.to_vec();
                let length = unescape(&mut text)?;
                let text = std::str::from_utf8(&text[..length]).ok()?;
                let mut id = Vec::new();
                write_text(&mut id, text);
                Some(Self(SmallVec::from_vec(id)))
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Option<String> {
        Id::read(json.as_bytes()).map(|id| id.as_json().to_owned())
    }

    /// LEG-049, T-04, `invoke-ids`.
    #[test]
    fn an_id_is_a_text_whatever_it_was() {
        for (json, expected) in [
            ("0", "\"0\""),
            ("\"5\"", "\"5\""),
            ("\"zz\"", "\"zz\""),
            ("1.5", "\"1.5\""),
            ("-1", "\"-1\""),
            ("12345678901", "\"12345678901\""),
            ("123456789012345678901234567890", "\"123456789012345678901234567890\""),
            ("true", "\"true\""),
            ("null", "null"),
            ("\"\"", "\"\""),
            ("\"null\"", "\"null\""),
            (r#""a\"\u0062é\n</script>""#, r#""a\"b\u00e9\n</script>""#),
        ] {
            assert_eq!(id(json).as_deref(), Some(expected), "{json}");
        }
        for json in ["{}", "[]", "[1]", r#""\ud800""#] {
            assert_eq!(id(json), None, "{json}");
        }
    }
}
