//! What a completion is about, in the 64 bits that the kernel carries along: never a pointer, so
//! that a completion that nobody expects any more finds nothing.

use crate::base::{Keyed as _, SocketKey};

/// The kind of an operation and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Receive(Owner),
    Send(Owner),
    /// Cancels whatever of the socket is outstanding, or its receive.
    Cancel(Owner),
    /// Accepts at the door with this index.
    Accept(u32),
    CancelAccept,
    Wake,
    AcceptTimer,
    /// An end of everything, or a trial.
    Other,
}

/// A socket's slot, and as much of its generation as fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) slot: u32,
    generation: u32,
}

impl Owner {
    pub(super) fn new(key: SocketKey) -> Self {
        Self { slot: key.slot(), generation: key.generation() & GENERATION_MASK }
    }
}

impl Tag {
    pub(super) fn to_bits(self) -> u64 {
        let (kind, slot, generation) = match self {
            Self::Other => (0, 0, 0),
            Self::Receive(owner) => (1, owner.slot, owner.generation),
            Self::Send(owner) => (2, owner.slot, owner.generation),
            Self::Cancel(owner) => (3, owner.slot, owner.generation),
            Self::Accept(door) => (4, door, 0),
            Self::CancelAccept => (5, 0, 0),
            Self::Wake => (6, 0, 0),
            Self::AcceptTimer => (7, 0, 0),
        };
        kind << KIND_SHIFT | u64::from(generation) << u32::BITS | u64::from(slot)
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        let slot = bits as u32;
        let generation = (bits >> u32::BITS) as u32 & GENERATION_MASK;
        let owner = Owner { slot, generation };
        match bits >> KIND_SHIFT {
            1 => Self::Receive(owner),
            2 => Self::Send(owner),
            3 => Self::Cancel(owner),
            4 => Self::Accept(slot),
            5 => Self::CancelAccept,
            6 => Self::Wake,
            7 => Self::AcceptTimer,
            _ => Self::Other,
        }
    }
}

const KIND_SHIFT: u32 = 60;
const GENERATION_MASK: u32 = (1 << (KIND_SHIFT - u32::BITS)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_the_kernel() {
        for key in [SocketKey::new(0, 1), SocketKey::new(u32::MAX, u32::MAX)] {
            let owner = Owner::new(key);
            for tag in [
                Tag::Receive(owner),
                Tag::Send(owner),
                Tag::Cancel(owner),
                Tag::Accept(3),
                Tag::CancelAccept,
                Tag::Wake,
                Tag::AcceptTimer,
                Tag::Other,
            ] {
                assert_eq!(Tag::from_bits(tag.to_bits()), tag);
            }
        }
    }
}
