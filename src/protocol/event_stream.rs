//! Server-Sent Events: how bytes for a client become events (§2.3).

/// The comment that an event stream begins with: browsers tell their page that it is open.
pub const OPENING: &[u8] = b":\r\n";

/// Appends `payload` as one unnamed event.
///
/// Each line of it is a `data` field of its own. A CR in front of an LF belongs to the line break,
/// unless it is all that the line has; an empty payload is an empty line, which clients ignore.
pub fn write_event(out: &mut Vec<u8>, payload: &[u8]) {
    if !payload.is_empty() {
        let mut lines = payload.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let line = match line {
                [front @ .., b'\r'] if lines.peek().is_some() && !front.is_empty() => front,
                line => line,
            };
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &str) -> String {
        let mut out = Vec::new();
        write_event(&mut out, payload.as_bytes());
        String::from_utf8(out).expect("text stays text")
    }

    /// `sse-framing` and `sse-framing-of-raw-payloads` (COR-045, COR-046).
    #[test]
    fn events_are_those_of_the_original() {
        for (payload, expected) in [
            ("{}\u{1e}", "data: {}\u{1e}\r\n\r\n"),
            ("a\r\nb", "data: a\r\ndata: b\r\n\r\n"),
            ("a\nb\n", "data: a\r\ndata: b\r\ndata: \r\n\r\n"),
            ("a\r\nb\n", "data: a\r\ndata: b\r\ndata: \r\n\r\n"),
            ("a\rb", "data: a\rb\r\n\r\n"),
            ("\n", "data: \r\ndata: \r\n\r\n"),
            ("\r\n\r\n", "data: \r\r\ndata: \r\r\ndata: \r\n\r\n"),
            ("data: x", "data: data: x\r\n\r\n"),
            ("a\r\r\nb", "data: a\r\r\ndata: b\r\n\r\n"),
            ("é", "data: é\r\n\r\n"),
            ("", "\r\n"),
        ] {
            assert_eq!(event(payload), expected, "{payload:?}");
        }
    }
}
