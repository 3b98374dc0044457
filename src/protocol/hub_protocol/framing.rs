//! Records out of the in stream: whatever the pieces it arrives in, each record comes out whole.
//!
//! A record that lies whole in what was received is handed out where it stands. Only one that
//! straddles two receives is copied, into a buffer that is given back afterwards.

use memchr::memchr;

use super::messagepack::Prefix;
use super::{HubProtocolKind, ProtocolError};

/// The byte that ends a JSON record and a handshake (§3.1).
pub(super) const RECORD_SEPARATOR: u8 = 0x1E;

/// The default of `MaximumReceiveMessageSize` in bytes, the separator included (§4.1).
pub const RECEIVE_BYTES_MAX: usize = 32 * 1024;

/// Cuts the in stream of one connection into records, and keeps the unfinished one.
#[derive(Debug, Default)]
pub struct RecordBuffer {
    /// The beginning of a record whose end has not come; or one that was handed out (`spent`).
    pending: Vec<u8>,
    spent: bool,
    /// Records come behind their lengths, not before a separator.
    is_prefixed: bool,
}

impl RecordBuffer {
    /// A buffer that grew beyond this for one record is freed after it.
    const KEPT_BYTES_MAX: usize = 1024;

    /// What comes from here on is framed as this protocol does. At first everything is as the
    /// handshake: JSON with a separator.
    ///
    /// Call it between two records; what follows a handshake in the same piece is not lost.
    pub fn speak(&mut self, protocol: HubProtocolKind) {
        self.is_prefixed = protocol.is_binary();
    }

    /// Takes the next record, without its separator or its prefix, off the front of `input`. `None`: there is no
    /// whole one, and `input` was taken in. Call it until then.
    ///
    /// `bytes_max` is `MaximumReceiveMessageSize`; the separator or the prefix counts. So does
    /// every byte as it arrives: an endless record is refused at its first byte too many, and one
    /// with a prefix before anything behind that was looked at.
    ///
    /// # Errors
    ///
    /// The prefix is none, or the record is too long (§3.10, `message-size-limit`). During the handshake the same
    /// condition is [`Refusal::Canceled`](super::handshake::Refusal::Canceled).
    #[expect(clippy::mut_mut, reason = "the caller's slice shrinks from the front, like a cursor")]
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
        bytes_max: Option<usize>,
    ) -> Result<Option<&'s mut [u8]>, ProtocolError> {
        self.forget_spent();
        if input.is_empty() {
            return Ok(None);
        }
        if self.is_prefixed {
            return self.next_prefixed(input, bytes_max);
        }
        let found = memchr(RECORD_SEPARATOR, input);
        let arrived = self.pending.len() + found.map_or(input.len(), |index| index + 1);
        if let Some(bytes_max) = bytes_max
            && arrived > bytes_max
        {
            return Err(too_long(bytes_max));
        }
        let taken = std::mem::take(input);
        let Some(index) = found else {
            self.pending.extend_from_slice(taken);
            return Ok(None);
        };
        let (record, rest) = taken.split_at_mut(index + 1);
        *input = rest;
        if self.pending.is_empty() {
            return Ok(Some(&mut record[..index]));
        }
        self.pending.extend_from_slice(&record[..index]);
        self.spent = true;
        Ok(Some(&mut self.pending))
    }

    /// [`RecordBuffer::next`] for records with a prefix. Memory grows by what has arrived, never by
    /// what was announced (T-MPLEN).
    #[expect(clippy::mut_mut, reason = "the caller's slice shrinks from the front, like a cursor")]
    fn next_prefixed<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
        bytes_max: Option<usize>,
    ) -> Result<Option<&'s mut [u8]>, ProtocolError> {
        let prefix = Prefix::read(self.pending.iter().chain(input.iter()).copied())?;
        if let Some(prefix) = prefix
            && let Some(bytes_max) = bytes_max
            && prefix.frame() > bytes_max
        {
            return Err(too_long(bytes_max));
        }
        let taken = std::mem::take(input);
        let Some(prefix) =
            prefix.filter(|prefix| prefix.frame() - self.pending.len() <= taken.len())
        else {
            self.pending.extend_from_slice(taken);
            return Ok(None);
        };
        let (frame, rest) = taken.split_at_mut(prefix.frame() - self.pending.len());
        *input = rest;
        if self.pending.is_empty() {
            return Ok(Some(&mut frame[prefix.bytes..]));
        }
        self.pending.extend_from_slice(frame);
        self.spent = true;
        Ok(Some(&mut self.pending[prefix.bytes..]))
    }

    /// How many bytes of an unfinished record are waiting.
    pub fn pending_len(&self) -> usize {
        if self.spent { 0 } else { self.pending.len() }
    }

    /// How many bytes of memory it holds.
    pub fn capacity(&self) -> usize {
        self.pending.capacity()
    }

    /// Forgets an unfinished record, as when a stateful connection lost its socket in the middle
    /// of one and the peer will send it again. Its framing stays.
    pub fn clear(&mut self) {
        self.spent = true;
        self.forget_spent();
    }

    /// The in stream has ended.
    ///
    /// # Errors
    ///
    /// It ended inside a record (§3.1).
    pub fn finish(&self) -> Result<(), ProtocolError> {
        if self.pending_len() == 0 {
            return Ok(());
        }
        Err(ProtocolError::invalid_data("Connection terminated while reading a message."))
    }

    fn forget_spent(&mut self) {
        if !std::mem::take(&mut self.spent) {
            return;
        }
        if self.pending.capacity() > Self::KEPT_BYTES_MAX {
            self.pending = Vec::new();
        } else {
            self.pending.clear();
        }
    }
}

