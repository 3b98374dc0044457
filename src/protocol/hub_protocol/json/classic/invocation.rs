//! Calls of hub methods on their way in (LEG §4.1): keys in any letter case and any order, more of
//! them than are known, an id that is a number or a text.

use std::borrow::Cow;

use super::super::members::{self, MEMBER_DEPTH, elements, members};
use super::super::parts::Parts;
use super::super::scan::{DEPTH_MAX, Scanner, TextSpan};
use super::Id;
use crate::protocol::classic::errors::STATE_TOO_LONG;
use crate::protocol::hub_protocol::arguments::{Span, Spans};
use crate::protocol::hub_protocol::{Arguments, HubProtocolKind};

/// How many characters (UTF-16) the state of a client may have, as JSON (LEG-059).
pub const STATE_CHARACTERS_MAX: usize = 4096;

/// How deep an argument or the state may be nested.
pub const ARGUMENT_DEPTH_MAX: u32 = 20;

/// A call of a hub method, borrowed from the message it was read from.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// The name of the hub, in the spelling of the client.
    pub hub: Cow<'a, str>,
    /// The name of the method, in the spelling of the client.
    pub method: Cow<'a, str>,
    /// The arguments, not yet bound to types; none where the client left them out (LEG-049).
    pub arguments: Arguments<'a>,
    /// The id that the answer carries.
    pub id: Id,
    /// The state of the client for this hub: an object, as JSON.
    pub state: Option<&'a str>,
}

/// What cannot be called, and the id of whom to tell, if it was said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// The id that an answer would carry. Nothing, when the message is no JSON: its id may be
    /// anything.
    pub id: Option<Id>,
    /// What was wrong.
    pub error: InvocationError,
}

/// Why a message calls no method (LEG-056, LEG §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvocationError {
    /// It is no JSON object, or one of its members is of a wrong kind.
    #[error("The message is not a hub invocation.")]
    Malformed,
    /// It names no hub.
    #[error("The hub invocation names no hub.")]
    NoHub,
    /// It names no method.
    #[error("The hub invocation names no method.")]
    NoMethod,
    /// The state is longer than [`STATE_CHARACTERS_MAX`].
    #[error("{STATE_TOO_LONG}")]
    StateTooLong,
    /// An argument or the state is nested deeper than [`ARGUMENT_DEPTH_MAX`].
    #[error("The arguments of the hub invocation are nested too deeply.")]
    TooDeep,
}

impl<'a> Invocation<'a> {
    /// Reads one message. The call borrows from it; it is writable because texts are unescaped
    /// where they stand.
    ///
    /// ```
    /// use tickhub::protocol::classic::Invocation;
    ///
    /// let mut message = br#"{"H":"chathub","M":"Send","A":["hello",3],"I":0}"#.to_vec();
    /// let mut call = Invocation::read(&mut message).expect("a call");
    /// assert_eq!((&*call.hub, &*call.method, call.id.as_json()), ("chathub", "Send", "\"0\""));
    /// assert_eq!(call.arguments.take::<String>().as_deref(), Ok("hello"));
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with it, and whom to tell.
    pub fn read(message: &'a mut [u8]) -> Result<Self, Refused> {
        let mut fields = Fields::default();
        let end = members(message, |name, scanner| fields.member(name, scanner));
        let Ok(end) = end else {
            return Err(Refused { id: None, error: InvocationError::Malformed });
        };
        let id = match fields.id {
            None => Id::null(),
            Some(id) => Id::read(&message[id.range()])
                .ok_or(Refused { id: None, error: InvocationError::Malformed })?,
        };
        match fields.into_invocation(&mut message[..end], id.clone()) {
            Ok(invocation) => Ok(invocation),
            Err(error) => Err(Refused { id: Some(id), error }),
        }
    }
}

/// What a message says, as places in it. A repeated key overwrites the earlier one.
#[derive(Default)]
struct Fields {
    hub: Option<TextSpan>,
    method: Option<TextSpan>,
    id: Option<Span>,
    state: Option<Span>,
    arguments: Option<Span>,
    argument_spans: Spans,
    /// What is wrong though it is JSON: told when the whole message was read, as its id may come
    /// last.
    error: Option<InvocationError>,
}

