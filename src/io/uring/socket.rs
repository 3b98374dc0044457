//! What the driver knows of one socket: small, because there are many and most are idle.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use crate::base::Batch;

pub(super) struct Socket {
    pub(super) descriptor: OwnedFd,
    pub(super) receiving: Receiving,
    pub(super) stage: Stage,
    pub(super) outgoing: Outgoing,
    pub(super) is_paused: bool,
    pub(super) is_finished: bool,
    pub(super) is_lost: bool,
    /// What the kernel is sending.
    pub(super) batch: Option<Batch>,
}

/// Whether a receive is outstanding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiving {
    No,
    /// Is in the list of those to be armed.
    Soon,
    Armed,
}

/// Whether the socket ends, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Closing { reset: bool },
    Detaching,
}

/// What became of our direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outgoing {
    Open,
    /// A FIN follows the batch in flight.
    Ending,
    Ended,
}

impl Socket {
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self {
            descriptor,
            receiving: Receiving::No,
            stage: Stage::Open,
            outgoing: Outgoing::Open,
            is_paused: false,
            is_finished: false,
            is_lost: false,
            batch: None,
        }
    }

    /// Whether the kernel works on the socket.
    pub(super) fn is_busy(&self) -> bool {
        self.receiving == Receiving::Armed || self.batch.is_some()
    }

    /// Whether a receive should be outstanding.
    pub(super) fn wants_bytes(&self) -> bool {
        self.stage == Stage::Open && !self.is_paused && !self.is_finished && !self.is_lost
    }

    /// Whether bytes and their end are told. A socket that is being detached tells what it has
    /// already received, because nobody could receive it again.
    pub(super) fn hears_bytes(&self) -> bool {
        !matches!(self.stage, Stage::Closing { .. }) && !self.is_finished && !self.is_lost
    }

    /// Why a batch cannot be sent now.
    pub(super) fn refusal(&self) -> Option<ErrorKind> {
        if self.batch.is_some() {
            Some(ErrorKind::ResourceBusy)
        } else if self.stage != Stage::Open {
            Some(ErrorKind::ConnectionAborted)
        } else if self.is_lost {
            Some(ErrorKind::NotConnected)
        } else if self.outgoing != Outgoing::Open {
            Some(ErrorKind::BrokenPipe)
        } else {
            None
        }
    }
}

const _: () = assert!(size_of::<Socket>() <= 48, "idle sockets stay small");
