//! Envelopes: what carries messages to a client (LEG §3).
//!
//! An envelope of one message is written once and kept for many clients. [`messages_in`] finds the
//! message in it again, so that several of them can be answered to a long poll as one.

use std::io::Write as _;

use super::Cursor;

/// What is sent where there is nothing to say: over WebSockets as it is, elsewhere as an event or a
/// script (LEG-069, LEG-078, LEG-087).
pub const KEEP_ALIVE: &[u8] = b"{}";

/// What an envelope says beside its messages.
///
/// ```
/// use tickhub::protocol::classic::{Cursor, Envelope};
///
/// let mut out = Vec::new();
/// let cursor = Cursor { epoch: 0x1A2B_3C4D, number: 3 };
/// Envelope { initialized: true, ..Envelope::at(cursor) }.write(&mut out, [&b""[..]; 0]);
/// assert_eq!(out, br#"{"C":"d-1A2B3C4D-3","S":1,"M":[]}"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `C`: where the client has read to when it has read this envelope.
    pub cursor: Cursor,
    /// `S`: the connection is initialised.
    pub initialized: bool,
    /// `T`: the server goes down, and the client is to reconnect.
    pub terminates: bool,
    /// `G`: the groups of the client have changed. It is base64: nothing in it has to be escaped.
    pub groups_token: Option<&'a str>,
    /// `L`: how many milliseconds the client is to wait before its next poll.
    pub poll_delay_ms: Option<u64>,
}

impl Envelope<'_> {
    /// An envelope with nothing but messages.
    pub const fn at(cursor: Cursor) -> Self {
        Self {
            cursor,
            initialized: false,
            terminates: false,
            groups_token: None,
            poll_delay_ms: None,
        }
    }

    /// Appends the envelope with these messages. Each is JSON: of one message, or of more with
    /// commas between them as [`messages_in`] finds them. An empty one is none.
    pub fn write<'m>(&self, out: &mut Vec<u8>, messages: impl IntoIterator<Item = &'m [u8]>) {
        self.begin(out);
        let mut separator: &[u8] = b"";
        for message in messages {
            if !message.is_empty() {
                out.extend_from_slice(separator);
                out.extend_from_slice(message);
                separator = b",";
            }
        }
        out.extend_from_slice(TAIL);
    }

    /// Appends everything in front of the messages, in the order of the original (LEG-039). There
    /// is no bracket in it but the last byte.
    fn begin(&self, out: &mut Vec<u8>) {
        write!(out, "{{\"C\":\"{}\"", self.cursor).expect(VECTOR_TAKES_ALL);
        if self.initialized {
            out.extend_from_slice(b",\"S\":1");
        }
        if self.terminates {
            out.extend_from_slice(b",\"T\":1");
        }
        if let Some(groups_token) = self.groups_token {
            debug_assert!(
                groups_token
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte)),
                "a token is base64"
            );
            out.extend_from_slice(b",\"G\":\"");
            out.extend_from_slice(groups_token.as_bytes());
            out.push(b'"');
        }
        if let Some(delay) = self.poll_delay_ms {
            write!(out, ",\"L\":{delay}").expect(VECTOR_TAKES_ALL);
        }
        out.extend_from_slice(b",\"M\":[");
    }
}

/// The messages in an envelope that was written here, with the commas between them.
///
/// ```
/// use tickhub::protocol::classic::{Cursor, Envelope, messages_in};
///
/// let envelope = |number, messages: &[&[u8]]| {
///     let mut out = Vec::new();
///     let messages = messages.iter().copied();
///     Envelope::at(Cursor { epoch: 1, number }).write(&mut out, messages);
///     out
/// };
/// let (first, second) = (envelope(1, &[b"[1]"]), envelope(2, &[b"[2]"]));
/// let both = envelope(2, &[messages_in(&first), messages_in(&second)]);
/// assert_eq!(both, br#"{"C":"d-00000001-2","M":[[1],[2]]}"#);
/// ```
pub fn messages_in(envelope: &[u8]) -> &[u8] {
    let head = memchr::memchr(b'[', envelope).map_or(envelope.len(), |bracket| bracket + 1);
    envelope[head..].strip_suffix(TAIL).unwrap_or_default()
}

/// What every envelope ends with.
const TAIL: &[u8] = b"]}";

const VECTOR_TAKES_ALL: &str = "a vector takes all that is written to it";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CURSOR: Cursor = Cursor { epoch: 0xABCD, number: 0x1F };

    fn text(envelope: Envelope<'_>, messages: &[&str]) -> String {
        let mut out = Vec::new();
        envelope.write(&mut out, messages.iter().map(|message| message.as_bytes()));
        String::from_utf8(out).expect("text")
    }

    /// LEG-039, LEG-040, LEG-096, LEG-101.
    #[test]
    fn keys_come_in_one_order_and_only_when_set() {
        let bare = Envelope::at(CURSOR);
        assert_eq!(text(bare, &[]), r#"{"C":"d-0000ABCD-1F","M":[]}"#);
        assert_eq!(text(bare, &["\"a\""]), r#"{"C":"d-0000ABCD-1F","M":["a"]}"#);
        assert_eq!(
            text(bare, &["1", "", "[2]", "3,4"]),
            r#"{"C":"d-0000ABCD-1F","M":[1,[2],3,4]}"#
        );
        let initialized = Envelope { initialized: true, ..bare };
        assert_eq!(text(initialized, &[]), r#"{"C":"d-0000ABCD-1F","S":1,"M":[]}"#);
        let terminates = Envelope { terminates: true, ..bare };
        assert_eq!(text(terminates, &[]), r#"{"C":"d-0000ABCD-1F","T":1,"M":[]}"#);
        let all = Envelope {
            cursor: CURSOR,
            initialized: true,
            terminates: true,
            groups_token: Some("Xy-_Z"),
            poll_delay_ms: Some(100),
        };
        assert_eq!(
            text(all, &["null"]),
            r#"{"C":"d-0000ABCD-1F","S":1,"T":1,"G":"Xy-_Z","L":100,"M":[null]}"#
        );
    }

    #[test]
    fn what_is_no_envelope_has_no_messages() {
        for other in [&b""[..], b"{}", b"[", b"]}", b"{\"C\":\"x\",\"M\":[1"] {
            assert_eq!(messages_in(other), b"");
        }
    }

    proptest! {
        #[test]
        fn messages_are_found_again(
            number: u64,
            initialized: bool,
            token in proptest::option::of("[A-Za-z0-9_-]{0,20}"),
            delay: Option<u64>,
            messages in proptest::collection::vec("\\PC{0,8}", 0..4),
        ) {
            let messages: Vec<String> =
                messages.iter().map(|text| serde_json::json!({"H": [text]}).to_string()).collect();
            let envelope = Envelope {
                initialized,
                groups_token: token.as_deref(),
                poll_delay_ms: delay,
                ..Envelope::at(Cursor { epoch: 7, number })
            };
            let mut out = Vec::new();
            envelope.write(&mut out, messages.iter().map(String::as_bytes));
            let joined = messages.join(",");
            prop_assert_eq!(messages_in(&out), joined.as_bytes());
        }
    }
}
