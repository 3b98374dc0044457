//! Messages in the key order of the original (LEG §4.2, §4.4, §4.6): what has nothing to say is
//! left out, but for the id of a result.
//!
//! An id is written as it is handed in: as JSON, the text `"0"` with its quotes or `null`
//! ([`Id`](super::Id)). So is a state, the object of what a method changed.

use serde::Serialize;

use super::ascii::{write_json, write_text};
use crate::protocol::hub_protocol::{ArgumentSink, ToArguments, WriteError};

/// Why a call failed, as its caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// What was wrong.
    pub text: &'a str,
    /// Whether it was meant for the caller (a `HubException`).
    pub is_hub_exception: bool,
    /// What a `HubException` has to say beside its text, as JSON that [`write_json`] wrote.
    pub data: Option<&'a str>,
}

impl<'a> Failure<'a> {
    /// An error of any kind but a `HubException`.
    pub fn plain(text: &'a str) -> Self {
        Self { text, is_hub_exception: false, data: None }
    }
}

/// Appends a call of a client's method (LEG-063): `hub` and `method` as declared. `state` is for
/// calls of the caller alone (LEG-058).
///
/// ```
/// use tickhub::protocol::classic::write_call;
///
/// let mut out = Vec::new();
/// write_call(&mut out, "ChatHub", "addMessage", &("ann", "hi"), None).expect("texts");
/// assert_eq!(out, br#"{"H":"ChatHub","M":"addMessage","A":["ann","hi"]}"#);
/// ```
///
/// # Errors
///
/// An argument could not be written; `out` is then as before.
pub fn write_call<A: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    hub: &str,
    method: &str,
    arguments: &A,
    state: Option<&str>,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        write_target(out, hub, method, arguments)?;
        if let Some(state) = state {
            write_member(out, ",\"S\":", state);
        }
        Ok(())
    })
}

/// Appends a call of a hub's method, as clients send it (LEG §4.1).
///
/// # Errors
///
/// An argument could not be written; `out` is then as before.
pub fn write_invocation<A: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    hub: &str,
    method: &str,
    arguments: &A,
    id: &str,
    state: Option<&str>,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        write_target(out, hub, method, arguments)?;
        write_member(out, ",\"I\":", id);
        if let Some(state) = state {
            write_member(out, ",\"S\":", state);
        }
        Ok(())
    })
}

/// Appends the result of a call. One that is written as `null`, as `()` is, has no `R` (LEG-048).
///
/// ```
/// use tickhub::protocol::classic::write_result;
///
/// let mut out = Vec::new();
/// write_result(&mut out, "\"0\"", &"x", None).expect("a text");
/// assert_eq!(out, br#"{"R":"x","I":"0"}"#);
/// ```
///
/// # Errors
///
/// The result could not be written; `out` is then as before.
pub fn write_result<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    result: &T,
    state: Option<&str>,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin(out, state);
        let before = out.len();
        out.extend_from_slice(b"\"R\":");
        let start = out.len();
        write_json(out, result)?;
        if &out[start..] == b"null" {
            out.truncate(before);
        } else {
            out.push(b',');
        }
        write_member(out, "\"I\":", id);
        Ok(())
    })
}

/// Appends what became of a call that failed (LEG-051, LEG-052).
pub fn write_error(out: &mut Vec<u8>, id: &str, failure: &Failure<'_>, state: Option<&str>) {
    begin(out, state);
    write_member(out, "\"I\":", id);
    if failure.is_hub_exception {
        out.extend_from_slice(b",\"H\":true");
    }
    out.extend_from_slice(b",\"E\":");
    write_text(out, failure.text);
    if let Some(data) = failure.data {
        write_member(out, ",\"D\":", data);
    }
    out.push(b'}');
}

/// Appends a report of a method that is running, which goes among the messages of an envelope
/// (LEG-060). Its id is of another form, so that clients which know no reports ignore it.
///
/// # Errors
///
/// The value could not be written; `out` is then as before.
pub fn write_progress<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    value: &T,
    state: Option<&str>,
) -> Result<(), WriteError> {
    whole_or_nothing(out, |out| {
        begin(out, state);
        let inside = id.strip_prefix('"').and_then(|id| id.strip_suffix('"')).unwrap_or_default();
        write_member(out, "\"I\":\"P|", inside);
        write_member(out, "\",\"P\":{\"I\":", id);
        out.extend_from_slice(b",\"D\":");
        write_json(out, value)?;
        out.push(b'}');
        Ok(())
    })
}

/// Begins a message with the state, if there is something in it.
fn begin(out: &mut Vec<u8>, state: Option<&str>) {
    out.push(b'{');
    if let Some(state) = state {
        write_member(out, "\"S\":", state);
        out.push(b',');
    }
}

/// Appends a key and something that is JSON.
fn write_member(out: &mut Vec<u8>, key: &str, json: &str) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(json.as_bytes());
}

fn write_target<A: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    hub: &str,
    method: &str,
    arguments: &A,
) -> Result<(), WriteError> {
    out.extend_from_slice(b"{\"H\":");
    write_text(out, hub);
    out.extend_from_slice(b",\"M\":");
    write_text(out, method);
    out.extend_from_slice(b",\"A\":[");
    arguments.each(&mut Elements { out, is_first: true })?;
    out.push(b']');
    Ok(())
}

