//! What goes wrong for the operator.

use std::io;
use std::net::SocketAddr;

/// An error of the operator or of the system, told to whoever called `bind`, `run` or `turn`.
/// Its text says what happened and what to do, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration asks for what cannot be.
    #[error("{0}")]
    Config(String),
    /// A text is no address to listen on.
    #[error("{0:?} is no address: say host:port, for instance 127.0.0.1:5000")]
    Address(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {} ({source})", advice(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The way to talk to the kernel that was asked for is refused.
    #[error("{0}")]
    Driver(io::Error),
    /// The system failed while the server ran.
    #[error("the driver failed: {0}")]
    System(#[from] io::Error),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use; stop the other program or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; choose a higher port"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "the system refuses",
    }
}
