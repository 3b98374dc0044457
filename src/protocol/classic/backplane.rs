//! What nodes of classic SignalR tell each other through a backplane (LEG §11.2, §11.3).
//!
//! A node that shares its messages with those of the original writes these bytes, and reads theirs.

use std::str::from_utf8;

/// What a node publishes at once; the original always publishes a single message.
///
/// ```
/// use tickhub::protocol::classic::backplane::{Message, Payload};
///
/// let message = Message { source: "src-1", key: "h-ChatHub", value: b"{}", ..Message::default() };
/// let payload = Payload { messages: vec![message], ticks: 638_397_614_450_000_000 };
/// let mut published = Vec::new();
/// payload.write_redis(17, &mut published);
/// assert!(published.starts_with(b"17 "));
/// assert_eq!(Payload::read_redis(&published), Ok((17, payload)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload<'a> {
    /// In the order in which they were sent.
    pub messages: Vec<Message<'a>>,
    /// When it was made, by the clock of its node: 100 ns each since the year 1 in UTC.
    pub ticks: i64,
}

/// One message to whoever listens to a topic, or a command to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// The id of the connection that sends it, or one that its node made up.
    pub source: &'a str,
    /// The topic: `h-ChatHub`, `hg-ChatHub.red`, `c-` and a connection id, …
    pub key: &'a str,
    /// JSON.
    pub value: &'a [u8],
    /// Which command it is, or answers. A message with an id is never shown to clients.
    pub command_id: &'a str,
    /// The sender waits until a node has carried the command out.
    pub waits_for_ack: bool,
    /// It is the answer to a command.
    pub is_ack: bool,
    /// Topics of connections that do not get it, with `|` between them.
    pub filter: &'a str,
}

/// Bytes are no payload, or not one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of the backplane is wrong, {left} bytes before its end: {what}")]
pub struct PayloadError {
    /// What is wrong there.
    pub what: &'static str,
    /// How much was not read.
    pub left: usize,
}

impl<'a> Payload<'a> {
    /// Reads bytes that are one payload and nothing else. Takes memory for what is there, whatever
    /// lengths are announced.
    pub fn read(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let mut rest = Rest(bytes);
        let payload = rest.payload()?;
        if rest.0.is_empty() { Ok(payload) } else { Err(rest.wrong("there is more behind it")) }
    }

    /// Writes it at the end of `out`.
    ///
    /// # Panics
    ///
    /// When there are 2³¹ messages or a text of 2 GiB, which the layout has no numbers for.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&length(self.messages.len()).to_le_bytes());
        for message in &self.messages {
            write_text(out, message.source);
            write_text(out, message.key);
            out.extend_from_slice(&length(message.value.len()).to_le_bytes());
            out.extend_from_slice(message.value);
            write_text(out, message.command_id);
            out.extend([message.waits_for_ack, message.is_ack].map(u8::from));
            write_text(out, message.filter);
        }
        out.extend_from_slice(&self.ticks.to_le_bytes());
    }

    /// Reads a message of the Redis channel: the id of the payload and the payload (§11.3).
    pub fn read_redis(bytes: &'a [u8]) -> Result<(u64, Self), PayloadError> {
        let mut rest = Rest(bytes);
        let id = bytes.iter().position(|byte| *byte == b' ').and_then(|end| {
            let digits = rest.take(end).ok()?;
            rest.0 = &rest.0[1..];
            digits.iter().all(u8::is_ascii_digit).then(|| from_utf8(digits).ok()?.parse().ok())?
        });
        let Some(id) = id else { return Err(Rest(bytes).wrong("it begins with no id")) };
        let count = rest.length()?;
        if count != rest.0.len() {
            return Err(rest.wrong("its length is another one"));
        }
        Self::read(rest.0).map(|payload| (id, payload))
    }

    /// Writes the message of the Redis channel that carries it at the end of `out`. There the id
    /// and the space come from the script that publishes what is behind them (§11.3).
    ///
    /// # Panics
    ///
    /// As [`Payload::write`].
    pub fn write_redis(&self, id: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(id.to_string().as_bytes());
        out.push(b' ');
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        self.write(out);
        let count = length(out.len() - at - 4);
        out[at..at + 4].copy_from_slice(&count.to_le_bytes());
    }
}

impl Message<'_> {
    /// Whether it is for nodes alone.
    pub fn is_command(&self) -> bool {
        !self.command_id.is_empty()
    }
}