impl Fields {
    /// Takes in one member of the object; the scanner stands before its value.
    fn member(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), members::Refused> {
        match name {
            b"H" | b"h" => self.hub = self.text(scanner)?,
            b"M" | b"m" => self.method = self.text(scanner)?,
            b"A" | b"a" => self.arguments(scanner)?,
            b"I" | b"i" => self.id = Some(scanner.value(MEMBER_DEPTH)?),
            b"S" | b"s" => {
                self.state = match scanner.peek()? {
                    b'{' => Some(self.nested(scanner)?),
                    other => {
                        self.expect_null(other, scanner)?;
                        None
                    }
                }
            }
            _ => drop(scanner.value(MEMBER_DEPTH)?),
        }
        Ok(())
    }

    fn text(&mut self, scanner: &mut Scanner<'_>) -> Result<Option<TextSpan>, members::Refused> {
        match scanner.peek()? {
            b'"' => Ok(Some(scanner.text()?)),
            other => self.expect_null(other, scanner).map(|()| None),
        }
    }

    fn arguments(&mut self, scanner: &mut Scanner<'_>) -> Result<(), members::Refused> {
        self.argument_spans.clear();
        let first = scanner.peek()?;
        if first != b'[' {
            self.arguments = None;
            return self.expect_null(first, scanner);
        }
        let start = scanner.position();
        elements(scanner, |scanner| {
            let span = self.nested(scanner)?;
            self.argument_spans.push(span);
            Ok(())
        })?;
        self.arguments = Some(Span::new(start, scanner.position()));
        Ok(())
    }

    /// Passes a value that may be nested only so deep by itself.
    fn nested(&mut self, scanner: &mut Scanner<'_>) -> Result<Span, members::Refused> {
        let mut ahead = scanner.clone();
        if let Ok(span) = ahead.value(DEPTH_MAX - ARGUMENT_DEPTH_MAX) {
            *scanner = ahead;
            return Ok(span);
        }
        // No JSON, or too deep: that is told with the id, which may be behind it.
        let span = scanner.value(MEMBER_DEPTH)?;
        self.error = Some(InvocationError::TooDeep);
        Ok(span)
    }

    /// Passes a value of another kind than its key wants; `null` is as if it were not there.
    fn expect_null(
        &mut self,
        first: u8,
        scanner: &mut Scanner<'_>,
    ) -> Result<(), members::Refused> {
        if first != b'n' {
            self.error = Some(InvocationError::Malformed);
        }
        scanner.value(MEMBER_DEPTH)?;
        Ok(())
    }

    fn into_invocation(
        self,
        message: &mut [u8],
        id: Id,
    ) -> Result<Invocation<'_>, InvocationError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let hub = self.hub.ok_or(InvocationError::NoHub)?;
        let method = self.method.ok_or(InvocationError::NoMethod)?;
        let (parts, encoded, offset) = match self.arguments {
            Some(span) => {
                let (parts, encoded) = Parts::around(message, span);
                (parts, encoded, span.range().start)
            }
            None => (Parts::whole(message), Default::default(), 0),
        };
        let state = match self.state {
            Some(span) => Some(state(parts.slice(span))?),
            None => None,
        };
        let text = |span| parts.text(span).map_err(|_| InvocationError::Malformed);
        Ok(Invocation {
            hub: text(hub)?,
            method: text(method)?,
            arguments: Arguments::new(
                HubProtocolKind::Classic,
                encoded,
                offset,
                self.argument_spans,
            ),
            id,
            state,
        })
    }
}

