//! The length in front of every record: seven bits in each byte, the lowest first (§3.1).

use crate::protocol::hub_protocol::ProtocolError;

/// Bytes of the longest prefix.
pub(in super::super) const PREFIX_BYTES_MAX: usize = 5;

/// The length that a peer announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Prefix {
    /// Bytes of the prefix itself.
    pub(in super::super) bytes: usize,
    /// Bytes of the record behind it.
    pub(in super::super) record: usize,
}

impl Prefix {
    /// Reads the prefix at the beginning of what came in; nothing, if its end has not come.
    /// A prefix that is longer than it had to be is one, too.
    ///
    /// # Errors
    ///
    /// The length has more than 31 bits.
    pub(in super::super) fn read(
        input: impl Iterator<Item = u8>,
    ) -> Result<Option<Self>, ProtocolError> {
        let mut record = 0_usize;
        for (index, byte) in input.take(PREFIX_BYTES_MAX).enumerate() {
            // The fifth byte has room for three bits, and no sixth may follow.
            if index + 1 == PREFIX_BYTES_MAX && byte > 7 {
                return Err(ProtocolError {
                    type_name: "FormatException",
                    detail: "Messages over 2GB in size are not supported.".into(),
                });
            }
            record |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(Some(Self { bytes: index + 1, record }));
            }
        }
        Ok(None)
    }

    /// Bytes of the whole frame.
    pub(in super::super) fn frame(self) -> usize {
        self.bytes + self.record
    }
}

/// Puts the prefix in front of the record that begins at `start` and goes on to the end of `out`.
///
/// One byte was left for it, which is enough for most; longer records are moved.
pub(in super::super) fn write_prefix(out: &mut Vec<u8>, start: usize) {
    let record = out.len() - start - 1;
    let mut prefix = [0; PREFIX_BYTES_MAX];
    let mut rest = record;
    let mut bytes = 0;
    loop {
        let more = rest > 0x7f;
        prefix[bytes] = (rest & 0x7f) as u8 | u8::from(more) << 7;
        bytes += 1;
        rest >>= 7;
        if !more {
            break;
        }
    }
    if bytes > 1 {
        out.resize(out.len() + bytes - 1, 0);
        out.copy_within(start + 1..start + 1 + record, start + bytes);
    }
    out[start..start + bytes].copy_from_slice(&prefix[..bytes]);
}

/// The record behind the prefix of one whole frame that was written here.
pub(in super::super) fn unframed(frame: &mut [u8]) -> &mut [u8] {
    let prefix = Prefix::read(frame.iter().copied());
    let prefix = prefix.expect("a length of ours fits").expect("the frame is whole");
    &mut frame[prefix.bytes..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
        let prefix = Prefix::read(bytes.iter().copied())?;
        Ok(prefix.map(|prefix| (prefix.bytes, prefix.record)))
    }

    /// The table of §3.1; COR-088.
    #[test]
    fn lengths_are_read_as_they_are_written() {
        for (length, bytes) in [
            (0, &[0][..]),
            (1, &[1]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
        ] {
            assert_eq!(read(bytes), Ok(Some((bytes.len(), length))));
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Ok(None));
            }
            let mut out = b"before".to_vec();
            out.push(0);
            out.extend((0..length).map(|index| index as u8));
            write_prefix(&mut out, 6);
            assert_eq!(&out[..6], b"before");
            assert_eq!(&out[6..6 + bytes.len()], bytes, "{length}");
            assert!(out[6 + bytes.len()..].iter().copied().eq((0..length).map(|i| i as u8)));
        }
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x07]), Ok(Some((5, 0x7fff_ffff))));
        assert_eq!(read(&[0x8d, 0x00]), Ok(Some((2, 13))), "longer than needed");
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x00]), Ok(Some((5, 0))));
        assert_eq!(read(&[0x81, 0x80, 0x80, 0x80]), Ok(None));
        for fifth in [8, 0x0f, 0x7f, 0x80, 0x87, 0xff] {
            let error = read(&[0xff, 0xff, 0xff, 0xff, fifth]).expect_err("31 bits at most");
            assert_eq!(
                error.to_string(),
                "FormatException: Messages over 2GB in size are not supported."
            );
        }
    }
}