fn length(count: usize) -> i32 {
    i32::try_from(count).expect("nothing here is so large")
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let mut left = length(text.len()).cast_unsigned();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    out.extend_from_slice(text.as_bytes());
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn payload(&mut self) -> Result<Payload<'a>, PayloadError> {
        let count = self.length()?;
        if count > self.0.len() / MESSAGE_BYTES_MIN {
            return Err(self.wrong("it cannot hold so many messages"));
        }
        let messages = (0..count).map(|_| self.message()).collect::<Result<_, _>>()?;
        let ticks = self.array().map(i64::from_le_bytes)?;
        Ok(Payload { messages, ticks })
    }

    fn message(&mut self) -> Result<Message<'a>, PayloadError> {
        Ok(Message {
            source: self.text()?,
            key: self.text()?,
            value: {
                let count = self.length()?;
                self.take(count)?
            },
            command_id: self.text()?,
            waits_for_ack: self.flag()?,
            is_ack: self.flag()?,
            filter: self.text()?,
        })
    }

    /// A text behind its length in groups of seven bits, the lowest first.
    fn text(&mut self) -> Result<&'a str, PayloadError> {
        let mut count = 0;
        for shift in (0..35).step_by(7) {
            let [group] = self.array()?;
            count |= u64::from(group & 0x7F) << shift;
            if group & 0x80 == 0 {
                let count =
                    i32::try_from(count).map_err(|_| self.wrong("a length is too large"))?;
                let bytes = self.take(count.cast_unsigned() as usize)?;
                return from_utf8(bytes).map_err(|_| self.wrong("a text is no UTF-8"));
            }
        }
        Err(self.wrong("a length is too long"))
    }

    fn flag(&mut self) -> Result<bool, PayloadError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(self.wrong("a flag is neither 0 nor 1")),
        }
    }

    fn length(&mut self) -> Result<usize, PayloadError> {
        let count = self.array().map(i32::from_le_bytes)?;
        usize::try_from(count).map_err(|_| self.wrong("a length is negative"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        self.take(N).map(|bytes| bytes.try_into().expect("that many were taken"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PayloadError> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| self.wrong("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn wrong(&self, what: &'static str) -> PayloadError {
        PayloadError { what, left: self.0.len() }
    }
}

/// A message in which all texts are empty.
const MESSAGE_BYTES_MIN: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of §11.2.
    const EXAMPLE: &[u8] =
        b"\x01\0\0\0\x05src-1\x09h-ChatHub\x1f\0\0\0{\"H\":\"ChatHub\",\"M\":\"hi\",\"A\":[]}\
        \0\0\0\x05c-abc\x80\xc0\xbf\x7a\x3f\x0b\xdc\x08";

    fn example() -> Payload<'static> {
        let message = Message {
            source: "src-1",
            key: "h-ChatHub",
            value: br#"{"H":"ChatHub","M":"hi","A":[]}"#,
            filter: "c-abc",
            ..Message::default()
        };
        Payload { messages: vec![message], ticks: 638_397_614_450_000_000 }
    }

    #[test]
    fn leg_128_the_example_is_read_and_written_byte_for_byte() {
        assert_eq!(EXAMPLE.len(), 72);
        let payload = Payload::read(EXAMPLE).unwrap();
        assert_eq!(payload, example());
        assert!(!payload.messages[0].is_command());
        let mut written = Vec::new();
        payload.write(&mut written);
        assert_eq!(written, EXAMPLE);
    }

    #[test]
    fn leg_128_redis_carries_it_behind_its_id_and_its_length() {
        let channel = [b"17 \x48\0\0\0", EXAMPLE].concat();
        assert_eq!(Payload::read_redis(&channel), Ok((17, example())));
        let mut written = Vec::new();
        example().write_redis(17, &mut written);
        assert_eq!(written, channel);
        for (begin, what) in [
            (&b""[..], "it begins with no id"),
            (b" \x48\0\0\0", "it begins with no id"),
            (b"+17 \x48\0\0\0", "it begins with no id"),
            (b"18446744073709551616 \x48\0\0\0", "it begins with no id"),
            (b"17 \x47\0\0\0", "its length is another one"),
            (b"17 \x49\0\0\0", "its length is another one"),
            (b"17 \xff\xff\xff\xff", "a length is negative"),
        ] {
            let channel = [begin, EXAMPLE].concat();
            let wrong = Payload::read_redis(&channel).map_err(|error| error.what);
            assert_eq!(wrong, Err(what), "{begin:?}");
        }
    }

    #[test]
    fn what_is_announced_and_not_there_takes_no_memory() {
        for (bytes, what) in [
            (&b"\xff\xff\xff\x7f"[..], "it cannot hold so many messages"),
            (b"\xff\xff\xff\xff", "a length is negative"),
            (b"\x01\0\0\0\xff\xff\xff\xff\x07 and so on", "it ends too early"),
            (b"\x01\0\0\0\xff\xff\xff\xff\x08 and so on", "a length is too large"),
            (b"\x01\0\0\0\xff\xff\xff\xff\xff\x01 and so", "a length is too long"),
            (b"\x01\0\0\0\x01\xff and so on and on", "a text is no UTF-8"),
            (b"\x01\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0", "a flag is neither 0 nor 1"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0?", "there is more behind it"),
            (b"\0\0\0\0\0\0\0\0\0\0\0", "it ends too early"),
        ] {
            assert_eq!(Payload::read(bytes).map_err(|error| error.what), Err(what), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            texts in prop::collection::vec((".{0,200}", ".*", prop::collection::vec(any::<u8>(), 0..300), any::<(bool, bool)>()), 0..4),
            ticks: i64,
            id: u64,
        ) {
            let messages = texts.iter().map(|(one, other, value, (waits_for_ack, is_ack))| Message {
                source: one, key: other, value, command_id: other,
                waits_for_ack: *waits_for_ack, is_ack: *is_ack, filter: one,
            });
            let payload = Payload { messages: messages.collect(), ticks };
            let mut written = Vec::new();
            payload.write_redis(id, &mut written);
            prop_assert_eq!(Payload::read_redis(&written), Ok((id, payload)));
            for end in 0..written.len() {
                prop_assert!(Payload::read_redis(&written[..end]).is_err());
            }
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>) {
            if let Ok(payload) = Payload::read(&bytes) {
                let mut written = Vec::new();
                payload.write(&mut written);
                // A length may have been written with more groups than it needs.
                prop_assert!(written.len() <= bytes.len());
            }
        }
    }
}
