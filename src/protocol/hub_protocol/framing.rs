//! Records out of the in stream: whatever the pieces it arrives in, each record comes out whole.
//!
//! A record that lies whole in what was received is handed out where it stands. Only one that
//! straddles two receives is copied, into a buffer that is given back afterwards.

use memchr::memchr;

use super::ProtocolError;

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
}

impl RecordBuffer {
    /// A buffer that grew beyond this for one record is freed after it.
    const KEPT_BYTES_MAX: usize = 1024;

    /// Takes the next record, without its separator, off the front of `input`. `None`: there is no
    /// whole one, and `input` was taken in. Call it until then.
    ///
    /// `bytes_max` is `MaximumReceiveMessageSize`; the separator counts. So does every byte as it
    /// arrives: an endless record is refused at its first byte too many.
    ///
    /// # Errors
    ///
    /// The record is too long (§3.10, `message-size-limit`). During the handshake the same
    /// condition is [`Refusal::Canceled`](super::handshake::Refusal::Canceled).
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
        bytes_max: Option<usize>,
    ) -> Result<Option<&'s mut [u8]>, ProtocolError> {
        self.forget_spent();
        if input.is_empty() {
            return Ok(None);
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

    /// How many bytes of an unfinished record are waiting.
    pub fn pending_len(&self) -> usize {
        if self.spent { 0 } else { self.pending.len() }
    }

    /// Forgets an unfinished record, as when a stateful connection lost its socket in the middle
    /// of one and the peer will send it again.
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
