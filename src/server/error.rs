//! What goes wrong for the operator.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::auth::JwtError;

/// An error of the operator or of the system, told to whoever called `bind`, `run` or `turn`.
/// Its text says what happened and what to do, in one line; only mistakes of a configuration may
/// be several.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration asks for what cannot be: everything that is wrong with it.
    #[error("{}", together(.0))]
    Config(Vec<ConfigMistake>),
    /// A file of keys holds none that can be used.
    #[error("{}: {error}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        error: JwtError,
    },
    /// A configuration file, or a file of keys, cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
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

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMistake {
    /// The file and the line where it stands; nothing, if code says it.
    pub at: Option<(PathBuf, usize)>,
    /// What it is about.
    pub place: ConfigPlace,
    /// The option, its value, and what is allowed.
    pub what: String,
}

/// A part of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigPlace {
    /// The file as a whole.
    File,
    /// The server as a whole.
    Server,
    /// The tokens that are accepted.
    Jwt,
    /// All hubs.
    EveryHub,
    /// The hub, or the connection without a hub, at a path.
    Hub(String),
    /// The hubs, or the `PersistentConnection`, of classic SignalR below a path.
    Classic(String),
    /// The plain WebSocket at a path.
    WebSocket(String),
    /// Ordinary requests at a path and below it.
    Http(String),
}

impl ConfigPlace {
    /// Whether both are the same part, however its path is spelled.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.path_is_same(other)
    }

    /// Whether both stand at one path.
    pub(super) fn path_is_same(&self, other: &Self) -> bool {
        let clean = |place: &Self| place.path().map(|path| path.trim_matches('/').to_owned());
        match (clean(self), clean(other)) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(&two),
            _ => false,
        }
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::Hub(path) | Self::Classic(path) | Self::WebSocket(path) | Self::Http(path) => {
                Some(path)
            }
            Self::File | Self::Server | Self::Jwt | Self::EveryHub => None,
        }
    }
}

impl fmt::Display for ConfigPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Server => f.write_str("server"),
            Self::Jwt => f.write_str("jwt"),
            Self::EveryHub => f.write_str("every hub"),
            Self::Hub(path) => write!(f, "hub {path}"),
            Self::Classic(path) => write!(f, "classic {path}"),
            Self::WebSocket(path) => write!(f, "websocket {path}"),
            Self::Http(path) => write!(f, "http {path}/"),
        }
    }
}

impl fmt::Display for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.at {
            write!(f, "{}:{line}: ", file.display())?;
        }
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// One mistake is one line; several stand below each other.
fn together(mistakes: &[ConfigMistake]) -> String {
    if let [one] = mistakes {
        return one.to_string();
    }
    let lines = mistakes.iter().map(|mistake| format!("\n  {mistake}"));
    format!("{} mistakes in the configuration:{}", mistakes.len(), lines.collect::<String>())
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
