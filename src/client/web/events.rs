//! The lines of an event stream.

use memchr::memchr;

/// Reads an event stream: lines of `data` are put together, comments are passed over.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
}

impl Events {
    /// Moves the data of each event that is whole to the end of `out`.
    pub(super) fn read(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.line.is_empty() {
                self.on_line(line, out);
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.on_line(&whole, out);
                whole.clear();
                self.line = whole;
            }
        }
        self.line.extend_from_slice(bytes);
    }

    fn on_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(data) = line.strip_prefix(b"data: ") {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data);
        } else if line.is_empty() {
            self.has_data = false;
            out.append(&mut self.data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut() {
        let stream =
            b":\r\n\r\ndata: ab\r\n\r\ndata: c\r\ndata: d\n\n: note\r\ndata: \r\n\r\ndata: x";
        let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut events, mut out) = (Events::default(), Vec::new());
            pieces.for_each(|piece| events.read(piece, &mut out));
            out
        };
        let whole = b"abc\nd";
        assert_eq!(read(&mut [&stream[..]].into_iter()), whole);
        for size in 1..stream.len() {
            assert_eq!(read(&mut stream.chunks(size)), whole, "in pieces of {size}");
        }
    }
}
