//! Why a run did not come to be.

use std::io;

/// One line that says what is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What was asked for makes no sense, or is not allowed.
    #[error("{0}")]
    Usage(String),
    /// The first connection could not be opened.
    #[error("cannot connect to {url}: {reason}")]
    Unreachable {
        /// Where to.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The server is there, but does not do what the run needs.
    #[error("{0}")]
    Unfit(String),
    /// The operating system failed us.
    #[error("the system failed: {0}")]
    System(#[from] io::Error),
}

impl Error {
    /// 2 for what the user can mend on the command line, 1 for the rest.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Unfit(_) | Self::System(_) => 1,
        }
    }
}