/// The error of a message longer than `bytes_max` (§3.10).
pub(super) fn too_long(bytes_max: usize) -> ProtocolError {
    ProtocolError::invalid_data(format!(
        "The maximum message size of {bytes_max}B was exceeded. The message size can be \
         configured in AddHubOptions."
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The records of `pieces`, and how the stream ended.
    fn records(
        pieces: &[&[u8]],
        bytes_max: Option<usize>,
    ) -> (Vec<Vec<u8>>, Result<(), ProtocolError>) {
        let mut buffer = RecordBuffer::default();
        let mut found = Vec::new();
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut input = piece.as_mut_slice();
            loop {
                match buffer.next(&mut input, bytes_max) {
                    Ok(Some(record)) => found.push(record.to_vec()),
                    Ok(None) => break,
                    Err(error) => return (found, Err(error)),
                }
            }
            assert!(input.is_empty());
        }
        (found, buffer.finish())
    }

    const THREE: &[u8] = b"{\"type\":6}\x1e\x1e{\"type\":1,\"target\":\"x\"}\x1e";

    #[test]
    fn cut_at_any_two_bytes_the_records_are_the_same() {
        let whole = records(&[THREE], None);
        assert_eq!(whole.0.len(), 3);
        assert_eq!(whole.0[1], b"");
        assert_eq!(whole.1, Ok(()));
        for first in 0..=THREE.len() {
            for second in first..=THREE.len() {
                let pieces = [&THREE[..first], &THREE[first..second], &THREE[second..]];
                assert_eq!(records(&pieces, Some(THREE.len())), whole);
            }
        }
        let bytes: Vec<_> = THREE.chunks(1).collect();
        assert_eq!(records(&bytes, None), whole);
    }

    #[test]
    fn a_record_that_came_whole_is_not_copied() {
        let mut piece = THREE.to_vec();
        let place = piece.as_ptr_range();
        let mut input = piece.as_mut_slice();
        let mut buffer = RecordBuffer::default();
        while let Some(record) = buffer.next(&mut input, None).expect("no limit") {
            assert!(record.is_empty() || place.contains(&record.as_ptr()));
        }
        assert_eq!(buffer.pending.capacity(), 0);
    }

    #[test]
    fn the_separator_counts_and_so_does_every_byte_that_came() {
        let text = "The maximum message size of 32768B was exceeded. The message size can be \
                    configured in AddHubOptions.";
        let error = ProtocolError::invalid_data(text);
        let limit = Some(RECEIVE_BYTES_MAX);
        let mut exact = vec![b'x'; RECEIVE_BYTES_MAX - 1];
        exact.push(RECORD_SEPARATOR);
        assert_eq!(records(&[&exact], limit).1, Ok(()));
        let mut longer = vec![b'x'; RECEIVE_BYTES_MAX];
        longer.push(RECORD_SEPARATOR);
        assert_eq!(records(&[&longer], limit), (vec![], Err(error.clone())));
        // Without a separator: exactly as many bytes wait, one more is too many.
        for cut in [0, 1, 100, RECEIVE_BYTES_MAX - 1, RECEIVE_BYTES_MAX] {
            let endless = vec![b'x'; RECEIVE_BYTES_MAX];
            let pieces = [&endless[..cut], &endless[cut..]];
            assert_eq!(
                records(&pieces, limit).1.map_err(|error| error.detail),
                Err("Connection terminated while reading a message.".into())
            );
            let pieces = [&endless[..cut], &endless[cut..], b"x"];
            assert_eq!(records(&pieces, limit).1, Err(error.clone()));
            let pieces = [&endless[..cut], &endless[cut..], b"\x1e"];
            assert_eq!(records(&pieces, limit).1, Err(error.clone()));
        }
        // The limit is for one record, not for what came together.
        let many = exact.repeat(3);
        assert_eq!(records(&[&many], limit).0.len(), 3);
    }

    #[test]
    fn what_comes_before_a_record_that_is_too_long_is_served() {
        let (found, end) = records(&[b"ab\x1eabcdef\x1e"], Some(4));
        assert_eq!(found, [b"ab"]);
        assert!(end.is_err());
    }

    #[test]
    fn half_a_record_can_be_forgotten() {
        let mut buffer = RecordBuffer::default();
        let mut half = *b"{\"ty";
        assert_eq!(buffer.next(&mut half.as_mut_slice(), None), Ok(None));
        assert_eq!(buffer.pending_len(), 4);
        buffer.clear();
        assert_eq!(buffer.finish(), Ok(()));
        let mut whole = *b"x\x1e";
        let record = buffer.next(&mut whole.as_mut_slice(), None);
        assert_eq!(record, Ok(Some(b"x".to_vec().as_mut_slice())));
    }

    #[test]
    fn a_straddling_record_is_given_back() {
        let mut buffer = RecordBuffer::default();
        let mut big = vec![b'x'; 8000];
        assert_eq!(buffer.next(&mut big.as_mut_slice(), None), Ok(None));
        let mut end = *b"\x1e";
        let record = buffer.next(&mut end.as_mut_slice(), None).expect("no limit");
        assert_eq!(record.map(|record| record.len()), Some(8000));
        assert_eq!(buffer.pending_len(), 0);
        assert_eq!(buffer.finish(), Ok(()));
        assert_eq!(buffer.next(&mut [].as_mut_slice(), None), Ok(None));
        assert_eq!(buffer.pending.capacity(), 0);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"ab\x1e"[..]), 0..12), 0..12),
            bytes_max in 1..12_usize,
        ) {
            let whole = pieces.concat();
            let mut expected: Vec<Vec<u8>> =
                whole.split(|byte| *byte == RECORD_SEPARATOR).map(<[u8]>::to_vec).collect();
            let rest = expected.pop().expect("a split has a last part");
            let fitting = expected.iter().take_while(|record| record.len() < bytes_max).count();
            let is_too_long = fitting < expected.len() || rest.len() > bytes_max;
            expected.truncate(fitting);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (found, end) = records(&pieces, Some(bytes_max));
            prop_assert_eq!(found, expected);
            prop_assert_eq!(end.is_ok(), !is_too_long && rest.is_empty());
            if is_too_long {
                prop_assert_eq!(end, Err(too_long(bytes_max)));
            }
        }
    }
}