/// Ends the message that `write` began, or takes back what was written of it.
fn whole_or_nothing(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = out.len();
    let written = write(out);
    match written {
        Ok(()) => out.push(b'}'),
        Err(_) => out.truncate(start),
    }
    written
}

/// The elements of the array of arguments.
struct Elements<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl ArgumentSink for Elements<'_> {
    fn argument<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        write_json(self.out, value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn result(id: &str, result: &impl Serialize, state: Option<&str>) -> String {
        text(|out| write_result(out, id, result, state).expect("JSON has it"))
    }

    /// `client-calls`, `state-round-trip` (LEG-058, LEG-063).
    #[test]
    fn calls() {
        let call = |method, arguments: &[Value], state| {
            text(|out| write_call(out, "TranscriptHub", method, arguments, state).expect("JSON"))
        };
        assert_eq!(call("noArgs", &[], None), r#"{"H":"TranscriptHub","M":"noArgs","A":[]}"#);
        let mixed =
            [json!(1), json!("two"), json!(null), json!({"a": 1}), json!([1.5, 2.0]), json!(true)];
        assert_eq!(
            call("mixed", &mixed, None),
            r#"{"H":"TranscriptHub","M":"mixed","A":[1,"two",null,{"a":1},[1.5,2.0],true]}"#
        );
        assert_eq!(
            call("message", &[json!("caller"), json!("<>&'\"\\/\u{2028}\u{85}é😀")], None),
            r#"{"H":"TranscriptHub","M":"message","A":["caller","<>&'\"\\/\u2028\u0085\u00e9\ud83d\ude00"]}"#
        );
        assert_eq!(
            call("stateSeen", &[json!(1)], Some(r#"{"name":"bob!"}"#)),
            r#"{"H":"TranscriptHub","M":"stateSeen","A":[1],"S":{"name":"bob!"}}"#
        );
    }

    /// `invoke-results`, `invoke-ids` (LEG-047, LEG-048, LEG-049, LEG-057).
    #[test]
    fn results() {
        assert_eq!(result("\"0\"", &"x", None), r#"{"R":"x","I":"0"}"#);
        assert_eq!(result("\"2\"", &(), None), r#"{"I":"2"}"#);
        assert_eq!(result("\"3\"", &None::<String>, None), r#"{"I":"3"}"#);
        assert_eq!(result("\"4\"", &"null", None), r#"{"R":"null","I":"4"}"#);
        assert_eq!(result("\"7\"", &1.0, None), r#"{"R":1.0,"I":"7"}"#);
        assert_eq!(result("null", &"x", None), r#"{"R":"x","I":null}"#);
        let state = Some(r#"{"name":"bob!"}"#);
        assert_eq!(result("\"9\"", &"ok", state), r#"{"S":{"name":"bob!"},"R":"ok","I":"9"}"#);
        assert_eq!(result("\"9\"", &(), state), r#"{"S":{"name":"bob!"},"I":"9"}"#);
    }

    /// `hub-exception`, `invoke-errors-detailed` (LEG-051, LEG-052).
    #[test]
    fn errors() {
        let error = |failure, state| text(|out| write_error(out, "\"1\"", &failure, state));
        assert_eq!(error(Failure::plain("secret"), None), r#"{"I":"1","E":"secret"}"#);
        let visible = Failure { text: "visible", is_hub_exception: true, data: None };
        assert_eq!(error(visible, None), r#"{"I":"1","H":true,"E":"visible"}"#);
        let data = Some(r#"{"code":7,"why":"because"}"#);
        assert_eq!(
            error(Failure { data, ..visible }, Some("{\"a\":1}")),
            r#"{"S":{"a":1},"I":"1","H":true,"E":"visible","D":{"code":7,"why":"because"}}"#
        );
    }

    /// `progress-websockets` (LEG-060).
    #[test]
    fn progress() {
        let report = |id, state| text(|out| write_progress(out, id, &50, state).expect("a number"));
        assert_eq!(report("\"18\"", None), r#"{"I":"P|18","P":{"I":"18","D":50}}"#);
        assert_eq!(report("\"p2\"", None), r#"{"I":"P|p2","P":{"I":"p2","D":50}}"#);
        assert_eq!(report("null", None), r#"{"I":"P|","P":{"I":null,"D":50}}"#);
        assert_eq!(
            report("\"1\"", Some("{\"a\":1}")),
            r#"{"S":{"a":1},"I":"P|1","P":{"I":"1","D":50}}"#
        );
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let keys = std::collections::BTreeMap::from([(vec![1], 1)]);
        let mut out = b"before".to_vec();
        assert!(write_call(&mut out, "H", "m", &("x", &keys), None).is_err());
        assert!(write_invocation(&mut out, "H", "m", &("x", &keys), "0", None).is_err());
        assert!(write_result(&mut out, "\"0\"", &keys, Some("{}")).is_err());
        assert!(write_progress(&mut out, "\"0\"", &keys, None).is_err());
        assert_eq!(out, b"before");
    }
}
