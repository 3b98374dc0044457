//! The document of a hidden frame that never ends: each message is a script in it (LEG §5.3).
//!
//! Every byte of a message goes through the same escaping. There is no way around it for what was
//! encoded before: that was the hole of 2013 (MS13-103).

use std::io::Write as _;

use super::errors::BAD_FRAME_ID;
use super::script::write_in_script;

/// Which frame of its page a document is for: the parameter `frameId`.
///
/// ```
/// use tickhub::protocol::classic::forever_frame::FrameId;
///
/// assert_eq!(FrameId::parse("0007").map(FrameId::number), Ok(7));
/// assert!(FrameId::parse("1');alert(1);//").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameId(u32);

/// A text is no [`FrameId`]. It is not repeated anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{BAD_FRAME_ID}")]
pub struct BadFrameId;

impl FrameId {
    /// Reads one to ten digits that are an integer of 32 bits (LEG-083).
    ///
    /// # Errors
    ///
    /// It is anything else: a sign, a space or a letter is too much.
    pub fn parse(text: &str) -> Result<Self, BadFrameId> {
        if !(1..=10).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadFrameId);
        }
        text.parse().map(Self).map_err(|_| BadFrameId)
    }

    /// The number, which is all that a document repeats (LEG-084).
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Appends the beginning of the document: it tells the page that the frame has begun, and defines
/// what the messages call. It does nothing where the page has no client (LEG-090).
pub fn write_prologue(out: &mut Vec<u8>, frame: FrameId) {
    write!(
        out,
        "<!DOCTYPE html><html><head><title>SignalR Forever Frame Transport Stream</title>\r\n\
         <script>\r\n\
         var q = window.parent.jQuery, s = q && q.signalR, t = s ? s.transports.foreverFrame : null;\r\n\
         var c = t ? t.getConnection('{}') : null;\r\n\
         function r(connection, data) {{ if (t) {{ t.receive(connection, data); }} }}\r\n\
         if (t) {{ t.started(c); }}\r\n\
         </script></head><body>\r\n",
        frame.number()
    )
    .expect("a vector takes all that is written to it");
}

/// Appends one message, which is JSON: an envelope, or a sign of life (LEG-087).
///
/// ```
/// use tickhub::protocol::classic::forever_frame::write_message;
///
/// let mut out = Vec::new();
/// write_message(&mut out, br#"{"M":["</script>"]}"#);
/// assert_eq!(out, b"<script>r(c, {\"M\":[\"\\u003c/script\\u003e\"]});</script>\r\n");
/// ```
pub fn write_message(out: &mut Vec<u8>, json: &[u8]) {
    out.extend_from_slice(b"<script>r(c, ");
    write_in_script(out, json);
    out.extend_from_slice(b");</script>\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::KEEP_ALIVE;
    use super::*;

    /// LEG-083, LEG-084, `forever-frame-bad-frame-id`, `forever-frame-frame-id`.
    #[test]
    fn a_frame_id_is_an_integer_of_32_bits_in_digits() {
        for (text, number) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("0007", Some(7)),
            ("0000000007", Some(7)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("9999999999", None),
            ("99999999999", None),
            ("00000000007", None),
            ("", None),
            (" ", None),
            ("invalid", None),
            ("-1", None),
            ("-100", None),
            ("+1", None),
            ("1,000", None),
            ("1,0", None),
            ("1.0", None),
            (" 1", None),
            ("1 ", None),
            ("0x1", None),
            ("1');alert(1);//", None),
            ("\u{661}", None),
            ("1\0", None),
        ] {
            assert_eq!(FrameId::parse(text).ok().map(FrameId::number), number, "{text}");
        }
        let refused = FrameId::parse("1');alert(1);//").expect_err("it is no number");
        assert_eq!(refused.to_string(), "The supplied frameId is in the incorrect format.");
    }

    /// LEG-084, LEG-085.
    #[test]
    fn the_document_says_its_number_and_where_it_belongs() {
        let mut out = Vec::new();
        write_prologue(&mut out, FrameId::parse("0007").expect("a number"));
        let text = String::from_utf8(out).expect("ASCII");
        assert!(text.contains("t.getConnection('7')"), "{text}");
        assert!(text.ends_with("<body>\r\n"), "{text}");
    }

    /// LEG-086, LEG-087.
    #[test]
    fn messages_and_signs_of_life_are_scripts() {
        let line = |json: &[u8]| {
            let mut out = Vec::new();
            write_message(&mut out, json);
            String::from_utf8(out).expect("text stays text")
        };
        assert_eq!(line(KEEP_ALIVE), "<script>r(c, {});</script>\r\n");
        assert_eq!(
            line(r#"{"C":"d-1-2","M":[{"A":["ann","</script><b>\u2028"]}]}"#.as_bytes()),
            "<script>r(c, {\"C\":\"d-1-2\",\"M\":[{\"A\":[\"ann\",\"\\u003c/script\\u003e\\u003cb\\u003e\\u2028\"]}]});</script>\r\n"
        );
    }
}