/// The state, if it is not too long.
fn state(encoded: &[u8]) -> Result<&str, InvocationError> {
    let text = std::str::from_utf8(encoded).map_err(|_| InvocationError::Malformed)?;
    // In bytes it is at least as long as in characters; so counting is seldom.
    if text.len() > STATE_CHARACTERS_MAX && text.encode_utf16().count() > STATE_CHARACTERS_MAX {
        return Err(InvocationError::StateTooLong);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::protocol::hub_protocol::Text;

    /// Hub, method, arguments, id, state.
    type Seen = (String, String, Vec<Value>, String, Option<String>);

    fn read(message: &str) -> Result<Seen, Refused> {
        let mut message = message.as_bytes().to_vec();
        let mut call = Invocation::read(&mut message)?;
        let count = call.arguments.count();
        let arguments = (0..count).map(|_| call.arguments.take::<Value>().expect("JSON")).collect();
        let id = call.id.as_json().to_owned();
        let state = call.state.map(str::to_owned);
        Ok((call.hub.into_owned(), call.method.into_owned(), arguments, id, state))
    }

    fn arguments(message: &str) -> Vec<Value> {
        read(message).expect("a call").2
    }

    fn refusal(message: &str) -> (Option<String>, InvocationError) {
        let refused = read(message).expect_err("it is refused");
        (refused.id.map(|id| id.as_json().to_owned()), refused.error)
    }

    /// LEG-047, LEG-049, `invoke-arguments`.
    #[test]
    fn keys_come_in_any_order_and_case_and_more_of_them() {
        let call = |hub: &str, method: &str, arguments: &[&str], id: &str| {
            let arguments = arguments.iter().map(|text| Value::from(*text)).collect();
            Ok((hub.to_owned(), method.to_owned(), arguments, id.to_owned(), None))
        };
        for (message, expected) in [
            (r#"{"H":"t","M":"Echo","A":["x"],"I":0}"#, call("t", "Echo", &["x"], "\"0\"")),
            (r#"{"I":8,"A":["order"],"M":"Echo","H":"t"}"#, call("t", "Echo", &["order"], "\"8\"")),
            (r#"{"h":"t","m":"Echo","a":["lower"],"i":3}"#, call("t", "Echo", &["lower"], "\"3\"")),
            (
                r#"{"H":"t","M":"Echo","A":["x"],"I":9,"extra":{"q":[1]}}"#,
                call("t", "Echo", &["x"], "\"9\""),
            ),
            (
                "  {\"H\" : \"t\",\n \"M\":\"Echo\" , \"A\":[ \"white space\" ], \"I\": 10 }  ",
                call("t", "Echo", &["white space"], "\"10\""),
            ),
            (r#"{"\u0048":"\u00e9","M":"é\n"}"#, call("é", "é\n", &[], "null")),
            (r#"{"H":"t","M":"Nothing","I":1}"#, call("t", "Nothing", &[], "\"1\"")),
            (r#"{"H":"t","M":"Nothing","A":null,"I":2}"#, call("t", "Nothing", &[], "\"2\"")),
            (r#"{"H":"t","M":"Nothing","A":[],"S":null}"#, call("t", "Nothing", &[], "null")),
            (
                r#"{"H":"a","M":"b","A":[1],"H":"c","A":["d"],"I":1}"#,
                call("c", "b", &["d"], "\"1\""),
            ),
            (r#"{"H":"","M":""}"#, call("", "", &[], "null")),
        ] {
            assert_eq!(read(message), expected, "{message}");
        }
        assert_eq!(
            arguments(
                r#"{"M":"m","A":[{"a":[1,{"b":null}]}, "\u00e9\ud83d\ude00\n" ,1.25],"H":"h"}"#
            ),
            [serde_json::json!({"a": [1, {"b": null}]}), "é😀\n".into(), 1.25.into()]
        );
        assert_eq!(arguments(r#"{"H":"h","M":"m","A":[1],"A":null}"#), [Value::Null; 0]);
    }

    #[test]
    fn arguments_are_bound_as_classic_ones() {
        let mut message = br#"{"H":"h","M":"m","A":[123,"5","x"],"I":0}"#.to_vec();
        let mut call = Invocation::read(&mut message).expect("a call");
        call.arguments.expect_count(3).expect("three");
        assert_eq!(call.arguments.take::<Text>().map(Text::as_str), Ok("123"));
        assert_eq!(call.arguments.take::<i32>(), Ok(5));
        assert_eq!(call.arguments.take::<Text>().map(Text::as_str), Ok("x"));
    }

    /// LEG-056, `invoke-malformed-send`.
    #[test]
    fn what_is_no_invocation_is_refused_and_says_whom_to_tell() {
        use InvocationError::{Malformed, NoHub, NoMethod};
        for message in [
            "notjson",
            "null",
            "",
            "5",
            "[]",
            "{",
            r#"{"H":"h","M":"m","A":[,1],"I":1}"#,
            "{\"\u{1}\":1}",
        ] {
            assert_eq!(refusal(message), (None, Malformed), "{message}");
        }
        let one = || Some("\"1\"".to_owned());
        assert_eq!(refusal(r#"{"M":"Echo","A":["x"],"I":1}"#), (one(), NoHub));
        assert_eq!(refusal(r#"{"H":null,"M":"Echo","A":["x"],"I":1}"#), (one(), NoHub));
        assert_eq!(refusal(r#"{"H":"h","I":1}"#), (one(), NoMethod));
        assert_eq!(refusal(r#"{"H":5,"M":"m","I":1}"#), (one(), Malformed));
        assert_eq!(refusal(r#"{"H":"h","M":"m","A":{"0":1},"I":1}"#), (one(), Malformed));
        assert_eq!(refusal(r#"{"H":"h","M":"m","S":"x","I":1}"#), (one(), Malformed));
        assert_eq!(refusal(r#"{"H":"\ud800","M":"m","I":1}"#), (one(), Malformed));
        assert_eq!(refusal("{}"), (Some("null".to_owned()), NoHub));
        assert_eq!(refusal(r#"{"H":"h","M":"m","I":{}}"#), (None, Malformed));
        let mut bytes = b"{\"H\":\"h\",\"M\":\"\xff\"}".to_vec();
        assert!(Invocation::read(&mut bytes).is_err());
    }

    /// LEG-059: at the limit and one past it.
    #[test]
    fn a_state_has_4096_characters() {
        let with = |text: &str| {
            let message = format!(r#"{{"S":{{"a":"{text}"}},"H":"h","M":"m","A":["x"],"I":1}}"#);
            read(&message).map(|call| call.4.expect("a state")).map_err(|refused| refused.error)
        };
        let rest = STATE_CHARACTERS_MAX - r#"{"a":""}"#.len();
        assert_eq!(with("").as_deref(), Ok(r#"{"a":""}"#));
        assert_eq!(with(&"b".repeat(rest)).map(|state| state.len()), Ok(STATE_CHARACTERS_MAX));
        assert_eq!(with(&"b".repeat(rest + 1)), Err(InvocationError::StateTooLong));
        assert!(with(&"é".repeat(rest)).is_ok());
        assert_eq!(with(&"é".repeat(rest + 1)), Err(InvocationError::StateTooLong));
        // Two characters each, as .NET counts.
        assert!(with(&"😀".repeat(rest / 2)).is_ok());
        assert_eq!(with(&"😀".repeat(rest / 2 + 1)), Err(InvocationError::StateTooLong));
    }

    /// Nesting at the limit and one past it, with the id behind it.
    #[test]
    fn arguments_and_state_are_nested_20_deep() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let argument = |depth| format!(r#"{{"H":"h","M":"m","A":[1,{}],"I":1}}"#, nested(depth));
        let state = |depth| format!(r#"{{"H":"h","M":"m","S":{{"a":{}}},"I":1}}"#, nested(depth));
        let other = |depth| format!(r#"{{"H":"h","M":"m","other":{},"I":1}}"#, nested(depth));
        assert_eq!(arguments(&argument(20)).len(), 2);
        assert!(read(&state(19)).is_ok());
        let too_deep = (Some("\"1\"".to_owned()), InvocationError::TooDeep);
        assert_eq!(refusal(&argument(21)), too_deep);
        assert_eq!(refusal(&state(20)), too_deep);
        assert_eq!(refusal(&argument(62)), too_deep);
        assert_eq!(refusal(&argument(64)), (None, InvocationError::Malformed));
        assert!(read(&other(63)).is_ok());
        assert_eq!(refusal(&other(64)), (None, InvocationError::Malformed));
    }
}
