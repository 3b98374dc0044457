//! The other end of compressed messages: another implementation of DEFLATE.

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, deflate::stream::deflate};

/// What ends every compressed message and is not sent (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Both directions, each with a window of 32 KiB that it keeps.
pub(crate) struct Peer {
    deflater: Box<CompressorOxide>,
    inflater: Box<InflateState>,
}

impl Default for Peer {
    fn default() -> Self {
        // A level, a raw stream, the default strategy.
        let flags = create_comp_flags_from_zip_params(6, -15, 0);
        Self {
            deflater: Box::new(CompressorOxide::new(flags)),
            inflater: InflateState::new_boxed(DataFormat::Raw),
        }
    }
}

impl Peer {
    pub(crate) fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        if message.is_empty() {
            return vec![0];
        }
        let mut out = Vec::new();
        let mut rest = message;
        let mut room = [0; 4096];
        loop {
            let done = deflate(&mut self.deflater, rest, &mut room, MZFlush::Sync);
            rest = &rest[done.bytes_consumed..];
            out.extend_from_slice(&room[..done.bytes_written]);
            if rest.is_empty() && done.bytes_written < room.len() {
                break;
            }
        }
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }

    pub(crate) fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let whole = [payload, &TAIL].concat();
        let mut out = Vec::new();
        let mut rest = whole.as_slice();
        let mut room = [0; 4096];
        loop {
            let done = inflate(&mut self.inflater, rest, &mut room, MZFlush::None);
            rest = &rest[done.bytes_consumed..];
            out.extend_from_slice(&room[..done.bytes_written]);
            match done.status {
                Ok(_) | Err(MZError::Buf) => {}
                Err(error) => panic!("what was sent cannot be inflated: {error:?}"),
            }
            if rest.is_empty() && done.bytes_written < room.len() {
                return out;
            }
        }
    }
}
