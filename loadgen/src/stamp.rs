//! What is written on a message, so that it is known again: whose it is, which one, and when it
//! was meant to leave.

use std::fmt::Write as _;

use tickhub::base::Moment;

/// The mark on one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The run that sent it. Two generators may share a server.
    pub(crate) run: u32,
    /// Counted from 0 within the run.
    pub(crate) number: u64,
    /// When it was meant to leave, in the time of the run.
    pub(crate) intended: Moment,
}

impl Stamp {
    /// The length of the text of a stamp, and so of the shortest message.
    pub(crate) const BYTES: usize = 3 + 9 + 17 + 17;

    /// Replaces `text` by a message of `size` bytes that carries this stamp.
    pub(crate) fn write(&self, text: &mut String, size: usize) {
        text.clear();
        let Self { run, number, intended } = self;
        write!(text, "th:{run:08x}:{number:016x}:{:016x}:", intended.as_nanos())
            .expect("a String takes everything");
        debug_assert_eq!(text.len(), Self::BYTES, "all fields have a fixed width");
        // Nothing that an encoding would have to escape, so that the size on the wire is known.
        text.extend(std::iter::repeat_n('.', size.saturating_sub(Self::BYTES)));
    }

    /// Finds the stamp at the beginning of an encoded string. What the encoding puts in front
    /// (a quote, a length) is skipped, so that no value has to be decoded.
    pub(crate) fn find(value: &[u8]) -> Option<Self> {
        let begin = value.windows(3).take(HEAD_BYTES_MAX + 1).position(|mark| mark == b"th:")?;
        let text = value.get(begin..begin + Self::BYTES)?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix(':')?;
        let mut fields = text.split(':').skip(1);
        let run = u32::from_str_radix(fields.next()?, 16).ok()?;
        let number = u64::from_str_radix(fields.next()?, 16).ok()?;
        let intended = u64::from_str_radix(fields.next()?, 16).ok()?;
        let intended = Moment::from_nanos(intended);
        fields.next().is_none().then_some(Self { run, number, intended })
    }
}

/// The longest head of a string: five bytes in `MessagePack`.
const HEAD_BYTES_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp =
        Stamp { run: 0xfe, number: u64::MAX, intended: Moment::from_nanos(1_234_567_890) };

    #[test]
    fn a_stamp_is_found_in_what_was_written() {
        for size in [Stamp::BYTES, 64, 4096] {
            let mut text = "before".to_owned();
            STAMP.write(&mut text, size);
            assert_eq!(text.len(), size);
            assert_eq!(Stamp::find(text.as_bytes()), Some(STAMP));
        }
    }

    #[test]
    fn the_head_of_an_encoding_is_skipped() {
        let mut text = String::new();
        STAMP.write(&mut text, 64);
        assert_eq!(Stamp::find(serde_json::to_string(&text).unwrap().as_bytes()), Some(STAMP));
        let packed = [&[0xdb, 0, 0, 0, 64], text.as_bytes()].concat();
        assert_eq!(Stamp::find(&packed), Some(STAMP));
    }

    #[test]
    fn the_shortest_message_is_the_stamp() {
        let mut text = String::new();
        STAMP.write(&mut text, 0);
        assert_eq!(text.len(), Stamp::BYTES);
    }

    #[test]
    fn what_carries_no_stamp_has_none() {
        let mut text = String::new();
        STAMP.write(&mut text, 64);
        for cut in 0..Stamp::BYTES {
            assert_eq!(Stamp::find(&text.as_bytes()[..cut]), None);
        }
        assert_eq!(Stamp::find(format!("too far {text}").as_bytes()), None);
        assert_eq!(Stamp::find(text.replace("fe:", "fg:").as_bytes()), None);
        assert_eq!(Stamp::find(&[0xff; 64]), None);
    }
}
